#pragma once
// A run of samples of one series, compressed as in Facebook's Gorilla: delta of delta for times, XOR for values.
// The encoding is on the page docs/formats/chunk.md.

#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sample.h"
#include "tsdb/bits.h"
#include "tsdb/xor_codec.h"

namespace sentinel::tsdb {

// Range of times, both ends included.
struct TimeRange {
  int64_t min_ms = std::numeric_limits<int64_t>::min();
  int64_t max_ms = std::numeric_limits<int64_t>::max();
  bool empty() const { return min_ms > max_ms; }
  bool holds(int64_t t_ms) const { return t_ms >= min_ms && t_ms <= max_ms; }
};

enum class ChunkKind : uint8_t { kFloat = 0, kHistogram = 1 };

// A place inside a float chunk from which decoding can start, so that the newest samples come without the older ones.
// In memory only.
struct ChunkMark {
  TimeState time;  // of the sample before
  ValueState value;
  uint32_t bit = 0;
  uint32_t index = 0;  // samples before the mark; 0: there is none
};

// Sealed: immutable, shared between the head and its readers.
struct Chunk {
  int64_t min_ms = 0;
  int64_t max_ms = 0;
  uint32_t count = 0;
  ChunkKind kind = ChunkKind::kFloat;
  std::string bytes;
  ChunkMark mark{};
};
using ChunkPtr = std::shared_ptr<const Chunk>;

// A chunk whose bytes are somebody else's.
struct ChunkView {
  int64_t min_ms = 0;
  int64_t max_ms = 0;
  uint32_t count = 0;
  ChunkKind kind = ChunkKind::kFloat;
  std::string_view bytes;
  ChunkMark mark{};
  ChunkView() = default;
  ChunkView(const Chunk& c)  // NOLINT: meant to convert
      : min_ms(c.min_ms), max_ms(c.max_ms), count(c.count), kind(c.kind), bytes(c.bytes), mark(c.mark) {}
  Chunk copy() const { return Chunk{min_ms, max_ms, count, kind, std::string(bytes), mark}; }
};

// Decodes the samples of a float chunk one by one. Safe on any bytes: stops at the first thing that cannot be.
class ChunkReader {
 public:
  ChunkReader(std::string_view bytes, uint32_t count) : bits_(bytes), left_(count) {}
  // REQUIRES: a mark of this chunk.
  ChunkReader(std::string_view bytes, uint32_t count, const ChunkMark& mark)
      : bits_(bytes), left_(count - mark.index), first_(false), time_(mark.time), value_(mark.value) {
    bits_.seek(mark.bit);
  }
  // False at the end or on damage; see failed().
  [[gnu::always_inline]] bool next(model::Sample& out) {
    if (left_ == 0 || failed_) return false;
    if (first_) {
      time_.t_ms = static_cast<int64_t>(bits_.read(64));
      value_.bits = bits_.read(64);
      first_ = false;
    } else if (!read_time(bits_, time_) || !read_value(bits_, value_)) {
      failed_ = true;
      return false;
    }
    if (bits_.failed()) {
      failed_ = true;
      return false;
    }
    --left_;
    out.t_ms = time_.t_ms;
    out.v = std::bit_cast<double>(value_.bits);
    return true;
  }
  bool failed() const { return failed_; }
  const TimeState& time() const { return time_; }
  const ValueState& value() const { return value_; }
  unsigned free_bits() const { return bits_.bits_buffered(); }
  size_t bytes_left() const { return bits_.bytes_left(); }

 private:
  BitReader bits_;
  uint32_t left_;
  bool first_ = true;
  bool failed_ = false;
  TimeState time_;
  ValueState value_;
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
  // As decode_range() of a snapshot.
  bool decode(TimeRange range, std::vector<model::Sample>& out) const;

  uint32_t count() const { return count_; }
  int64_t min_ms() const { return min_ms_; }
  int64_t max_ms() const { return time_.t_ms; }
  model::Sample newest() const { return {time_.t_ms, std::bit_cast<double>(value_.bits)}; }
  std::string bytes() const { return bits_.bytes(); }
  size_t size_bytes() const { return bits_.size_bytes(); }
  const void* bytes_end() const { return bits_.end(); }  // for prefetching

 private:
  BitWriter bits_;
  TimeState time_;
  ValueState value_;
  void mark_here(size_t bit);

  int64_t min_ms_ = 0;
  uint32_t count_ = 0;
  ChunkMark mark_;
};

// Appends the samples in `range` to `out`. False when the bytes are damaged. REQUIRES: a float chunk whose mark is
// good.
bool decode_range(const ChunkView& chunk, TimeRange range, std::vector<model::Sample>& out);
// The same of bytes alone: those with min_ms <= t <= max_ms. False when the bytes are damaged (what came before is
// kept).
bool decode_range(std::string_view bytes, uint32_t count, int64_t min_ms, int64_t max_ms,
                  std::vector<model::Sample>& out);

}  // namespace sentinel::tsdb
