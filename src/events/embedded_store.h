#pragma once
// The embedded EventStore: rows go to a log of ours and into an in-memory table of DuckDB; full tables are sealed into
// Parquet segments by a thread of its own. One view shows tables and segments as llm_events. Private to src/events.

#include <condition_variable>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_annotations.h"
#include "events/duck.h"
#include "events/event_log.h"
#include "events/event_store.h"
#include "events/query_deadlines.h"
#include "events/segments.h"

namespace sentinel::events {

// Locks, in the order they may be taken: maintain_mutex_, append_mutex_, catalog_mutex_ (tables, segments, view),
// queue_mutex_.
class EmbeddedStore final : public EventStore {
 public:
  EmbeddedStore(Env& env, const Clock& clock, MetricRegistry& metrics, EmbeddedOptions options);
  ~EmbeddedStore() override;
  Status start();

  Status append(const std::vector<model::Interaction>& batch) override;
  Result<SqlResult> query(std::string_view sql, const SqlLimits& limits) override;
  Result<SqlResult> query(std::string_view sql, const std::vector<Cell>& params, const SqlLimits& limits) override;
  Status maintain() override;
  StoreStats stats() const override;

 private:
  // A table of rows that are not sealed, and the log that makes them durable.
  struct Hot {
    uint64_t number = 0;
    uint64_t rows = 0;
    uint64_t log_bytes = 0;
    std::string table() const { return "hot_" + std::to_string(number); }
  };

  Status open_engine();
  Status replay_logs();
  Status replay_log(uint64_t number);
  Status open_hot(uint64_t number) REQUIRES_LOCK(append_mutex_);
  Status rotate() REQUIRES_LOCK(append_mutex_);
  Status load(const RowBatch& rows) REQUIRES_LOCK(append_mutex_);
  Status load_and_log(const RowBatch& rows) REQUIRES_LOCK(append_mutex_);
  void rotate_if_old();

  // Rebuilds llm_events from `segments` and `tables`; `also` runs in the same transaction.
  Status publish(const std::vector<Segment>& segments, const std::vector<Hot>& tables, const std::string& also)
      REQUIRES_LOCK(catalog_mutex_);
  Status replace_segments(const std::vector<Segment>& removed, const std::vector<Segment>& added,
                          const std::string& also, std::optional<uint64_t> sealed) EXCLUDES_LOCK(catalog_mutex_);

  std::optional<SqlResult> run_narrow(DuckConnection& connection, const std::string& sql, const SqlLimits& limits);

  void seal_loop();
  Status seal(const Hot& hot);
  // Runs COPY and gives the file its name: whole or not there.
  Status write_segment(DuckConnection& connection, const std::string& query, const Segment& segment);
  Result<Segment> describe(DuckConnection& connection, const std::string& from, uint64_t first, uint64_t last);
  Status drop_expired() REQUIRES_LOCK(maintain_mutex_);
  Status compact() REQUIRES_LOCK(maintain_mutex_);
  // SELECTs of all columns from all of them, in their order.
  std::string rows_of(const std::vector<Segment>& segments) const;
  std::string log_path(uint64_t number) const;
  void update_metrics();

  Env& env_;
  const Clock& clock_;
  const EmbeddedOptions options_;
  const std::string segment_dir_;
  const std::string log_dir_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<DuckDatabase> db_;
  std::unique_ptr<QueryDeadlines> deadlines_;

  Mutex maintain_mutex_;

  Mutex append_mutex_;
  std::unique_ptr<DuckConnection> append_connection_ GUARDED_BY(append_mutex_);
  std::unique_ptr<DuckLoader> loader_ GUARDED_BY(append_mutex_);
  std::unique_ptr<EventLog> log_ GUARDED_BY(append_mutex_);
  Hot hot_ GUARDED_BY(append_mutex_);                                          // the table being filled
  std::chrono::steady_clock::time_point hot_since_ GUARDED_BY(append_mutex_);  // its first row

  mutable Mutex catalog_mutex_;
  std::unique_ptr<DuckConnection> catalog_connection_ GUARDED_BY(catalog_mutex_);
  std::shared_ptr<SegmentSet> segments_ GUARDED_BY(catalog_mutex_);
  std::vector<Hot> tables_ GUARDED_BY(catalog_mutex_);  // all unsealed ones; the last is being filled

  mutable Mutex queue_mutex_;
  std::condition_variable_any queue_changed_;
  std::deque<Hot> to_seal_ GUARDED_BY(queue_mutex_);
  bool stopping_ GUARDED_BY(queue_mutex_) = false;
  std::thread sealer_;

  Counter& rows_total_;
  Counter& batches_failed_total_;
  Counter& segments_sealed_total_;
  Counter& seal_failures_total_;
  Counter& queries_total_;
  Counter& query_timeouts_total_;
  Gauge& rows_gauge_;
  Gauge& segments_gauge_;
  Gauge& bytes_gauge_;
  Gauge& seal_queue_gauge_;
  Histogram& append_seconds_;
  Histogram& query_seconds_;
};

}  // namespace sentinel::events
