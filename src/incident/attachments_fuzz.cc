// Whatever a file is called: its name is no path, fits into a header, and stays what it is when it is cleaned again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "incident/attachments.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::incident;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string name = safe_file_name(text);
  SENTINEL_CHECK(!name.empty() && sentinel::is_valid_utf8(name) && safe_file_name(name) == name);
  SENTINEL_CHECK(name.find('/') == std::string::npos && name.front() != '.');
  for (const char c : disposition_of(text)) SENTINEL_CHECK(c >= 0x20 && c < 0x7f);
  const size_t cut = size / 2;
  (void)check_attachment({}, text.substr(0, cut), text.substr(cut));
  return 0;
}
