#pragma once
// Where alerts of rules go: alerting, or a recorder in tests.

#include <vector>

#include "base/result.h"
#include "model/alert.h"

namespace sentinel::detection {

class AlertSink {
 public:
  virtual ~AlertSink() = default;
  // Firing alerts (ends_at in the future) and resolved ones. Ok: they are durable. An error: they are offered again at
  // the next evaluation. Called on the rule manager's scheduler; at most kAlertBatchMax at once.
  virtual Status put(std::vector<model::Alert> alerts) = 0;
};

}  // namespace sentinel::detection
