#include "tsdb/chunk.h"

#include <array>

#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

constexpr uint32_t kMarkAt = kChunkSamplesMax / 2;

}  // namespace

Result<ChunkWriter> ChunkWriter::resume(const Chunk& chunk) {
  ChunkReader reader(chunk.bytes, chunk.count);
  ChunkWriter writer;
  model::Sample sample;
  for (uint32_t i = 0; i < chunk.count; ++i) {
    if (!reader.next(sample)) return fail(ErrorCode::kInvalidArgument, "chunk is damaged");
    if (i == 0) writer.min_ms_ = sample.t_ms;
    writer.time_ = reader.time();
    writer.value_ = reader.value();
    writer.count_ = i + 1;
    if (writer.count_ == kMarkAt) {
      writer.mark_here(chunk.bytes.size() * 8 - reader.bytes_left() * 8 - reader.free_bits());
    }
  }
  if (reader.bytes_left() != 0) return fail(ErrorCode::kInvalidArgument, "chunk has bytes after its last sample");
  // The padding must be zero to be written over.
  std::string bytes = chunk.bytes;
  if (!bytes.empty())
    bytes.back() = static_cast<char>(static_cast<uint8_t>(bytes.back()) & (0xff << reader.free_bits()));
  writer.bits_ = BitWriter(std::move(bytes), reader.free_bits());
  return writer;
}

void ChunkWriter::append(model::Sample sample) {
  if (count_ == 0) {
    min_ms_ = sample.t_ms;
    time_.t_ms = sample.t_ms;
    value_.bits = std::bit_cast<uint64_t>(sample.v);
    bits_.write(static_cast<uint64_t>(sample.t_ms), 64);
    bits_.write(value_.bits, 64);
  } else {
    write_time(bits_, time_, sample.t_ms);
    write_value(bits_, value_, sample.v);
  }
  if (++count_ == kMarkAt) mark_here(bits_.size_bits());
}

void ChunkWriter::mark_here(size_t bit) { mark_ = {time_, value_, static_cast<uint32_t>(bit), count_}; }

Chunk ChunkWriter::snapshot() const {
  return Chunk{min_ms_, time_.t_ms, count_, ChunkKind::kFloat, bits_.bytes(), mark_};
}

Chunk ChunkWriter::seal() {
  Chunk chunk = snapshot();  // has no spare capacity
  *this = ChunkWriter();
  return chunk;
}

namespace {

[[gnu::always_inline]] inline bool decode_from(ChunkReader& reader, int64_t min_ms, int64_t max_ms,
                                               std::vector<model::Sample>& out) {
  model::Sample sample;
  while (reader.next(sample)) {
    if (sample.t_ms > max_ms) return true;
    if (sample.t_ms >= min_ms) out.push_back(sample);
  }
  return !reader.failed();
}

}  // namespace

bool decode_range(const ChunkView& chunk, TimeRange range, std::vector<model::Sample>& out) {
  if (chunk.mark.index == 0 || chunk.mark.time.t_ms >= range.min_ms) {
    return decode_range(chunk.bytes, chunk.count, range.min_ms, range.max_ms, out);
  }
  ChunkReader reader(chunk.bytes, chunk.count, chunk.mark);
  return decode_from(reader, range.min_ms, range.max_ms, out);
}

bool ChunkWriter::decode(TimeRange range, std::vector<model::Sample>& out) const {
  constexpr size_t kOnStack = 1024;
  std::array<char, kOnStack> room;
  if (bits_.size_bytes() > room.size()) return decode_range(snapshot(), range, out);
  const std::string_view bytes(room.data(), bits_.copy_to(room.data()));
  if (mark_.index == 0 || mark_.time.t_ms >= range.min_ms) {
    return decode_range(bytes, count_, range.min_ms, range.max_ms, out);
  }
  ChunkReader reader(bytes, count_, mark_);
  return decode_from(reader, range.min_ms, range.max_ms, out);
}

bool decode_range(std::string_view bytes, uint32_t count, int64_t min_ms, int64_t max_ms,
                  std::vector<model::Sample>& out) {
  ChunkReader reader(bytes, count);
  return decode_from(reader, min_ms, max_ms, out);
}

}  // namespace sentinel::tsdb
