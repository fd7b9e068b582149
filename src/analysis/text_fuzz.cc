// Arbitrary bytes through each piece that the detectors are made of, alone: raw, as no normaliser has seen them.
#include <cmath>
#include <cstdint>
#include <string_view>

#include "analysis/drift_reference.h"
#include "analysis/embedding.h"
#include "analysis/normalize.h"
#include "analysis/quality.h"
#include "analysis/risk.h"
#include "analysis/support_text.h"
#include "analysis/validators.h"
#include "base/check.h"
#include "base/strings.h"

namespace {

using namespace sentinel;
using namespace sentinel::analysis;

void check_validators(std::string_view text) {
  (void)luhn_valid(text), (void)card_valid(text), (void)iban_valid(text), (void)ssn_valid(text), (void)nino_valid(text);
  (void)ipv4_public_shape(text), (void)ipv6_valid(text), (void)bitcoin_base58_valid(text), (void)phone_valid(text);
  (void)date_valid(text), (void)looks_like_uuid(text), (void)all_hex(text);
  SENTINEL_CHECK(shannon_entropy(text) >= 0 && shannon_entropy(text) <= 8);
}

void check_risks(const HeadModel& model, std::string_view text) {
  const TextAssessment assessment = assess(model, text);
  for (const auto& risk : {injection_risk(model, assessment, 0.0), toxicity_risk(model, assessment, 0.0),
                           risky_risk(model, assessment, 0.0), safety_risk(model, assessment)}) {
    SENTINEL_CHECK(risk.risk >= 0 && risk.risk <= 1 && !risk.label.empty());
    for (const std::string& line : risk.evidence) SENTINEL_CHECK(is_valid_utf8(line));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const HeadModel& model = HeadModel::embedded();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_validators(text.substr(0, 64));
  check_risks(model, text);
  SENTINEL_CHECK(is_valid_utf8(fold(text)));
  const FeatureDoc doc(text);
  for (const FeatureDoc::Token& token : doc.tokens()) SENTINEL_CHECK(token.begin < token.end && token.end <= size);
  for (const HeadScores::PerHead& head : model.score(doc).head) SENTINEL_CHECK(std::isfinite(head.window_max));
  for (const float x : embed_doc(model, doc)) SENTINEL_CHECK(std::isfinite(x));
  for (const float x : style_of(text, doc, false)) SENTINEL_CHECK(std::isfinite(x));
  (void)drift_text(text), (void)is_refusal(text), (void)is_broken_json(text), (void)script_of(text),
      (void)is_truncated(text, "stop"), (void)is_blank(text);
  SENTINEL_CHECK(repetition(doc) >= 0 && repetition(doc) <= 1);
  const Text words = support_text(model, text);
  for (const Word& word : words.words) SENTINEL_CHECK(word.begin < word.end && word.end <= size);
  for (const Sentence& s : words.sentences) SENTINEL_CHECK(s.first <= s.last && s.last <= words.words.size());
  const std::string_view half = text.substr(size / 2);
  const double similarity = semantic_similarity(model, text, doc, half, FeatureDoc(half));
  SENTINEL_CHECK(similarity >= 0 && similarity <= 1);
  return 0;
}
