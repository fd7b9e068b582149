#pragma once
// A run of samples of one series, compressed as in Facebook's Gorilla: delta of delta for times, XOR for values.
// The encoding is on the page docs/formats/chunk.md.

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sample.h"
#include "tsdb/bits.h"

namespace sentinel::tsdb {

// Sealed: immutable, shared between the head and its readers.
struct Chunk {
  int64_t min_ms = 0;
  int64_t max_ms = 0;
  uint32_t count = 0;
  std::string bytes;
};
using ChunkPtr = std::shared_ptr<const Chunk>;

// Delta-of-delta classes: as many ones as the class's number, a zero (not after the last), then so many bits.
inline constexpr unsigned kDodWidths[] = {14, 17, 20, 64};
inline constexpr unsigned kDodClassCount = 4;
inline constexpr unsigned kNoWindow = 0xff;

// What the next sample is encoded against.
struct XorState {
  int64_t t_ms = 0;
  uint64_t delta_ms = 0;  // wraps, so that any two times are fine
  uint64_t value_bits = 0;
  unsigned leading = kNoWindow;
  unsigned trailing = 0;
};

// Decodes one by one. Safe on any bytes: stops at the first thing that cannot be.
class ChunkReader {
 public:
  ChunkReader(std::string_view bytes, uint32_t count) : bits_(bytes), left_(count) {}
  // False at the end or on damage; see failed().
  bool next(model::Sample& out) {
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
  bool failed() const { return failed_; }
  const XorState& state() const { return state_; }
  unsigned free_bits() const { return bits_.bits_buffered(); }
  size_t bytes_left() const { return bits_.bytes_left(); }

 private:
  // Here, not in the .cc: the loop over a chunk is what queries spend their time in.
  bool read_time() {
    if (const unsigned ones = bits_.read_ones(kDodClassCount); ones > 0) {
      const unsigned width = kDodWidths[ones - 1];
      // Sign-extended by shifting up and down.
      const auto dod = static_cast<int64_t>(bits_.read(width) << (64 - width)) >> (64 - width);
      state_.delta_ms += static_cast<uint64_t>(dod);
    }
    const auto next = static_cast<int64_t>(static_cast<uint64_t>(state_.t_ms) + state_.delta_ms);
    if (next <= state_.t_ms) return false;  // times rise within a chunk
    state_.t_ms = next;
    return true;
  }
  bool read_value() {
    const unsigned ones = bits_.read_ones(2);
    if (ones == 0) return true;
    if (ones == 2 && !read_window()) return false;
    if (ones == 1 && state_.leading == kNoWindow) return false;
    state_.value_bits ^= bits_.read(64 - state_.leading - state_.trailing) << state_.trailing;
    return true;
  }
  bool read_window();

  BitReader bits_;
  uint32_t left_;
  bool first_ = true;
  bool failed_ = false;
  XorState state_;
};

// The chunk being written. Single writer; readers need the owner's lock.
class ChunkWriter {
 public:
  ChunkWriter() = default;
  // Goes on where `chunk` ends. kInvalidArgument: its bytes are damaged.
  static Result<ChunkWriter> resume(const Chunk& chunk);

  // REQUIRES: t_ms greater than that of the sample before.
  void append(model::Sample sample);
  Chunk snapshot() const;
  Chunk seal();  // moves out; the writer is empty afterwards

  uint32_t count() const { return count_; }
  int64_t min_ms() const { return min_ms_; }
  int64_t max_ms() const { return state_.t_ms; }
  const std::string& bytes() const { return bits_.bytes(); }

 private:
  void write_time(int64_t t_ms);
  void write_value(double v);

  BitWriter bits_;
  XorState state_;
  int64_t min_ms_ = 0;
  uint32_t count_ = 0;
};

// Appends the samples with min_ms <= t <= max_ms to `out`. False when the bytes are damaged (what came before is kept).
bool decode_range(std::string_view bytes, uint32_t count, int64_t min_ms, int64_t max_ms,
                  std::vector<model::Sample>& out);

}  // namespace sentinel::tsdb
