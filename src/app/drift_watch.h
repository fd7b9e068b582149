#pragma once
// Tells of drift: series and a line in the log for each window of calls that was tested, and what is known of each
// route for the API. DriftWatch belongs to the telemetry worker's thread.

#include <boost/json/object.hpp>
#include <vector>

#include "analysis/drift.h"
#include "base/metrics.h"

namespace sentinel::app {

class DriftWatch {
 public:
  explicit DriftWatch(MetricRegistry& metrics) : metrics_(metrics) {}
  void window_closed(const analysis::DriftWindow& window);

 private:
  MetricRegistry& metrics_;
};

// As GET /sentinel/v1/drift answers.
boost::json::object drift_json(const std::vector<analysis::DriftTracker::Summary>& references);

}  // namespace sentinel::app
