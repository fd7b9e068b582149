#include "base/metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <type_traits>
#include <variant>

#include <absl/container/flat_hash_map.h>

#include "base/check.h"
#include "base/thread_annotations.h"

namespace sentinel {
namespace {

using Metric = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

struct Series {
  MetricLabels labels;
  Metric metric;
};

struct Family {
  MetricType type = MetricType::kCounter;
  std::string help;
  std::vector<double> upper_bounds;
  absl::flat_hash_map<std::string, std::unique_ptr<Series>> series;  // by series_key
};

// 0xff does not occur in UTF-8, so two label sets never share a key.
std::string series_key(const MetricLabels& labels) {
  std::string key;
  for (const auto& [name, value] : labels) key.append(name).append(1, '\xff').append(value).append(1, '\xff');
  return key;
}

const MetricLabels& overflow_labels() {
  static const MetricLabels labels{{"overflow", "true"}};
  return labels;
}

std::unique_ptr<Series> make_series(const Family& family, MetricLabels labels) {
  auto series = std::make_unique<Series>();
  series->labels = std::move(labels);
  switch (family.type) {
    case MetricType::kCounter: series->metric = std::make_unique<Counter>(); break;
    case MetricType::kGauge: series->metric = std::make_unique<Gauge>(); break;
    case MetricType::kHistogram: series->metric = std::make_unique<Histogram>(family.upper_bounds); break;
  }
  return series;
}

MetricPoint read_point(const Series& series) {
  MetricPoint point;
  point.labels = series.labels;
  std::visit(
      [&point](const auto& metric) {
        if constexpr (std::is_same_v<std::decay_t<decltype(*metric)>, Histogram>) {
          point.counts = metric->cumulative_counts();
          point.sum = metric->sum();
        } else {
          point.value = metric->value();
        }
      },
      series.metric);
  return point;
}

}  // namespace

void Counter::add(double by) {
  SENTINEL_ASSERT(by >= 0);
  value_.fetch_add(by, std::memory_order_relaxed);
}

void Gauge::add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }

Histogram::Histogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)),
      counts_(std::make_unique<std::atomic<uint64_t>[]>(upper_bounds_.size() + 1)) {
  SENTINEL_CHECK(std::adjacent_find(upper_bounds_.begin(), upper_bounds_.end(), std::greater_equal<>()) ==
                 upper_bounds_.end());
}

void Histogram::observe(double v) {
  // NaN belongs to no bound but +Inf, as in Prometheus's clients.
  const auto bucket =
      std::isnan(v) ? upper_bounds_.end() : std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), v);
  counts_[static_cast<size_t>(bucket - upper_bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(v, std::memory_order_relaxed);
}

std::vector<uint64_t> Histogram::cumulative_counts() const {
  std::vector<uint64_t> out(upper_bounds_.size() + 1);
  uint64_t total = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    out[i] = total;
  }
  return out;
}

struct MetricRegistry::Impl {
  mutable Mutex mutex;
  std::map<std::string, Family, std::less<>> families GUARDED_BY(mutex);

  Series& find(std::string_view name, std::string_view help, MetricType type, const std::vector<double>& upper_bounds,
               MetricLabels labels) {
    std::sort(labels.begin(), labels.end());
    MutexLock lock(mutex);
    return find_locked(name, help, type, upper_bounds, std::move(labels));
  }

  Series& find_locked(std::string_view name, std::string_view help, MetricType type,
                      const std::vector<double>& upper_bounds, MetricLabels labels) REQUIRES_LOCK(mutex) {
    auto it = families.find(name);
    if (it == families.end()) {
      it = families.emplace(std::string(name), Family{type, std::string(help), upper_bounds, {}}).first;
    }
    Family& family = it->second;
    SENTINEL_CHECK(family.type == type && family.upper_bounds == upper_bounds);
    std::string key = series_key(labels);
    if (const auto known = family.series.find(key); known != family.series.end()) return *known->second;
    if (family.series.size() >= kMetricSeriesMax && labels != overflow_labels()) {
      count_overflow(name);
      labels = overflow_labels();
      key = series_key(labels);
    }
    auto& slot = family.series[key];
    if (!slot) slot = make_series(family, std::move(labels));
    return *slot;
  }

  void count_overflow(std::string_view name) REQUIRES_LOCK(mutex) {
    Series& overflow = find_locked("sentinel_metric_overflow_total",
                                   "Look-ups of a new label set in a metric that has reached its limit of series",
                                   MetricType::kCounter, {}, {{"metric", std::string(name)}});
    std::get<std::unique_ptr<Counter>>(overflow.metric)->add();
  }
};

MetricRegistry::MetricRegistry() : impl_(std::make_unique<Impl>()) {}
MetricRegistry::~MetricRegistry() = default;

Counter& MetricRegistry::counter(std::string_view name, std::string_view help, MetricLabels labels) {
  return *std::get<std::unique_ptr<Counter>>(
      impl_->find(name, help, MetricType::kCounter, {}, std::move(labels)).metric);
}

Gauge& MetricRegistry::gauge(std::string_view name, std::string_view help, MetricLabels labels) {
  return *std::get<std::unique_ptr<Gauge>>(impl_->find(name, help, MetricType::kGauge, {}, std::move(labels)).metric);
}

Histogram& MetricRegistry::histogram(std::string_view name, std::string_view help,
                                     const std::vector<double>& upper_bounds, MetricLabels labels) {
  return *std::get<std::unique_ptr<Histogram>>(
      impl_->find(name, help, MetricType::kHistogram, upper_bounds, std::move(labels)).metric);
}

std::vector<MetricFamily> MetricRegistry::collect() const {
  MutexLock lock(impl_->mutex);
  std::vector<MetricFamily> out;
  out.reserve(impl_->families.size());
  for (const auto& [name, family] : impl_->families) {
    MetricFamily copy{name, family.help, family.type, family.upper_bounds, {}};
    copy.points.reserve(family.series.size());
    for (const auto& [key, series] : family.series) copy.points.push_back(read_point(*series));
    std::sort(copy.points.begin(), copy.points.end(),
              [](const MetricPoint& a, const MetricPoint& b) { return a.labels < b.labels; });
    out.push_back(std::move(copy));
  }
  return out;
}

}  // namespace sentinel
