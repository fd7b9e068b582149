#pragma once
// The newest samples of all series, in memory.
//
// Locks, each held briefly: one shared lock over the index (readers resolve matchers under it, a new series takes it
// alone) and striped ones over the series' chunks. Chunks are decoded and labels read outside of both, under the
// protection of an epoch: what collect_garbage() removes lives on until every reader is gone who began before.

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <vector>

#include <absl/functional/function_ref.h>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/chunk.h"
#include "tsdb/epoch.h"
#include "tsdb/head_chunks.h"
#include "tsdb/label_index.h"
#include "tsdb/label_order.h"
#include "tsdb/points.h"
#include "tsdb/queryable.h"
#include "tsdb/store.h"

namespace sentinel::tsdb {

// The samples of one series in a range as they were at one moment; decoding needs no lock. Valid while the epoch lasts
// under which it was taken.
struct SeriesSnapshot {
  uint32_t id = 0;
  const LabelSet* labels = nullptr;
  std::vector<SealedChunk> sealed;
  Chunk open;   // count 0: none
  Points late;  // out-of-order ones
  // Appends what lies in `range`, ascending.
  void decode(TimeRange range, Points& out) const;

 private:
  void decode_merged(TimeRange range, Points& out) const;  // when there are late ones
};

enum class Verdict { kAppend, kLate, kDuplicate, kOutOfOrder, kOtherValue, kTooOld, kTooManyLate, kGone };

// A sample on its way in: `h` null for a float. What `h` points to must live through the call.
struct Incoming {
  int64_t t_ms = 0;
  double v = 0;
  const model::HistogramPtr* h = nullptr;
  Incoming(model::Sample sample) : t_ms(sample.t_ms), v(sample.v) {}                   // NOLINT: meant to convert
  Incoming(const model::HistogramSample& sample) : t_ms(sample.t_ms), h(&sample.h) {}  // NOLINT
};

class Head {
 public:
  // Closed chunks go to files without names in `dir`, which must be there before the first sample comes.
  Head(uint64_t series_max, Env& env, std::string dir) : series_max_(series_max), chunks_(env, std::move(dir)) {}

  // kTooLarge: series limit (unless `unlimited`: what the log holds is never refused).
  Result<uint32_t> get_or_create(const model::Labels& labels, bool unlimited = false);
  // The labels of a series, which is then safe from removal in the next round of collect_garbage(); none: it is gone.
  std::optional<model::Labels> touch(uint64_t id);
  // A series that get_or_create(), touch() or judge() found while the pin was held is not removed until it is let go,
  // and for one round after.
  EpochPin hold() const { return uses_.pin(); }

  // What would become of the sample now. `late_window_ms`: how much older than the series' newest it may be.
  // Takes no lock when the sample goes on from the newest, as most do.
  Verdict judge(uint32_t id, const Incoming& sample, int64_t late_window_ms) const;

  // Takes samples as judged, those of neighbouring series under one lock. Writers one at a time; a writer holds a lock
  // of the head until it goes.
  class Writer {
   public:
    Writer(Head& head, int64_t late_window_ms) : head_(head), late_window_ms_(late_window_ms) {}
    Verdict apply(uint32_t id, const Incoming& sample);
    // Asks for the memory of a series that will come soon; of one whose turn is next.
    void expect(uint32_t id) const { __builtin_prefetch(head_.series_[id].get(), 1); }
    void expect_next(uint32_t id) const;

   private:
    Head& head_;
    const int64_t late_window_ms_;
    std::unique_lock<std::mutex> lock_;
  };

  // True when the series' labels are in the log as far back as it reaches. Guarded by the owner's commit lock.
  bool logged(uint32_t id) const { return facts_[id].logged; }
  void set_logged(uint32_t id, bool logged) { facts_[id].logged = logged; }

  // Samples before this are too old.
  void set_accept_from(int64_t t_ms) { accept_from_ms_.store(t_ms, std::memory_order_release); }
  int64_t accept_from() const { return accept_from_ms_.load(std::memory_order_acquire); }

  // A chunk read from a checkpoint. REQUIRES: chunks of a series come in time order; nobody reads yet.
  Status load_chunk(uint32_t id, Chunk chunk, bool open);

  // Hold it from before ids or snapshots are taken until they and their labels are not used any more.
  EpochPin pin() const { return epochs_.pin(); }
  using Candidate = SeriesCandidate;
  // The series that match, sorted by labels.
  std::vector<Candidate> sorted_candidates(const model::Matchers& matchers) const;
  // Appends the samples of one in the range; false: it has none. Thread-safe.
  bool read_one(const Candidate& candidate, TimeRange range, Points& out) const;
  SeriesIds resolve(const model::Matchers& matchers) const;
  std::vector<uint32_t> sorted_ids() const;  // all, by labels
  SeriesSnapshot snapshot_one(uint32_t id, TimeRange range) const;
  bool has_samples(uint32_t id) const;
  // The labels of a series with a chunk that reaches into the range; null: it has none, or is gone.
  const LabelSet* labels_if_in(uint32_t id, TimeRange range) const;
  model::Labels labels_of(uint32_t id) const { return index_.make_labels(id); }
  model::Labels labels_of(const LabelSet& set) const { return index_.make_labels(set); }
  model::Labels labels_of(const LabelSet& set, std::span<const uint32_t> names) const {
    return index_.make_labels(set, names);
  }
  // Adds names and values of labels on such series, those that any of the sets selects; no sets: all.
  void label_names(const std::vector<model::Matchers>& sets, TimeRange range, std::set<std::string>& out) const;
  void label_values(const std::string& name, const std::vector<model::Matchers>& sets, TimeRange range,
                    std::set<std::string>& out) const;

  // Notes the order of the labels of all series there are, so that reads need not compare texts. Now and then.
  void rank_series();

  void cardinality(size_t limit, Cardinality& out) const;

  // Drops chunks that end before t_ms. Series left without samples are no longer counted.
  void truncate_before(int64_t t_ms);
  // Removes the samples in `range` from one series.
  void erase(uint32_t id, TimeRange range);
  // Removes series without samples that were not used since the last call. Returns how many. Does nothing while a pin
  // of hold() from before the last call is held: what its holder used then no longer shows.
  // REQUIRES: no writer meanwhile (the owner's commit lock).
  size_t collect_garbage();

  // Closed chunks need not be resident until they are read again.
  void rest_chunks() { chunks_.rest(); }

  // The oldest sample at or after from_ms, or a chunk's that reaches across it; int64 max when there is none.
  int64_t oldest_from(int64_t from_ms) const;

  uint32_t series_slots() const { return static_cast<uint32_t>(series_.size()); }
  uint64_t series_active() const { return active_.load(std::memory_order_relaxed); }
  uint64_t series_in_memory() const { return existing_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return chunk_bytes_.load(std::memory_order_relaxed); }
  uint64_t mapped_bytes() const { return chunks_.mapped_bytes(); }
  int64_t min_ms() const { return min_ms_.load(std::memory_order_relaxed); }  // a lower bound; int64 max when empty
  int64_t max_ms() const { return max_ms_.load(std::memory_order_relaxed); }  // int64 min when empty
  const LabelIndex& index() const { return index_; }
  // The number of a label name or value; none: no series in memory has it.
  std::optional<uint32_t> find_symbol(std::string_view text) const {
    std::shared_lock lock(index_mutex_);
    return index_.symbols().find(text);
  }

 private:
  // The histogram chunk being written, while the newest sample is a histogram.
  struct Tail {
    HistogramChunkWriter open;
    model::HistogramPtr newest;
  };
  struct Series {
    const LabelSet* labels = nullptr;
    std::vector<SealedChunk> sealed;
    std::unique_ptr<Tail> tail;
    std::unique_ptr<Points> late;
    double newest_v = 0;
    bool has_samples = false;         // ever: the newest time and value mean something
    bool active = false;              // counted
    std::optional<ChunkWriter> open;  // inside, as nearly all series have one

    bool empty() const { return sealed.empty() && !open && !late && (!tail || tail->open.count() == 0); }
  };
  // What every sample of a series asks for, close together and never freed, so that it can be read without a lock.
  //
  // Use and removal of a series meet here, with no lock in common:
  //   judge()                1 holds a pin of hold() · 2 marks `used`, or sees it marked · 3 reads newest_ms
  //   collect_garbage()      A unmarks `used` · ends the round · and in the next round, unless a pin from before A is
  //                          held: B finds `used` still unmarked · C puts kGoneMs into newest_ms · D reads `used`
  // Invariant: a series for which 3 read anything but kGoneMs stays until its pin is let go.
  // - Removal under way: 2, 3, C and D are sequentially consistent, so in their one order 3 comes after C (and sees
  //   that the series is gone, or asks under the stripe), or D comes after 2 (and sees the mark). Anything weaker lets
  //   the store of 2 linger behind the load of 3, and each miss the other.
  // - Removal still to come: when A wiped the mark of 2, the pin is older than the end of A's round and stops the next;
  //   when A came before 2, the mark stands at B.
  // Under the stripe (get_or_create, touch) C and D are one step, and only the second case matters. newest_ms is
  // written under commit lock and stripe; who reads it without either may see one that another writer has passed since,
  // and commit, which judges again under its lock, has the last word.
  struct Facts {
    // The newest sample; kGoneMs once the series is removed.
    std::atomic<int64_t> newest_ms{std::numeric_limits<int64_t>::min()};
    std::atomic<bool> used{true};  // since collect_garbage() last looked
    bool logged = false;           // commit lock
  };
  static constexpr int64_t kGoneMs = std::numeric_limits<int64_t>::max();
  struct Garbage {
    std::vector<std::unique_ptr<Series>> series;
    std::vector<RemovedLabels> labels;
  };
  // Places in the order of labels, by series number; kUnranked: came later.
  using Ranks = std::vector<uint32_t>;
  static constexpr uint32_t kUnranked = UINT32_MAX;
  static constexpr size_t kStripes = 256;
  static constexpr size_t kStripeWidth = 32;
  struct alignas(64) Stripe {
    std::mutex mutex;
  };

  // Neighbours share one: a sender's samples come mostly in the order in which its series were made.
  static size_t stripe_of(uint32_t id) { return id / kStripeWidth % kStripes; }
  std::mutex& stripe(uint32_t id) const { return stripes_[stripe_of(id)].mutex; }
  int64_t newest_ms(uint32_t id) const { return facts_[id].newest_ms.load(std::memory_order_relaxed); }
  void note_used(uint32_t id) const;
  void sort_candidates(std::vector<Candidate>& candidates) const;
  bool any_in(const SeriesIds& ids, TimeRange range) const;
  static bool overlaps(const Series& series, TimeRange range);
  static void fill(const Series& series, TimeRange range, SeriesSnapshot& out);
  // What is sealed, to be decoded outside of the lock, and the samples of the open chunk; false: the series has late
  // ones or an open histogram chunk.
  static bool fill_plain(const Series& series, TimeRange range, std::vector<SealedChunk>& sealed,
                         std::vector<model::Sample>& newest);
  Verdict judge_locked(uint32_t id, const Series& series, const Incoming& sample, int64_t late_window_ms) const;
  Verdict apply_locked(uint32_t id, const Incoming& sample, int64_t late_window_ms);
  static Verdict judge_late(const Series& series, const Incoming& sample);
  static bool same_as_newest(const Series& series, const Incoming& sample);
  Result<uint32_t> revive(uint32_t id, bool unlimited);
  Error series_limit() const;
  void note_time(int64_t t_ms);
  void append_float(Series& series, model::Sample sample);
  void append_histogram(Series& series, int64_t t_ms, const model::HistogramPtr& h);
  void insert_late(Series& series, const Incoming& sample);
  void seal_float(Series& series);
  void seal_histograms(Series& series);
  void activate(Series& series);
  void deactivate_if_empty(Series& series);
  size_t collect(const SeriesIds& candidates, Garbage& garbage);

  const uint64_t series_max_;
  HeadChunks chunks_;  // written under the owner's commit lock
  EpochChain<Garbage> epochs_;
  RoundPins uses_;
  mutable std::shared_mutex index_mutex_;
  LabelIndex index_;
  StableVector<std::unique_ptr<Series>> series_;                          // null: removed, under commit lock and stripe
  mutable StableVector<Facts> facts_;                                     // as long as series_
  std::shared_ptr<const Ranks> ranks_ = std::make_shared<const Ranks>();  // index_mutex_
  mutable std::array<Stripe, kStripes> stripes_;
  std::atomic<int64_t> accept_from_ms_{std::numeric_limits<int64_t>::min()};
  std::atomic<uint64_t> active_{0};
  std::atomic<uint64_t> existing_{0};
  std::atomic<uint64_t> chunk_bytes_{0};
  std::atomic<int64_t> min_ms_{std::numeric_limits<int64_t>::max()};
  std::atomic<int64_t> max_ms_{std::numeric_limits<int64_t>::min()};
};

}  // namespace sentinel::tsdb
