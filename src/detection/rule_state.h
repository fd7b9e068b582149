#pragma once
// What a rule knows of its alerts between two evaluations, and where that survives a restart.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/alert.h"
#include "model/labels.h"

namespace sentinel::detection {

// One label set of one alerting rule. All times are absolute, so that a restart neither shortens nor prolongs a `for`.
struct ActiveAlert {
  model::Labels labels;  // with alertname and the rule's labels
  model::Labels annotations;
  double value = 0;
  model::AlertState state = model::AlertState::kPending;  // kInactive: resolved, kept for kResolvedRetention
  TimePoint active_at;
  std::optional<TimePoint> fired_at;
  std::optional<TimePoint> resolved_at;
  std::optional<TimePoint> keep_firing_since;
  std::optional<TimePoint> last_sent_at;  // taken by the AlertSink
};

struct StoredAlert {
  std::string rule_key;
  ActiveAlert alert;
};

struct RuleStateBatch {
  std::vector<StoredAlert> put;  // by rule key and labels
  std::vector<std::pair<std::string, model::Labels>> erase;
  bool empty() const { return put.empty() && erase.empty(); }
};

// Called on the rule manager's scheduler; may block.
class RuleStateStore {
 public:
  virtual ~RuleStateStore() = default;
  virtual Result<std::vector<StoredAlert>> load() = 0;
  virtual Status save(const RuleStateBatch& batch) = 0;  // all of it or nothing; durable when ok
};

}  // namespace sentinel::detection
