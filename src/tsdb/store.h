#pragma once
// The embedded time-series store: head in memory, write-ahead log, retention. See docs/formats/wal.md.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/queryable.h"

namespace sentinel::tsdb {

// A series for as long as the store is open: look it up once, append many times without labels.
enum class SeriesRef : uint64_t { kNone = 0 };

struct StoreOptions {
  std::string dir;
  Millis retention = std::chrono::hours(24 * 15);
  uint64_t series_max = 2'000'000;  // one more is kTooLarge and counted
  Millis out_of_order_window{0};    // older than the newest sample of the series by more than this: kConflict
  // Telemetry is durable within one second. 0: no background thread, only sync() makes durable.
  Micros sync_interval = std::chrono::milliseconds(200);
  uint64_t retention_bytes = 0;                // blocks beyond this many bytes go, oldest first; 0: no limit
  Millis block_range = std::chrono::hours(2);  // the head keeps 1.5 of these, older samples go to block files
  uint64_t checkpoint_log_bytes = 256u << 20;  // a log longer than this (and than the head) is condensed
};

// One batch of samples, written as one record: all of it survives a crash or none. Not thread-safe; take a new one a
// batch, or use it again after commit. Dropping it without commit drops its samples.
class Appender {
 public:
  virtual ~Appender() = default;
  // kTooLarge: series limit. The reference stays valid after commit.
  virtual Result<SeriesRef> ref(const model::Labels& labels) = 0;
  // kConflict: out of order, or the same time with another value (the same value is accepted and stored once), or
  // older than what the head still takes. Where two appenders write one series at once this may show at commit only:
  // such a sample is dropped and counted in sentinel_tsdb_samples_rejected_total.
  virtual Status append(SeriesRef series, model::Sample sample) = 0;
  // Visible to readers when it returns; on disk after StoreOptions::sync_interval at the latest.
  virtual Status commit() = 0;
};

// Hears of every commit.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  // On the committing thread, once the batch is visible, with other commits locked out: be quick, and call nothing of
  // the store but labels(). `series` in the order of the batch, a series as often as it has samples in it.
  virtual void committed(std::span<const SeriesRef> series, int64_t newest_ms) = 0;
};

// What is in the head and on disk now.
struct StoreStats {
  uint64_t series = 0;
  uint64_t samples_appended = 0;  // since open
  uint64_t head_bytes = 0;        // compressed chunks in memory
  uint64_t blocks = 0;
  uint64_t block_bytes = 0;
  uint64_t wal_bytes = 0;
  int64_t min_ms = 0;
  int64_t max_ms = 0;
};

// Thread-safe.
class Store : public Queryable {
 public:
  // Replays the log; a torn tail is cut and logged, never refused. kConflict: another process holds the folder.
  static Result<std::unique_ptr<Store>> open(Env& env, const Clock& clock, MetricRegistry& metrics,
                                             StoreOptions options);
  ~Store() override = default;

  virtual std::unique_ptr<Appender> appender() = 0;
  // Everything committed is on disk when it returns.
  virtual Status sync() = 0;
  // Drops what is past retention and cuts the log; called now and then from a background thread.
  virtual Status maintain() = 0;
  virtual StoreStats stats() const = 0;

  // At most one; null: none. The one before is not called any more when it returns.
  virtual void listen(CommitListener* listener) = 0;
  // REQUIRES: `series` is a reference this store gave and still knows.
  virtual model::Labels labels(SeriesRef series) const = 0;
};

}  // namespace sentinel::tsdb
