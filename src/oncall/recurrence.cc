#include "oncall/recurrence.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/strings.h"

namespace sentinel::oncall {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr std::array<std::string_view, 7> kDays = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
constexpr std::array<std::string_view, 4> kFrequencies = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
constexpr int64_t kIntervalMax = 1000;
constexpr int64_t kPeriodsMax = 100'000;  // walked through for one event: 270 years of days

tl::unexpected<Error> bad(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

Result<unsigned> weekday_of_code(std::string_view code) {
  const auto it = std::find(kDays.begin(), kDays.end(), code);
  if (it == kDays.end()) return bad("\"" + std::string(code) + "\" is not a weekday, expected MO, TU, ...");
  return static_cast<unsigned>(it - kDays.begin());
}

Result<int64_t> number_in(std::string_view text, int64_t low, int64_t high, std::string_view what) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto n = parse_int(text);
  if (!n || *n < low || *n > high) return bad(std::string(what) + "=" + std::string(text) + " is out of range");
  return *n;
}

Status read_by_day(std::string_view value, Recurrence& out) {
  if (value.empty()) return {};  // some calendars write it without a day; it says nothing
  for (const std::string_view item : split(value, ',')) {
    if (item.size() < 2) return bad("BYDAY=" + std::string(value) + " is not a list of weekdays");
    SENTINEL_ASSIGN(const unsigned day, weekday_of_code(item.substr(item.size() - 2)));
    int64_t number = 0;
    if (item.size() > 2) {
      SENTINEL_ASSIGN(number, number_in(item.substr(0, item.size() - 2), -5, 5, "BYDAY"));
      if (number == 0) return bad("BYDAY with the number 0");
    }
    out.by_day.emplace_back(static_cast<int>(number), day);
  }
  return {};
}

Status read_until(std::string_view value, bool is_date, bool has_zone, const Zone& zone, Recurrence& out) {
  SENTINEL_ASSIGN(const ICalTime until, parse_ical_time(value));
  if (until.is_date) {
    // The whole day counts, for calendars that put a date beside times too.
    out.until = zone.last(until.wall + days(1)) - Micros(1);
  } else if (until.utc) {
    out.until = TimePoint(until.wall.time_since_epoch());
  } else if (has_zone || is_date) {
    return bad("UNTIL=" + std::string(value) + " must be UTC (ending in Z) when DTSTART has a time zone");
  } else {
    out.until = zone.last(until.wall);
  }
  return {};
}

Status read_part(std::string_view name, std::string_view value, Recurrence& out) {
  if (name == "FREQ") {
    const auto it = std::find(kFrequencies.begin(), kFrequencies.end(), value);
    if (it == kFrequencies.end()) return bad("FREQ=" + std::string(value) + " is not supported");
    out.frequency = static_cast<Recurrence::Frequency>(it - kFrequencies.begin());
  } else if (name == "INTERVAL") {
    SENTINEL_ASSIGN(out.interval, number_in(value, 1, kIntervalMax, name));
  } else if (name == "COUNT") {
    SENTINEL_ASSIGN(out.count, number_in(value, 1, 1'000'000, name));
  } else if (name == "BYDAY") {
    SENTINEL_TRY(read_by_day(value, out));
  } else if (name == "BYMONTHDAY") {
    for (const std::string_view item : split(value, ',')) {
      SENTINEL_ASSIGN(const int64_t day, number_in(item, -31, 31, name));
      if (day == 0) return bad("BYMONTHDAY=0");
      out.by_month_day.push_back(static_cast<int>(day));
    }
  } else if (name == "WKST") {
    SENTINEL_ASSIGN(out.week_start, weekday_of_code(value));
  } else if (name != "UNTIL") {
    return bad("RRULE part " + std::string(name) + " is not supported");
  }
  return {};
}

// Combinations that mean something else than we would do.
Status check(const Recurrence& r) {
  using Frequency = Recurrence::Frequency;
  const bool numbered = std::any_of(r.by_day.begin(), r.by_day.end(), [](const auto& d) { return d.first != 0; });
  if (numbered && r.frequency != Frequency::kMonthly)
    return bad("BYDAY with numbers is supported with FREQ=MONTHLY only");
  if (!r.by_day.empty() && r.frequency == Frequency::kYearly) return bad("BYDAY with FREQ=YEARLY is not supported");
  if (!r.by_month_day.empty() && r.frequency != Frequency::kMonthly) {
    return bad("BYMONTHDAY is supported with FREQ=MONTHLY only");
  }
  if (!r.by_month_day.empty() && !r.by_day.empty()) return bad("BYDAY together with BYMONTHDAY is not supported");
  if (r.count && r.until) return bad("COUNT and UNTIL exclude one another");
  return {};
}

unsigned weekday_number(WallDay day) { return weekday_of(day).c_encoding(); }

// Days of one month that the rule names.
void days_of_month(const Recurrence& r, std::chrono::year_month month, unsigned own_day, std::vector<WallDay>& out) {
  const WallDay first(month / 1);
  const WallDay last(month / std::chrono::last);
  const auto size = static_cast<int>((last - first).count()) + 1;
  const auto put = [&](int day) {
    if (day >= 1 && day <= size) out.push_back(first + days(day - 1));
  };
  for (const int day : r.by_month_day) put(day > 0 ? day : size + 1 + day);
  for (const auto& [number, weekday] : r.by_day) {
    const int begin = 1 + static_cast<int>((weekday + 7 - weekday_number(first)) % 7);
    const int count = (size - begin) / 7 + 1;
    if (number == 0) {
      for (int day = begin; day <= size; day += 7) put(day);
    } else {
      const int nth = number > 0 ? number - 1 : count + number;
      if (nth >= 0 && nth < count) put(begin + 7 * nth);
    }
  }
  if (r.by_day.empty() && r.by_month_day.empty())
    put(static_cast<int>(own_day));  // a month without the day is left out
}

// Days of period number n: a day, a week from WKST, a month, a year.
std::vector<WallDay> days_of_period(const Recurrence& r, WallDay first, int64_t n) {
  using Frequency = Recurrence::Frequency;
  const std::chrono::year_month_day date(first);
  const std::chrono::year_month month(date.year(), date.month());
  std::vector<WallDay> out;
  switch (r.frequency) {
    case Frequency::kDaily: out.push_back(first + days(n)); break;
    case Frequency::kWeekly: {
      const WallDay week = first - days((weekday_number(first) + 7 - r.week_start) % 7) + days(7 * n);
      for (WallDay day = week; day < week + days(7); day += days(1)) {
        const bool named = std::any_of(r.by_day.begin(), r.by_day.end(),
                                       [&](const auto& d) { return d.second == weekday_number(day); });
        if (r.by_day.empty() ? weekday_number(day) == weekday_number(first) : named) out.push_back(day);
      }
      break;
    }
    case Frequency::kMonthly:
      days_of_month(r, month + std::chrono::months(n), static_cast<unsigned>(date.day()), out);
      break;
    case Frequency::kYearly: {
      const std::chrono::year_month_day then(date.year() + std::chrono::years(n), date.month(), date.day());
      if (then.ok()) out.emplace_back(then);
      break;
    }
  }
  const bool filtered = r.frequency == Frequency::kDaily && !r.by_day.empty();
  std::erase_if(out, [&](WallDay day) {
    return filtered && std::none_of(r.by_day.begin(), r.by_day.end(),
                                    [&](const auto& d) { return d.second == weekday_number(day); });
  });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

int64_t days_in_period(Recurrence::Frequency f) {
  constexpr std::array<int64_t, 4> kLongest = {1, 7, 31, 366};
  return kLongest[static_cast<size_t>(f)];
}

}  // namespace

std::vector<WallTime> Recurrence::starts(WallTime first, WallTime from, WallTime to, size_t max) const {
  const WallDay day = floor<days>(first);
  const auto clock = first - WallTime(day);
  std::vector<WallTime> out;
  int64_t counted = 1;
  if (first >= from && first <= to) out.push_back(first);
  // Without a count, periods long before are not walked through.
  const int64_t step = days_in_period(frequency) * interval;
  const int64_t skip = count || from < first ? 0 : std::max<int64_t>(0, (from - first) / days(step) - 2);
  for (int64_t n = skip; n < skip + kPeriodsMax && out.size() < max; ++n) {
    const std::vector<WallDay> period = days_of_period(*this, day, n * interval);
    for (const WallDay d : period) {
      const WallTime t = WallTime(d) + clock;
      if (t <= first) continue;
      if (t > to || (count && ++counted > *count)) return out;
      if (t >= from && out.size() < max) out.push_back(t);
    }
    // A period of nothing but missing days (the 29th of February) must not run on for ever.
    if (period.empty() && WallTime(day) + days(n * interval * (days_in_period(frequency) - 3)) > to + days(366)) break;
  }
  return out;
}

Result<Recurrence> parse_recurrence(std::string_view rule, bool is_date, bool has_zone, const Zone& zone) {
  Recurrence out;
  std::vector<std::string_view> seen;
  for (const std::string_view part : split(rule, ';')) {
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) return bad("\"" + std::string(part) + "\" is not a part of an RRULE");
    const std::string_view name = part.substr(0, equals);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) return bad(std::string(name) + " is there twice");
    seen.push_back(name);
    SENTINEL_TRY(read_part(name, part.substr(equals + 1), out));
    if (name == "UNTIL") SENTINEL_TRY(read_until(part.substr(equals + 1), is_date, has_zone, zone, out));
  }
  if (std::find(seen.begin(), seen.end(), "FREQ") == seen.end()) return bad("an RRULE needs FREQ");
  SENTINEL_TRY(check(out));
  return out;
}

Result<ICalTime> parse_ical_time(std::string_view text) {
  const auto wrong = [&] { return bad("\"" + std::string(text) + "\" is not a date or a date and time"); };
  ICalTime out;
  std::string_view rest = text;
  if (rest.ends_with('Z')) {
    out.utc = true;
    rest.remove_suffix(1);
  }
  out.is_date = rest.size() == 8;
  if (!(out.is_date && !out.utc) && !(rest.size() == 15 && rest[8] == 'T')) return wrong();
  std::string spelled(rest.substr(0, 4));
  spelled.append("-").append(rest.substr(4, 2)).append("-").append(rest.substr(6, 2));
  if (!out.is_date) {
    spelled.append("T").append(rest.substr(9, 2)).append(":").append(rest.substr(11, 2));
    spelled.append(":").append(rest.substr(13, 2));
  }
  const auto wall = parse_wall_time(spelled);
  if (!wall) return wrong();
  out.wall = *wall;
  return out;
}

}  // namespace sentinel::oncall
