// What is taken for a mail address can stand in a mail's head and in an SMTP command as it is.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "incident/status_mail.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!sentinel::incident::is_mail_address(text)) return 0;
  size_t ats = 0;
  for (const char c : text) {
    SENTINEL_CHECK(c > 0x20 && c < 0x7f && std::string_view("<>()[],;:\\\"").find(c) == std::string_view::npos);
    ats += c == '@';
  }
  SENTINEL_CHECK(ats == 1 && text.front() != '@' && text.back() != '@');
  return 0;
}
