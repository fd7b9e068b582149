#include <cstddef>
#include <cstdint>

#include "detection/rule_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto check = sentinel::detection::check_rule_file(text, "fuzz.yml");
  // Every error says where it is.
  for (const auto& error : check.errors) {
    if (!error.position()) __builtin_trap();
  }
  return 0;
}
