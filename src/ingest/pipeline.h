#pragma once
// From the gateway's queue to analysis, metrics and the event store, off the response path.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "analysis/analyzer.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "base/result.h"
#include "events/event_store.h"
#include "ingest/call_metrics.h"
#include "model/interaction.h"

namespace sentinel::ingest {

struct PipelineOptions {
  size_t queue_max = 50'000;                             // calls waiting; one more is lost and counted
  size_t batch_max = 500;                                // rows a commit
  Millis append_retry = std::chrono::milliseconds(250);  // after the store refused
  size_t append_retries_max = 240;                       // then the batch is lost and counted
};

// Owns one worker thread, which owns the analyzer while it runs.
class Pipeline {
 public:
  using Observer = std::function<void(const model::Interaction&)>;

  // `events` may be null: rows are then scored and measured, not stored. References outlive the pipeline.
  Pipeline(analysis::Analyzer& analyzer, events::EventStore* events, MetricRegistry& metrics, PipelineOptions options);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Called on the worker's thread with each scored, redacted call after it has been stored. Set before the first call.
  void on_scored(Observer observer) { observer_ = std::move(observer); }

  // Called on the worker's thread when calls have been counted, before they are stored. Set before the first call.
  void on_counted(std::function<void()> counted) { counted_ = std::move(counted); }

  // Never blocks. False: the queue was full; the loss is counted. Thread-safe.
  bool submit(model::Interaction interaction) noexcept;
  // Runs `fn` on the worker's thread between batches, for what must not race with analysis (drift references).
  // Thread-safe.
  void run_on_worker(std::function<void()> fn);
  size_t queued() const { return queue_.size(); }
  // Drains what is queued, then joins. No submit after it.
  void stop();

 private:
  struct Item {
    model::Interaction interaction;
    std::function<void()> task;  // instead of an interaction
  };
  void run();
  void store(const std::vector<model::Interaction>& batch);

  analysis::Analyzer& analyzer_;
  events::EventStore* const events_;
  const PipelineOptions options_;
  CallMetrics call_metrics_;
  BoundedQueue<Item> queue_;
  Observer observer_;
  std::function<void()> counted_;
  Counter& lost_queue_full_;
  Counter& lost_store_;
  Counter& scored_;
  Gauge& queue_depth_;
  Histogram& analysis_seconds_;
  std::atomic<bool> stopping_{false};
  std::mutex stop_mutex_;
  std::condition_variable stop_wake_;
  std::thread thread_;
};

}  // namespace sentinel::ingest
