// Arbitrary bytes through every text path: normaliser, PII, support, and the whole analysis.
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "analysis/analyzer.h"
#include "analysis/normalize.h"
#include "analysis/pii.h"
#include "analysis/support.h"
#include "base/check.h"
#include "base/strings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::analysis;
  static const std::unique_ptr<Analyzer> analyzer = Analyzer::open({}).value();
  static const std::unique_ptr<PiiDetector> pii = make_pii_detector().value();
  static const std::unique_ptr<SupportDetector> support = make_support_detector(HeadModel::embedded());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Normalized normalized = normalize(text);
  SENTINEL_CHECK(is_valid_utf8(normalized.text));
  for (const std::string& part : normalized.decoded) SENTINEL_CHECK(is_valid_utf8(part));

  size_t at = 0;
  for (const Span& span : pii->find(text)) {
    SENTINEL_CHECK(span.begin >= at && span.begin < span.end && span.end <= text.size());
    at = span.end;
  }
  const std::string_view first = text.substr(0, size / 2);
  const std::string_view second = text.substr(size / 2);
  if (const auto result = support->score(first, "", second)) {
    SENTINEL_CHECK(result->score >= 0 && result->score <= 1);
    for (const Span& span : result->unsupported) SENTINEL_CHECK(span.begin < span.end && span.end <= second.size());
  }
  model::Interaction call;
  call.prompt = first;
  call.response = second;
  call.context = text.substr(size / 3);
  call.tool_output = text.substr(size / 4);
  analyzer->analyze(call);
  for (const std::string& line : call.explanation) SENTINEL_CHECK(is_valid_utf8(line));
  SENTINEL_CHECK(*call.safety_score >= 0 && *call.safety_score <= 1 && is_valid_utf8(call.prompt) &&
                 is_valid_utf8(call.response));
  return 0;
}
