#include "tsdb/chunk.h"

namespace sentinel::tsdb {
namespace {

bool fits(int64_t v, unsigned width) {
  if (width == 64) return true;
  const int64_t half = int64_t{1} << (width - 1);
  return v >= -half && v < half;
}

}  // namespace

bool ChunkReader::read_window() {
  const auto leading = static_cast<unsigned>(bits_.read(5));
  auto significant = static_cast<unsigned>(bits_.read(6));
  if (significant == 0) significant = 64;
  if (leading + significant > 64) return false;
  state_.leading = leading;
  state_.trailing = 64 - leading - significant;
  return true;
}

Result<ChunkWriter> ChunkWriter::resume(const Chunk& chunk) {
  ChunkReader reader(chunk.bytes, chunk.count);
  ChunkWriter writer;
  model::Sample sample;
  for (uint32_t i = 0; i < chunk.count; ++i) {
    if (!reader.next(sample)) return fail(ErrorCode::kInvalidArgument, "chunk is damaged");
    if (i == 0) writer.min_ms_ = sample.t_ms;
  }
  if (reader.bytes_left() != 0) return fail(ErrorCode::kInvalidArgument, "chunk has bytes after its last sample");
  // The padding must be zero to be written over.
  std::string bytes = chunk.bytes;
  if (!bytes.empty())
    bytes.back() = static_cast<char>(static_cast<uint8_t>(bytes.back()) & (0xff << reader.free_bits()));
  writer.bits_ = BitWriter(std::move(bytes), reader.free_bits());
  writer.state_ = reader.state();
  writer.count_ = chunk.count;
  return writer;
}

void ChunkWriter::append(model::Sample sample) {
  if (count_ == 0) {
    min_ms_ = sample.t_ms;
    state_.t_ms = sample.t_ms;
    state_.value_bits = std::bit_cast<uint64_t>(sample.v);
    bits_.write(static_cast<uint64_t>(sample.t_ms), 64);
    bits_.write(state_.value_bits, 64);
  } else {
    write_time(sample.t_ms);
    write_value(sample.v);
  }
  ++count_;
}

void ChunkWriter::write_time(int64_t t_ms) {
  const uint64_t delta = static_cast<uint64_t>(t_ms) - static_cast<uint64_t>(state_.t_ms);
  const auto dod = static_cast<int64_t>(delta - state_.delta_ms);
  state_.t_ms = t_ms;
  state_.delta_ms = delta;
  if (dod == 0) return bits_.write_bit(false);
  for (unsigned c = 0; c < kDodClassCount; ++c) {
    if (!fits(dod, kDodWidths[c])) continue;
    const unsigned ones = c + 1;
    const uint64_t prefix = (uint64_t{1} << ones) - 1;
    if (ones == kDodClassCount) {
      bits_.write(prefix, ones);
    } else {
      bits_.write(prefix << 1, ones + 1);
    }
    return bits_.write(static_cast<uint64_t>(dod), kDodWidths[c]);
  }
}

void ChunkWriter::write_value(double v) {
  const auto value_bits = std::bit_cast<uint64_t>(v);
  const uint64_t x = value_bits ^ state_.value_bits;
  state_.value_bits = value_bits;
  if (x == 0) return bits_.write_bit(false);
  bits_.write_bit(true);
  auto leading = static_cast<unsigned>(std::countl_zero(x));
  if (leading > 31) leading = 31;
  const auto trailing = static_cast<unsigned>(std::countr_zero(x));
  if (state_.leading != kNoWindow && leading >= state_.leading && trailing >= state_.trailing) {
    bits_.write_bit(false);
  } else {
    state_.leading = leading;
    state_.trailing = trailing;
    bits_.write_bit(true);
    bits_.write(leading, 5);
    bits_.write(64 - leading - trailing, 6);  // 64 is written as 0
  }
  bits_.write(x >> state_.trailing, 64 - state_.leading - state_.trailing);
}

Chunk ChunkWriter::snapshot() const { return Chunk{min_ms_, state_.t_ms, count_, bits_.bytes()}; }

Chunk ChunkWriter::seal() {
  // Copied on purpose: the copy has no spare capacity.
  Chunk chunk{min_ms_, state_.t_ms, count_, std::string(bits_.bytes())};
  *this = ChunkWriter();
  return chunk;
}

// Flattened: with its reader inlined the loop runs in registers (measured: a third faster).
[[gnu::flatten]] bool decode_range(std::string_view bytes, uint32_t count, int64_t min_ms, int64_t max_ms,
                                   std::vector<model::Sample>& out) {
  ChunkReader reader(bytes, count);
  model::Sample sample;
  while (reader.next(sample)) {
    if (sample.t_ms > max_ms) return true;
    if (sample.t_ms >= min_ms) out.push_back(sample);
  }
  return !reader.failed();
}

}  // namespace sentinel::tsdb
