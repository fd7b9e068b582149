#pragma once
// The numbers of one remote write queue, by the names that Prometheus gives them.

#include <array>
#include <string>

#include "base/metrics.h"
#include "ingest/write_config.h"

namespace sentinel::ingest {

struct WriteMetrics {
  WriteMetrics(MetricRegistry& registry, const WriteTarget& target);

  // One each for samples, histograms and exemplars (WriteItem::Kind).
  struct Kind {
    Counter* total = nullptr;
    Counter* failed = nullptr;
    Counter* retried = nullptr;
    Gauge* pending = nullptr;
    Counter* in = nullptr;  // read from the log, of all queues
    Counter* dropped_relabelled = nullptr;
    Counter* dropped_too_old = nullptr;
    Counter* dropped_unknown = nullptr;
  };
  std::array<Kind, 3> kinds;
  Counter& metadata_total;
  Counter& metadata_failed;
  Counter& metadata_retried;
  Counter& bytes;
  Counter& metadata_bytes;
  Counter& log_lost;
  Histogram& batch_seconds;
  Gauge& highest_seen_s;
  Gauge& highest_sent_s;
};

}  // namespace sentinel::ingest
