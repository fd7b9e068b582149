// Arbitrary bytes as a row of a file of texts.
#include <cstdint>
#include <string_view>

#include "analysis/rows.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::analysis;
  const auto row = parse_row({reinterpret_cast<const char*>(data), size});
  if (!row) return 0;
  SENTINEL_CHECK(!row->id.empty() && row->id.find('\t') == std::string::npos);
  for (const Span& span : row->spans) {
    SENTINEL_CHECK(span.begin <= row->text.size() && span.end <= row->text.size());
    SENTINEL_CHECK(characters_before(row->text, span.begin) <= row->text.size());
  }
  return 0;
}
