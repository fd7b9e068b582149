// The events do not depend on how the bytes were split.
#include <cstdint>
#include <cstdlib>

#include "net/sse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::net;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string a;
  std::string b;
  SseParser whole;
  SseParser split;
  (void)whole.feed(bytes, [&](const SseEvent& e) { a += e.event + "\x01" + e.data + "\x01" + e.id + "\x02"; });
  for (size_t i = 0; i < size; ++i) {
    (void)split.feed(bytes.substr(i, 1),
                     [&](const SseEvent& e) { b += e.event + "\x01" + e.data + "\x01" + e.id + "\x02"; });
  }
  if (a != b || whole.mid_event() != split.mid_event()) std::abort();
  return 0;
}
