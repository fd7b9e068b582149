#pragma once
// What /api/v1/rules and /api/v1/alerts show: values, copied after each evaluation, for any thread.

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "detection/rule_file.h"
#include "detection/rule_history.h"
#include "detection/rule_state.h"

namespace sentinel::detection {

enum class RuleHealth { kUnknown, kGood, kBad };
std::string_view rule_health_name(RuleHealth health);  // "unknown", "ok", "err"

struct RuleStatus {
  bool alerting = true;
  std::string name;
  std::string query;  // canonical
  Millis for_duration{0};
  Millis keep_firing_for{0};
  std::string resolve_expr;  // "": it has none
  NamedTexts labels;
  NamedTexts annotations;
  std::vector<ActiveAlert> alerts;  // pending and firing
  model::AlertState state = model::AlertState::kInactive;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  TimePoint last_evaluation;  // epoch 0 before the first
  double evaluation_seconds = 0;
  size_t series = 0;                           // the last evaluation yielded
  std::string key;                             // names the rule over reloads and restarts
  std::shared_ptr<const RuleHistory> history;  // goes on while this is looked at
};

struct GroupStatus {
  std::string name;
  std::string file;
  Millis interval{0};
  Millis query_offset{0};
  int64_t limit = 0;
  std::vector<RuleStatus> rules;
  TimePoint last_evaluation;
  double evaluation_seconds = 0;
};
using GroupStatusPtr = std::shared_ptr<const GroupStatus>;

}  // namespace sentinel::detection
