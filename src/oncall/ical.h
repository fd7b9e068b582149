#pragma once
// Calendars (RFC 5545): a schedule as one that others subscribe to, and one that others keep as shifts of ours. What a
// calendar says and we do not understand is refused with its line, never guessed: a guess pages the wrong person.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "oncall/config.h"
#include "oncall/recurrence.h"

namespace sentinel::oncall {

// The final shifts of the range, one VEVENT each, all times UTC. The same shift has the same UID every time. `stamp` is
// when this is written. CRLF, folded at 75 bytes.
std::string write_ical(const Schedule& schedule, Span range, const std::map<std::string, User, std::less<>>& users,
                       TimePoint stamp);

// The shifts of one person in all schedules, each called after its schedule.
std::string write_user_ical(const Config& config, std::string_view user, Span range, TimePoint stamp);

// One VEVENT. Ends keep their clock time as starts do, unless the event has a DURATION in hours.
struct CalendarEvent {
  std::string uid;
  std::string summary;
  int64_t sequence = 0;
  Zone zone;
  WallTime start;
  WallTime end;                    // by the clock
  std::chrono::seconds length{0};  // elapsed time after `end`: the hours of a DURATION
  std::optional<Recurrence> recurrence;
  std::set<TimePoint> except;         // EXDATE, and instances that another VEVENT replaces
  std::optional<TimePoint> replaces;  // RECURRENCE-ID
  bool cancelled = false;             // only while a calendar is read
  int line = 0;                       // of its BEGIN
};

struct Calendar {
  std::vector<CalendarEvent> events;

  // Occurrences that touch the range, sorted; `user` is the summary. kTooLarge past kICalOccurrencesMax.
  Result<std::vector<Shift>> occurrences(const Span& range) const;
};

// `zone` is that of times without one, unless the calendar names its own (X-WR-TIMEZONE). Cancelled events are left
// out. Of events with one UID the highest SEQUENCE counts; equal ones are all kept.
Result<Calendar> parse_ical(std::string_view text, std::string_view file, const Zone& zone);

// The calendar as a temporary schedule over the range. The summary names a user by id, name or e-mail address, in any
// case. kUnprocessable with all names that nobody has.
Result<TemporarySchedule> import_calendar(const Calendar& calendar, const Span& range, std::string id,
                                          const std::map<std::string, User, std::less<>>& users);

}  // namespace sentinel::oncall
