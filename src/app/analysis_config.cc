#include "app/analysis_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/limits.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

using analysis::FindingAction;
using analysis::Policy;
using text::YamlNode;

Status parse_drift(const YamlNode& node, analysis::DriftSettings& drift) {
  SENTINEL_TRY(
      node.expect_keys("analysis.drift", {"reference", "window", "false_alarm_rate", "adopt_after_calm_windows"}));
  SENTINEL_ASSIGN(const int64_t reference, node.integer_or("reference", static_cast<int64_t>(drift.reference_size)));
  if (reference < 16 || reference > static_cast<int64_t>(analysis::kDriftReferenceMax))
    return fail(node.get("reference").error(fmt::format("expected 16 to {} calls", analysis::kDriftReferenceMax)));
  SENTINEL_ASSIGN(const int64_t window, node.integer_or("window", static_cast<int64_t>(drift.window)));
  if (window < 8 || window > std::min<int64_t>(reference, analysis::kDriftWindowMax))
    return fail(node.get("window").error(
        fmt::format("expected 8 to {} calls, and no more than the reference", analysis::kDriftWindowMax)));
  SENTINEL_ASSIGN(drift.false_alarm_rate, node.number_or("false_alarm_rate", drift.false_alarm_rate));
  if (drift.false_alarm_rate < 0.002 || drift.false_alarm_rate > 0.2)
    return fail(node.get("false_alarm_rate").error("expected 0.002 to 0.2 of all calm windows"));
  SENTINEL_ASSIGN(const int64_t adopt, node.integer_or("adopt_after_calm_windows", 0));
  if (adopt < 0 || adopt > 100'000)
    return fail(node.get("adopt_after_calm_windows").error("expected 0 (never) to 100000"));
  drift.reference_size = static_cast<uint64_t>(reference);
  drift.window = static_cast<uint64_t>(window);
  drift.adopt_after_calm_windows = static_cast<uint64_t>(adopt);
  return {};
}

Status parse_thresholds(const YamlNode& node, analysis::Thresholds& thresholds) {
  SENTINEL_TRY(node.expect_keys("thresholds", {"injection", "toxicity", "risky", "pii_leak", "support"}));
  const auto read = [&](const char* name, std::optional<double>& into) -> Status {
    const YamlNode value = node.get(name);
    if (value.is_null()) return {};
    SENTINEL_ASSIGN(into, value.number());
    if (*into < 0 || *into > 1) return fail(value.error("expected a probability, 0 to 1"));
    return {};
  };
  SENTINEL_TRY(read("injection", thresholds.injection));
  SENTINEL_TRY(read("toxicity", thresholds.toxicity));
  SENTINEL_TRY(read("risky", thresholds.risky));
  SENTINEL_TRY(read("pii_leak", thresholds.pii_leak));
  return read("support", thresholds.support);
}

Status parse_actions(const YamlNode& node, Policy& policy) {
  const std::vector<std::string_view> categories(std::begin(analysis::kCategories), std::end(analysis::kCategories));
  SENTINEL_TRY(node.expect_keys("actions", categories));
  for (const YamlNode::Entry& entry : node.entries()) {
    SENTINEL_ASSIGN(const std::string word, entry.value.string());
    if (word != "ignore" && word != "flag" && word != "withhold")
      return fail(entry.value.error("expected ignore, flag or withhold"));
    policy.actions[entry.name()] = word == "ignore" ? FindingAction::kIgnore
                                   : word == "flag" ? FindingAction::kFlag
                                                    : FindingAction::kWithhold;
  }
  return {};
}

Result<Policy> parse_policy(const YamlNode& node) {
  SENTINEL_TRY(
      node.expect_keys("policy", {"service", "env", "endpoint", "model", "prompt_template", "thresholds", "actions"}));
  Policy out;
  SENTINEL_ASSIGN(out.service, node.string_or("service", ""));
  SENTINEL_ASSIGN(out.env, node.string_or("env", ""));
  SENTINEL_ASSIGN(out.endpoint, node.string_or("endpoint", ""));
  SENTINEL_ASSIGN(out.model, node.string_or("model", ""));
  SENTINEL_ASSIGN(out.prompt_template, node.string_or("prompt_template", ""));
  SENTINEL_TRY(parse_thresholds(node.get("thresholds"), out.thresholds));
  SENTINEL_TRY(parse_actions(node.get("actions"), out));
  return out;
}

}  // namespace

Result<AnalysisConfig> parse_analysis(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("analysis", {"drift", "policies", "judges"}));
  AnalysisConfig out;
  SENTINEL_TRY(parse_drift(node.get("drift"), out.drift));
  const YamlNode policies = node.get("policies");
  if (!policies.is_null() && !policies.is_list()) return fail(policies.error("expected a list of policies"));
  std::vector<Policy> list;
  for (const YamlNode& policy : policies.items()) {
    SENTINEL_ASSIGN(list.emplace_back(), parse_policy(policy));
  }
  out.policies = analysis::Policies(std::move(list));
  SENTINEL_ASSIGN(out.judges, parse_judges(node.get("judges")));
  return out;
}

}  // namespace sentinel::app
