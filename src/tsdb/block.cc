#include "tsdb/block.h"

#include <algorithm>

#include "base/hash.h"
#include "base/varint.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

constexpr std::string_view kMagic("SNTLBLK\x01", 8);  // the last byte is the version
constexpr size_t kFlushBytes = 1u << 20;
constexpr size_t kChunkHeadBytes = 4;  // checksum

Error damaged(const std::string& path, const char* what) {
  return Error(ErrorCode::kIo, "block " + path + ": " + what);
}

bool get_chunks(ByteReader& in, std::vector<BlockChunk>& out) {
  const uint64_t count = in.varint();
  if (count > in.size()) return false;
  out.reserve(count);
  uint64_t t = 0;
  uint64_t offset = 0;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    BlockChunk chunk;
    t += static_cast<uint64_t>(in.zigzag());
    chunk.min_ms = static_cast<int64_t>(t);
    t += in.varint();
    chunk.max_ms = static_cast<int64_t>(t);
    const uint64_t samples = in.varint();
    offset += in.varint();
    const uint64_t length = in.varint();
    if (samples == 0 || samples > kChunkSamplesMax || length > UINT32_MAX || chunk.max_ms < chunk.min_ms) return false;
    chunk.count = static_cast<uint32_t>(samples);
    chunk.length = static_cast<uint32_t>(length);
    chunk.offset = offset;
    out.push_back(chunk);
  }
  return in.ok();
}

void put_chunk(std::string& out, const Chunk& chunk, uint64_t offset, int64_t& t, uint64_t& last_offset) {
  put_zigzag(out, static_cast<int64_t>(static_cast<uint64_t>(chunk.min_ms) - static_cast<uint64_t>(t)));
  put_varint(out, static_cast<uint64_t>(chunk.max_ms) - static_cast<uint64_t>(chunk.min_ms));
  put_varint(out, chunk.count);
  put_varint(out, offset - last_offset);
  put_varint(out, chunk.bytes.size());
  t = chunk.max_ms;
  last_offset = offset;
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

Status decode_block_index(std::string_view bytes, BlockIndex& out) {
  const auto bad = [] { return fail(ErrorCode::kInvalidArgument, "block index is damaged"); };
  ByteReader in(bytes);
  const uint64_t symbol_count = in.varint();
  if (symbol_count > in.size()) return bad();
  std::vector<std::string_view> symbols(symbol_count);
  for (auto& symbol : symbols) symbol = in.text();
  const uint64_t series_count = in.varint();
  if (!in.ok() || series_count > in.size()) return bad();
  out.chunks.resize(series_count);
  for (uint64_t i = 0; i < series_count; ++i) {
    const uint64_t pairs = in.varint();
    if (pairs > kLabelsMax) return bad();
    std::vector<model::Label> labels;
    for (uint64_t p = 0; p < pairs; ++p) {
      const uint64_t name = in.varint();
      const uint64_t value = in.varint();
      if (name >= symbol_count || value >= symbol_count) return bad();
      labels.push_back({std::string(symbols[name]), std::string(symbols[value])});
    }
    if (!in.ok() || !get_chunks(in, out.chunks[i])) return bad();
    const model::Labels set(std::move(labels));
    out.labels.add(set, set.hash());
  }
  if (!in.ok() || !in.empty()) return bad();
  return {};
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
  return block;
}

Result<std::shared_ptr<const BlockIndex>> Block::index() {
  std::lock_guard lock(index_mutex_);
  used_ = true;
  if (index_) return index_;
  SENTINEL_ASSIGN(const std::string bytes, file_->read(index_offset_, static_cast<size_t>(index_bytes_)));
  if (bytes.size() != index_bytes_ || crc32c(bytes) != index_crc_) return fail(damaged(path_, "damaged index"));
  auto loaded = std::make_shared<BlockIndex>();
  if (Status s = decode_block_index(bytes, *loaded); !s) return fail(damaged(path_, "damaged index"));
  index_ = std::move(loaded);
  return index_;
}

Result<Chunk> Block::read_chunk(const BlockChunk& where) const {
  SENTINEL_ASSIGN(const std::string bytes, file_->read(where.offset, kChunkHeadBytes + where.length));
  if (bytes.size() != kChunkHeadBytes + where.length) return fail(damaged(path_, "chunk is cut off"));
  ByteReader in(bytes);
  const auto checksum = in.fixed<uint32_t>();
  Chunk chunk{where.min_ms, where.max_ms, where.count, ChunkKind::kFloat, bytes.substr(kChunkHeadBytes)};
  if (crc32c(chunk.bytes) != checksum) return fail(damaged(path_, "damaged chunk"));
  return chunk;
}

Result<std::vector<model::Sample>> Block::read_samples(const std::vector<BlockChunk>& chunks, TimeRange range) const {
  std::vector<model::Sample> out;
  for (const BlockChunk& where : chunks) {
    if (where.min_ms > range.max_ms || where.max_ms < range.min_ms) continue;
    SENTINEL_ASSIGN(const Chunk chunk, read_chunk(where));
    if (!decode_range(chunk.bytes, chunk.count, range.min_ms, range.max_ms, out)) {
      return fail(damaged(path_, "damaged chunk"));
    }
  }
  return out;
}

Result<bool> Block::has_sample_in(const std::vector<BlockChunk>& chunks, TimeRange range) const {
  const auto inside = [&](int64_t t) { return t >= range.min_ms && t <= range.max_ms; };
  if (std::any_of(chunks.begin(), chunks.end(),
                  [&](const BlockChunk& c) { return inside(c.min_ms) || inside(c.max_ms); })) {
    return true;
  }
  SENTINEL_ASSIGN(const std::vector<model::Sample> samples, read_samples(chunks, range));
  return !samples.empty();
}

void Block::release_idle() {
  std::lock_guard lock(index_mutex_);
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
  put_varint(series_bytes_, labels.size());
  for (const model::Label& label : labels) {
    put_varint(series_bytes_, symbols_.intern(label.name));
    put_varint(series_bytes_, symbols_.intern(label.value));
  }
  put_varint(series_bytes_, chunks.size());
  int64_t t = 0;
  uint64_t last_offset = 0;
  for (const ChunkPtr& chunk : chunks) {
    put_chunk(series_bytes_, *chunk, offset_, t, last_offset);
    put_fixed(pending_, crc32c(chunk->bytes));
    pending_ += chunk->bytes;
    offset_ += kChunkHeadBytes + chunk->bytes.size();
    samples_ += chunk->count;
  }
  ++series_;
  return flush(kFlushBytes);
}

Status BlockWriter::finish(int64_t min_ms, int64_t end_ms) {
  std::string index;
  put_varint(index, symbols_.size());
  for (size_t i = 0; i < symbols_.size(); ++i) put_text(index, symbols_.at(static_cast<uint32_t>(i)));
  put_varint(index, series_);
  index += series_bytes_;
  pending_ += index;
  pending_ += encode_block_footer({min_ms, end_ms, series_, samples_, 0}, offset_, index.size(), crc32c(index));
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
  std::vector<model::Sample> loose;
  const auto encode_loose = [&] {
    ChunkWriter writer;
    for (const model::Sample& sample : loose) {
      writer.append(sample);
      if (writer.count() == kChunkSamplesMax) out.push_back(std::make_shared<const Chunk>(writer.seal()));
    }
    if (writer.count() > 0) out.push_back(std::make_shared<const Chunk>(writer.seal()));
    loose.clear();
  };
  if (!series.late.empty()) {
    series.decode(range, loose);
    encode_loose();
    return out;
  }
  for (const ChunkPtr& chunk : series.sealed) {
    if (chunk->min_ms >= range.min_ms && chunk->max_ms <= range.max_ms) {
      encode_loose();
      out.push_back(chunk);
    } else {
      decode_range(chunk->bytes, chunk->count, range.min_ms, range.max_ms, loose);
    }
  }
  if (series.open.count > 0) decode_range(series.open.bytes, series.open.count, range.min_ms, range.max_ms, loose);
  encode_loose();
  return out;
}

Status merge_blocks(const std::vector<std::shared_ptr<Block>>& parts, BlockWriter& out) {
  std::vector<std::shared_ptr<const BlockIndex>> indexes;
  for (const auto& part : parts) {
    SENTINEL_ASSIGN(std::shared_ptr<const BlockIndex> index, part->index());
    indexes.push_back(std::move(index));
  }
  std::vector<uint32_t> at(parts.size(), 0);
  std::vector<model::Labels> front(parts.size());
  const auto load_front = [&](size_t i) {
    if (at[i] < indexes[i]->chunks.size()) front[i] = indexes[i]->labels.make_labels(at[i]);
  };
  for (size_t i = 0; i < parts.size(); ++i) load_front(i);
  for (;;) {
    const model::Labels* least = nullptr;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (at[i] < indexes[i]->chunks.size() && (least == nullptr || front[i] < *least)) least = &front[i];
    }
    if (least == nullptr) return {};
    const model::Labels labels = *least;
    std::vector<ChunkPtr> chunks;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (at[i] >= indexes[i]->chunks.size() || front[i] != labels) continue;
      for (const BlockChunk& where : indexes[i]->chunks[at[i]]) {
        SENTINEL_ASSIGN(Chunk chunk, parts[i]->read_chunk(where));
        chunks.push_back(std::make_shared<const Chunk>(std::move(chunk)));
      }
      ++at[i];
      load_front(i);
    }
    SENTINEL_TRY(out.add(labels, chunks));
  }
}

}  // namespace sentinel::tsdb
