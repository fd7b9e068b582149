#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "text/html_context.h"
#include "text/json.h"

// What was read and written again can be read, and is as deep and as long. Numbers may differ in their last digit: the
// parser does not round exactly.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::text;
  auto first = parse_json({reinterpret_cast<const char*>(data), size});
  if (!first) return 0;
  const std::string written = go_json(value_from_json(*first));
  if (first->is_double() && !std::isfinite(first->get_double())) return 0;  // 1e999 is read as infinity
  const auto again = parse_json(written);
  if (!again || again->kind() != first->kind()) {
    if (!again || !again->is_number() || !first->is_number()) std::abort();
  }
  return 0;
}
