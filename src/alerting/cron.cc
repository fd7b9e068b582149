#include "alerting/cron.h"

#include <algorithm>
#include <array>
#include <optional>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::alerting {

struct CronSchedule::Wall {
  cctz::civil_minute at;
};

namespace {

using std::chrono::seconds;

constexpr int kDaysMax = 41 * 366;       // from a 29 February of some weekday to the next such one, over 2100
constexpr int kTransitionsMax = 10'000;  // more than a zone's database has
constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr std::pair<std::string_view, std::string_view> kNicknames[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};

cctz::time_zone zone_of(const std::string& name) {
  cctz::time_zone zone = cctz::utc_time_zone();
  if (name != "UTC") cctz::load_time_zone(name, &zone);  // parse() has seen it; cctz keeps it
  return zone;
}

TimePoint instant(const cctz::time_point<cctz::seconds>& t) { return TimePoint(t.time_since_epoch()); }

struct Field {
  std::string_view name;
  int least, most;
  std::optional<int> number(std::string_view text) const {
    const auto named = [&](const auto& names, int first) -> std::optional<int> {
      const auto found = std::find(names.begin(), names.end(), to_lower(text));
      if (found == names.end()) return std::nullopt;
      return first + static_cast<int>(found - names.begin());
    };
    if (name == "month") {
      if (const auto month = named(kMonths, 1)) return month;
    }
    if (name == "weekday") {
      if (const auto day = named(kWeekdays, 0)) return day;
    }
    const bool digits = !text.empty() && text.size() <= 2 &&
                        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    const auto n = digits ? parse_int(text) : std::nullopt;
    if (!n || *n < least || *n > most) return std::nullopt;
    return static_cast<int>(*n);
  }
};

// One of a list: "*", "5", "1-5", each but the single number with "/2".
template <size_t N>
Status read_part(const Field& field, std::string_view part, std::bitset<N>& out) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("\"{}\" is no {}: expected *, {}-{}, a range, or one of these with a step (*/2, 1-5/2)",
                            part, field.name, field.least, field.most));
  };
  const size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  const size_t dash = range.find('-');
  int step = 1;
  if (slash != std::string_view::npos) {
    const Field steps{"step", 1, field.most};
    const auto given = steps.number(part.substr(slash + 1));
    if (!given || (range != "*" && dash == std::string_view::npos)) return bad();
    step = *given;
  }
  const auto first = range == "*" ? std::optional(field.least) : field.number(range.substr(0, dash));
  const auto last = range == "*"                     ? std::optional(field.most)
                    : dash == std::string_view::npos ? first
                                                     : field.number(range.substr(dash + 1));
  if (!first || !last || *first > *last) return bad();
  for (int n = *first; n <= *last; n += step) out.set(static_cast<size_t>(n) % N);  // Sunday is 0 and 7
  return {};
}

template <size_t N>
Status read_field(const Field& field, std::string_view text, std::bitset<N>& out) {
  for (const std::string_view part : split(text, ',')) SENTINEL_TRY(read_part(field, part, out));
  return {};
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text, std::string zone) {
  CronSchedule out;
  out.text_ = std::string(trim(text));
  out.zone_ = std::move(zone);
  cctz::time_zone known;
  const bool plain = !out.zone_.empty() && out.zone_.front() != '/' && out.zone_.find("..") == std::string::npos &&
                     out.zone_.find(':') == std::string::npos;  // cctz would take a path as well
  if (!plain || !cctz::load_time_zone(out.zone_, &known))
    return fail(ErrorCode::kInvalidArgument, "\"" + out.zone_ + "\" is not a time zone of this machine's database");
  std::string_view meant = out.text_;
  for (const auto& [nickname, fields] : kNicknames) {
    if (meant == nickname) meant = fields;
  }
  std::vector<std::string_view> fields = split(meant, ' ');
  std::erase(fields, "");
  if (fields.size() != 5)
    return fail(ErrorCode::kInvalidArgument,
                "expected minute, hour, day of the month, month and weekday, such as \"0 3 * * *\", or @daily");
  SENTINEL_TRY(read_field({"minute", 0, 59}, fields[0], out.minutes_));
  SENTINEL_TRY(read_field({"hour", 0, 23}, fields[1], out.hours_));
  SENTINEL_TRY(read_field({"day of the month", 1, 31}, fields[2], out.days_));
  SENTINEL_TRY(read_field({"month", 1, 12}, fields[3], out.months_));
  SENTINEL_TRY(read_field({"weekday", 0, 7}, fields[4], out.weekdays_));
  out.whenever_shown_ = fields[0].front() == '*' || fields[1].front() == '*';
  out.days_and_weekdays_ = fields[2].front() == '*' || fields[4].front() == '*';
  Wall first;
  if (!out.next_shown({cctz::civil_minute(2024, 1, 1)}, &first))
    return fail(ErrorCode::kInvalidArgument, "\"" + out.text_ + "\" never comes");
  return out;
}

bool CronSchedule::is_day(const Wall& day) const {
  const cctz::civil_day date(day.at);
  const auto weekday = (static_cast<size_t>(cctz::get_weekday(date)) + 1) % 7;  // cctz begins with Monday
  const bool by_day = days_.test(static_cast<size_t>(date.day()));
  const bool by_weekday = weekdays_.test(weekday);
  return days_and_weekdays_ ? by_day && by_weekday : by_day || by_weekday;
}

// The first clock time that is meant, `from` included. False: there is none.
bool CronSchedule::next_shown(const Wall& from, Wall* found) const {
  const cctz::civil_day first(from.at);
  cctz::civil_day day = first;
  for (int n = 0; n <= kDaysMax; ++n, ++day) {
    if (!months_.test(static_cast<size_t>(day.month()))) {
      const cctz::civil_day following(cctz::civil_month(day) + 1);
      n += static_cast<int>(following - day) - 1;
      day = following - 1;
      continue;
    }
    if (!is_day({cctz::civil_minute(day)})) continue;
    for (size_t hour = 0; hour < hours_.size(); ++hour) {
      if (!hours_.test(hour) || (day == first && hour < static_cast<size_t>(from.at.hour()))) continue;
      for (size_t minute = 0; minute < minutes_.size(); ++minute) {
        found->at =
            cctz::civil_minute(day.year(), day.month(), day.day(), static_cast<int>(hour), static_cast<int>(minute));
        if (minutes_.test(minute) && found->at >= from.at) return true;
      }
    }
  }
  return false;
}

TimePoint CronSchedule::next(TimePoint t) const {
  const cctz::time_zone zone = zone_of(zone_);
  auto now = std::chrono::floor<seconds>(t);
  Wall from{cctz::civil_minute(cctz::convert(now, zone)) + 1};
  Wall found;
  if (!whenever_shown_) {
    // Instants of ascending clock times never descend.
    for (; next_shown(from, &found); from.at = found.at + 1) {
      const auto at = zone.lookup(cctz::civil_second(found.at));
      const TimePoint run = instant(at.kind == cctz::time_zone::civil_lookup::SKIPPED ? at.trans : at.pre);
      if (run > t) return run;
    }
    return TimePoint::max();
  }
  // Between two changes of the clocks they go evenly.
  for (int n = 0; n < kTransitionsMax && next_shown(from, &found); ++n) {
    cctz::time_zone::civil_transition change;
    const bool changes = zone.next_transition(now, &change);
    if (!changes || cctz::civil_second(found.at) < change.from) {
      const cctz::civil_second wall = cctz::convert(now, zone);
      return instant(now + seconds(cctz::civil_second(found.at) - wall));
    }
    now = change.from < change.to ? zone.lookup(change.from).trans : zone.lookup(change.to).trans;
    const cctz::civil_minute begins(change.to);
    from.at = cctz::civil_second(begins) < change.to ? begins + 1 : begins;
  }
  return TimePoint::max();
}

TimePoint CronSchedule::last(TimePoint first, TimePoint t) const {
  TimePoint run = first;
  // The longest way is not gone by the minute.
  for (const std::chrono::hours back : {std::chrono::hours(1), std::chrono::hours(24), std::chrono::hours(24 * 32)}) {
    if (t - back <= first) break;
    if (const TimePoint near = next(t - back); near <= t) {
      run = near;
      break;
    }
  }
  for (TimePoint following = next(run); following <= t; following = next(run)) run = following;
  return run;
}

std::string CronSchedule::shown(TimePoint t) const {
  const cctz::civil_second w = cctz::convert(std::chrono::floor<seconds>(t), zone_of(zone_));
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", w.year(), w.month(), w.day(), w.hour(), w.minute());
}

}  // namespace sentinel::alerting
