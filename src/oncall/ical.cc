#include "oncall/ical.h"

#include <algorithm>

#include "base/hash.h"
#include "base/strings.h"
#include "oncall/limits.h"

namespace sentinel::oncall {
namespace {

using std::chrono::days;
using std::chrono::seconds;

// --- out
// --------------------------------------------------------------------------------------------------------------

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : to_valid_utf8(text)) {
    if (c == '\\' || c == ';' || c == ',') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

// At most 75 bytes a line, no character cut.
void put_line(std::string& out, std::string_view line) {
  size_t room = 75;
  while (line.size() > room) {
    const std::string_view part = utf8_prefix(line, room);
    out.append(part).append("\r\n ");
    line.remove_prefix(part.size());
    room = 74;
  }
  out.append(line).append("\r\n");
}

std::string utc_text(TimePoint t) {
  const std::string rfc = format_rfc3339(std::chrono::floor<seconds>(t)).substr(0, 19);
  return replace_all(replace_all(rfc, "-", ""), ":", "") + "Z";
}

void begin_calendar(std::string& out, std::string_view name, std::string_view zone) {
  put_line(out, "BEGIN:VCALENDAR");
  put_line(out, "VERSION:2.0");
  put_line(out, "PRODID:-//Sentinel//on-call//EN");
  put_line(out, "X-WR-CALNAME:" + escape(name));
  if (!zone.empty()) put_line(out, "X-WR-TIMEZONE:" + std::string(zone));
}

void put_event(std::string& out, const std::string& schedule, const Shift& s, std::string_view summary,
               TimePoint stamp) {
  const std::string uid = hex_encode(
      sha256(schedule + "\n" + s.user + "\n" + s.source + "\n" + std::to_string(to_us(s.span.start))).substr(0, 16));
  put_line(out, "BEGIN:VEVENT");
  put_line(out, "UID:" + uid + "@sentinel");
  put_line(out, "DTSTAMP:" + utc_text(stamp));
  put_line(out, "DTSTART:" + utc_text(s.span.start));
  put_line(out, "DTEND:" + utc_text(s.span.end));
  put_line(out, "SUMMARY:" + escape(summary));
  put_line(out, "DESCRIPTION:" + escape(s.source));
  put_line(out, "END:VEVENT");
}

}  // namespace

std::string write_ical(const Schedule& schedule, Span range, const std::map<std::string, User, std::less<>>& users,
                       TimePoint stamp) {
  std::string out;
  begin_calendar(out, schedule.name, schedule.zone.name());
  const FinalSchedule final = final_schedule(schedule, range);
  for (const Shift& s : final.shifts) {
    const auto user = users.find(s.user);
    put_event(out, schedule.id, s, user == users.end() ? s.user : user->second.name, stamp);
  }
  put_line(out, "END:VCALENDAR");
  return out;
}

std::string write_user_ical(const Config& config, std::string_view user, Span range, TimePoint stamp) {
  std::string out;
  const auto known = config.users.find(user);
  begin_calendar(out, "On call: " + (known == config.users.end() ? std::string(user) : known->second.name), "");
  for (const auto& [id, schedule] : config.schedules) {
    const FinalSchedule final = final_schedule(schedule, range);
    for (const Shift& s : final.shifts) {
      if (s.user == user) put_event(out, id, s, schedule.name, stamp);
    }
  }
  put_line(out, "END:VCALENDAR");
  return out;
}

Result<std::vector<Shift>> Calendar::occurrences(const Span& range) const {
  std::vector<Shift> out;
  for (const CalendarEvent& e : events) {
    const auto elapsed = e.end - e.start + e.length;
    // A day more on either side: the clock may have jumped in between.
    const WallTime from = e.zone.wall(range.start) - elapsed - days(2);
    std::vector<WallTime> starts = {e.start};
    if (e.recurrence) {
      starts = e.recurrence->starts(e.start, from, e.zone.wall(range.end) + days(2), kICalOccurrencesMax + 1);
    }
    for (const WallTime start : starts) {
      const TimePoint begin = e.zone.first(start);
      if (e.recurrence && e.recurrence->until && begin > *e.recurrence->until) continue;
      if (e.except.contains(begin)) continue;
      // DURATION:PT8H begins at the shift's own start, not at the last time its clock shows.
      const bool by_clock = e.end > e.start;
      const TimePoint end = (by_clock ? e.zone.last(start + (e.end - e.start)) : begin) + e.length;
      const Span part = intersect({begin, end}, range);
      if (!part.empty()) out.push_back({part, e.summary, "calendar " + e.uid});
      if (out.size() > kICalOccurrencesMax) {
        return fail(ErrorCode::kTooLarge, "more than " + std::to_string(kICalOccurrencesMax) + " occurrences");
      }
    }
  }
  sort_shifts(out);
  return out;
}

Result<TemporarySchedule> import_calendar(const Calendar& calendar, const Span& range, std::string id,
                                          const std::map<std::string, User, std::less<>>& users) {
  std::map<std::string, std::string> known;
  for (const auto& [user_id, user] : users) {
    known.emplace(to_lower(user_id), user_id);
    known.emplace(to_lower(user.name), user_id);
    if (const auto mail = user.contacts.find("email"); mail != user.contacts.end()) {
      known.emplace(to_lower(mail->second), user_id);
    }
  }
  TemporarySchedule out{std::move(id), range, {}};
  std::set<std::string> strangers;
  SENTINEL_ASSIGN(const std::vector<Shift> shifts, calendar.occurrences(range));
  for (const Shift& s : shifts) {
    const auto it = known.find(to_lower(trim(s.user)));
    if (it == known.end()) {
      strangers.insert(go_quote(s.user));
    } else {
      out.shifts.emplace_back(s.span, it->second);
    }
  }
  if (strangers.empty()) return out;
  return fail(ErrorCode::kUnprocessable,
              "no user has this id, name or e-mail address: " + join({strangers.begin(), strangers.end()}, ", "));
}

}  // namespace sentinel::oncall
