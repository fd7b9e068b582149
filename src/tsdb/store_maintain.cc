// What the store does in the background: blocks out of the head, blocks out of blocks, retention, and a short log.

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "tsdb/limits.h"
#include "tsdb/store_impl.h"

namespace sentinel::tsdb {
namespace {

int64_t floor_to(int64_t t_ms, int64_t width_ms) {
  int64_t rest = t_ms % width_ms;
  if (rest < 0) rest += width_ms;
  return t_ms - rest;
}

}  // namespace

std::string StoreImpl::block_path(const std::string& dir, int64_t min_ms, int64_t end_ms) const {
  return fmt::format("{}/blocks/{}_{}{}", dir, min_ms, end_ms, kBlockSuffix);
}

Status StoreImpl::maintain() {
  std::lock_guard lock(maintain_mutex_);
  SENTINEL_TRY(settle_blocks());
  SENTINEL_TRY(drop_expired());
  SENTINEL_TRY(cut_blocks());
  SENTINEL_TRY(compact_blocks());
  {
    std::lock_guard commit_lock(commit_mutex_);
    head_.collect_garbage();
  }
  head_.rank_series();
  const bool log_long = wal_->segment_bytes() > std::max(options_.checkpoint_log_bytes, head_.bytes());
  if (checkpoint_due_ || log_long || sync_failed_.exchange(false)) SENTINEL_TRY(checkpoint());
  SENTINEL_TRY(wal_->drop_read());
  BlockList blocks;
  {
    std::shared_lock view_lock(view_mutex_);
    blocks = blocks_;
  }
  for (const auto& block : blocks) block->release_idle();
  head_.rest_chunks();
  update_metrics();
  return {};
}

Status StoreImpl::drop_expired() {
  const int64_t keep_from = to_ms(clock_.now()) - options_.retention.count();
  BlockList gone;
  {
    std::unique_lock lock(view_mutex_);
    uint64_t bytes = wal_->size_bytes();
    for (const auto& block : blocks_) bytes += block->meta().bytes;
    while (!blocks_.empty()) {
      const BlockMeta& oldest = blocks_.front()->meta();
      const bool too_much = options_.retention_bytes > 0 && bytes > options_.retention_bytes;
      if (oldest.end_ms > keep_from && !too_much) break;
      bytes -= oldest.bytes;
      gone.push_back(blocks_.front());
      blocks_.erase(blocks_.begin());
    }
  }
  for (const auto& block : gone) {
    log_info("tsdb", "block is past retention", {{"block", block->path()}, {"bytes", block->meta().bytes}});
    SENTINEL_TRY(env_.remove(block->path()));
    SENTINEL_TRY(env_.remove(block->tombstone_path()));
  }
  // A head that gets no new samples never cuts blocks, yet its old samples expire.
  if (head_.min_ms() <= head_.max_ms() && keep_from > head_from_ms_ &&
      std::max(head_.min_ms(), head_from_ms_) < keep_from - options_.retention.count() / 10) {
    {
      std::lock_guard commit_lock(commit_mutex_);
      head_.set_accept_from(keep_from);
    }
    {
      std::unique_lock lock(view_mutex_);
      head_from_ms_ = keep_from;
    }
    head_.truncate_before(keep_from);
    checkpoint_due_ = true;
  }
  return {};
}

Status StoreImpl::cut_blocks() {
  const int64_t width = options_.block_range.count();
  if (head_.min_ms() > head_.max_ms()) return {};
  if (head_.max_ms() - std::max(head_.min_ms(), head_from_ms_) < width) return {};
  const int64_t kept = width / 2 + options_.out_of_order_window.count();
  const int64_t end = floor_to(head_.max_ms() - kept, width);
  for (;;) {
    int64_t start = 0;
    int64_t next = 0;
    {
      std::lock_guard commit_lock(commit_mutex_);
      const int64_t from = head_.oldest_from(head_from_ms_);
      if (from >= end) return {};
      start = std::max(floor_to(from, width), head_from_ms_);
      next = floor_to(from, width) + width;
      head_.set_accept_from(next);  // from here on nothing before `next` changes
    }
    SENTINEL_TRY(write_head_block({start, next - 1}));
    head_.truncate_before(next);
    checkpoint_due_ = true;
  }
}

Result<std::unique_ptr<BlockWriter>> StoreImpl::fill_head_block(const std::string& path, TimeRange window) const {
  SENTINEL_ASSIGN(std::unique_ptr<BlockWriter> writer, BlockWriter::create(env_, path));
  for (const uint32_t id : head_.sorted_ids()) {
    const std::vector<ChunkPtr> chunks = chunks_within(head_.snapshot_one(id, window), window);
    if (!chunks.empty()) SENTINEL_TRY(writer->add(head_.labels_of(id), chunks));
  }
  if (writer->series() > 0) {
    SENTINEL_TRY(writer->finish(window.min_ms, window.max_ms + 1));
  } else {
    writer.reset();
    SENTINEL_TRY(env_.remove(path + ".tmp"));
  }
  return writer;
}

Status StoreImpl::write_head_block(TimeRange window) {
  const int64_t end_ms = window.max_ms + 1;
  const std::string path = block_path(options_.dir, window.min_ms, end_ms);
  SENTINEL_ASSIGN(const std::unique_ptr<BlockWriter> writer, fill_head_block(path, window));
  std::shared_ptr<Block> block;
  if (writer) {
    SENTINEL_TRY(wal_->sync());  // never a block with part of a batch that the log could still lose
    blocks_unsettled_ = true;
    SENTINEL_TRY(writer->publish(options_.dir + "/blocks"));
    SENTINEL_ASSIGN(block, Block::open(env_, path));
    compactions_total_.add();
  }
  std::unique_lock lock(view_mutex_);
  if (block) blocks_.push_back(std::move(block));
  head_from_ms_ = end_ms;
  blocks_unsettled_ = false;
  return {};
}

Status StoreImpl::compact_blocks() {
  const int64_t width_max = std::max<int64_t>(options_.block_range.count(), options_.retention.count() / 10);
  int64_t width = options_.block_range.count();
  while (width <= width_max / static_cast<int64_t>(kCompactFanIn)) {
    width *= static_cast<int64_t>(kCompactFanIn);
    for (;;) {
      SENTINEL_ASSIGN(const bool merged, compact_window(width));
      if (!merged) break;
    }
  }
  return {};
}

// Merges the blocks of one full window, if there is one with several. Only this thread changes blocks_.
Result<bool> StoreImpl::compact_window(int64_t width_ms) {
  for (size_t i = 0; i < blocks_.size();) {
    const int64_t start = floor_to(blocks_[i]->meta().min_ms, width_ms);
    size_t end = i;
    while (end < blocks_.size() && blocks_[end]->meta().end_ms <= start + width_ms) ++end;
    if (end - i >= 2 && start + width_ms <= head_from_ms_) {
      SENTINEL_TRY(replace_blocks(BlockList(blocks_.begin() + static_cast<std::ptrdiff_t>(i),
                                            blocks_.begin() + static_cast<std::ptrdiff_t>(end))));
      return true;
    }
    i = std::max(end, i + 1);
  }
  return false;
}

Status StoreImpl::replace_blocks(const BlockList& parts) {
  const int64_t min_ms = parts.front()->meta().min_ms;
  const int64_t end_ms = parts.back()->meta().end_ms;
  const std::string path = block_path(options_.dir, min_ms, end_ms);
  SENTINEL_ASSIGN(const std::unique_ptr<BlockWriter> writer, BlockWriter::create(env_, path));
  SENTINEL_TRY(merge_blocks(parts, *writer));
  SENTINEL_TRY(writer->finish(min_ms, end_ms));
  blocks_unsettled_ = true;
  SENTINEL_TRY(writer->publish(options_.dir + "/blocks"));
  SENTINEL_ASSIGN(std::shared_ptr<Block> merged, Block::open(env_, path));
  {
    std::unique_lock lock(view_mutex_);
    const auto first = std::find(blocks_.begin(), blocks_.end(), parts.front());
    const auto at = blocks_.erase(first, first + static_cast<std::ptrdiff_t>(parts.size()));
    blocks_.insert(at, std::move(merged));
  }
  blocks_unsettled_ = false;
  compactions_total_.add();
  for (const auto& part : parts) {
    if (part->path() != path) SENTINEL_TRY(env_.remove(part->path()));
    SENTINEL_TRY(env_.remove(part->tombstone_path()));
  }
  return {};
}

Status StoreImpl::settle_blocks() {
  if (!blocks_unsettled_) return {};
  const std::string dir = options_.dir + "/blocks";
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir));
  for (const std::string& name : names) {
    if (!name.ends_with(kBlockSuffix)) continue;
    const std::string path = dir + "/" + name;
    const auto known =
        std::find_if(blocks_.begin(), blocks_.end(), [&](const auto& block) { return block->path() == path; });
    if (known == blocks_.end()) {
      log_warn("tsdb", "removed a block that was not completed", {{"block", path}});
      SENTINEL_TRY(env_.remove(path));
      continue;
    }
    SENTINEL_ASSIGN(std::shared_ptr<Block> now, Block::open(env_, path));
    if (now->id() == (*known)->id()) continue;
    std::unique_lock lock(view_mutex_);  // written anew under the same name: holds what the old one did
    *known = std::move(now);
  }
  SENTINEL_TRY(env_.sync_dir(dir));
  blocks_unsettled_ = false;
  return {};
}

Status StoreImpl::write_exemplars(const Wal::Writer& write) const {
  constexpr size_t kPerRecord = 1'000;
  const std::vector<StoredExemplar> all = exemplars_.all();
  for (size_t at = 0; at < all.size(); at += kPerRecord) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), at + kPerRecord));
    SENTINEL_TRY(write(RecordType::kExemplars, encode_exemplars({begin, end})));
  }
  return {};
}

// Writes the head as it is into one file and drops the log before it.
Status StoreImpl::checkpoint() {
  uint64_t number = 0;
  std::vector<uint32_t> live;
  {
    std::lock_guard lock(commit_mutex_);
    SENTINEL_ASSIGN(number, wal_->rotate());
    if (number == 0) return {};
    for (uint32_t id = 0; id < head_.series_slots(); ++id) {
      if (head_.has_samples(id)) {
        live.push_back(id);
      } else {
        head_.set_logged(id, false);  // its definition goes with the old segments
      }
    }
  }
  const auto fill = [&](const Wal::Writer& write) -> Status {
    SENTINEL_TRY(write(RecordType::kHeadStart, encode_head_start(head_from_ms_)));
    for (const uint32_t id : live) {
      const SeriesSnapshot one = head_.snapshot_one(id, {});
      BatchRecord record;
      record.series.push_back({id, head_.labels_of(id)});
      SENTINEL_TRY(write(RecordType::kBatch, encode_batch(record)));
      for (const SealedChunk& chunk : one.sealed) {
        SENTINEL_TRY(write(RecordType::kChunk, encode_chunk(id, false, chunk.view())));
      }
      if (one.open.count > 0) SENTINEL_TRY(write(RecordType::kChunk, encode_chunk(id, true, one.open)));
      if (one.late.empty()) continue;
      record.series.clear();
      for (const model::Sample& sample : one.late.samples) record.samples.push_back({id, sample});
      const auto after = static_cast<uint32_t>(record.samples.size());
      for (const model::HistogramSample& sample : one.late.histograms) record.histograms.push_back({id, after, sample});
      SENTINEL_TRY(write(record.type(), encode_batch(record)));
    }
    SENTINEL_TRY(write_exemplars(write));
    return wal_->sync();  // never a checkpoint with part of a batch that the log could still lose
  };
  SENTINEL_TRY(wal_->write_checkpoint(number, fill));
  SENTINEL_TRY(wal_->drop_through(number));
  checkpoint_due_ = false;
  checkpoints_total_.add();
  return {};
}

}  // namespace sentinel::tsdb
