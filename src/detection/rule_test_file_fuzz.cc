#include <cstddef>
#include <cstdint>

#include "detection/rule_test_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = sentinel::detection::parse_rule_test_file(text, "fuzz.yml");
  // Every error says where it is.
  if (!file && !file.error().position()) __builtin_trap();
  return 0;
}
