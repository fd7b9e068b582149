#pragma once
// A run of samples of one series, compressed as in Facebook's Gorilla: delta of delta for times, XOR for values.
// The encoding is on the page docs/formats/chunk.md.

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

// What the next sample is encoded against.
struct XorState {
  int64_t t_ms = 0;
  uint64_t delta_ms = 0;  // wraps, so that any two times are fine
  uint64_t value_bits = 0;
  unsigned leading = 0xff;  // 0xff: no window yet
  unsigned trailing = 0;
};

// Decodes one by one. Safe on any bytes: stops at the first thing that cannot be.
class ChunkReader {
 public:
  ChunkReader(std::string_view bytes, uint32_t count) : bits_(bytes), left_(count) {}
  // False at the end or on damage; see failed().
  bool next(model::Sample& out);
  bool failed() const { return failed_; }
  const XorState& state() const { return state_; }
  unsigned free_bits() const { return bits_.bits_buffered(); }
  size_t bytes_left() const { return bits_.bytes_left(); }

 private:
  bool read_time();
  bool read_value();

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
bool decode_range(std::string_view bytes, uint32_t count, int64_t min_ms, int64_t max_ms, std::vector<model::Sample>& out);

}  // namespace sentinel::tsdb
