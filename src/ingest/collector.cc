#include "ingest/collector.h"

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
  absl::flat_hash_map<std::string, std::vector<tsdb::SeriesRef>>
      refs;  // of one point: value, or buckets, +Inf, sum, count

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

  Status append_point(tsdb::Appender& appender, const MetricFamily& family, const MetricPoint& point, int64_t t_ms) {
    std::vector<tsdb::SeriesRef>& known = refs[key_of(family.name, point.labels)];
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
};

Collector::Collector(MetricRegistry& registry, tsdb::Store& store, const Clock& clock, CollectorOptions options)
    : impl_(
          new Impl{registry,
                   store,
                   clock,
                   options,
                   MachineMetrics(registry, options.disk_path),
                   registry.counter("sentinel_collector_failures_total", "Samples of our own that the store refused."),
                   {}}) {}

Collector::~Collector() = default;

Status Collector::collect() {
  impl_->machine.refresh();
  impl_->registry.gauge("up", "1: this process collects its own series.").set(1);
  const std::vector<MetricFamily> families = impl_->registry.collect();
  const int64_t t_ms = to_ms(impl_->clock.now());
  const auto appender = impl_->store.appender();
  for (const MetricFamily& family : families) {
    for (const MetricPoint& point : family.points) {
      Status status = impl_->append_point(*appender, family, point, t_ms);
      if (!status && status.error().code() == ErrorCode::kNotFound) {  // absent so long that the store let it go
        impl_->refs.erase(key_of(family.name, point.labels));
        status = impl_->append_point(*appender, family, point, t_ms);
      }
      if (status) continue;
      impl_->failures.add();
      log_debug("collector", "sample refused", {{"metric", family.name}, {"error", status.error().to_string()}});
    }
  }
  return appender->commit();
}

}  // namespace sentinel::ingest
