#include <cstdint>
#include <string_view>

#include "analysis/drift.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::analysis;
  DriftTracker tracker(8, 4);
  if (!tracker.load({reinterpret_cast<const char*>(data), size})) return 0;
  tracker.observe("k", std::vector<float>(kEmbeddingSize, 0.0625F), {});
  return 0;
}
