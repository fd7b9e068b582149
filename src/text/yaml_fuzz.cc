#include <cstddef>
#include <cstdint>

#include "text/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto documents = sentinel::text::parse_yaml_documents(text, "fuzz.yml",
                                                        {.bytes_max = 1 << 16, .depth_max = 50, .nodes_max = 20'000});
  if (!documents) return 0;
  for (const auto& document : *documents) {
    (void)document.expect_keys("file", {"groups"});
    for (const auto& entry : document.entries()) (void)entry.value.duration();
  }
  return 0;
}
