#include "alerting/time_interval.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include "base/strings.h"

namespace sentinel::alerting {
namespace {

using text::YamlNode;
using Range = TimeInterval::Range;

constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"january",   "february", "march",    "april",
                                                      "may",       "june",     "july",     "august",
                                                      "september", "october",  "november", "december"};

// "HH:MM" in minutes of the day; 24:00 is allowed.
std::optional<int> minute_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = parse_int(text.substr(0, 2));
  const auto minute = parse_int(text.substr(3));
  if (!hour || !minute || *hour < 0 || *minute < 0 || *minute > 59 || *hour > 24 || (*hour == 24 && *minute != 0)) {
    return std::nullopt;
  }
  return static_cast<int>(*hour * 60 + *minute);
}

Result<std::vector<Range>> parse_times(const YamlNode& node) {
  std::vector<Range> out;
  if (node.is_null()) return out;
  if (!node.is_list()) return fail(node.error("times must be a list of {start_time, end_time}"));
  for (const YamlNode& item : node.items()) {
    SENTINEL_TRY(item.expect_keys("times", {"start_time", "end_time"}));
    SENTINEL_ASSIGN(const YamlNode start_node, item.require("times", "start_time"));
    SENTINEL_ASSIGN(const YamlNode end_node, item.require("times", "end_time"));
    SENTINEL_ASSIGN(const std::string start_text, start_node.string());
    SENTINEL_ASSIGN(const std::string end_text, end_node.string());
    const auto start = minute_of_day(start_text);
    const auto end = minute_of_day(end_text);
    if (!start) return fail(start_node.error("\"" + start_text + "\" is not a time of day, expected HH:MM"));
    if (!end) return fail(end_node.error("\"" + end_text + "\" is not a time of day, expected HH:MM"));
    if (*start >= *end) return fail(end_node.error("start_time must be before end_time"));
    out.emplace_back(*start, *end);
  }
  return out;
}

using ReadOne = std::function<std::optional<int>(std::string_view)>;

// A list of "a" or "a:b".
Result<std::vector<Range>> parse_ranges(const YamlNode& node, std::string_view what, const ReadOne& read) {
  std::vector<Range> out;
  if (node.is_null()) return out;
  if (!node.is_list()) return fail(node.error(std::string(what) + " must be a list"));
  for (const YamlNode& item : node.items()) {
    SENTINEL_ASSIGN(const std::string written, item.string());
    const std::string lower(to_lower(written));
    const auto parts = split(lower, ':');
    if (parts.empty() || parts.size() > 2)
      return fail(item.error("\"" + written + "\" is not a range, expected a or a:b"));
    const auto begin = read(parts[0]);
    const auto end = read(parts.back());
    if (!begin || !end) return fail(item.error("\"" + written + "\" is not valid in " + std::string(what)));
    out.emplace_back(*begin, *end);
  }
  return out;
}

template <size_t N>
ReadOne named(const std::array<std::string_view, N>& names, int first, bool numbers) {
  return [&names, first, numbers](std::string_view text) -> std::optional<int> {
    const auto it = std::find(names.begin(), names.end(), text);
    if (it != names.end()) return static_cast<int>(it - names.begin()) + first;
    const auto number = numbers ? parse_int(text) : std::nullopt;
    if (!number || *number < first || *number >= first + static_cast<int>(N)) return std::nullopt;
    return static_cast<int>(*number);
  };
}

ReadOne number(int64_t low, int64_t high) {
  return [low, high](std::string_view text) -> std::optional<int> {
    const auto n = parse_int(text);
    if (!n || *n < low || *n > high) return std::nullopt;
    return static_cast<int>(*n);
  };
}

Status check_ascending(const std::vector<Range>& ranges, const YamlNode& node, std::string_view what) {
  for (const auto& [begin, end] : ranges) {
    if (begin > end) return fail(node.error("the start of a range in " + std::string(what) + " is after its end"));
  }
  return {};
}

Status check_days_of_month(const std::vector<Range>& ranges, const YamlNode& node) {
  for (const auto& [begin, end] : ranges) {
    if (begin == 0 || end == 0) return fail(node.error("0 is not a valid day of the month"));
    if (begin < 0 && end > 0) return fail(node.error("the end day must be negative if the start day is negative"));
    // With the longest month: a range that is empty even there is a mistake.
    const int last = end < 0 ? 31 + end + 1 : end;
    const int first = begin < 0 ? 31 + begin + 1 : begin;
    if (first > last) return fail(node.error("the end day is always before the start day"));
  }
  return {};
}

bool in_any(const std::vector<Range>& ranges, int value) {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(),
                                       [value](const Range& r) { return value >= r.first && value <= r.second; });
}

int days_in_month(const cctz::civil_second& t) {
  return static_cast<int>(cctz::civil_day(cctz::civil_month(t) + 1) - cctz::civil_day(cctz::civil_month(t)));
}

bool in_days_of_month(const std::vector<Range>& ranges, const cctz::civil_second& t) {
  if (ranges.empty()) return true;
  const int days = days_in_month(t);
  for (const auto& [range_begin, range_end] : ranges) {
    const int begin = range_begin < 0 ? days + range_begin + 1 : range_begin;
    const int end = range_end < 0 ? days + range_end + 1 : range_end;
    if (begin > days) continue;
    // Days that this month lacks are cut off, so that a range never reaches into another month.
    if (t.day() >= begin && t.day() <= std::min(end, days)) return true;
  }
  return false;
}

}  // namespace

Result<TimeInterval> TimeInterval::parse(const YamlNode& node) {
  SENTINEL_TRY(
      node.expect_keys("time_intervals", {"times", "weekdays", "days_of_month", "months", "years", "location"}));
  TimeInterval out;
  SENTINEL_ASSIGN(out.minutes_, parse_times(node.get("times")));
  SENTINEL_ASSIGN(out.weekdays_, parse_ranges(node.get("weekdays"), "weekdays", named(kWeekdays, 0, false)));
  SENTINEL_TRY(check_ascending(out.weekdays_, node.get("weekdays"), "weekdays"));
  SENTINEL_ASSIGN(out.days_of_month_, parse_ranges(node.get("days_of_month"), "days_of_month", number(-31, 31)));
  SENTINEL_TRY(check_days_of_month(out.days_of_month_, node.get("days_of_month")));
  SENTINEL_ASSIGN(out.months_, parse_ranges(node.get("months"), "months", named(kMonths, 1, true)));
  SENTINEL_TRY(check_ascending(out.months_, node.get("months"), "months"));
  SENTINEL_ASSIGN(out.years_, parse_ranges(node.get("years"), "years", number(0, 9999)));
  SENTINEL_TRY(check_ascending(out.years_, node.get("years"), "years"));
  SENTINEL_ASSIGN(out.location_, node.string_or("location", ""));
  cctz::time_zone zone;
  if (!out.location_.empty() && out.location_ != "Local" && !cctz::load_time_zone(out.location_, &zone)) {
    return fail(node.get("location").error("\"" + out.location_ + "\" is not a time zone of this machine's database"));
  }
  return out;
}

namespace {

cctz::civil_second local_time(const std::string& location, TimePoint t) {
  cctz::time_zone zone = cctz::utc_time_zone();
  if (location == "Local") {
    zone = cctz::local_time_zone();
  } else if (!location.empty()) {
    cctz::load_time_zone(location, &zone);  // parse() has seen it; cctz keeps it
  }
  return cctz::convert(std::chrono::floor<std::chrono::seconds>(t), zone);
}

}  // namespace

bool TimeInterval::contains(TimePoint t) const {
  const cctz::civil_second local = local_time(location_, t);
  const int minute = local.hour() * 60 + local.minute();
  const bool in_minutes = minutes_.empty() || std::any_of(minutes_.begin(), minutes_.end(), [minute](const Range& r) {
                            return minute >= r.first && minute < r.second;
                          });
  return in_minutes && contains_day(t);
}

bool TimeInterval::contains_day(TimePoint t) const {
  const cctz::civil_second local = local_time(location_, t);
  if (!in_days_of_month(days_of_month_, local) || !in_any(months_, local.month())) return false;
  const int weekday = (static_cast<int>(cctz::get_weekday(cctz::civil_day(local))) + 1) % 7;  // cctz counts from Monday
  return in_any(weekdays_, weekday) && in_any(years_, static_cast<int>(local.year()));
}

std::optional<TimeSpan> next_span(const std::vector<TimeInterval>& intervals, TimePoint from, TimePoint horizon,
                                  Micros length_max) {
  // Offsets of time zones are whole quarters of an hour, so a day begins at one everywhere.
  constexpr Micros kMinute = std::chrono::minutes(1);
  constexpr Micros kQuarter = std::chrono::minutes(15);
  const auto after = [](TimePoint t, Micros step) { return t - t.time_since_epoch() % step + step; };
  const auto holds = [&](TimePoint t) {
    return std::any_of(intervals.begin(), intervals.end(), [t](const TimeInterval& i) { return i.contains(t); });
  };
  const auto day_holds = [&](TimePoint t) {
    return std::any_of(intervals.begin(), intervals.end(), [t](const TimeInterval& i) { return i.contains_day(t); });
  };
  TimePoint start = from;
  while (start < horizon && !holds(start)) start = after(start, day_holds(start) ? kMinute : kQuarter);
  if (start >= horizon) return std::nullopt;
  TimePoint end = after(start, kMinute);
  while (end < start + length_max && holds(end)) end = after(end, kMinute);
  return TimeSpan{start, std::min(end, start + length_max)};
}

}  // namespace sentinel::alerting
