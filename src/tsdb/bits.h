#pragma once
// Bit-wise reading and writing, most significant bit first. The reader is safe on any bytes.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sentinel::tsdb {

// Appends to a string. `free_bits` of its last byte are still unused.
class BitWriter {
 public:
  BitWriter() = default;
  BitWriter(std::string bytes, unsigned free_bits) : bytes_(std::move(bytes)), free_(free_bits) {}

  // REQUIRES: 1 <= count <= 64; bits above `count` are ignored.
  void write(uint64_t value, unsigned count) {
    if (count < 64) value &= (uint64_t{1} << count) - 1;
    while (count > 0) {
      if (free_ == 0) {
        bytes_.push_back('\0');
        free_ = 8;
      }
      const unsigned take = count < free_ ? count : free_;
      const auto part = static_cast<uint8_t>((value >> (count - take)) & ((1u << take) - 1));
      auto& last = bytes_.back();
      last = static_cast<char>(static_cast<uint8_t>(last) | static_cast<uint8_t>(part << (free_ - take)));
      free_ -= take;
      count -= take;
    }
  }
  void write_bit(bool bit) { write(bit ? 1 : 0, 1); }

  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  unsigned free_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // REQUIRES: 1 <= count <= 64. Past the end it yields 0 and `failed()` turns true.
  uint64_t read(unsigned count) {
    if (count > 32) {
      const uint64_t high = read_small(count - 32);
      return (high << 32) | read_small(32);
    }
    return read_small(count);
  }
  bool read_bit() { return read_small(1) != 0; }
  bool failed() const { return failed_; }
  // Bits of the last byte touched that were not read; only whole unread bytes are left besides.
  unsigned bits_buffered() const { return have_ % 8; }
  size_t bytes_left() const { return static_cast<size_t>(end_ - next_) + have_ / 8; }

 private:
  uint64_t read_small(unsigned count) {
    if (have_ < count) refill();
    if (have_ < count) {
      failed_ = true;
      return 0;
    }
    have_ -= count;
    return (buffer_ >> have_) & ((uint64_t{1} << count) - 1);
  }
  void refill() {
    if (end_ - next_ >= 4) {
      uint32_t word = 0;
      std::memcpy(&word, next_, 4);
      buffer_ = (buffer_ << 32) | __builtin_bswap32(word);
      next_ += 4;
      have_ += 32;
      return;
    }
    while (next_ < end_ && have_ <= 56) {
      buffer_ = (buffer_ << 8) | static_cast<uint8_t>(*next_++);
      have_ += 8;
    }
  }

  const char* next_;
  const char* end_;
  uint64_t buffer_ = 0;  // the low `have_` bits are unread; have_ < 32 before each refill by a word
  unsigned have_ = 0;
  bool failed_ = false;
};

}  // namespace sentinel::tsdb
