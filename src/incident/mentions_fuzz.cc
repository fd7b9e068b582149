// Whatever is written, each name that is found stands in the text after an @.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "incident/mentions.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string& name : sentinel::incident::mentions_in(text))
    SENTINEL_CHECK(text.find("@" + name) != std::string_view::npos);
  return 0;
}
