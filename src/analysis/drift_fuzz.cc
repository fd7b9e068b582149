// Arbitrary bytes as the state of drift, and calls on top of what was read.
#include <cstdint>
#include <string_view>

#include "analysis/drift.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::analysis;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  DriftTracker tracker({.reference_size = 8, .window = 4, .adopt_after_calm_windows = 2});
  const bool loaded = tracker.load({std::string(bytes)}).has_value();
  if (!loaded) SENTINEL_CHECK(tracker.keys() == 0);
  const auto key = bytes.substr(0, 16);
  SENTINEL_CHECK(matches(drift_route(key), key));
  if (!loaded) return 0;
  // Learning a reference takes a tenth of a second, so calls come only on top of a state that was read, and few.
  for (int i = 0; i < 3; ++i) {
    DriftCall call;
    call.sample.assign(kDriftSize, 0.0625F * static_cast<float>(i + 1));
    call.request_id = "r";
    call.model_version = key;
    const auto seen = tracker.observe("k", std::move(call));
    if (seen) SENTINEL_CHECK(seen->score.similarity >= 0 && seen->score.similarity <= 1);
  }
  std::vector<std::string> saved;
  for (auto& document : tracker.changes()) saved.push_back(std::move(document.json));
  DriftTracker again({.reference_size = 8, .window = 4, .adopt_after_calm_windows = 2});
  SENTINEL_CHECK(again.load(saved).has_value());
  SENTINEL_CHECK(again.keys() == tracker.keys());
  tracker.adopt([](std::string_view) { return true; });
  return 0;
}
