#pragma once
// The part of RFC 5545's RRULE that rotas use: DAILY, WEEKLY, MONTHLY, YEARLY with INTERVAL, COUNT, UNTIL, BYDAY (with
// numbers in MONTHLY), BYMONTHDAY in MONTHLY, WKST. All else is refused.

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "oncall/zone.h"

namespace sentinel::oncall {

struct Recurrence {
  enum class Frequency { kDaily, kWeekly, kMonthly, kYearly };
  Frequency frequency = Frequency::kDaily;
  int64_t interval = 1;
  std::optional<int64_t> count;
  std::optional<TimePoint> until;                // the last start that is meant
  std::vector<std::pair<int, unsigned>> by_day;  // number (0: every) and weekday, 0 is Sunday
  std::vector<int> by_month_day;                 // negative ones count from the month's end
  unsigned week_start = 1;

  // Starts by the clock, ascending, the event's own first one included, none before `from` as far as that can be told
  // without counting, none after `to`. At most `max`.
  std::vector<WallTime> starts(WallTime first, WallTime from, WallTime to, size_t max) const;
};

// `is_date`, `has_zone`: of the event's DTSTART, which decide what UNTIL may be. `zone` is for an UNTIL without one.
Result<Recurrence> parse_recurrence(std::string_view rule, bool is_date, bool has_zone, const Zone& zone);

// "20260105T090000Z", "20260105T090000", "20260105": date and time; whether it is UTC; whether it is only a date.
struct ICalTime {
  WallTime wall;
  bool utc = false;
  bool is_date = false;
};
Result<ICalTime> parse_ical_time(std::string_view text);

}  // namespace sentinel::oncall
