// Any bytes as a calendar: an error with a line, or occurrences within the range that was asked for.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "oncall/ical.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  const auto calendar = oncall::parse_ical({reinterpret_cast<const char*>(data), size}, "fuzz.ics", oncall::Zone());
  if (!calendar) return 0;
  const oncall::Span range{FakeClock().now(), FakeClock().now() + std::chrono::days(60)};
  const auto shifts = calendar->occurrences(range);
  if (!shifts) return 0;
  for (const oncall::Shift& s : *shifts) SENTINEL_CHECK(!s.span.empty() && intersect(s.span, range) == s.span);
  return 0;
}
