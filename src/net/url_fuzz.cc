#include <cstdint>
#include <cstdlib>

#include "net/url.h"

// What is accepted can be put together and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::net;
  const auto url = parse_url({reinterpret_cast<const char*>(data), size});
  if (!url) return 0;
  const auto again = parse_url((url->tls ? "https://" : "http://") + url->authority() + url->target);
  if (again && (again->port != url->port || again->target != url->target)) std::abort();
  return 0;
}
