#pragma once
// The embedded time-series store: head in memory, write-ahead log, retention. See docs/formats/wal.md.

#include <cstdint>
#include <memory>
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
  uint64_t series_max = 2'000'000;           // one more is kTooLarge and counted
  Millis out_of_order_window{0};             // older than the newest sample of the series by more than this: kConflict
  Micros sync_interval = std::chrono::milliseconds(200);  // telemetry is durable within one second
};

// One batch of samples, written as one record: all of it survives a crash or none. Not thread-safe; take a new one a batch.
class Appender {
 public:
  virtual ~Appender() = default;
  // kTooLarge: series limit. The reference stays valid after commit.
  virtual Result<SeriesRef> ref(const model::Labels& labels) = 0;
  // kConflict: out of order, or the same time with another value.
  virtual Status append(SeriesRef series, model::Sample sample) = 0;
  // Visible to readers when it returns; on disk after StoreOptions::sync_interval at the latest.
  virtual Status commit() = 0;
};

// What is in the head and on disk now.
struct StoreStats {
  uint64_t series = 0;
  uint64_t samples_appended = 0;
  uint64_t wal_bytes = 0;
  int64_t min_ms = 0;
  int64_t max_ms = 0;
};

// Thread-safe.
class Store : public Queryable {
 public:
  // Replays the log; a torn tail is cut and logged, never refused. kConflict: another process holds the folder.
  static Result<std::unique_ptr<Store>> open(Env& env, const Clock& clock, MetricRegistry& metrics, StoreOptions options);
  ~Store() override = default;

  virtual std::unique_ptr<Appender> appender() = 0;
  // Everything committed is on disk when it returns.
  virtual Status sync() = 0;
  // Drops what is past retention and cuts the log; called now and then from a background thread.
  virtual Status maintain() = 0;
  virtual StoreStats stats() const = 0;
};

}  // namespace sentinel::tsdb
