#pragma once
// The parts of the embedded store and how they are put together. Private to src/tsdb.
//
// Locks, in the order they may be taken: maintain_mutex_ (one maintenance at a time), commit_mutex_ (one commit at a
// time: log first, then head), view_mutex_ (which blocks there are, and where the head begins for readers), and then
// the head's own.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "tsdb/block.h"
#include "tsdb/exemplars.h"
#include "tsdb/head.h"
#include "tsdb/store.h"
#include "tsdb/wal.h"

namespace sentinel::tsdb {

// Series numbers of a log → ours. Mostly dense, hence an array; any number is safe.
class RefMap {
 public:
  void set(uint64_t ref, uint32_t id) {
    if (ref < dense_.size() * 2 + kSlack) {
      if (ref >= dense_.size()) dense_.resize(std::max<uint64_t>(ref + 1, dense_.size() * 2), kNone);
      dense_[ref] = id;
    } else {
      sparse_[ref] = id;
    }
  }
  std::optional<uint32_t> find(uint64_t ref) const {
    if (ref < dense_.size() && dense_[ref] != kNone) return dense_[ref];
    const auto it = sparse_.find(ref);
    return it == sparse_.end() ? std::nullopt : std::optional<uint32_t>(it->second);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint64_t kSlack = 1'024;
  std::vector<uint32_t> dense_;
  absl::flat_hash_map<uint64_t, uint32_t> sparse_;
};

class StoreImpl final : public Store {
 public:
  StoreImpl(Env& env, const Clock& clock, MetricRegistry& metrics, StoreOptions options);
  ~StoreImpl() override;
  Status start();  // lock, blocks, log, sync thread

  Result<std::vector<SeriesData>> select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                         const SelectLimits& limits) const override;
  Result<std::unique_ptr<Selection>> begin_select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                                  const SelectLimits& limits, WantedLabels wanted) const override;
  Result<std::vector<model::Labels>> series(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                            int64_t max_ms) const override;
  Result<std::vector<std::string>> label_names(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                               int64_t max_ms) const override;
  Result<std::vector<std::string>> label_values(const std::string& name, const std::vector<model::Matchers>& sets,
                                                int64_t min_ms, int64_t max_ms) const override;
  std::unique_ptr<Appender> appender() override;
  Status sync() override;
  Status maintain() override;
  StoreStats stats() const override;
  Result<std::vector<SeriesExemplars>> exemplars(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                 int64_t max_ms) const override;
  Cardinality cardinality(size_t limit) const override;
  Status delete_series(const std::vector<model::Matchers>& sets, int64_t min_ms, int64_t max_ms) override;
  Status clean_tombstones() override;
  Result<std::string> snapshot(bool with_head) override;
  LogPosition log_end() const override { return wal_->end(); }
  void keep_log_from(uint64_t segment) override { wal_->keep_from(segment); }
  void listen(CommitListener* listener) override;
  model::Labels labels(SeriesRef series) const override;

  // For the appenders.
  EpochPin hold_series() const { return head_.hold(); }  // see Head::hold()
  Result<SeriesRef> ref(const model::Labels& labels);
  Status judge(SeriesRef series, const Incoming& sample);
  Status judge_age(int64_t newest_ms, int64_t t_ms);  // against the newest of the same batch
  Status judge_exemplar(SeriesRef series, const model::Exemplar& exemplar);
  // What is refused meanwhile is left out and counted. Series are defined as the log needs it.
  Status commit(const BatchRecord& wanted);

 private:
  using BlockList = std::vector<std::shared_ptr<Block>>;  // by time, not overlapping
  struct View {
    BlockList blocks;
    TimeRange head;  // the part of the asked range that the head answers
  };

  // Opening.
  Status open_blocks();
  Status replay(RecordType type, std::string_view payload);
  Status replay_batch(RecordType type, std::string_view payload);
  Status replay_chunk(std::string_view payload);

  BlockList block_list() const;

  // Reading. REQUIRES: view_mutex_ held, at least shared.
  View view_locked(TimeRange range) const;

  // Maintenance. REQUIRES: maintain_mutex_ held.
  Status drop_expired();
  Status cut_blocks();
  Status write_head_block(TimeRange window);
  Status compact_blocks();
  Result<bool> compact_window(int64_t width_ms);
  Status replace_blocks(const BlockList& parts);
  // After a block got its name but what followed failed: makes the folder hold what is known, durably. Before that
  // nothing may be deleted: the block that is not known would bring it back at the next start.
  Status settle_blocks();
  Status checkpoint();
  Status write_exemplars(const Wal::Writer& write) const;
  std::string block_path(const std::string& dir, int64_t min_ms, int64_t end_ms) const;
  // Null when no series has samples in the window. The file still has its temporary name.
  Result<std::unique_ptr<BlockWriter>> fill_head_block(const std::string& path, TimeRange window) const;
  Status copy_block(const Block& block, const std::string& to) const;
  void publish_head_start(int64_t t_ms);

  void tell_listener(const BatchRecord& batch);
  BatchRecord batch_record(const BatchRecord& wanted);
  bool admit(uint64_t ref, const Incoming& sample, BatchRecord& out);
  void define(uint64_t ref, BatchRecord& out);
  Status log_batch(const BatchRecord& batch);  // what it defines counts as not logged when it fails
  void apply(const BatchRecord& batch);
  Status erase_from_head(const SeriesIds& ids, TimeRange range);
  void sync_loop();
  void update_metrics();

  Env& env_;
  const Clock& clock_;
  const StoreOptions options_;
  std::unique_ptr<FileLock> lock_;
  Head head_;
  ExemplarRing exemplars_;
  std::unique_ptr<Wal> wal_;

  // Only while opening: series numbers of the log that is being read → ours.
  RefMap replay_refs_;
  uint64_t replay_unknown_ = 0;

  std::mutex commit_mutex_;
  CommitListener* listener_ = nullptr;  // commit_mutex_
  std::vector<SeriesRef> committed_;    // commit_mutex_; for the listener
  mutable std::mutex maintain_mutex_;
  mutable std::shared_mutex view_mutex_;
  BlockList blocks_;
  // Guarded by view_mutex_; written under maintain_mutex_ only.
  int64_t head_from_ms_ = std::numeric_limits<int64_t>::min();
  bool checkpoint_due_ = false;    // maintain_mutex_
  bool blocks_unsettled_ = false;  // maintain_mutex_; see settle_blocks()
  std::atomic<bool> sync_failed_{false};
  std::atomic<uint64_t> samples_appended_{0};

  std::mutex stop_mutex_;
  std::condition_variable stop_wake_;
  bool stopping_ = false;
  std::thread sync_thread_;

  Counter& appended_total_;
  Counter& rejected_total_;
  Counter& exemplars_appended_total_;
  Counter& exemplars_rejected_total_;
  Counter& series_refused_total_;
  Counter& sync_failures_total_;
  Counter& compactions_total_;
  Counter& checkpoints_total_;
  Gauge& series_gauge_;
  Gauge& series_memory_gauge_;
  Gauge& exemplars_gauge_;
  Gauge& head_bytes_gauge_;
  Gauge& head_mapped_gauge_;
  Gauge& wal_bytes_gauge_;
  Gauge& blocks_gauge_;
  Gauge& block_bytes_gauge_;
  Histogram& sync_seconds_;
};

// kInvalidArgument: every matcher would match a series without the label.
Status require_selective(const model::Matchers& matchers);

// Calls on_sample and on_histogram in the order in which the batch was filled.
template <class S, class H>
void in_order(const BatchRecord& batch, S on_sample, H on_histogram) {
  size_t next = 0;
  for (const RefHistogram& h : batch.histograms) {
    while (next < h.after && next < batch.samples.size()) on_sample(batch.samples[next++]);
    on_histogram(h);
  }
  while (next < batch.samples.size()) on_sample(batch.samples[next++]);
}

// What became of a batch; the rest were duplicates, or of series that are not known.
struct Applied {
  uint64_t stored = 0;
  uint64_t refused = 0;
};

// Puts the samples of a batch into the head. `id_of` gives the series of a reference, or none. What each sample touches
// lies scattered over the whole head: it is asked for some samples ahead.
template <class F>
Applied apply_samples(Head& head, const BatchRecord& batch, int64_t late_window_ms, F id_of) {
  constexpr size_t kSoon = 12;
  constexpr size_t kNext = 4;
  Applied out;
  Head::Writer writer(head, late_window_ms);
  const auto take = [&](uint64_t ref, const Incoming& sample) {
    const std::optional<uint32_t> id = id_of(ref);
    if (!id) return;
    const Verdict verdict = writer.apply(*id, sample);
    if (verdict == Verdict::kAppend || verdict == Verdict::kLate) {
      ++out.stored;
    } else if (verdict != Verdict::kDuplicate) {
      ++out.refused;
    }
  };
  const auto& samples = batch.samples;
  in_order(
      batch,
      [&](const RefSample& s) {
        const auto at = static_cast<size_t>(&s - samples.data());
        if (at + kSoon < samples.size()) {
          if (const auto id = id_of(samples[at + kSoon].ref)) writer.expect(*id);
          if (const auto id = id_of(samples[at + kNext].ref)) writer.expect_next(*id);
        }
        take(s.ref, s.sample);
      },
      [&](const RefHistogram& h) { take(h.ref, h.sample); });
  return out;
}

}  // namespace sentinel::tsdb
