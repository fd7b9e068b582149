#include "tsdb/xor_codec.h"

namespace sentinel::tsdb {
namespace {

bool fits(int64_t v, unsigned width) {
  if (width == 64) return true;
  const int64_t half = int64_t{1} << (width - 1);
  return v >= -half && v < half;
}

}  // namespace

bool read_window(BitReader& in, ValueState& state) {
  const auto leading = static_cast<unsigned>(in.read(5));
  auto significant = static_cast<unsigned>(in.read(6));
  if (significant == 0) significant = 64;
  if (leading + significant > 64) return false;
  state.leading = static_cast<uint8_t>(leading);
  state.trailing = static_cast<uint8_t>(64 - leading - significant);
  return true;
}

void write_time(BitWriter& out, TimeState& state, int64_t t_ms) {
  const uint64_t delta = static_cast<uint64_t>(t_ms) - static_cast<uint64_t>(state.t_ms);
  const auto dod = static_cast<int64_t>(delta - state.delta_ms);
  state.t_ms = t_ms;
  state.delta_ms = delta;
  if (dod == 0) return out.write_bit(false);
  for (unsigned c = 0; c < kDodClassCount; ++c) {
    if (!fits(dod, kDodWidths[c])) continue;
    const unsigned ones = c + 1;
    const uint64_t prefix = (uint64_t{1} << ones) - 1;
    if (ones == kDodClassCount) {
      out.write(prefix, ones);
    } else {
      out.write(prefix << 1, ones + 1);
    }
    return out.write(static_cast<uint64_t>(dod), kDodWidths[c]);
  }
}

void write_value(BitWriter& out, ValueState& state, double v) {
  const auto value_bits = std::bit_cast<uint64_t>(v);
  const uint64_t x = value_bits ^ state.bits;
  state.bits = value_bits;
  if (x == 0) return out.write_bit(false);
  out.write_bit(true);
  auto leading = static_cast<unsigned>(std::countl_zero(x));
  if (leading > 31) leading = 31;
  const auto trailing = static_cast<unsigned>(std::countr_zero(x));
  if (state.leading != kNoWindow && leading >= state.leading && trailing >= state.trailing) {
    out.write_bit(false);
  } else {
    state.leading = static_cast<uint8_t>(leading);
    state.trailing = static_cast<uint8_t>(trailing);
    out.write_bit(true);
    out.write(leading, 5);
    out.write(64 - leading - trailing, 6);  // 64 is written as 0
  }
  out.write(x >> state.trailing, 64U - state.leading - state.trailing);
}

}  // namespace sentinel::tsdb
