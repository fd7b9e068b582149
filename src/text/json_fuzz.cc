#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "text/html_context.h"
#include "text/json.h"

// What was read and written again reads the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::text;
  auto first = parse_json({reinterpret_cast<const char*>(data), size});
  if (!first) return 0;
  const std::string written = go_json(value_from_json(*first));
  auto again = parse_json(written);
  if (!again || go_json(value_from_json(*again)) != written) std::abort();
  return 0;
}
