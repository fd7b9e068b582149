#include "ingest/write_metrics.h"

#include <fmt/format.h>

namespace sentinel::ingest {
namespace {

MetricLabels labels_of(const WriteTarget& target) { return {{"remote_name", target.name}, {"url", target.url}}; }

Counter& counter(MetricRegistry& registry, const WriteTarget& target, const char* name, const char* help) {
  return registry.counter(fmt::format("prometheus_remote_storage_{}", name), help, labels_of(target));
}

WriteMetrics::Kind kind(MetricRegistry& registry, const WriteTarget& target, const char* what) {
  const auto name = [&](const char* end) { return fmt::format("prometheus_remote_storage_{}_{}", what, end); };
  const MetricLabels labels = labels_of(target);
  WriteMetrics::Kind out;
  out.total = &registry.counter(name("total"), fmt::format("{} sent to remote storage.", what), labels);
  out.failed = &registry.counter(name("failed_total"),
                                 fmt::format("{} that the receiver refused for good; not sent again.", what), labels);
  out.retried = &registry.counter(name("retried_total"),
                                  fmt::format("{} sent again after a failure that may pass.", what), labels);
  out.pending = &registry.gauge(name("pending"), fmt::format("{} read from the log and not yet sent.", what), labels);
  out.in = &registry.counter(name("in_total"), fmt::format("{} read from the log to be sent.", what));
  const auto dropped = [&](const char* reason) {
    MetricLabels with = labels;
    with.emplace_back("reason", reason);
    return &registry.counter(name("dropped_total"), fmt::format("{} not sent, by reason.", what), with);
  };
  out.dropped_relabelled = dropped("dropped_series");
  out.dropped_too_old = dropped("too_old");
  out.dropped_unknown = dropped("unintentionally_dropped_series");
  return out;
}

}  // namespace

WriteMetrics::WriteMetrics(MetricRegistry& registry, const WriteTarget& target)
    : kinds{kind(registry, target, "samples"), kind(registry, target, "histograms"),
            kind(registry, target, "exemplars")},
      metadata_total(counter(registry, target, "metadata_total", "Metadata sent to remote storage.")),
      metadata_failed(counter(registry, target, "metadata_failed_total", "Metadata that the receiver refused.")),
      metadata_retried(counter(registry, target, "metadata_retried_total", "Metadata sent again after a failure.")),
      bytes(counter(registry, target, "bytes_total", "Bytes of samples sent, compressed.")),
      metadata_bytes(counter(registry, target, "metadata_bytes_total", "Bytes of metadata sent, compressed.")),
      log_lost(registry.counter("sentinel_remote_write_log_cuts_total",
                                "Times the log was cut before all of it was sent, because it had grown too long.",
                                labels_of(target))),
      batch_seconds(registry.histogram("prometheus_remote_storage_sent_batch_duration_seconds",
                                       "Time until the receiver answered a request of samples.",
                                       {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300},
                                       labels_of(target))),
      highest_seen_s(registry.gauge("prometheus_remote_storage_highest_timestamp_in_seconds",
                                    "Newest timestamp of the store, in seconds since the epoch.")),
      highest_sent_s(registry.gauge("prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
                                    "Newest timestamp that was sent, in seconds since the epoch.", labels_of(target))) {
  const auto gauge = [&](const char* name, const char* help, size_t value) {
    registry.gauge(fmt::format("prometheus_remote_storage_{}", name), help, labels_of(target))
        .set(static_cast<double>(value));
  };
  gauge("shards", "Shards that send in parallel.", target.shards);
  gauge("shards_max", "Most shards there may be.", target.shards);
  gauge("shards_min", "Fewest shards there may be.", target.shards);
  gauge("shards_desired", "Shards wanted.", target.shards);
  gauge("shard_capacity", "Samples that a shard may hold.", target.capacity);
  gauge("max_samples_per_send", "Most samples of one request.", target.samples_per_send);
}

}  // namespace sentinel::ingest
