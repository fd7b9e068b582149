#include "analysis/quality.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <vector>

#include "analysis/common_words.h"
#include "analysis/embedding.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

constexpr size_t kStemBytes = 5;  // "resetting" and "reset" agree in their first five bytes
constexpr size_t kShortAnswerWords = 4;
constexpr double kNeutral = 0.6;
constexpr double kHalfway = 0.57;  // the evidence that makes 0.5
constexpr size_t kRepetitionWordsMin = 20;

uint32_t stem_hash(std::string_view word) { return hash_bytes(word.substr(0, kStemBytes), 7); }

struct Word {
  uint32_t hash;
  uint32_t stem;
  double weight;
};

std::vector<Word> content_words(const HeadModel& model, std::string_view text, const FeatureDoc& doc) {
  std::vector<Word> words;
  std::vector<bool> seen(doc.distinct().size(), false);
  for (const FeatureDoc::Token& token : doc.tokens()) {
    if (seen[token.distinct]) continue;
    seen[token.distinct] = true;
    const std::string_view word = text.substr(token.begin, token.end - token.begin);
    if (word.size() < 2 || is_stop_word(word)) continue;
    const uint32_t hash = doc.distinct()[token.distinct].word_hash;
    words.push_back({hash, stem_hash(word), model.idf(hash)});
  }
  return words;
}

}  // namespace

Overlap topical_overlap(const HeadModel& model, std::string_view question, const FeatureDoc& question_doc,
                        std::string_view answer, const FeatureDoc& answer_doc) {
  const std::vector<Word> asked = content_words(model, question, question_doc);
  const std::vector<Word> given = content_words(model, answer, answer_doc);
  absl::flat_hash_set<uint32_t> stems;
  for (const Word& word : given) stems.insert(word.stem);
  double found = 0;
  double total = 0;
  for (const Word& word : asked) {
    total += word.weight;
    if (stems.contains(word.stem)) found += word.weight;
  }
  // A long prompt is not repeated whole: what an answer of this length could cover is the yardstick.
  const double reachable =
      std::min(1.0, (2.0 + static_cast<double>(given.size())) / (1.0 + static_cast<double>(asked.size())));
  Overlap out;
  out.containment = total > 0 ? std::min(1.0, found / (total * std::max(0.15, reachable))) : 0;
  out.cosine = cosine(embed_doc(model, question_doc), embed_doc(model, answer_doc));
  return out;
}

double semantic_similarity(const HeadModel& model, std::string_view question, const FeatureDoc& question_doc,
                           std::string_view answer, const FeatureDoc& answer_doc) {
  if (answer_doc.empty()) return 0;
  size_t answer_words = 0;
  for (const FeatureDoc::Token& token : answer_doc.tokens()) answer_words += token.end - token.begin > 1;
  if (answer_words <= kShortAnswerWords || question_doc.tokens().size() < 2) return kNeutral;
  const Overlap overlap = topical_overlap(model, question, question_doc, answer, answer_doc);
  const double raw = 2.2 * overlap.containment + 3.0 * std::max(0.0, overlap.cosine);
  return raw / (raw + kHalfway);  // leaves room above: most good answers lie between 0.6 and 0.9
}

bool is_refusal(std::string_view folded) {
  static constexpr std::string_view kPhrases[] = {"i can't help with",
                                                  "i cannot help with",
                                                  "i can't assist",
                                                  "i cannot assist",
                                                  "i'm not able to help",
                                                  "i am not able to help",
                                                  "i'm unable to",
                                                  "i am unable to",
                                                  "i won't be able to",
                                                  "i must decline",
                                                  "i have to decline",
                                                  "i can't provide",
                                                  "i cannot provide",
                                                  "i can't comply",
                                                  "i cannot comply",
                                                  "i can't do that",
                                                  "i cannot do that",
                                                  "against my guidelines",
                                                  "violates our policy",
                                                  "as an ai language model, i can",
                                                  "i'm sorry, but i can",
                                                  "i apologize, but i can",
                                                  "i am sorry, but i can",
                                                  "i will not help",
                                                  "i won't help",
                                                  "cannot fulfill",
                                                  "can't fulfill",
                                                  "ich kann dabei nicht helfen",
                                                  "je ne peux pas vous aider",
                                                  "no puedo ayudarte"};
  std::string plain = replace_all(std::string(utf8_prefix(folded, 400)), "\xE2\x80\x99", "'");
  return std::any_of(std::begin(kPhrases), std::end(kPhrases),
                     [&](std::string_view phrase) { return plain.find(phrase) != std::string::npos; });
}

bool is_truncated(std::string_view answer, std::string_view finish_reason) {
  if (finish_reason == "length" || finish_reason == "max_tokens" || finish_reason == "MAX_TOKENS") return true;
  if (!finish_reason.empty()) return false;
  const std::string_view text = trim(answer);
  if (text.size() < 200) return false;
  const char last = text.back();
  return (last >= 'a' && last <= 'z') || last == ',';
}

bool is_broken_json(std::string_view answer) {
  std::string_view text = trim(answer);
  if (text.starts_with("```")) {
    const size_t line = text.find('\n');
    if (line == text.npos) return false;
    text.remove_prefix(line + 1);
    text = trim(text.substr(0, text.rfind("```")));
  }
  const auto after = [&](char first, std::string_view next) {
    if (!text.starts_with(first)) return false;
    const size_t at = text.find_first_not_of(" \t\r\n", 1);
    return at != text.npos && next.find(text[at]) != next.npos;
  };
  if (!after('{', "\"}") && !after('[', "{")) return false;
  boost::system::error_code error;
  (void)boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  return static_cast<bool>(error);
}

std::string_view script_of(std::string_view text) {
  struct Range {
    uint32_t from, to;
    uint8_t script;
  };
  static constexpr std::string_view kNames[] = {
      "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Indic", "Chinese or Japanese", "Korean"};
  static constexpr Range kRanges[] = {{0x41, 0x5a, 0},     {0x61, 0x7a, 0},     {0xc0, 0x24f, 0},   {0x370, 0x3ff, 2},
                                      {0x400, 0x52f, 1},   {0x590, 0x5ff, 4},   {0x600, 0x77f, 3},  {0x900, 0xdff, 5},
                                      {0x3040, 0x30ff, 6}, {0x3400, 0x9fff, 6}, {0xac00, 0xd7af, 7}};
  constexpr size_t kLettersMin = 30;
  constexpr size_t kBytesMax = 4096;
  std::array<size_t, std::size(kNames)> letters{};
  size_t all = 0;
  for (size_t i = 0; i < std::min(text.size(), kBytesMax);) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : length == 2 ? lead & 0x1fU : length == 3 ? lead & 0x0fU : lead & 0x07U;
    for (size_t k = 1; k < length && i + k < text.size(); ++k)
      c = (c << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3fU);
    i += length;
    for (const Range& range : kRanges) {
      if (c < range.from || c > range.to) continue;
      ++letters[range.script];
      ++all;
    }
  }
  const auto most = std::max_element(letters.begin(), letters.end());
  if (all < kLettersMin || *most * 5 < all * 4) return "";
  return kNames[static_cast<size_t>(most - letters.begin())];
}

double repetition(const FeatureDoc& doc) {
  const size_t words = doc.tokens().size();
  if (words < kRepetitionWordsMin) return 0;
  absl::flat_hash_set<uint64_t> seen;
  size_t repeated = 0;
  for (size_t i = 0; i + 4 <= words; ++i) {
    uint64_t h = 0;
    for (size_t k = 0; k < 4; ++k) h = (h ^ doc.tokens()[i + k].distinct) * 0x9e3779b97f4a7c15ULL;
    repeated += !seen.insert(h).second;
  }
  return static_cast<double>(repeated) / static_cast<double>(words - 3);
}

bool is_blank(std::string_view text) {
  const std::string cleaned = replace_all(replace_all(std::string(text), "\xE2\x80\x8B", ""), "\xC2\xA0", "");
  return trim(cleaned).empty();
}

}  // namespace sentinel::analysis
