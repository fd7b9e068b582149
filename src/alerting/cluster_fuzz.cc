// Whatever another instance says is read or refused; what was read is written and read to the same text.

#include <cstdint>
#include <string_view>

#include "alerting/cluster.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sentinel::alerting::Cluster;
  const auto message = Cluster::decode({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  const std::string text = Cluster::encode(*message);
  const auto again = Cluster::decode(text);
  SENTINEL_CHECK(again.has_value());
  SENTINEL_CHECK(Cluster::encode(*again) == text);
  return 0;
}
