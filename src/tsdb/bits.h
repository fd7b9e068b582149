#pragma once
// Bit-wise reading and writing, most significant bit first. The reader is safe on any bytes.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sentinel::tsdb {

// Collects bits in a word, which goes to a string when it is full: most writes of a few bits touch no other memory.
class BitWriter {
 public:
  BitWriter() = default;
  // Goes on after `bytes`, of whose last byte `free_bits` (< 8) are still unused and zero.
  BitWriter(std::string bytes, unsigned free_bits) : bytes_(std::move(bytes)) {
    if (free_bits == 0 || bytes_.empty()) return;
    word_ = uint64_t{static_cast<uint8_t>(bytes_.back())} << (kWordBits - 8);
    used_ = 8 - free_bits;
    bytes_.pop_back();
  }

  // REQUIRES: 1 <= count <= 64; bits above `count` are ignored.
  void write(uint64_t value, unsigned count) {
    if (count < kWordBits) value &= (uint64_t{1} << count) - 1;
    const unsigned room = kWordBits - used_;  // at least 1
    if (count < room) {
      word_ |= value << (room - count);
      used_ += count;
      return;
    }
    const unsigned rest = count - room;
    put_word(word_ | (value >> rest));
    word_ = rest == 0 ? 0 : value << (kWordBits - rest);
    used_ = rest;
  }
  void write_bit(bool bit) { write(bit ? 1 : 0, 1); }

  // All of it, the last byte filled up with zeros.
  std::string bytes() const {
    std::string out(size_bytes(), '\0');
    copy_to(out.data());
    return out;
  }
  // The same into room for size_bytes(), which is returned.
  size_t copy_to(char* out) const {
    std::memcpy(out, bytes_.data(), bytes_.size());
    const uint64_t word = __builtin_bswap64(word_);
    std::memcpy(out + bytes_.size(), &word, (used_ + 7) / 8);
    return size_bytes();
  }
  size_t size_bytes() const { return bytes_.size() + (used_ + 7) / 8; }
  size_t size_bits() const { return bytes_.size() * 8 + used_; }
  // Where the next full word goes: for prefetching only.
  const void* end() const { return bytes_.data() + bytes_.size(); }

 private:
  static constexpr unsigned kWordBits = 64;

  void put_word(uint64_t word) {
    word = __builtin_bswap64(word);
    char text[sizeof word];
    std::memcpy(text, &word, sizeof word);
    bytes_.append(text, sizeof word);
  }

  std::string bytes_;
  uint64_t word_ = 0;  // the high `used_` bits are to be written
  unsigned used_ = 0;  // < 64
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
