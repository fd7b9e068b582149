// Whatever the bodies are, they are read or refused; what was read can be written and read again.

#include <cstdint>
#include <string_view>

#include "api/alertmanager_json.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto alerts = api::parse_alerts(body)) {
    for (const model::Alert& alert : *alerts) SENTINEL_CHECK(alert.fingerprint_hex().size() == 16);
  }
  if (const auto silence = api::parse_silence(body)) {
    const std::string text = api::silence_json(*silence, TimePoint{});
    SENTINEL_CHECK(!text.empty());
  }
  return 0;
}
