#pragma once
// A block: an immutable file with all samples of a window of time, its chunks and its index checksummed
// (docs/formats/block.md). The label index is built in memory when a query first needs it and let go when idle.

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tsdb/chunk.h"
#include "tsdb/head.h"
#include "tsdb/label_index.h"
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

struct BlockChunk {
  int64_t min_ms = 0;
  int64_t max_ms = 0;
  uint32_t count = 0;
  ChunkKind kind = ChunkKind::kFloat;
  uint32_t length = 0;
  uint64_t offset = 0;
};

// Series in the order of their labels, so that a series' number is its rank.
struct BlockIndex {
  LabelIndex labels;
  std::vector<std::vector<BlockChunk>> chunks;
};

inline constexpr size_t kBlockFooterBytes = 64;
std::string encode_block_footer(const BlockMeta& meta, uint64_t index_offset, uint64_t index_bytes, uint32_t index_crc);
// kInvalidArgument: damaged. Any bytes are safe.
Status decode_block_index(std::string_view bytes, BlockIndex& out);

// Thread-safe; shared by readers, who may go on after the file has been removed.
class Block {
 public:
  static Result<std::shared_ptr<Block>> open(Env& env, const std::string& path);

  const BlockMeta& meta() const { return meta_; }
  const std::string& path() const { return path_; }
  TimeRange range() const { return {meta_.min_ms, meta_.end_ms - 1}; }
  bool touches(TimeRange r) const { return meta_.min_ms <= r.max_ms && meta_.end_ms > r.min_ms; }

  Result<std::shared_ptr<const BlockIndex>> index();
  Result<Chunk> read_chunk(const BlockChunk& where) const;  // kIo when its checksum is wrong
  Result<Points> read_points(const std::vector<BlockChunk>& chunks, TimeRange range) const;
  Result<bool> has_sample_in(const std::vector<BlockChunk>& chunks, TimeRange range) const;
  // Lets the index go unless it was used since the last call.
  void release_idle();

 private:
  Block() = default;

  std::string path_;
  BlockMeta meta_;
  uint64_t index_offset_ = 0;
  uint64_t index_bytes_ = 0;
  uint32_t index_crc_ = 0;
  std::unique_ptr<RandomReadFile> file_;
  std::mutex index_mutex_;
  std::shared_ptr<const BlockIndex> index_;
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
  uint64_t series() const { return series_; }

 private:
  BlockWriter(Env& env, std::string path) : env_(&env), path_(std::move(path)) {}
  Status flush(size_t above);

  Env* env_;
  std::string path_;
  std::unique_ptr<AppendFile> file_;
  std::string pending_;
  uint64_t offset_ = 0;
  std::string series_bytes_;
  SymbolTable symbols_;
  uint64_t series_ = 0;
  uint64_t samples_ = 0;
};

// The samples of a snapshot within `range` as chunks: whole sealed ones as they are, the rest encoded anew.
std::vector<ChunkPtr> chunks_within(const SeriesSnapshot& series, TimeRange range);
// One block with all that `parts` (in time order, not overlapping) hold.
Status merge_blocks(const std::vector<std::shared_ptr<Block>>& parts, BlockWriter& out);

}  // namespace sentinel::tsdb
