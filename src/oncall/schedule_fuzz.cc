// Any text as the on-call configuration: an error, or schedules that answer for any instant as they do for a range.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "oncall/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  const auto config = oncall::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz.yml");
  if (!config) return 0;
  const TimePoint from = FakeClock().now();
  for (const auto& [id, schedule] : config->schedules) {
    const oncall::FinalSchedule final = oncall::final_schedule(schedule, {from, from + std::chrono::days(30)});
    for (const oncall::Shift& shift : final.shifts) {
      const auto now = oncall::who_is_on_call(schedule, shift.span.start);
      SENTINEL_CHECK(std::find(now.begin(), now.end(), shift.user) != now.end());
    }
  }
  return 0;
}
