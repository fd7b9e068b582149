#pragma once
// A block: an immutable file with all samples of a window of time, its chunks and its index checksummed
// (docs/formats/block.md), and beside it, if samples were deleted, a file of tombstones. The index is read when a query
// first needs it and let go when idle.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tsdb/block_index.h"
#include "tsdb/chunk.h"
#include "tsdb/head.h"
#include "tsdb/points.h"
#include "tsdb/queryable.h"

namespace sentinel::tsdb {

struct BlockMeta {
  int64_t min_ms = 0;  // the window: [min_ms, end_ms)
  int64_t end_ms = 0;
  uint64_t series = 0;
  uint64_t samples = 0;
  uint64_t bytes = 0;
};

inline constexpr std::string_view kBlockSuffix = ".block";
inline constexpr std::string_view kTombstoneSuffix = ".tombstones";  // after the name of the block
inline constexpr size_t kBlockFooterBytes = 64;
std::string encode_block_footer(const BlockMeta& meta, uint64_t index_offset, uint64_t index_bytes, uint32_t index_crc);

// Deleted ranges by series number; `block_id` says which file they were made for.
struct Tombstones {
  uint64_t block_id = 0;
  std::map<uint32_t, std::vector<TimeRange>> ranges;
};
std::string encode_tombstones(const Tombstones& tombstones);
// kInvalidArgument: damaged. Any bytes are safe.
Result<Tombstones> decode_tombstones(std::string_view bytes);

// Thread-safe; shared by readers, who may go on after the file has been removed.
class Block {
 public:
  static Result<std::shared_ptr<Block>> open(Env& env, const std::string& path);

  const BlockMeta& meta() const { return meta_; }
  const std::string& path() const { return path_; }
  // Tells files of the same name apart.
  uint64_t id() const { return (index_offset_ << 32) ^ index_crc_; }
  std::string tombstone_path() const { return path_ + std::string(kTombstoneSuffix); }
  TimeRange range() const { return {meta_.min_ms, meta_.end_ms - 1}; }
  bool touches(TimeRange r) const { return meta_.min_ms <= r.max_ms && meta_.end_ms > r.min_ms; }

  Result<std::shared_ptr<const BlockIndex>> index();
  Result<Chunk> read_chunk(const BlockChunk& where) const;  // kIo when its checksum is wrong
  Result<BlockSeries> read_series(const BlockIndex& index, uint32_t id) const;
  // What is deleted is left out.
  Result<Points> read_points(uint32_t id, const BlockSeries& series, TimeRange range) const;
  // Whether a chunk reaches into the range; exact where something of the series was deleted.
  Result<bool> has_sample_in(uint32_t id, const BlockSeries& series, TimeRange range) const;
  // The chunks of a series as they are, made anew where something was deleted.
  Result<std::vector<ChunkPtr>> read_chunks(uint32_t id, const BlockSeries& series) const;

  bool has_tombstones() const { return tombstones() != nullptr; }
  // Marks the samples in `range` of the series that `matchers` select as deleted; durable when it returns.
  // One caller at a time.
  Status erase(Env& env, const std::vector<model::Matchers>& sets, TimeRange range);

  // Lets the index go unless it was used since the last call.
  void release_idle();

 private:
  Block() = default;
  Status load_tombstones(Env& env);
  std::shared_ptr<const Tombstones> tombstones() const;
  const std::vector<TimeRange>* deleted(const Tombstones* tombstones, uint32_t series) const;

  std::string path_;
  BlockMeta meta_;
  uint64_t index_offset_ = 0;
  uint64_t index_bytes_ = 0;
  uint32_t index_crc_ = 0;
  std::unique_ptr<RandomReadFile> file_;
  mutable std::mutex mutex_;
  std::shared_ptr<const BlockIndex> index_;
  std::shared_ptr<const Tombstones> tombstones_;  // null: none
  bool used_ = false;
};

// Writes one block. Series must come sorted by labels, chunks by time.
class BlockWriter {
 public:
  static Result<std::unique_ptr<BlockWriter>> create(Env& env, std::string path);
  Status add(const model::Labels& labels, std::span<const ChunkPtr> chunks);
  // Completes and syncs the file under its temporary name. Not a block yet.
  Status finish(int64_t min_ms, int64_t end_ms);
  // Gives it its name; durable when it returns.
  Status publish(const std::string& dir);
  uint64_t series() const { return index_.series(); }

 private:
  BlockWriter(Env& env, std::string path) : env_(&env), path_(std::move(path)) {}
  Status flush(size_t above);

  Env* env_;
  std::string path_;
  std::unique_ptr<AppendFile> file_;
  std::string pending_;
  uint64_t offset_ = 0;
  BlockIndexWriter index_;
  uint64_t samples_ = 0;
};

// The samples of a snapshot within `range` as chunks: whole sealed ones as they are, the rest encoded anew.
std::vector<ChunkPtr> chunks_within(const SeriesSnapshot& series, TimeRange range);
// One block with all that `parts` (in time order, not overlapping) hold.
Status merge_blocks(const std::vector<std::shared_ptr<Block>>& parts, BlockWriter& out);

}  // namespace sentinel::tsdb
