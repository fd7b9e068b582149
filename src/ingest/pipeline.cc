#include "ingest/pipeline.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"

namespace sentinel::ingest {

Pipeline::Pipeline(analysis::Analyzer& analyzer, events::EventStore* events, MetricRegistry& metrics,
                   PipelineOptions options)
    : analyzer_(analyzer),
      events_(events),
      options_(options),
      call_metrics_(metrics),
      queue_(options.queue_max),
      lost_queue_full_(metrics.counter("sentinel_telemetry_dropped_total", "Calls lost between gateway and store.",
                                       {{"reason", "queue_full"}})),
      lost_store_(metrics.counter("sentinel_telemetry_dropped_total", "Calls lost between gateway and store.",
                                  {{"reason", "store_failed"}})),
      scored_(metrics.counter("sentinel_telemetry_scored_total", "Calls analysed.")),
      queue_depth_(metrics.gauge("sentinel_telemetry_queue_depth", "Calls waiting for analysis.")),
      analysis_seconds_(metrics.histogram("sentinel_analysis_seconds", "Analysis of one call.",
                                          {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05})) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "telemetry");
}

Pipeline::~Pipeline() { stop(); }

bool Pipeline::submit(model::Interaction interaction) noexcept {
  if (queue_.try_push({std::move(interaction), nullptr})) return true;
  lost_queue_full_.add();
  return false;
}

void Pipeline::run_on_worker(std::function<void()> fn) {
  if (!queue_.try_push({{}, fn})) log_warn("telemetry", "queue full, a maintenance task was skipped");
}

void Pipeline::stop() {
  {
    std::lock_guard lock(stop_mutex_);
    stopping_ = true;
  }
  stop_wake_.notify_all();
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void Pipeline::run() {
  while (true) {
    std::vector<Item> items = queue_.pop_batch(options_.batch_max, std::chrono::milliseconds(500));
    queue_depth_.set(static_cast<double>(queue_.size()));
    if (items.empty()) {
      if (queue_.closed()) return;
      continue;
    }
    std::vector<model::Interaction> batch;
    batch.reserve(items.size());
    for (Item& item : items) {
      if (item.task) {
        item.task();
        continue;
      }
      const int64_t start = monotonic_us();
      analyzer_.analyze(item.interaction);
      analysis_seconds_.observe(static_cast<double>(monotonic_us() - start) / 1e6);
      call_metrics_.record(item.interaction);
      batch.push_back(std::move(item.interaction));
    }
    if (batch.empty()) continue;
    scored_.add(static_cast<double>(batch.size()));
    if (counted_) counted_();
    store(batch);
    if (observer_) {
      for (const model::Interaction& interaction : batch) observer_(interaction);
    }
  }
}

// A store that refuses (disk full) gets the batch again until it takes it or the tries are used up; meanwhile the queue
// fills and new calls are counted as lost.
void Pipeline::store(const std::vector<model::Interaction>& batch) {
  if (events_ == nullptr) return;
  for (size_t attempt = 0;; ++attempt) {
    const Status status = events_->append(batch);
    if (status) return;
    if (attempt == 0)
      log_error("telemetry", "calls could not be stored",
                {{"rows", batch.size()}, {"error", status.error().to_string()}});
    if (attempt >= options_.append_retries_max || stopping_) {
      lost_store_.add(static_cast<double>(batch.size()));
      return;
    }
    std::unique_lock lock(stop_mutex_);
    stop_wake_.wait_for(lock, options_.append_retry, [this] { return stopping_.load(); });
  }
}

}  // namespace sentinel::ingest
