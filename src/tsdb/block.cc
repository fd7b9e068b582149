#include "tsdb/block.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/varint.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

constexpr std::string_view kMagic("SNTLBLK\x02", 8);  // the last byte is the version
constexpr std::string_view kTombstoneMagic("SNTLTMB\x01", 8);
constexpr size_t kFlushBytes = 1u << 20;
constexpr size_t kChunkHeadBytes = 4;  // checksum

Error damaged(const std::string& path, const char* what) {
  return Error(ErrorCode::kIo, "block " + path + ": " + what);
}

}  // namespace

std::string encode_block_footer(const BlockMeta& meta, uint64_t index_offset, uint64_t index_bytes,
                                uint32_t index_crc) {
  std::string out;
  put_fixed(out, meta.min_ms);
  put_fixed(out, meta.end_ms);
  put_fixed(out, meta.series);
  put_fixed(out, meta.samples);
  put_fixed(out, index_offset);
  put_fixed(out, index_bytes);
  put_fixed(out, index_crc);
  put_fixed(out, crc32c(out));
  out.append(kMagic);
  return out;
}

std::string encode_tombstones(const Tombstones& tombstones) {
  std::string out(kTombstoneMagic);
  put_fixed(out, tombstones.block_id);
  put_varint(out, tombstones.ranges.size());
  for (const auto& [series, ranges] : tombstones.ranges) {
    put_varint(out, series);
    put_varint(out, ranges.size());
    for (const TimeRange& range : ranges) {
      put_fixed(out, range.min_ms);
      put_fixed(out, range.max_ms);
    }
  }
  put_fixed(out, crc32c(out));
  return out;
}

Result<Tombstones> decode_tombstones(std::string_view bytes) {
  const auto bad = [] { return fail(ErrorCode::kInvalidArgument, "tombstones are damaged"); };
  constexpr size_t kChecksumBytes = 4;
  if (!bytes.starts_with(kTombstoneMagic) || bytes.size() < kTombstoneMagic.size() + kChecksumBytes) return bad();
  const std::string_view checked = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (ByteReader(bytes.substr(checked.size())).fixed<uint32_t>() != crc32c(checked)) return bad();
  ByteReader in(checked.substr(kTombstoneMagic.size()));
  Tombstones out;
  out.block_id = in.fixed<uint64_t>();
  const uint64_t series = in.varint();
  for (uint64_t i = 0; i < series && in.ok(); ++i) {
    const uint64_t id = in.varint();
    const uint64_t count = in.varint();
    if (id > UINT32_MAX || count > in.size()) return bad();
    auto& ranges = out.ranges[static_cast<uint32_t>(id)];
    for (uint64_t r = 0; r < count; ++r) {
      TimeRange range;
      range.min_ms = in.fixed<int64_t>();
      range.max_ms = in.fixed<int64_t>();
      ranges.push_back(range);
    }
  }
  if (!in.ok() || !in.empty()) return bad();
  return out;
}

Result<std::shared_ptr<Block>> Block::open(Env& env, const std::string& path) {
  std::shared_ptr<Block> block(new Block());
  block->path_ = path;
  SENTINEL_ASSIGN(block->file_, env.open_read(path));
  const uint64_t size = block->file_->size_bytes();
  if (size < kMagic.size() + kBlockFooterBytes) return fail(damaged(path, "too short"));
  SENTINEL_ASSIGN(const std::string footer, block->file_->read(size - kBlockFooterBytes, kBlockFooterBytes));
  constexpr size_t kChecked = kBlockFooterBytes - 4 - kMagic.size();
  ByteReader in(footer);
  BlockMeta& meta = block->meta_;
  meta.min_ms = in.fixed<int64_t>();
  meta.end_ms = in.fixed<int64_t>();
  meta.series = in.fixed<uint64_t>();
  meta.samples = in.fixed<uint64_t>();
  meta.bytes = size;
  block->index_offset_ = in.fixed<uint64_t>();
  block->index_bytes_ = in.fixed<uint64_t>();
  block->index_crc_ = in.fixed<uint32_t>();
  const auto checksum = in.fixed<uint32_t>();
  if (!in.ok() || !footer.ends_with(kMagic) || crc32c(footer.substr(0, kChecked)) != checksum) {
    return fail(damaged(path, "damaged footer"));
  }
  if (block->index_bytes_ > kBlockIndexBytesMax ||
      block->index_offset_ + block->index_bytes_ != size - kBlockFooterBytes) {
    return fail(damaged(path, "damaged footer"));
  }
  SENTINEL_TRY(block->load_tombstones(env));
  return block;
}

// Those of another file of the same name (a clean-up was interrupted) are of no use any more.
Status Block::load_tombstones(Env& env) {
  if (!env.exists(tombstone_path())) return {};
  SENTINEL_ASSIGN(const std::string bytes, env.read_file(tombstone_path()));
  auto found = decode_tombstones(bytes);
  if (!found) return fail(damaged(path_, "damaged tombstones"));
  if (found->block_id != id()) return env.remove(tombstone_path());
  tombstones_ = std::make_shared<const Tombstones>(std::move(*found));
  return {};
}

Result<std::shared_ptr<const BlockIndex>> Block::index() {
  std::lock_guard lock(mutex_);
  used_ = true;
  if (index_) return index_;
  SENTINEL_ASSIGN(std::string bytes, file_->read(index_offset_, static_cast<size_t>(index_bytes_)));
  if (bytes.size() != index_bytes_ || crc32c(bytes) != index_crc_) return fail(damaged(path_, "damaged index"));
  auto parsed = BlockIndex::parse(std::move(bytes));
  if (!parsed) return fail(damaged(path_, "damaged index"));
  index_ = std::move(*parsed);
  return index_;
}

Result<Chunk> Block::read_chunk(const BlockChunk& where) const {
  SENTINEL_ASSIGN(const std::string bytes, file_->read(where.offset, kChunkHeadBytes + where.length));
  if (bytes.size() != kChunkHeadBytes + where.length) return fail(damaged(path_, "chunk is cut off"));
  ByteReader in(bytes);
  const auto checksum = in.fixed<uint32_t>();
  Chunk chunk{where.min_ms, where.max_ms, where.count, where.kind, bytes.substr(kChunkHeadBytes)};
  if (crc32c(chunk.bytes) != checksum) return fail(damaged(path_, "damaged chunk"));
  return chunk;
}

Result<BlockSeries> Block::read_series(const BlockIndex& index, uint32_t id) const {
  BlockSeries series;
  if (!index.read(id, series)) return fail(damaged(path_, "damaged index"));
  return series;
}

std::shared_ptr<const Tombstones> Block::tombstones() const {
  std::lock_guard lock(mutex_);
  return tombstones_;
}

const std::vector<TimeRange>* Block::deleted(const Tombstones* tombstones, uint32_t series) const {
  if (tombstones == nullptr) return nullptr;
  const auto it = tombstones->ranges.find(series);
  return it == tombstones->ranges.end() ? nullptr : &it->second;
}

Result<Points> Block::read_points(uint32_t id, const BlockSeries& series, TimeRange range) const {
  Points out;
  for (const BlockChunk& where : series.chunks) {
    if (where.min_ms > range.max_ms || where.max_ms < range.min_ms) continue;
    SENTINEL_ASSIGN(const Chunk chunk, read_chunk(where));
    if (!decode(chunk, range, out)) return fail(damaged(path_, "damaged chunk"));
  }
  const auto held = tombstones();
  if (const auto* ranges = deleted(held.get(), id)) {
    for (const TimeRange& gone : *ranges) remove_range(out, gone);
  }
  return out;
}

Result<bool> Block::has_sample_in(uint32_t id, const BlockSeries& series, TimeRange range) const {
  const auto held = tombstones();
  if (deleted(held.get(), id) == nullptr) {
    return std::any_of(series.chunks.begin(), series.chunks.end(),
                       [&](const BlockChunk& c) { return c.min_ms <= range.max_ms && c.max_ms >= range.min_ms; });
  }
  SENTINEL_ASSIGN(const Points points, read_points(id, series, range));
  return !points.empty();
}

Result<std::vector<ChunkPtr>> Block::read_chunks(uint32_t id, const BlockSeries& series) const {
  const auto held = tombstones();
  if (deleted(held.get(), id) != nullptr) {
    SENTINEL_ASSIGN(const Points points, read_points(id, series, {}));
    return encode(points);
  }
  std::vector<ChunkPtr> out;
  for (const BlockChunk& where : series.chunks) {
    SENTINEL_ASSIGN(Chunk chunk, read_chunk(where));
    out.push_back(std::make_shared<const Chunk>(std::move(chunk)));
  }
  return out;
}

Status Block::erase(Env& env, const std::vector<model::Matchers>& sets, TimeRange range) {
  const auto before = tombstones();
  Tombstones now = before ? *before : Tombstones{};
  now.block_id = id();
  bool found = false;
  SENTINEL_ASSIGN(const std::shared_ptr<const BlockIndex> index, this->index());
  for (const model::Matchers& matchers : sets) {
    for (const uint32_t series : index->resolve(matchers)) {
      auto& ranges = now.ranges[series];
      // Several sets may select one series; asking twice for the same adds nothing.
      const auto covers = [&](const TimeRange& r) { return r.min_ms <= range.min_ms && r.max_ms >= range.max_ms; };
      if (std::any_of(ranges.begin(), ranges.end(), covers)) continue;
      ranges.push_back(range);
      found = true;
    }
  }
  if (!found) return {};
  SENTINEL_TRY(env.write_file_atomic(tombstone_path(), encode_tombstones(now)));
  std::lock_guard lock(mutex_);
  tombstones_ = std::make_shared<const Tombstones>(std::move(now));
  return {};
}

void Block::release_idle() {
  std::lock_guard lock(mutex_);
  if (!used_) index_.reset();
  used_ = false;
}

Result<std::unique_ptr<BlockWriter>> BlockWriter::create(Env& env, std::string path) {
  std::unique_ptr<BlockWriter> writer(new BlockWriter(env, std::move(path)));
  SENTINEL_TRY(env.remove(writer->path_ + ".tmp"));
  SENTINEL_ASSIGN(writer->file_, env.open_append(writer->path_ + ".tmp"));
  writer->pending_ = kMagic;
  writer->offset_ = kMagic.size();
  return writer;
}

Status BlockWriter::flush(size_t above) {
  if (pending_.size() <= above) return {};
  SENTINEL_TRY(file_->append(pending_));
  pending_.clear();
  return {};
}

Status BlockWriter::add(const model::Labels& labels, std::span<const ChunkPtr> chunks) {
  std::vector<BlockChunk> places;
  places.reserve(chunks.size());
  for (const ChunkPtr& chunk : chunks) {
    places.push_back(
        {chunk->min_ms, chunk->max_ms, chunk->count, chunk->kind, static_cast<uint32_t>(chunk->bytes.size()), offset_});
    put_fixed(pending_, crc32c(chunk->bytes));
    pending_ += chunk->bytes;
    offset_ += kChunkHeadBytes + chunk->bytes.size();
    samples_ += chunk->count;
  }
  index_.add(labels, places);
  return flush(kFlushBytes);
}

Status BlockWriter::finish(int64_t min_ms, int64_t end_ms) {
  SENTINEL_ASSIGN(const std::string index, index_.finish());
  pending_ += index;
  pending_ += encode_block_footer({min_ms, end_ms, series(), samples_, 0}, offset_, index.size(), crc32c(index));
  SENTINEL_TRY(flush(0));
  return file_->sync();
}

Status BlockWriter::publish(const std::string& dir) {
  file_.reset();
  SENTINEL_TRY(env_->rename(path_ + ".tmp", path_));
  return env_->sync_dir(dir);
}

std::vector<ChunkPtr> chunks_within(const SeriesSnapshot& series, TimeRange range) {
  std::vector<ChunkPtr> out;
  Points loose;
  const auto encode_loose = [&] {
    for (ChunkPtr& chunk : encode(loose)) out.push_back(std::move(chunk));
    loose = {};
  };
  if (!series.late.empty()) {
    series.decode(range, loose);
    encode_loose();
    return out;
  }
  for (const SealedChunk& chunk : series.sealed) {
    if (chunk.min_ms >= range.min_ms && chunk.max_ms <= range.max_ms) {
      encode_loose();
      out.push_back(std::make_shared<const Chunk>(chunk.view().copy()));
    } else {
      (void)decode(chunk.view(), range, loose);
    }
  }
  if (series.open.count > 0) (void)decode(series.open, range, loose);
  encode_loose();
  return out;
}

namespace {

// Goes through the series of one block in order.
struct Cursor {
  Block* block = nullptr;
  std::shared_ptr<const BlockIndex> index;
  uint32_t at = 0;
  BlockSeries series;
  model::Labels labels;

  bool done() const { return at >= index->size(); }
  Status load() {
    if (done()) return {};
    SENTINEL_ASSIGN(series, block->read_series(*index, at));
    labels = index->make_labels(series);
    return {};
  }
};

}  // namespace

Status merge_blocks(const std::vector<std::shared_ptr<Block>>& parts, BlockWriter& out) {
  std::vector<Cursor> cursors;
  for (const auto& part : parts) {
    Cursor& cursor = cursors.emplace_back();
    cursor.block = part.get();
    SENTINEL_ASSIGN(cursor.index, part->index());
    SENTINEL_TRY(cursor.load());
  }
  for (;;) {
    const model::Labels* least = nullptr;
    for (const Cursor& cursor : cursors) {
      if (!cursor.done() && (least == nullptr || cursor.labels < *least)) least = &cursor.labels;
    }
    if (least == nullptr) return {};
    const model::Labels labels = *least;
    std::vector<ChunkPtr> chunks;
    for (Cursor& cursor : cursors) {
      if (cursor.done() || cursor.labels != labels) continue;
      SENTINEL_ASSIGN(const std::vector<ChunkPtr> own, cursor.block->read_chunks(cursor.at, cursor.series));
      chunks.insert(chunks.end(), own.begin(), own.end());
      ++cursor.at;
      SENTINEL_TRY(cursor.load());
    }
    if (!chunks.empty()) SENTINEL_TRY(out.add(labels, chunks));
  }
}

}  // namespace sentinel::tsdb
