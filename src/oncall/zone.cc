#include "oncall/zone.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::oncall {
namespace {

using std::chrono::seconds;

cctz::time_zone zone_of(const std::string& name) {
  cctz::time_zone zone = cctz::utc_time_zone();
  if (name != "UTC") cctz::load_time_zone(name, &zone);  // Zone::load() has seen it; cctz keeps it
  return zone;
}

cctz::civil_second civil(WallTime w) { return cctz::civil_second() + w.time_since_epoch().count(); }

TimePoint instant(const cctz::time_point<cctz::seconds>& t) { return TimePoint(t.time_since_epoch()); }

std::optional<int> digits(std::string_view text) {
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
  }
  const auto n = parse_int(text);
  return n ? std::optional<int>(static_cast<int>(*n)) : std::nullopt;
}

}  // namespace

Result<Zone> Zone::load(std::string name) {
  // cctz would take a path as well.
  const bool plain = !name.empty() && name.size() < 100 && name.front() != '/' &&
                     name.find("..") == std::string::npos && name.find(':') == std::string::npos;
  cctz::time_zone zone;
  if (!plain || !cctz::load_time_zone(name, &zone)) {
    return fail(ErrorCode::kInvalidArgument, "\"" + name + "\" is not a time zone of this machine's database");
  }
  Zone out;
  out.name_ = std::move(name);
  return out;
}

WallTime Zone::wall(TimePoint t) const {
  const cctz::civil_second c = cctz::convert(std::chrono::floor<seconds>(t), zone_of(name_));
  return WallTime(seconds(c - cctz::civil_second()));
}

TimePoint Zone::first(WallTime w) const {
  const auto found = zone_of(name_).lookup(civil(w));
  return instant(found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.pre);
}

TimePoint Zone::last(WallTime w) const {
  const auto found = zone_of(name_).lookup(civil(w));
  return instant(found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.post);
}

Result<WallDay> parse_wall_day(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text) + "\" is not a date, expected YYYY-MM-DD");
  };
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return bad();
  const auto y = digits(text.substr(0, 4));
  const auto m = digits(text.substr(5, 2));
  const auto d = digits(text.substr(8, 2));
  if (!y || !m || !d) return bad();
  const std::chrono::year_month_day date(std::chrono::year(*y), std::chrono::month(static_cast<unsigned>(*m)),
                                         std::chrono::day(static_cast<unsigned>(*d)));
  if (!date.ok() || *y < 1970 || *y > 2200) return bad();
  return WallDay(date);
}

Result<seconds> parse_clock(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text) + "\" is not a time of day, expected HH:MM");
  };
  if ((text.size() != 5 && text.size() != 8) || text[2] != ':') return bad();
  const auto h = digits(text.substr(0, 2));
  const auto m = digits(text.substr(3, 2));
  const auto s = text.size() == 8 ? digits(text.substr(6)) : 0;
  if (!h || !m || !s || (text.size() == 8 && text[5] != ':')) return bad();
  if (*h > 24 || *m > 59 || *s > 59 || (*h == 24 && *m + *s > 0)) return bad();
  return seconds(*h * 3600 + *m * 60 + *s);
}

Result<WallTime> parse_wall_time(std::string_view text) {
  if (text.size() > 10 && text[10] != ' ' && text[10] != 'T') {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text) + "\" is not a time, expected YYYY-MM-DD HH:MM");
  }
  SENTINEL_ASSIGN(const WallDay day, parse_wall_day(text.substr(0, 10)));
  if (text.size() <= 10) return WallTime(day);
  SENTINEL_ASSIGN(const seconds clock, parse_clock(text.substr(11)));
  return WallTime(day) + clock;
}

std::string format_wall_day(WallDay d) {
  const std::chrono::year_month_day date(d);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string format_wall_time(WallTime w) {
  const WallDay day = std::chrono::floor<std::chrono::days>(w);
  const auto s = (w - day).count();
  std::string out = fmt::format("{} {:02}:{:02}", format_wall_day(day), s / 3600, s / 60 % 60);
  if (s % 60 != 0) out += fmt::format(":{:02}", s % 60);
  return out;
}

}  // namespace sentinel::oncall
