// Every parser of outside text in strings.h and duration.h: no crash, and what is written reads back the same.
#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/duration.h"
#include "base/strings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto v = parse_double(text); v && std::isfinite(*v)) {
    SENTINEL_CHECK(std::bit_cast<uint64_t>(*parse_double(format_double(*v))) == std::bit_cast<uint64_t>(*v));
    SENTINEL_CHECK(std::bit_cast<uint64_t>(*parse_double(format_double_g(*v))) == std::bit_cast<uint64_t>(*v));
  }
  if (const auto d = parse_duration(text)) SENTINEL_CHECK(*parse_duration(format_duration(*d)) == *d);
  if (const auto t = parse_time(text)) (void)format_rfc3339(*t);
  SENTINEL_CHECK(is_valid_utf8(to_valid_utf8(text)));
  SENTINEL_CHECK((to_valid_utf8(text) == text) == is_valid_utf8(text));
  SENTINEL_CHECK(is_valid_utf8(json_quote(text)) && is_valid_utf8(go_quote(text)));
  if (const auto bytes = base64_decode(text)) SENTINEL_CHECK(*base64_decode(base64_encode(*bytes)) == *bytes);
  SENTINEL_CHECK(*url_decode(url_encode(text), true) == text);
  (void)url_decode(text, true);
  return 0;
}
