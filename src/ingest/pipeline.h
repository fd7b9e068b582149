#pragma once
// From the gateway's queue to analysis, metrics and the event store, off the response path.
//
// A call is durable (in the store, or in the spill) within kDurableWithin, or counted: as late once it is, as dropped
// when it never will be. What the worker cannot get to in time, and what the store refuses, goes to the spill on disk
// and comes back when there is room; live calls go first, so that rules see what happens now.

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "analysis/analyzer.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/result.h"
#include "events/event_store.h"
#include "ingest/call_metrics.h"
#include "ingest/call_queue.h"
#include "ingest/limits.h"
#include "ingest/spill.h"
#include "model/interaction.h"

namespace sentinel::ingest {

struct PipelineOptions {
  size_t queue_max = kQueueCallsMax;  // calls waiting; one more is lost and counted
  size_t queue_bytes_max = kQueueBytesMax;
  size_t batch_max = 500;                                // rows a commit
  Millis append_retry = std::chrono::milliseconds(250);  // after the store refused
  size_t append_retries_max = 240;  // for rows the store refuses though it works; then they are lost and counted
  Millis spill_after = kSpillAfter;
  Millis spill_tick = kSpillTick;
  size_t held_max = kHeldCallsMax;  // scored calls that neither the store nor the spill takes
  size_t held_bytes_max = kHeldBytesMax;
  SpanNames names{};  // of the gen_ai_* series
  // Called on the worker's thread with each call that is scored late, out of the spill; on_scored() is not.
  std::function<void(const model::Interaction&)> on_read_back{};
};

// Owns two threads: the worker, which owns the analyzer while it runs, and the one that spills.
class Pipeline {
 public:
  using Observer = std::function<void(const model::Interaction&)>;

  // `events` may be null: rows are then scored and measured, not stored. `spill` may be null: a full queue then loses
  // calls. References outlive the pipeline.
  Pipeline(analysis::Analyzer& analyzer, events::EventStore* events, std::unique_ptr<Spill> spill,
           MetricRegistry& metrics, PipelineOptions options);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Called on the worker's thread with each scored, redacted call after it was offered to the store. Set before the
  // first call.
  void on_scored(Observer observer) { observer_ = std::move(observer); }

  // Called on the worker's thread when calls have been counted, before they are stored. Set before the first call.
  void on_counted(std::function<void()> counted) { counted_ = std::move(counted); }

  // Never blocks. False: the queue was full; the loss is counted. Thread-safe.
  bool submit(model::Interaction interaction) noexcept;
  // Runs `fn` on the worker's thread between batches, for what must not race with analysis (drift references).
  // Thread-safe.
  void run_on_worker(std::function<void()> fn);
  // From now on, for the gen_ai_* series. Thread-safe.
  void set_names(SpanNames names);
  size_t queued() const { return queue_.size(); }
  SpillStats spill_stats() const { return spill_ ? spill_->stats() : SpillStats{}; }
  // Scored calls that are in memory only, because neither the store nor the spill takes them. Thread-safe.
  size_t held() const { return held_count_; }
  // Drains what is queued, then joins; what is spilled stays for the next start. No submit after it.
  void stop();

 private:
  struct Batch {
    std::vector<model::Interaction> calls;
    std::vector<int64_t> since_us;  // of each
    size_t bytes = 0;
  };
  void run();
  void run_spill();
  Result<bool> spill_some();
  Millis idle_time() const;
  void score(model::Interaction& call);
  void work_on(std::vector<QueuedCall> calls);
  void read_back(size_t calls_max);
  void read_back_failed(const Error& error);
  Status drop_stored(std::vector<SpilledCall>& calls);
  bool store_refuses() const;
  Status append(const std::vector<model::Interaction>& calls);
  void store(Batch batch);
  bool spill_batch(const Batch& batch);
  void hold(Batch batch);
  void offer_held(bool last_time);
  void note_durable(const std::vector<int64_t>& since_us);
  void update_gauges();

  analysis::Analyzer& analyzer_;
  events::EventStore* const events_;
  const std::unique_ptr<Spill> spill_;
  const PipelineOptions options_;
  CallMetrics call_metrics_;
  CallQueue queue_;
  Observer observer_;
  std::function<void()> counted_;
  std::deque<Batch> held_;  // worker
  size_t held_bytes_ = 0;
  std::atomic<size_t> held_count_{0};
  int64_t store_again_us_ = 0;  // worker: not before, after the store refused
  int64_t read_back_again_us_ = 0;
  bool store_failed_ = false;
  size_t read_back_failures_ = 0;
  double analysis_us_ = 250;  // of one call, smoothed
  Counter& lost_queue_full_;
  Counter& lost_store_;
  Counter& lost_spill_full_;
  Counter& lost_spill_damaged_;
  Counter& spilled_backlog_;
  Counter& spilled_store_;
  Counter& read_back_;
  Counter& late_;
  Counter& scored_;
  Gauge& queue_depth_;
  Gauge& spill_calls_;
  Gauge& spill_bytes_;
  Gauge& held_gauge_;
  Histogram& analysis_seconds_;
  std::thread thread_;
  std::thread spill_thread_;
};

}  // namespace sentinel::ingest
