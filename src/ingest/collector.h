#pragma once
// Writes the registry's numbers into the time-series store at a fixed interval: the in-process "scrape", with `up`,
// and no text or protobuf in between. Also process and machine gauges from /proc.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/labels.h"
#include "tsdb/store.h"

namespace sentinel::ingest {

struct CollectorOptions {
  model::Labels target{{"job", "sentinel"}};  // added to every series that lacks them
  std::string disk_path = ".";                // whose file system is measured
  // Passes are due on the grid of this. One that is late by no more than a tenth of it is stamped as due: even times
  // take a bit each where it is stored, uneven ones two bytes. 0: as the clock says.
  Millis interval{0};
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

// One line of /proc/net/dev: what a network device has carried since the machine started.
struct NetworkDevice {
  std::string name;
  double bytes_received = 0;
  double bytes_sent = 0;
};
// Lines that are no device (the two of the heading, or unreadable ones) are left out.
std::vector<NetworkDevice> parse_net_dev(std::string_view text);

// process_*, node_* like series, refreshed from /proc when called.
class MachineMetrics {
 public:
  MachineMetrics(MetricRegistry& registry, std::string disk_path);
  void refresh();
  void refresh_process();  // process_* alone

 private:
  void refresh_network();

  MetricRegistry& registry_;
  std::string disk_path_;
  double start_time_s_;
  double process_cpu_s_ = 0;  // counted so far
  double cpu_busy_ = 0;
  double cpu_total_ = 0;
  std::map<std::string, NetworkDevice> network_;  // as last read
};

}  // namespace sentinel::ingest
