// Any text: no crash; what is accepted comes after whatever instant one asks about, and is found again as the last run.

#include <cstdint>
#include <cstring>
#include <string_view>

#include "alerting/cron.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  constexpr const char* kZones[] = {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"};
  uint32_t seconds = 0;
  if (size < 1 + sizeof seconds) return 0;
  std::memcpy(&seconds, data + 1, sizeof seconds);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1 + sizeof seconds, size - 1 - sizeof seconds);
  const auto schedule = alerting::CronSchedule::parse(text, kZones[data[0] % std::size(kZones)]);
  if (!schedule) return 0;
  const TimePoint t = time_from_us(int64_t{seconds} * 1'000'000);  // to 2106
  const TimePoint first = schedule->next(t);
  const TimePoint second = schedule->next(first);
  SENTINEL_CHECK(first > t && second > first);
  SENTINEL_CHECK(schedule->next(first - Micros(1)) == first);
  SENTINEL_CHECK(schedule->last(first, second) == second && schedule->last(first, second - Micros(1)) == first);
  return 0;
}
