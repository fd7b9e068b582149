#include "app/judge_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace sentinel::app {
namespace {

using text::YamlNode;

constexpr std::array<std::string_view, 3> kKinds{"moderation", "embeddings", "judge"};
constexpr std::array<std::string_view, 4> kScores{"safety", "injection", "similarity", "support"};
constexpr size_t kJudgesMax = 16;
constexpr double kMicroDollars = 1e6;
constexpr double kUsdPerDayMax = 100'000;

template <class Names>
Result<size_t> word_of(const YamlNode& node, const Names& names) {
  SENTINEL_ASSIGN(const std::string word, node.string());
  const auto it = std::find(names.begin(), names.end(), word);
  if (it == names.end()) {
    const std::string_view last = names.back();
    return fail(node.error(fmt::format("expected {} or {}", fmt::join(names.begin(), names.end() - 1, ", "), last)));
  }
  return static_cast<size_t>(it - names.begin());
}

Result<int64_t> dollars(const YamlNode& node, std::string_view key, int64_t fallback) {
  SENTINEL_ASSIGN(const double usd, node.number_or(key, static_cast<double>(fallback) / kMicroDollars));
  if (!(usd >= 0 && usd <= kUsdPerDayMax)) return fail(node.get(key).error("expected dollars, 0 to 100000"));
  return static_cast<int64_t>(std::llround(usd * kMicroDollars));
}

Status parse_band(const YamlNode& node, JudgeConfig& out) {
  if (node.is_null()) return {};
  if (!node.is_list() || node.size() != 2) return fail(node.error("expected [from, to], such as [0.3, 0.7]"));
  SENTINEL_ASSIGN(out.band_from, node.at(0).number());
  SENTINEL_ASSIGN(out.band_to, node.at(1).number());
  if (!(out.band_from >= 0 && out.band_from < out.band_to && out.band_to <= 1))
    return fail(node.error("expected two numbers from 0 to 1, the lower one first"));
  return {};
}

// Whose score each kind can say something of.
Status parse_score(const YamlNode& node, JudgeConfig& out) {
  out.score = out.kind == JudgeKind::kModeration   ? JudgedScore::kSafety
              : out.kind == JudgeKind::kEmbeddings ? JudgedScore::kSimilarity
                                                   : JudgedScore::kInjection;
  const YamlNode score = node.get("score");
  if (score.is_null()) return {};
  SENTINEL_ASSIGN(const size_t index, word_of(score, kScores));
  if (out.kind != JudgeKind::kChat && static_cast<JudgedScore>(index) != out.score)
    return fail(
        score.error(fmt::format("{} can only judge {}", judge_kind_name(out.kind), judged_score_name(out.score))));
  out.score = static_cast<JudgedScore>(index);
  return {};
}

Result<JudgeConfig> parse_judge(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("judge", {"name", "kind", "base_url", "model", "api_key", "score", "band", "sample",
                                          "per_minute", "usd_per_day", "usd_per_call"}));
  JudgeConfig out;
  SENTINEL_ASSIGN(const YamlNode kind, node.require("judge", "kind"));
  SENTINEL_ASSIGN(const size_t index, word_of(kind, kKinds));
  out.kind = static_cast<JudgeKind>(index);
  SENTINEL_ASSIGN(out.name, node.string_or("name", std::string(judge_kind_name(out.kind))));
  SENTINEL_ASSIGN(const YamlNode url, node.require("judge", "base_url"));
  SENTINEL_ASSIGN(out.base_url, url.string());
  if (!out.base_url.starts_with("http://") && !out.base_url.starts_with("https://"))
    return fail(url.error("expected a URL, such as https://api.openai.com/v1"));
  while (out.base_url.ends_with('/')) out.base_url.pop_back();
  SENTINEL_ASSIGN(const YamlNode model, node.require("judge", "model"));
  SENTINEL_ASSIGN(out.model, model.string());
  SENTINEL_ASSIGN(out.api_key, node.string_or("api_key", ""));
  SENTINEL_TRY(parse_score(node, out));
  SENTINEL_TRY(parse_band(node.get("band"), out));
  SENTINEL_ASSIGN(out.sample, node.number_or("sample", out.sample));
  if (!(out.sample > 0 && out.sample <= 1))
    return fail(node.get("sample").error("expected a share, above 0 and up to 1"));
  SENTINEL_ASSIGN(out.per_minute, node.integer_or("per_minute", out.per_minute));
  if (out.per_minute < 1 || out.per_minute > 100'000) return fail(node.get("per_minute").error("expected 1 to 100000"));
  SENTINEL_ASSIGN(out.microusd_per_day, dollars(node, "usd_per_day", out.microusd_per_day));
  SENTINEL_ASSIGN(out.microusd_per_call, dollars(node, "usd_per_call", out.microusd_per_call));
  return out;
}

}  // namespace

std::string_view judge_kind_name(JudgeKind kind) { return kKinds[static_cast<size_t>(kind)]; }
std::string_view judged_score_name(JudgedScore score) { return kScores[static_cast<size_t>(score)]; }

bool read_documents(const std::vector<JudgeConfig>& judges) {
  return std::any_of(judges.begin(), judges.end(),
                     [](const JudgeConfig& judge) { return judge.score == JudgedScore::kSupport; });
}

Result<std::vector<JudgeConfig>> parse_judges(const YamlNode& node) {
  if (!node.is_null() && !node.is_list()) return fail(node.error("expected a list of judges"));
  if (node.is_list() && node.size() > kJudgesMax) return fail(node.error(fmt::format("at most {} judges", kJudgesMax)));
  std::vector<JudgeConfig> out;
  std::set<std::string> names;
  for (const YamlNode& entry : node.items()) {
    SENTINEL_ASSIGN(out.emplace_back(), parse_judge(entry));
    if (!names.insert(out.back().name).second)
      return fail(entry.error(fmt::format("two judges are called {}; give each a name", out.back().name)));
  }
  return out;
}

}  // namespace sentinel::app
