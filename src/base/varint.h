#pragma once
// Little-endian fixed numbers, LEB128 varints and zigzag, for on-disk records. The reader is safe on any bytes.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sentinel {

template <class T>
void put_fixed(std::string& out, T v) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof v];
  std::memcpy(bytes, &v, sizeof v);
  out.append(bytes, sizeof v);
}
inline void put_varint(std::string& out, uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<char>(static_cast<uint8_t>(v | 0x80)));
    v >>= 7;
  }
  out.push_back(static_cast<char>(v));
}
inline void put_zigzag(std::string& out, int64_t v) {
  put_varint(out, (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
}
inline void put_text(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

// After a failed read every further one yields zero; check `ok()` once at the end of a unit.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T fixed() {
    T v{};
    if (rest_.size() < sizeof v) {
      give_up();
      return v;
    }
    std::memcpy(&v, rest_.data(), sizeof v);
    rest_.remove_prefix(sizeof v);
    return v;
  }
  uint64_t varint() {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    give_up();
    return 0;
  }
  int64_t zigzag() {
    const uint64_t v = varint();
    return static_cast<int64_t>((v >> 1) ^ (~(v & 1) + 1));
  }
  std::string_view text() {
    const uint64_t size = varint();
    return bytes(size);
  }
  std::string_view bytes(uint64_t size) {
    if (size > rest_.size()) {
      give_up();
      return {};
    }
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  size_t size() const { return rest_.size(); }

 private:
  void give_up() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace sentinel
