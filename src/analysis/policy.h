#pragma once
// What counts as a finding on a route, and what is done about it after the call: thresholds, categories and actions.
// Risks are shown with the route's threshold at 0.5, so that rules and queries need not know of it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/interaction.h"

namespace sentinel::analysis {

// Calibrated probabilities above which a finding is reported; absent: the shipped threshold.
struct Thresholds {
  std::optional<double> injection;
  std::optional<double> toxicity;
  std::optional<double> risky;
  std::optional<double> pii_leak;
  std::optional<double> support;  // answers below it are ungrounded
};

enum class FindingAction : uint8_t {
  kIgnore,    // no finding here: neither label nor part of safety_score
  kFlag,      // label, category, series
  kWithhold,  // flagged, and prompt and answer are not stored
};

struct Policy {
  // Whose; exact or "prefix*", empty: any.
  std::string service, env, endpoint, model, prompt_template;
  Thresholds thresholds;
  std::map<std::string, FindingAction, std::less<>> actions;  // by category; the others are flagged

  FindingAction action(std::string_view category) const;
};

// The words of safety_categories, what `actions` may name.
inline constexpr std::string_view kCategories[] = {"PROMPT_INJECTION", "JAILBREAK", "SELF_HARM",  "SEXUAL", "HATE",
                                                   "VIOLENCE",         "TOXIC",     "HARASSMENT", "RISKY",  "PII_LEAK"};

// The first that matches; what none matches has the shipped one. Immutable.
class Policies {
 public:
  Policies() = default;
  explicit Policies(std::vector<Policy> list) : list_(std::move(list)) {}
  const Policy& of(const model::Interaction& call) const;
  size_t size() const { return list_.size(); }

 private:
  std::vector<Policy> list_;
  Policy shipped_;
};

}  // namespace sentinel::analysis
