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
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/queryable.h"
#include "tsdb/wal.h"

namespace sentinel::tsdb {

// A series: look it up once, append many times without labels. It is good while the series has samples in the head or
// was used within the last two maintenance rounds; later ones get kNotFound, and ref(labels) gives a new one. Numbers
// are never used again while the store is open.
enum class SeriesRef : uint64_t { kNone = 0 };

struct StoreOptions {
  std::string dir;
  Millis retention = std::chrono::hours(24 * 15);
  uint64_t series_max = 2'000'000;  // one more is kTooLarge and counted
  Millis out_of_order_window{0};    // older than the newest sample of the series by more than this: kConflict
  // Telemetry is durable within one second. 0: no background thread, only sync() makes durable.
  Micros sync_interval = std::chrono::milliseconds(200);
  uint64_t exemplars_max = 100'000;            // the oldest give way; 0: exemplars are refused
  uint64_t retention_bytes = 0;                // of blocks and log; blocks go until it fits, oldest first; 0: no limit
  Millis block_range = std::chrono::hours(2);  // the head keeps 1.5 of these, older samples go to block files
  uint64_t checkpoint_log_bytes = 256u << 20;  // a log longer than this (and than the head) is condensed
  WalOptions log;                              // what readers of the log need of it at the start, and at most
};

// One batch of samples, written as one record: all of it survives a crash or none. Not thread-safe; take a new one a
// batch, or use it again after commit. Dropping it without commit drops its samples. No series leaves memory while a
// batch that was begun two maintenance rounds ago is neither committed nor dropped: do not keep one open.
class Appender {
 public:
  virtual ~Appender() = default;
  // kTooLarge: series limit. The reference is good until the batch is committed or dropped, and after that as long as
  // the series has samples in memory or is used between two maintenance rounds.
  virtual Result<SeriesRef> ref(const model::Labels& labels) = 0;
  // kConflict: out of order, or the same time with another value (the same value is accepted and stored once), or
  // older than what the head still takes. This may show at commit only, where two appenders write one series at once,
  // where one batch has several late samples of one series, or where maintenance moves the start of the head past the
  // sample meanwhile: such a sample is dropped and counted in sentinel_tsdb_samples_rejected_total. No other is, once
  // accepted here.
  // kNotFound: the reference is not good any more. A stale marker after a histogram ends the histogram series.
  virtual Status append(SeriesRef series, model::Sample sample) = 0;
  // The same for a native histogram; float and histogram samples share the times of a series. The histogram is kept as
  // it is; when read, one that continues the one before as a counter has the hint "not reset", a gauge "gauge", any
  // other "unknown". kInvalidArgument: a layout that cannot be (model::FloatHistogram's rules).
  // REQUIRES: sample.h is not null.
  virtual Status append_histogram(SeriesRef series, model::HistogramSample sample) = 0;
  // An exemplar that the series' newest one equals is accepted and stored once. kConflict: before the newest (by time,
  // then value, then hash of labels); kTooLarge: names and values of its labels exceed 128 characters;
  // kUnavailable: exemplars_max is 0. Stored with the batch; not subject to the series' own order of samples.
  virtual Status append_exemplar(SeriesRef series, const model::Exemplar& exemplar) = 0;
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

struct SeriesExemplars {
  model::Labels series;
  std::vector<model::Exemplar> exemplars;  // ascending by time
};

struct NamedCount {
  std::string name;
  uint64_t count = 0;
};

// What the head is made of: which labels and metrics cause the most series. Each list is the largest first.
struct Cardinality {
  uint64_t series = 0;
  uint64_t label_pairs = 0;
  uint64_t chunks = 0;
  int64_t min_ms = 0;  // of the head
  int64_t max_ms = 0;
  std::vector<NamedCount> series_by_metric;
  std::vector<NamedCount> values_by_label;
  std::vector<NamedCount> value_bytes_by_label;
  std::vector<NamedCount> series_by_pair;  // "name=value"
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

  // Series (sorted by labels) that any of the matcher sets matches, with their exemplars in [min_ms, max_ms].
  virtual Result<std::vector<SeriesExemplars>> exemplars(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                         int64_t max_ms) const = 0;
  // Of the head now; `limit` entries a list. Takes time in proportion to the number of label pairs.
  virtual Cardinality cardinality(size_t limit) const = 0;

  // Samples in [min_ms, max_ms] of the series that any set matches are gone when it returns, and durably so; what
  // blocks hold of them stays on disk until clean_tombstones() or the next merge. Samples that come later are kept.
  // REQUIRES: each set has a matcher that does not match the empty string (else kInvalidArgument).
  virtual Status delete_series(const std::vector<model::Matchers>& sets, int64_t min_ms, int64_t max_ms) = 0;
  // Writes blocks with deleted samples anew, without them.
  virtual Status clean_tombstones() = 0;
  // A copy of all blocks, and with `with_head` of the head as one more, below dir/snapshots; returns its name there.
  // A store can be opened on it. Holds up maintenance while it copies, nothing else.
  virtual Result<std::string> snapshot(bool with_head) = 0;

  // For readers of the log (log_reader.h): where it ends now, and from which segment on they still need it.
  virtual LogPosition log_end() const = 0;
  virtual void keep_log_from(uint64_t segment) = 0;  // kKeepNothing: nobody reads

  // At most one; null: none. The one before is not called any more when it returns.
  virtual void listen(CommitListener* listener) = 0;
  // REQUIRES: `series` is a reference this store gave and still knows.
  virtual model::Labels labels(SeriesRef series) const = 0;
};

}  // namespace sentinel::tsdb
