#pragma once
// How times and values are coded against the ones before (docs/formats/chunk.md): shared by the chunks of float samples
// and of histograms. The readers are safe on any bytes.

#include <bit>
#include <cstdint>

#include "tsdb/bits.h"

namespace sentinel::tsdb {

// Delta-of-delta classes: as many ones as the class's number, a zero (not after the last), then so many bits.
inline constexpr unsigned kDodWidths[] = {14, 17, 20, 64};
inline constexpr unsigned kDodClassCount = 4;
inline constexpr uint8_t kNoWindow = 0xff;

// What the next time is coded against.
struct TimeState {
  int64_t t_ms = 0;
  uint64_t delta_ms = 0;  // wraps, so that any two times are fine
};

// What the next value is coded against.
struct ValueState {
  uint64_t bits = 0;
  uint8_t leading = kNoWindow;
  uint8_t trailing = 0;
};

// REQUIRES: t_ms greater than the time before.
void write_time(BitWriter& out, TimeState& state, int64_t t_ms);
void write_value(BitWriter& out, ValueState& state, double v);

// False on damage.
bool read_window(BitReader& in, ValueState& state);

// Here, not in the .cc: the loop over a chunk is what queries spend their time in.
[[gnu::always_inline]] inline bool read_time(BitReader& in, TimeState& state) {
  if (const unsigned ones = in.read_ones(kDodClassCount); ones > 0) {
    const unsigned width = kDodWidths[ones - 1];
    // Sign-extended by shifting up and down.
    const auto dod = static_cast<int64_t>(in.read(width) << (64 - width)) >> (64 - width);
    state.delta_ms += static_cast<uint64_t>(dod);
  }
  const auto next = static_cast<int64_t>(static_cast<uint64_t>(state.t_ms) + state.delta_ms);
  if (next <= state.t_ms) return false;  // times rise within a chunk
  state.t_ms = next;
  return true;
}
[[gnu::always_inline]] inline bool read_value(BitReader& in, ValueState& state) {
  const unsigned ones = in.read_ones(2);
  if (ones == 0) return true;
  if (ones == 2 && !read_window(in, state)) return false;
  if (ones == 1 && state.leading == kNoWindow) return false;
  state.bits ^= in.read(64U - state.leading - state.trailing) << state.trailing;
  return true;
}

}  // namespace sentinel::tsdb
