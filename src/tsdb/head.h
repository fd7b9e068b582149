#pragma once
// The newest samples of all series, in memory.
//
// Locks, each held briefly: one shared lock over the index (readers resolve matchers under it, a new series takes it
// alone) and striped ones over the series' chunks. Chunks are decoded outside of both. Series are never removed: one
// without samples keeps its labels (some 100 bytes), so that a SeriesRef stays good, but is not counted nor shown.

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/chunk.h"
#include "tsdb/label_index.h"
#include "tsdb/queryable.h"

namespace sentinel::tsdb {

// The samples of one series in a range as they were at one moment; decoding needs no lock.
struct SeriesSnapshot {
  uint32_t id = 0;
  std::vector<ChunkPtr> sealed;
  Chunk open;                       // count 0: none
  std::vector<model::Sample> late;  // out-of-order ones, ascending
  // Appends what lies in `range`, ascending.
  void decode(TimeRange range, std::vector<model::Sample>& out) const;

  void decode_merged(TimeRange range, std::vector<model::Sample>& out) const;  // when there are late ones
};

enum class Verdict { kAppend, kLate, kDuplicate, kOutOfOrder, kOtherValue, kTooOld, kTooManyLate };

class Head {
 public:
  explicit Head(uint64_t series_max) : series_max_(series_max) {}

  // kTooLarge: series limit (unless `unlimited`: what the log holds is never refused).
  Result<uint32_t> get_or_create(const model::Labels& labels, bool unlimited = false);
  bool knows(uint64_t id) const { return id < series_.size(); }
  model::Labels labels_of(uint32_t id) const { return index_.make_labels(id); }

  // What would become of the sample now. `late_window_ms`: how much older than the series' newest it may be.
  Verdict judge(uint32_t id, model::Sample sample, int64_t late_window_ms) const;
  // Takes it as judged. Writers one at a time.
  Verdict apply(uint32_t id, model::Sample sample, int64_t late_window_ms);

  // True when the series' labels are in the log as far back as it reaches. Guarded by the owner's commit lock.
  bool logged(uint32_t id) const { return series_[id].logged; }
  void set_logged(uint32_t id, bool logged) { series_[id].logged = logged; }

  // Samples before this are too old.
  void set_accept_from(int64_t t_ms) { accept_from_ms_.store(t_ms, std::memory_order_release); }
  int64_t accept_from() const { return accept_from_ms_.load(std::memory_order_acquire); }

  // A chunk read from a checkpoint. REQUIRES: chunks of a series come in time order; nobody reads yet.
  Status load_chunk(uint32_t id, Chunk chunk, bool open);

  // Series that match and have chunks touching the range, sorted by labels.
  std::vector<SeriesSnapshot> snapshot(const model::Matchers& matchers, TimeRange range) const;
  SeriesIds resolve(const model::Matchers& matchers) const;
  std::vector<uint32_t> sorted_ids() const;  // all, by labels
  SeriesSnapshot snapshot_one(uint32_t id, TimeRange range) const;
  bool has_samples(uint32_t id) const;
  bool has_sample_in(uint32_t id, TimeRange range) const;
  // Names and values of labels on series with a sample in range, unsorted.
  std::vector<std::string> label_names(TimeRange range) const;
  std::vector<std::string> label_values(const std::string& name, TimeRange range, size_t values_max = SIZE_MAX) const;

  // Drops chunks that end before t_ms. Series left without samples are no longer counted.
  void truncate_before(int64_t t_ms);

  // The oldest sample at or after from_ms, or a chunk's that reaches across it; int64 max when there is none.
  int64_t oldest_from(int64_t from_ms) const;

  uint32_t series_slots() const { return static_cast<uint32_t>(series_.size()); }
  uint64_t series_active() const { return active_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return chunk_bytes_.load(std::memory_order_relaxed); }
  int64_t min_ms() const { return min_ms_.load(std::memory_order_relaxed); }  // a lower bound; int64 max when empty
  int64_t max_ms() const { return max_ms_.load(std::memory_order_relaxed); }  // int64 min when empty
  const LabelIndex& index() const { return index_; }

 private:
  struct Series {
    std::vector<ChunkPtr> sealed;
    std::unique_ptr<ChunkWriter> open;
    std::unique_ptr<std::vector<model::Sample>> late;
    int64_t newest_ms = std::numeric_limits<int64_t>::min();
    double newest_v = 0;
    bool has_samples = false;  // ever: newest_ms and newest_v mean something
    bool active = false;       // counted
    bool logged = false;
  };
  static constexpr size_t kStripes = 256;
  struct alignas(64) Stripe {
    std::mutex mutex;
  };

  std::mutex& stripe(uint32_t id) const { return stripes_[id % kStripes].mutex; }
  static bool overlaps(const Series& series, TimeRange range);
  static void fill(const Series& series, TimeRange range, SeriesSnapshot& out);
  Verdict judge_locked(const Series& series, model::Sample sample, int64_t late_window_ms) const;
  static Verdict judge_late(const Series& series, model::Sample sample);
  Result<uint32_t> revive(uint32_t id, bool unlimited);
  Error series_limit() const;
  void note_time(int64_t t_ms);
  void seal_if_full(Series& series);
  void activate(Series& series);

  const uint64_t series_max_;
  mutable std::shared_mutex index_mutex_;
  LabelIndex index_;
  StableVector<Series> series_;
  mutable std::array<Stripe, kStripes> stripes_;
  std::atomic<int64_t> accept_from_ms_{std::numeric_limits<int64_t>::min()};
  std::atomic<uint64_t> active_{0};
  std::atomic<uint64_t> chunk_bytes_{0};
  std::atomic<int64_t> min_ms_{std::numeric_limits<int64_t>::max()};
  std::atomic<int64_t> max_ms_{std::numeric_limits<int64_t>::min()};
};

}  // namespace sentinel::tsdb
