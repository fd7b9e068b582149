#pragma once
// Clock times of a place. A clock time may come twice (autumn) or never (spring, or a whole day when a country crosses
// the date line); the two functions below are the only places that decide what it then means.

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel::oncall {

// What a clock on the wall shows, without a place.
using WallTime = std::chrono::local_seconds;
using WallDay = std::chrono::local_days;

// A value; thread-safe. The database of the machine is read once a name.
class Zone {
 public:
  Zone() = default;  // UTC
  // An IANA name, old ones ("US/Pacific", "PST8PDT") included.
  static Result<Zone> load(std::string name);

  const std::string& name() const { return name_; }
  WallTime wall(TimePoint t) const;
  // The first instant at which the clock shows `w`; when it never does, the first instant after the hole.
  TimePoint first(WallTime w) const;
  // The last instant at which the clock shows `w`; when it never does, the first instant after the hole.
  TimePoint last(WallTime w) const;
  bool operator==(const Zone&) const = default;

 private:
  std::string name_ = "UTC";
};

// "2026-03-29 02:30" or "2026-03-29T02:30:00"; a date alone is its midnight.
Result<WallTime> parse_wall_time(std::string_view text);
std::string format_wall_time(WallTime w);  // "2026-03-29 02:30", seconds where they are needed
// "2026-12-25"
Result<WallDay> parse_wall_day(std::string_view text);
std::string format_wall_day(WallDay d);
// "09:30"; "24:00" is allowed.
Result<std::chrono::seconds> parse_clock(std::string_view text);
inline std::chrono::weekday weekday_of(WallDay d) { return std::chrono::weekday(d); }

}  // namespace sentinel::oncall
