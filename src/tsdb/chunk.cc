#include "tsdb/chunk.h"

#include <bit>

namespace sentinel::tsdb {
namespace {

// Delta-of-delta classes: prefix bits, then a signed number of `width` bits.
struct DodClass {
  unsigned prefix;
  unsigned prefix_bits;
  unsigned width;
};
constexpr DodClass kDodClasses[] = {{0b10, 2, 14}, {0b110, 3, 17}, {0b1110, 4, 20}, {0b1111, 4, 64}};

bool fits(int64_t v, unsigned width) {
  if (width == 64) return true;
  const int64_t half = int64_t{1} << (width - 1);
  return v >= -half && v < half;
}

int64_t sign_extend(uint64_t v, unsigned width) {
  if (width == 64) return static_cast<int64_t>(v);
  const uint64_t sign = uint64_t{1} << (width - 1);
  return static_cast<int64_t>((v ^ sign) - sign);
}

}  // namespace

bool ChunkReader::next(model::Sample& out) {
  if (left_ == 0 || failed_) return false;
  if (first_) {
    state_.t_ms = static_cast<int64_t>(bits_.read(64));
    state_.value_bits = bits_.read(64);
    first_ = false;
  } else if (!read_time() || !read_value()) {
    failed_ = true;
    return false;
  }
  if (bits_.failed()) {
    failed_ = true;
    return false;
  }
  --left_;
  out.t_ms = state_.t_ms;
  out.v = std::bit_cast<double>(state_.value_bits);
  return true;
}

bool ChunkReader::read_time() {
  if (bits_.read_bit()) {
    const DodClass* found = &kDodClasses[0];
    if (bits_.read_bit()) found = bits_.read_bit() ? (bits_.read_bit() ? &kDodClasses[3] : &kDodClasses[2]) : &kDodClasses[1];
    // The four-bit prefixes differ in their last bit only, read just now.
    const int64_t dod = sign_extend(bits_.read(found->width), found->width);
    state_.delta_ms += static_cast<uint64_t>(dod);
  }
  const auto next = static_cast<int64_t>(static_cast<uint64_t>(state_.t_ms) + state_.delta_ms);
  if (next <= state_.t_ms) return false;  // times rise within a chunk
  state_.t_ms = next;
  return !bits_.failed();
}

bool ChunkReader::read_value() {
  if (!bits_.read_bit()) return !bits_.failed();
  if (bits_.read_bit()) {
    state_.leading = static_cast<unsigned>(bits_.read(5));
    auto significant = static_cast<unsigned>(bits_.read(6));
    if (significant == 0) significant = 64;
    if (state_.leading + significant > 64) return false;
    state_.trailing = 64 - state_.leading - significant;
  } else if (state_.leading == 0xff) {
    return false;
  }
  const unsigned significant = 64 - state_.leading - state_.trailing;
  state_.value_bits ^= bits_.read(significant) << state_.trailing;
  return !bits_.failed();
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
  writer.bits_ = BitWriter(chunk.bytes, reader.free_bits());
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
  for (const DodClass& c : kDodClasses) {
    if (!fits(dod, c.width)) continue;
    bits_.write(c.prefix, c.prefix_bits);
    return bits_.write(static_cast<uint64_t>(dod), c.width);
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
  if (state_.leading != 0xff && leading >= state_.leading && trailing >= state_.trailing) {
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

bool decode_range(std::string_view bytes, uint32_t count, int64_t min_ms, int64_t max_ms,
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
