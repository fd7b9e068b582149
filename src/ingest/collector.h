#pragma once
// Writes the registry's numbers into the time-series store at a fixed interval: the in-process "scrape", with `up`,
// and no text or protobuf in between. Also process and machine gauges from /proc.

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/labels.h"
#include "tsdb/store.h"

namespace sentinel::ingest {

struct CollectorOptions {
  model::Labels target{{"job", "sentinel"}};  // added to every series that lacks them
  std::string disk_path = ".";                // whose file system is measured
};

// One thread at a time.
class Collector {
 public:
  Collector(MetricRegistry& registry, tsdb::Store& store, const Clock& clock, CollectorOptions options);
  ~Collector();
  // One pass at the clock's time. An error leaves the store as it was.
  Status collect();
  // Between passes: only series of metrics that begin with `prefix`, that the last pass found unchanged (or did not
  // see), and that have another value now. Each once between two passes.
  Status collect_moved(std::string_view prefix);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// process_*, node_* like gauges, refreshed from /proc when called.
class MachineMetrics {
 public:
  MachineMetrics(MetricRegistry& registry, std::string disk_path);
  void refresh();

 private:
  MetricRegistry& registry_;
  std::string disk_path_;
  double process_cpu_s_ = 0;  // counted so far
  double cpu_busy_ = 0;
  double cpu_total_ = 0;
};

}  // namespace sentinel::ingest
