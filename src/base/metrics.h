#pragma once
// Sentinel's own numbers and the llm.* series, kept as atomics on the hot path. `collect()` is read by /metrics and by
// the in-process writer that puts them into the time-series store: no text or protobuf in between.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sentinel {

// Sorted by name by the registry. Values must come from a bounded set.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

enum class MetricType { kCounter, kGauge, kHistogram };

// Thread-safe, wait-free enough: one compare-and-swap loop.
class Counter {
 public:
  void add(double by = 1);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Gauge {
 public:
  void set(double v) { value_.store(v, std::memory_order_relaxed); }
  void add(double by);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  explicit Histogram(std::vector<double> upper_bounds);  // ascending, without +Inf
  void observe(double v);
  const std::vector<double>& upper_bounds() const { return upper_bounds_; }
  std::vector<uint64_t> cumulative_counts() const;  // one a bound, then +Inf
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> upper_bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// One series of a family as collected. For histograms `counts` are cumulative, the last is +Inf.
struct MetricPoint {
  MetricLabels labels;
  double value = 0;
  std::vector<uint64_t> counts;
  double sum = 0;
};
struct MetricFamily {
  std::string name;  // a valid Prometheus name; counters end in _total
  std::string help;
  MetricType type = MetricType::kCounter;
  std::vector<double> upper_bounds;
  std::vector<MetricPoint> points;
};

// Owns its metrics; references it gives stay valid as long as it lives. Thread-safe. The same name must always be asked
// for with the same type and bounds (checked). Past kMetricSeriesMax series in a family every new label set shares one
// series labelled {overflow="true"}, and sentinel_metric_overflow_total counts it.
inline constexpr size_t kMetricSeriesMax = 2000;

class MetricRegistry {
 public:
  MetricRegistry();
  ~MetricRegistry();
  Counter& counter(std::string_view name, std::string_view help, MetricLabels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, MetricLabels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const std::vector<double>& upper_bounds,
                       MetricLabels labels = {});
  std::vector<MetricFamily> collect() const;  // sorted by name, points by labels

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentinel
