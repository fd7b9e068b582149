#pragma once
// Bit-wise reading and writing, most significant bit first. The reader is safe on any bytes.

#include <bit>
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
  size_t size_bits() const { return bytes_.size() * 8 - free_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  unsigned free_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Goes on at a bit. REQUIRES: nothing read yet.
  void seek(size_t bit) {
    const auto size = static_cast<size_t>(end_ - next_);
    next_ += bit / 8 < size ? bit / 8 : size;
    if (bit % 8 != 0) (void)read_small(static_cast<unsigned>(bit % 8));
  }
  // REQUIRES: 1 <= count <= 64. Past the end it yields 0 and `failed()` turns true.
  [[gnu::always_inline]] uint64_t read(unsigned count) {
    if (count > kRefillBits) {
      const uint64_t high = read_small(count - 32);
      return (high << 32) | read_small(32);
    }
    return read_small(count);
  }
  bool read_bit() { return read_small(1) != 0; }
  // How many of the next bits are ones, up to `most`, which are then consumed with the zero after them (if fewer).
  [[gnu::always_inline]] unsigned read_ones(unsigned most) {
    if (have_ < most) refill();
    const auto ones = static_cast<unsigned>(std::countl_one(buffer_));
    if (ones >= most) {
      (void)read_small(most);
      return most;
    }
    (void)read_small(ones + 1);
    return ones;
  }
  bool failed() const { return failed_; }
  // Bits of the last byte touched that were not read; only whole unread bytes are left besides.
  unsigned bits_buffered() const { return have_ % 8; }
  size_t bytes_left() const { return static_cast<size_t>(end_ - next_) + have_ / 8; }

 private:
  static constexpr unsigned kRefillBits = 56;  // a refill yields at least so many, if there are

  [[gnu::always_inline]] uint64_t read_small(unsigned count) {
    if (have_ < count) {
      refill();
      if (have_ < count) {
        failed_ = true;
        return 0;
      }
    }
    const uint64_t value = buffer_ >> (64 - count);
    buffer_ <<= count;
    have_ -= count;
    return value;
  }
  void refill() {
    if (end_ - next_ >= 8) {
      uint64_t word = 0;
      std::memcpy(&word, next_, 8);
      // Bits beyond `have_` may come in twice, the same each time.
      buffer_ |= __builtin_bswap64(word) >> have_;
      next_ += (63 - have_) / 8;
      have_ |= kRefillBits;
      return;
    }
    while (next_ < end_ && have_ <= kRefillBits) {
      buffer_ |= static_cast<uint64_t>(static_cast<uint8_t>(*next_++)) << (kRefillBits - have_);
      have_ += 8;
    }
  }

  const char* next_;
  const char* end_;
  uint64_t buffer_ = 0;  // the high `have_` bits are unread
  unsigned have_ = 0;
  bool failed_ = false;
};

}  // namespace sentinel::tsdb
