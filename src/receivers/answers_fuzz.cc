// What servers and configurations can say to receivers: dates, addresses, scalars, headers of mails.

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/limits.h"
#include "receivers/mime.h"
#include "receivers/payload.h"

using namespace sentinel;
using namespace sentinel::receivers;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto wait = parse_retry_after(text, time_from_us(1'767'225'600'000'000))) {
    SENTINEL_CHECK(wait->count() > 0 && *wait <= kRetryAfterMax);
  }
  if (const auto addresses = parse_address_list(text)) {
    for (const std::string& address : *addresses) {
      SENTINEL_CHECK(address.find_first_of("\r\n <>") == std::string::npos);
    }
  }
  // No header can end early: a line end is followed by the space that continues it.
  const std::string header = q_encode_header(text);
  for (size_t at = header.find_first_of("\r\n"); at != std::string::npos; at = header.find_first_of("\r\n", at + 2)) {
    SENTINEL_CHECK(header.compare(at, 3, "\r\n ") == 0);
  }
  const std::string body = quoted_printable(text);
  for (std::string_view line : split(body, '\n')) {
    SENTINEL_CHECK(line.size() <= 77);
  }
  SENTINEL_CHECK(is_valid_utf8(truncate_bytes(to_valid_utf8(text), 20)));
  SENTINEL_CHECK(is_valid_utf8(truncate_runes(to_valid_utf8(text), 20)));
  (void)parse_go_duration(text);
  const auto document = text::parse_yaml(text, "fuzz.yml");
  if (!document) return 0;
  (void)json_from_yaml(*document);
  for (const Kind& kind : kinds()) (void)kind.read(*document, Globals());
  return 0;
}
