#pragma once
// For the classes that remember label sets and stop at a limit of their own: the series shared by all others is
// labelled and counted as the registry does past kMetricSeriesMax.

#include <string>
#include <string_view>

#include "base/metrics.h"

namespace sentinel::ingest {

inline MetricLabels overflow_labels() { return {{"overflow", "true"}}; }

inline Counter& overflow_counter(MetricRegistry& registry, std::string_view metric) {
  return registry.counter("sentinel_metric_overflow_total",
                          "Look-ups of a new label set in a metric that has reached its limit of series",
                          {{"metric", std::string(metric)}});
}

}  // namespace sentinel::ingest
