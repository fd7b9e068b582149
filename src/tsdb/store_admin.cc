// What administrators ask of the store: exemplars, cardinality, deletion, snapshots.

#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "tsdb/store_impl.h"

namespace sentinel::tsdb {

Result<std::vector<SeriesExemplars>> StoreImpl::exemplars(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                          int64_t max_ms) const {
  return exemplars_.select(sets, {min_ms, max_ms});
}

Cardinality StoreImpl::cardinality(size_t limit) const {
  Cardinality out;
  head_.cardinality(limit, out);
  return out;
}

StoreImpl::BlockList StoreImpl::block_list() const {
  std::shared_lock lock(view_mutex_);
  return blocks_;
}

Status StoreImpl::delete_series(const std::vector<model::Matchers>& sets, int64_t min_ms, int64_t max_ms) {
  for (const model::Matchers& matchers : sets) SENTINEL_TRY(require_selective(matchers));
  const TimeRange range{min_ms, max_ms};
  std::lock_guard lock(maintain_mutex_);
  SENTINEL_TRY(settle_blocks());
  std::vector<PostingsRef> found;
  for (const model::Matchers& matchers : sets) {
    found.push_back(std::make_shared<const SeriesIds>(head_.resolve(matchers)));
  }
  if (!found.empty()) SENTINEL_TRY(erase_from_head(unite(found), range));
  SENTINEL_TRY(wal_->sync());
  for (const auto& block : block_list()) {
    if (block->touches(range)) SENTINEL_TRY(block->erase(env_, sets, range));
  }
  return {};
}

// In slices, so that commits come in between. The log says it before the head does it.
Status StoreImpl::erase_from_head(const SeriesIds& ids, TimeRange range) {
  constexpr size_t kSlice = 500;
  for (size_t at = 0; at < ids.size(); at += kSlice) {
    std::lock_guard lock(commit_mutex_);
    EraseRecord record{range, {}};
    for (size_t i = at; i < std::min(ids.size(), at + kSlice); ++i) {
      if (head_.labels_if_in(ids[i], range) != nullptr) record.refs.push_back(ids[i]);
    }
    if (record.refs.empty()) continue;
    BatchRecord definitions;
    for (const uint64_t ref : record.refs) define(ref, definitions);
    if (!definitions.series.empty()) SENTINEL_TRY(log_batch(definitions));
    SENTINEL_TRY(wal_->append(RecordType::kErase, encode_erase(record)));
    for (const uint64_t ref : record.refs) head_.erase(static_cast<uint32_t>(ref), range);
  }
  return {};
}

// A block that loses all its series stays as an empty one: its end says where the head begins.
Status StoreImpl::clean_tombstones() {
  std::lock_guard lock(maintain_mutex_);
  SENTINEL_TRY(settle_blocks());
  for (const auto& block : block_list()) {
    if (block->has_tombstones()) SENTINEL_TRY(replace_blocks({block}));
  }
  return {};
}

Status StoreImpl::copy_block(const Block& block, const std::string& to) const {
  constexpr size_t kPiece = 1u << 20;
  SENTINEL_ASSIGN(const std::unique_ptr<RandomReadFile> from, env_.open_read(block.path()));
  SENTINEL_ASSIGN(const std::unique_ptr<AppendFile> file, env_.open_append(to));
  for (uint64_t at = 0; at < from->size_bytes(); at += kPiece) {
    SENTINEL_ASSIGN(const std::string piece, from->read(at, kPiece));
    SENTINEL_TRY(file->append(piece));
  }
  SENTINEL_TRY(file->sync());
  if (!block.has_tombstones()) return {};
  SENTINEL_ASSIGN(const std::string tombstones, env_.read_file(block.tombstone_path()));
  return env_.write_file_atomic(to + std::string(kTombstoneSuffix), tombstones);
}

Result<std::string> StoreImpl::snapshot(bool with_head) {
  std::lock_guard lock(maintain_mutex_);  // blocks stay, the head is not cut
  const auto seconds = std::chrono::floor<std::chrono::seconds>(clock_.now());
  const std::string name = fmt::format("{:%Y%m%dT%H%M%SZ}-{}", seconds, hex_encode(secure_random(8)));
  const std::string dir = options_.dir + "/snapshots/" + name;
  const std::string temporary = dir + ".tmp";
  SENTINEL_TRY(env_.remove_tree(temporary));
  SENTINEL_TRY(env_.make_dirs(temporary + "/blocks"));
  for (const auto& block : block_list()) {
    const std::string file = block->path().substr(block->path().rfind('/'));
    SENTINEL_TRY(copy_block(*block, temporary + "/blocks" + file));
  }
  const TimeRange window{std::max(head_.min_ms(), head_from_ms_), head_.max_ms()};
  if (with_head && !window.empty()) {
    const std::string path = block_path(temporary, window.min_ms, window.max_ms + 1);
    SENTINEL_ASSIGN(const std::unique_ptr<BlockWriter> writer, fill_head_block(path, window));
    if (writer) SENTINEL_TRY(writer->publish(temporary + "/blocks"));
  }
  SENTINEL_TRY(env_.rename(temporary, dir));
  SENTINEL_TRY(env_.sync_dir(options_.dir + "/snapshots"));
  log_info("tsdb", "snapshot made", {{"path", dir}});
  return name;
}

}  // namespace sentinel::tsdb
