#pragma once
// Protocol buffers written field by field into a string.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/varint.h"

namespace sentinel::ingest {

class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& out) : out_(out) {}

  void varint(uint32_t field, uint64_t v) {
    tag(field, 0);
    put_varint(out_, v);
  }
  void int64(uint32_t field, int64_t v) { varint(field, static_cast<uint64_t>(v)); }
  void sint64(uint32_t field, int64_t v) {
    tag(field, 0);
    put_zigzag(out_, v);
  }
  void float64(uint32_t field, double v) {
    tag(field, 1);
    put_fixed(out_, std::bit_cast<uint64_t>(v));
  }
  void bytes(uint32_t field, std::string_view v) {
    tag(field, 2);
    put_text(out_, v);
  }

 private:
  void tag(uint32_t field, uint32_t wire) { put_varint(out_, (field << 3) | wire); }
  std::string& out_;
};

}  // namespace sentinel::ingest
