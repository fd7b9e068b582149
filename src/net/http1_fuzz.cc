// Heads and chunked bodies: no crash, and the result does not depend on how the bytes were split.
#include <cstdint>
#include <cstdlib>

#include "net/http1.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::net;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  HeadScanner whole;
  const HeadResult found = whole.scan(bytes, 8192);
  HeadScanner split;
  HeadResult again;
  for (size_t end = 0; end <= size && again.state == HeadState::kNeedMore; ++end)
    again = split.scan(bytes.substr(0, end), 8192);
  if (found.state == HeadState::kDone && (again.state != found.state || again.size_bytes != found.size_bytes))
    std::abort();
  if (found.state == HeadState::kDone) {
    const std::string_view head = bytes.substr(0, found.size_bytes);
    Request request;
    MessageHead parsed;
    int status = 0;
    const auto why = parse_request_head(head, request, parsed, &status);
    if (why.empty() != (status == 0)) std::abort();
    if (why.empty()) (void)split_target(request);
    Headers headers;
    (void)parse_response_head(head, &status, headers, parsed);
  }
  ChunkedDecoder at_once;
  ChunkedDecoder by_byte;
  std::string a;
  std::string b;
  at_once.feed(bytes, a);
  for (size_t i = 0; i < size && !by_byte.done() && !by_byte.failed(); ++i) by_byte.feed(bytes.substr(i, 1), b);
  if (a != b || at_once.done() != by_byte.done() || at_once.failed() != by_byte.failed()) std::abort();
  return 0;
}
