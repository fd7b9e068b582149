// A line of an SMTP server's answer: an error, or a code in its range and text of the line.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/smtp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  if (const auto parsed = sentinel::net::parse_smtp_line(line)) {
    SENTINEL_CHECK(parsed->code >= 100 && parsed->code <= 599);
    SENTINEL_CHECK(line.ends_with(parsed->text));
  }
  return 0;
}
