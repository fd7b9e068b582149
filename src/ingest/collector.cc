#include "ingest/collector.h"

#include <algorithm>
#include <limits>

#include <absl/container/flat_hash_map.h>

#include "base/log.h"
#include "base/strings.h"

namespace sentinel::ingest {
namespace {

std::string key_of(const std::string& name, const MetricLabels& labels) {
  std::string key = name;
  for (const auto& [label, value] : labels) key.append(1, '\xff').append(label).append(1, '\xfe').append(value);
  return key;
}

}  // namespace

// References are looked up once for each series and kept.
struct Collector::Impl {
  MetricRegistry& registry;
  tsdb::Store& store;
  const Clock& clock;
  CollectorOptions options;
  MachineMetrics machine;
  Counter& failures;
  struct Point {
    std::vector<tsdb::SeriesRef> refs;  // value, or buckets, +Inf, sum, count
    double last = 0;                    // as written: the value, or the count of a histogram
    bool resting = true;                // the last pass found it unchanged
  };
  absl::flat_hash_map<std::string, Point> points;
  int64_t newest_ms = std::numeric_limits<int64_t>::min();  // of what was written

  // Of a pass over all metrics.
  int64_t due_ms() const {
    const int64_t now = to_ms(clock.now());
    const int64_t width = options.interval.count();
    if (width <= 0) return now;
    const int64_t due = now - now % width;
    return now - due <= width / 10 && due > newest_ms ? due : now;
  }

  static double measure(const MetricFamily& family, const MetricPoint& point) {
    return family.type == MetricType::kHistogram ? static_cast<double>(point.counts.back()) : point.value;
  }

  model::Labels labels_for(const std::string& name, const MetricLabels& point, std::string_view le = "") const {
    std::vector<model::Label> labels{{std::string(model::kMetricNameLabel), name}};
    for (const model::Label& label : options.target) labels.push_back(label);
    for (const auto& [label, value] : point) labels.push_back({label, value});
    if (!le.empty()) labels.push_back({"le", std::string(le)});
    return model::Labels(std::move(labels));
  }

  Result<std::vector<tsdb::SeriesRef>> make_refs(tsdb::Appender& appender, const MetricFamily& family,
                                                 const MetricPoint& point) {
    std::vector<tsdb::SeriesRef> out;
    if (family.type != MetricType::kHistogram) {
      SENTINEL_ASSIGN(out.emplace_back(), appender.ref(labels_for(family.name, point.labels)));
      return out;
    }
    for (const double bound : family.upper_bounds) {
      SENTINEL_ASSIGN(out.emplace_back(),
                      appender.ref(labels_for(family.name + "_bucket", point.labels, format_double(bound))));
    }
    SENTINEL_ASSIGN(out.emplace_back(), appender.ref(labels_for(family.name + "_bucket", point.labels, "+Inf")));
    SENTINEL_ASSIGN(out.emplace_back(), appender.ref(labels_for(family.name + "_sum", point.labels)));
    SENTINEL_ASSIGN(out.emplace_back(), appender.ref(labels_for(family.name + "_count", point.labels)));
    return out;
  }

  Status append_point(tsdb::Appender& appender, Point& place, const MetricFamily& family, const MetricPoint& point,
                      int64_t t_ms) {
    std::vector<tsdb::SeriesRef>& known = place.refs;
    if (known.empty()) {
      SENTINEL_ASSIGN(known, make_refs(appender, family, point));
    }
    if (family.type != MetricType::kHistogram) return appender.append(known[0], {t_ms, point.value});
    const size_t buckets = point.counts.size();
    for (size_t i = 0; i < buckets; ++i) {
      SENTINEL_TRY(appender.append(known[i], {t_ms, static_cast<double>(point.counts[i])}));
    }
    SENTINEL_TRY(appender.append(known[buckets], {t_ms, point.sum}));
    return appender.append(known[buckets + 1], {t_ms, static_cast<double>(point.counts.back())});
  }

  // Writes the points of metrics with the prefix for which `wanted` says so.
  template <class Wanted>
  Status pass(std::string_view prefix, int64_t t_ms, const Wanted& wanted) {
    const std::vector<MetricFamily> families = registry.collect();
    newest_ms = std::max(newest_ms, t_ms);
    const auto appender = store.appender();
    for (const MetricFamily& family : families) {
      if (!family.name.starts_with(prefix)) continue;
      for (const MetricPoint& point : family.points) {
        Point& place = points[key_of(family.name, point.labels)];
        if (!wanted(place, measure(family, point))) continue;
        Status status = append_point(*appender, place, family, point, t_ms);
        if (!status && status.error().code() == ErrorCode::kNotFound) {  // absent so long that the store let it go
          place.refs.clear();
          status = append_point(*appender, place, family, point, t_ms);
        }
        if (status) continue;
        failures.add();
        log_debug("collector", "sample refused", {{"metric", family.name}, {"error", status.error().to_string()}});
      }
    }
    return appender->commit();
  }
};

Collector::Collector(MetricRegistry& registry, tsdb::Store& store, const Clock& clock, CollectorOptions options)
    : impl_(
          new Impl{registry,
                   store,
                   clock,
                   options,
                   MachineMetrics(registry, options.disk_path),
                   registry.counter("sentinel_collector_failures_total", "Samples of our own that the store refused."),
                   {},
                   std::numeric_limits<int64_t>::min()}) {}

Collector::~Collector() = default;

Status Collector::collect() {
  impl_->machine.refresh();
  impl_->registry.gauge("up", "1: this process collects its own series.").set(1);
  return impl_->pass("", impl_->due_ms(), [](Impl::Point& place, double now) {
    place.resting = std::exchange(place.last, now) == now;
    return true;
  });
}

Status Collector::collect_moved(std::string_view prefix) {
  return impl_->pass(prefix, to_ms(impl_->clock.now()), [](Impl::Point& place, double now) {
    if (!place.resting || place.last == now) return false;
    place.last = now;
    place.resting = false;
    return true;
  });
}

}  // namespace sentinel::ingest
