#pragma once
// Outside judges: whom to ask, about which calls, and what they may cost. Part of the `analysis` section.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/yaml.h"

namespace sentinel::app {

enum class JudgeKind : uint8_t { kModeration, kEmbeddings, kChat };
std::string_view judge_kind_name(JudgeKind kind);  // moderation, embeddings, judge

// Which of our scores is put to the judge; each as a number 0..1.
enum class JudgedScore : uint8_t {
  kSafety,      // 1 − safety_score
  kInjection,   // prompt_injection_risk
  kSimilarity,  // semantic_similarity_score
  kSupport,     // 1 − support_score; the judge reads the document, redacted
};
std::string_view judged_score_name(JudgedScore score);

struct JudgeConfig {
  std::string name;
  JudgeKind kind = JudgeKind::kModeration;
  std::string base_url;  // ends in /v1
  std::string model;
  std::string api_key;  // a secret; empty: none is sent
  JudgedScore score = JudgedScore::kSafety;
  double band_from = 0.3;  // only calls whose own score lies in the band, where it is uncertain
  double band_to = 0.7;
  double sample = 1.0;  // share of those
  int64_t per_minute = 30;
  int64_t microusd_per_day = 1'000'000;
  int64_t microusd_per_call = 0;  // where the answer has no token counts with a price
};

// Whether any of them reads documents.
bool read_documents(const std::vector<JudgeConfig>& judges);
Result<std::vector<JudgeConfig>> parse_judges(const text::YamlNode& node);

}  // namespace sentinel::app
