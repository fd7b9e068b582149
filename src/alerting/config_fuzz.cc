// Any text as alertmanager.yml: an error or a tree that routes every alert somewhere.

#include <cstdint>
#include <string_view>

#include "alerting/config.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config = sentinel::alerting::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz.yml");
  if (config) {
    SENTINEL_CHECK(
        !sentinel::alerting::match_routes(config->route, {{"alertname", "a"}, {"severity", "page"}}).empty());
  }
  return 0;
}
