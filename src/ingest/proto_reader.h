#pragma once
// Protocol buffers read field by field where they lie: no message objects, nothing allocated. Safe on any bytes.
//   while (in.next()) switch (in.field()) { case 1: x = in.bytes(); break; default: in.skip(); }
//   if (!in.ok()) …

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace sentinel::ingest {

class ProtoReader {
 public:
  enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  explicit ProtoReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Goes to the next field; false at the end or on damage. REQUIRES: the field before was read or skipped.
  bool next() {
    if (at_ == end_ || !ok_) return false;
    field_start_ = at_;
    const uint64_t tag = read_varint();
    field_ = static_cast<uint32_t>(tag >> 3);
    wire_ = static_cast<Wire>(tag & 7);
    if (field_ == 0 || tag > UINT32_MAX) give_up();
    return ok_;
  }
  uint32_t field() const { return field_; }
  Wire wire() const { return wire_; }
  bool ok() const { return ok_; }
  const char* position() const { return at_; }
  const char* field_start() const { return field_start_; }

  // A value of another wire type than asked for is damage; it reads as zero.
  uint64_t varint() { return expect(Wire::kVarint) ? read_varint() : 0; }
  int64_t int64() { return static_cast<int64_t>(varint()); }
  int64_t sint64() {
    const uint64_t v = varint();
    return static_cast<int64_t>((v >> 1) ^ (~(v & 1) + 1));
  }
  int32_t sint32() { return static_cast<int32_t>(sint64()); }
  double float64() { return std::bit_cast<double>(expect(Wire::kFixed64) ? fixed<uint64_t>() : 0); }
  std::string_view bytes() {
    if (!expect(Wire::kBytes)) return {};
    const uint64_t size = read_varint();
    if (size > static_cast<uint64_t>(end_ - at_)) {
      give_up();
      return {};
    }
    const std::string_view out(at_, size);
    at_ += size;
    return out;
  }
  void skip() {
    switch (wire_) {
      case Wire::kVarint: read_varint(); break;
      case Wire::kFixed64: fixed<uint64_t>(); break;
      case Wire::kFixed32: fixed<uint32_t>(); break;
      case Wire::kBytes: bytes(); break;
      default: give_up();
    }
  }
  // A repeated number: packed, or one element. `each` reads one from the reader it gets; false stops as damage.
  template <class F>
  void repeated(Wire element, F each) {
    if (wire_ != Wire::kBytes) {
      if (!each(*this)) give_up();
      return;
    }
    ProtoReader packed(bytes());
    packed.wire_ = element;
    while (packed.ok_ && packed.at_ != packed.end_) {
      if (!each(packed)) packed.give_up();
    }
    if (!packed.ok_) give_up();
  }

 private:
  bool expect(Wire wire) {
    if (wire_ != wire) give_up();
    return ok_;
  }
  uint64_t read_varint() {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) return static_cast<uint8_t>(*at_++);
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    give_up();
    return 0;
  }
  template <class T>
  T fixed() {
    T v{};
    if (static_cast<size_t>(end_ - at_) < sizeof v) {
      give_up();
      return v;
    }
    std::memcpy(&v, at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  void give_up() {
    ok_ = false;
    at_ = end_;
  }

  const char* at_;
  const char* end_;
  const char* field_start_ = nullptr;
  uint32_t field_ = 0;
  Wire wire_ = Wire::kVarint;
  bool ok_ = true;
};

// The next message of a stream of them, each after its length; `stream` goes on behind it. None: damage.
inline std::optional<std::string_view> take_delimited(std::string_view& stream) {
  uint64_t size = 0;
  for (size_t i = 0; i < stream.size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>(stream[i]);
    size |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    stream.remove_prefix(i + 1);
    if (size > stream.size()) return std::nullopt;
    const std::string_view message = stream.substr(0, size);
    stream.remove_prefix(size);
    return message;
  }
  return std::nullopt;
}

}  // namespace sentinel::ingest
