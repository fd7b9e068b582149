#pragma once
// How incidents hear of alerts without alerting knowing them.

#include <optional>
#include <string>
#include <vector>

#include "alerting/actor.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/alert.h"
#include "state/database.h"

namespace sentinel::alerting {

// What a person did, for the history.
struct AlertAction {
  Actor by;
  std::string note{};
  std::optional<TimePoint> until{};
};

struct AlertChange {
  enum class Kind { kFired, kUpdated, kResolved, kAcknowledged, kUnacknowledged, kFlapping, kCalm };
  Kind kind = Kind::kFired;
  model::Alert alert;  // as stored now
  TimePoint at;
  std::vector<std::string> receivers;   // it is routed to
  std::optional<AlertAction> action{};  // of acknowledgements
};

class AlertListener {
 public:
  virtual ~AlertListener() = default;
  // Inside the write transaction that stores the alerts, on the control thread. An error rolls all of it back. Only
  // what alerts do: fired, updated, resolved. An alert that flaps (flapping.h) goes on firing until it is calm.
  virtual Status on_alerts(state::Tx& tx, const std::vector<AlertChange>& changes) = 0;
};

}  // namespace sentinel::alerting
