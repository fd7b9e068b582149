#include "text/go_time.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include "base/strings.h"
#include "text/gofmt.h"

namespace sentinel::text {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};

cctz::time_zone zone_of(const std::string& name) {
  cctz::time_zone zone = cctz::utc_time_zone();
  if (!name.empty() && name != "UTC") cctz::load_time_zone(name, &zone);
  return zone;
}

// A moment taken apart in its zone.
struct Civil {
  cctz::civil_second at;
  int64_t nanos = 0;
  int offset = 0;
  std::string abbreviation;
  int weekday = 0;
  int yearday = 0;
};

Civil take_apart(const ZonedTime& time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.at);
  using Seconds = cctz::time_point<cctz::seconds>;  // system_clock's own nanoseconds do not reach year 1
  const auto info = zone_of(time.zone).lookup(Seconds(cctz::seconds(seconds.time_since_epoch().count())));
  Civil civil;
  civil.at = info.cs;
  civil.nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(time.at - seconds).count();
  civil.offset = info.offset;
  civil.abbreviation = info.abbr;
  civil.weekday = (static_cast<int>(cctz::get_weekday(cctz::civil_day(civil.at))) + 1) % 7;  // cctz counts from Monday
  civil.yearday = cctz::get_yearday(cctz::civil_day(civil.at));
  return civil;
}

enum class Chunk {
  kNone,
  kLongMonth,
  kMonth,
  kNumMonth,
  kZeroMonth,
  kLongWeekday,
  kWeekday,
  kDay,
  kUnderDay,
  kZeroDay,
  kUnderYearDay,
  kZeroYearDay,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kPm,
  kpm,
  kZone,
  kZ0700,
  kZ070000,
  kZ07,
  kZ07_00,
  kZ07_00_00,
  k0700,
  k070000,
  k07,
  k07_00,
  k07_00_00,
  kFraction0,
  kFraction9,
};
struct Found {
  Chunk chunk = Chunk::kNone;
  size_t length = 0;
};

struct Name {
  std::string_view text;
  Chunk chunk;
};
// Longest first where one begins another.
constexpr Name kNames[] = {
    {"January", Chunk::kLongMonth},
    {"Jan", Chunk::kMonth},
    {"Monday", Chunk::kLongWeekday},
    {"Mon", Chunk::kWeekday},
    {"MST", Chunk::kZone},
    {"002", Chunk::kZeroYearDay},
    {"01", Chunk::kZeroMonth},
    {"02", Chunk::kZeroDay},
    {"03", Chunk::kZeroHour12},
    {"04", Chunk::kZeroMinute},
    {"05", Chunk::kZeroSecond},
    {"06", Chunk::kYear},
    {"15", Chunk::kHour},
    {"1", Chunk::kNumMonth},
    {"2006", Chunk::kLongYear},
    {"2", Chunk::kDay},
    {"__2", Chunk::kUnderYearDay},
    {"_2", Chunk::kUnderDay},
    {"3", Chunk::kHour12},
    {"4", Chunk::kMinute},
    {"5", Chunk::kSecond},
    {"PM", Chunk::kPm},
    {"pm", Chunk::kpm},
    {"-070000", Chunk::k070000},
    {"-07:00:00", Chunk::k07_00_00},
    {"-0700", Chunk::k0700},
    {"-07:00", Chunk::k07_00},
    {"-07", Chunk::k07},
    {"Z070000", Chunk::kZ070000},
    {"Z07:00:00", Chunk::kZ07_00_00},
    {"Z0700", Chunk::kZ0700},
    {"Z07:00", Chunk::kZ07_00},
    {"Z07", Chunk::kZ07},
};

bool digit_at(std::string_view text, size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; }

Found fraction_at(std::string_view layout) {
  if ((layout[0] != '.' && layout[0] != ',') || layout.size() < 2 || (layout[1] != '0' && layout[1] != '9')) return {};
  size_t end = layout.find_first_not_of(layout[1], 1);
  if (end == std::string_view::npos) end = layout.size();
  if (digit_at(layout, end)) return {};  // the run must end the number
  return {layout[1] == '0' ? Chunk::kFraction0 : Chunk::kFraction9, end};
}

Found chunk_at(std::string_view layout) {
  if (Found fraction = fraction_at(layout); fraction.length > 0) return fraction;
  if (layout.starts_with("_2006")) return {};  // a literal underscore before the year
  for (const Name& name : kNames) {
    if (!layout.starts_with(name.text)) continue;
    const bool abbreviation = name.text == "Jan" || name.text == "Mon";
    if (abbreviation && layout.size() > 3 && layout[3] >= 'a' && layout[3] <= 'z') continue;
    return {name.chunk, name.text.size()};
  }
  return {};
}

struct ZoneStyle {
  bool z = false;  // "Z" for UTC
  bool colons = false;
  int parts = 2;  // hours, minutes, seconds
};
std::optional<ZoneStyle> zone_style(Chunk chunk) {
  switch (chunk) {
    case Chunk::kZ0700: return ZoneStyle{true, false, 2};
    case Chunk::kZ070000: return ZoneStyle{true, false, 3};
    case Chunk::kZ07: return ZoneStyle{true, false, 1};
    case Chunk::kZ07_00: return ZoneStyle{true, true, 2};
    case Chunk::kZ07_00_00: return ZoneStyle{true, true, 3};
    case Chunk::k0700: return ZoneStyle{false, false, 2};
    case Chunk::k070000: return ZoneStyle{false, false, 3};
    case Chunk::k07: return ZoneStyle{false, false, 1};
    case Chunk::k07_00: return ZoneStyle{false, true, 2};
    case Chunk::k07_00_00: return ZoneStyle{false, true, 3};
    default: return std::nullopt;
  }
}

std::string offset_text(int offset, ZoneStyle style) {
  if (style.z && offset == 0) return "Z";
  const int all = std::abs(offset);
  std::string out = fmt::format("{}{:02}", offset < 0 ? '-' : '+', all / 3600);
  if (style.parts > 1) out += fmt::format("{}{:02}", style.colons ? ":" : "", all / 60 % 60);
  if (style.parts > 2) out += fmt::format("{}{:02}", style.colons ? ":" : "", all % 60);
  return out;
}

std::string fraction_text(int64_t nanos, std::string_view layout, bool trim_zeros) {
  std::string digits = fmt::format("{:09}", nanos).substr(0, std::min<size_t>(layout.size() - 1, 9));
  if (trim_zeros) {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    if (digits.empty()) return "";
  }
  return std::string(1, layout[0]) + digits;
}

int hour12(int hour) { return hour % 12 == 0 ? 12 : hour % 12; }

std::string chunk_text(const Civil& civil, Chunk chunk, std::string_view layout) {
  const auto& t = civil.at;
  const std::string_view month = kMonths[static_cast<size_t>(t.month() - 1)];
  const std::string_view weekday = kWeekdays[static_cast<size_t>(civil.weekday)];
  switch (chunk) {
    case Chunk::kLongMonth: return std::string(month);
    case Chunk::kMonth: return std::string(month.substr(0, 3));
    case Chunk::kNumMonth: return fmt::format("{}", t.month());
    case Chunk::kZeroMonth: return fmt::format("{:02}", t.month());
    case Chunk::kLongWeekday: return std::string(weekday);
    case Chunk::kWeekday: return std::string(weekday.substr(0, 3));
    case Chunk::kDay: return fmt::format("{}", t.day());
    case Chunk::kUnderDay: return fmt::format("{:2}", t.day());
    case Chunk::kZeroDay: return fmt::format("{:02}", t.day());
    case Chunk::kUnderYearDay: return fmt::format("{:3}", civil.yearday);
    case Chunk::kZeroYearDay: return fmt::format("{:03}", civil.yearday);
    case Chunk::kHour: return fmt::format("{:02}", t.hour());
    case Chunk::kHour12: return fmt::format("{}", hour12(t.hour()));
    case Chunk::kZeroHour12: return fmt::format("{:02}", hour12(t.hour()));
    case Chunk::kMinute: return fmt::format("{}", t.minute());
    case Chunk::kZeroMinute: return fmt::format("{:02}", t.minute());
    case Chunk::kSecond: return fmt::format("{}", t.second());
    case Chunk::kZeroSecond: return fmt::format("{:02}", t.second());
    case Chunk::kLongYear: return fmt::format("{:04}", t.year());
    case Chunk::kYear: return fmt::format("{:02}", ((t.year() % 100) + 100) % 100);
    case Chunk::kPm: return t.hour() >= 12 ? "PM" : "AM";
    case Chunk::kpm: return t.hour() >= 12 ? "pm" : "am";
    case Chunk::kZone: return civil.abbreviation;
    case Chunk::kFraction0: return fraction_text(civil.nanos, layout, false);
    case Chunk::kFraction9: return fraction_text(civil.nanos, layout, true);
    default: return offset_text(civil.offset, *zone_style(chunk));
  }
}

// What the chunks of a text said, before they become a moment.
struct Parsed {
  int64_t year = 1;
  int month = 1, day = 1, hour = 0, minute = 0, second = 0, yearday = 0;
  int64_t nanos = 0;
  bool pm = false, pm_set = false;
  std::optional<int> offset;
};

std::optional<int> take_number(std::string_view& text, size_t least, size_t most) {
  size_t length = 0;
  while (length < most && digit_at(text, length)) ++length;
  if (length < least) return std::nullopt;
  const auto n = parse_int(text.substr(0, length));
  text.remove_prefix(length);
  return static_cast<int>(*n);
}

template <size_t N>
std::optional<int> take_name(std::string_view& text, const std::array<std::string_view, N>& names, bool full) {
  for (size_t i = 0; i < N; ++i) {
    const std::string_view name = full ? names[i] : names[i].substr(0, 3);
    if (text.size() >= name.size() && iequals(text.substr(0, name.size()), name)) {
      text.remove_prefix(name.size());
      return static_cast<int>(i);
    }
  }
  return std::nullopt;
}

bool take_offset(std::string_view& text, ZoneStyle style, Parsed& out) {
  if (style.z && text.starts_with('Z')) {
    text.remove_prefix(1);
    out.offset = 0;
    return true;
  }
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  int total = 0;
  for (int part = 0, unit = 3600; part < style.parts; ++part, unit /= 60) {
    if (part > 0 && style.colons) {
      if (!text.starts_with(':')) return false;
      text.remove_prefix(1);
    }
    auto n = take_number(text, 2, 2);
    if (!n) return false;
    total += *n * unit;
  }
  out.offset = sign * total;
  return true;
}

bool take_fraction(std::string_view& text, std::string_view layout, bool exact, Parsed& out) {
  if (text.empty() || (text[0] != '.' && text[0] != ',') || !digit_at(text, 1)) return !exact;
  size_t length = 1;
  while (digit_at(text, length)) ++length;
  if (exact) {
    if (length < layout.size()) return false;
    length = layout.size();
  }
  int64_t nanos = 0;
  for (size_t i = 1; i <= 9; ++i) nanos = nanos * 10 + (i < length ? text[i] - '0' : 0);
  out.nanos = nanos;
  text.remove_prefix(length);
  return true;
}

bool take_zone_name(std::string_view& text, Parsed& out) {
  size_t length = 0;
  while (length < text.size() && length < 5 && text[length] >= 'A' && text[length] <= 'Z') ++length;
  if (length < 3) return false;
  if (text.substr(0, length) == "UTC") out.offset = 0;
  text.remove_prefix(length);
  return true;
}

bool store(std::optional<int> n, int& to, int shift = 0) {
  if (!n) return false;
  to = *n + shift;
  return true;
}

bool take_chunk(std::string_view& text, Chunk chunk, std::string_view layout, Parsed& out) {
  const auto skip_space = [&] {
    while (text.starts_with(' ')) text.remove_prefix(1);
  };
  switch (chunk) {
    case Chunk::kLongMonth: return store(take_name(text, kMonths, true), out.month, 1);
    case Chunk::kMonth: return store(take_name(text, kMonths, false), out.month, 1);
    case Chunk::kLongWeekday: return take_name(text, kWeekdays, true).has_value();
    case Chunk::kWeekday: return take_name(text, kWeekdays, false).has_value();
    case Chunk::kNumMonth: return store(take_number(text, 1, 2), out.month);
    case Chunk::kZeroMonth: return store(take_number(text, 2, 2), out.month);
    case Chunk::kUnderDay: skip_space(); [[fallthrough]];
    case Chunk::kDay: return store(take_number(text, 1, 2), out.day);
    case Chunk::kZeroDay: return store(take_number(text, 2, 2), out.day);
    case Chunk::kUnderYearDay: skip_space(); return store(take_number(text, 1, 3), out.yearday);
    case Chunk::kZeroYearDay: return store(take_number(text, 3, 3), out.yearday);
    case Chunk::kHour:
    case Chunk::kHour12: return store(take_number(text, 1, 2), out.hour);
    case Chunk::kZeroHour12: return store(take_number(text, 2, 2), out.hour);
    case Chunk::kMinute: return store(take_number(text, 1, 2), out.minute);
    case Chunk::kZeroMinute: return store(take_number(text, 2, 2), out.minute);
    case Chunk::kSecond: return store(take_number(text, 1, 2), out.second);
    case Chunk::kZeroSecond: return store(take_number(text, 2, 2), out.second);
    case Chunk::kLongYear:
    case Chunk::kYear: {
      const size_t width = chunk == Chunk::kYear ? 2 : 4;
      auto n = take_number(text, width, width);
      if (!n) return false;
      out.year = width == 4 ? *n : *n >= 69 ? 1900 + *n : 2000 + *n;
      return true;
    }
    case Chunk::kPm:
    case Chunk::kpm: {
      const std::string half = text.size() >= 2 ? std::string(text.substr(0, 2)) : "";
      const bool upper = chunk == Chunk::kPm;
      if (half != (upper ? "PM" : "pm") && half != (upper ? "AM" : "am")) return false;
      out.pm = half[0] == 'P' || half[0] == 'p';
      out.pm_set = true;
      text.remove_prefix(2);
      return true;
    }
    case Chunk::kZone: return take_zone_name(text, out);
    case Chunk::kFraction0: return take_fraction(text, layout, true, out);
    case Chunk::kFraction9: return take_fraction(text, layout, false, out);
    default: return take_offset(text, *zone_style(chunk), out);
  }
}

// The name of the first field that is out of range; empty when all are fine.
std::string_view out_of_range(const Parsed& p) {
  if (p.month < 1 || p.month > 12) return "month";
  if (p.hour > 23 || (p.pm_set && p.hour > 12)) return "hour";
  if (p.minute > 59) return "minute";
  if (p.second > 59) return "second";
  if (p.day < 1 || cctz::civil_day(p.year, p.month, p.day).day() != p.day) return "day";
  return "";
}

std::string fraction_of(uint64_t value, uint64_t unit) {
  std::string out = fmt::format("{}", value / unit);
  if (uint64_t rest = value % unit; rest > 0) {
    std::string digits = fmt::format("{:0{}}", rest, unit == 1000 ? 3 : unit == 1'000'000 ? 6 : 9);
    while (digits.back() == '0') digits.pop_back();
    out += "." + digits;
  }
  return out;
}

}  // namespace

std::string format_go_time(const ZonedTime& time, std::string_view layout) {
  const Civil civil = take_apart(time);
  std::string out;
  for (size_t at = 0; at < layout.size();) {
    const Found found = chunk_at(layout.substr(at));
    if (found.length == 0) {
      out += layout[at++];
      continue;
    }
    out += chunk_text(civil, found.chunk, layout.substr(at, found.length));
    at += found.length;
  }
  return out;
}

std::string go_time_string(const ZonedTime& time) {
  return format_go_time(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

Result<ZonedTime> parse_go_time(std::string_view layout, std::string_view text) {
  Parsed parsed;
  std::string_view rest = text;
  const auto bad = [&](std::string_view element, std::string_view value) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("parsing time {} as {}: cannot parse {} as {}", go_quote(text),
                                                         go_quote(layout), go_quote(value), go_quote(element)));
  };
  for (size_t at = 0; at < layout.size();) {
    const Found found = chunk_at(layout.substr(at));
    const std::string_view element = layout.substr(at, std::max<size_t>(found.length, 1));
    const std::string_view before = rest;
    if (found.length == 0) {
      if (!rest.starts_with(layout[at])) return bad(element, before);
      rest.remove_prefix(1);
    } else if (!take_chunk(rest, found.chunk, element, parsed)) {
      return bad(element, before);
    }
    // A fraction may follow the seconds even where the layout has none.
    const bool seconds = found.chunk == Chunk::kSecond || found.chunk == Chunk::kZeroSecond;
    at += element.size();
    if (seconds && chunk_at(layout.substr(std::min(at, layout.size() - 1))).chunk != Chunk::kFraction0) {
      take_fraction(rest, "", false, parsed);
    }
  }
  const auto complain = [&](const std::string& what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("parsing time {}: {}", go_quote(text), what));
  };
  if (!rest.empty()) return complain("extra text: " + go_quote(rest));
  if (auto field = out_of_range(parsed); !field.empty()) return complain(fmt::format("{} out of range", field));
  if (parsed.pm && parsed.hour < 12) parsed.hour += 12;
  if (parsed.pm_set && !parsed.pm && parsed.hour == 12) parsed.hour = 0;
  cctz::civil_second civil(parsed.year, parsed.month, parsed.day, parsed.hour, parsed.minute, parsed.second);
  if (parsed.yearday > 0)
    civil += (parsed.yearday - 1 - (cctz::get_yearday(cctz::civil_day(civil)) - 1)) * int64_t{86400};
  const int64_t seconds = civil - cctz::civil_second(1970, 1, 1) - parsed.offset.value_or(0);
  return ZonedTime{time_from_us(seconds * 1'000'000 + parsed.nanos / 1000), "UTC"};
}

std::string format_go_duration(int64_t ns) {
  if (ns == 0) return "0s";
  const uint64_t u = ns < 0 ? uint64_t{0} - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  const std::string sign = ns < 0 ? "-" : "";
  if (u < 1000) return fmt::format("{}{}ns", sign, u);
  if (u < 1'000'000) return sign + fraction_of(u, 1000) + "µs";
  if (u < 1'000'000'000) return sign + fraction_of(u, 1'000'000) + "ms";
  const uint64_t minutes = u / 60'000'000'000ULL;
  const std::string seconds = fraction_of(u % 60'000'000'000ULL, 1'000'000'000) + "s";
  if (minutes == 0) return sign + seconds;
  if (minutes < 60) return fmt::format("{}{}m{}", sign, minutes, seconds);
  return fmt::format("{}{}h{}m{}", sign, minutes / 60, minutes % 60, seconds);
}

Status check_time_zone(const std::string& name) {
  cctz::time_zone zone;
  const bool path = name.find("..") != std::string::npos || name.starts_with('/') || name.starts_with('\\');
  if (name.empty() || name == "UTC" || (!path && cctz::load_time_zone(name, &zone))) return {};
  return fail(ErrorCode::kInvalidArgument, "unknown time zone " + name);
}

GoDuration go_elapsed(TimePoint later, TimePoint earlier) {
  int64_t ns = 0;
  const int64_t us = (later - earlier).count();
  if (!__builtin_mul_overflow(us, int64_t{1000}, &ns)) return {ns};
  return {us < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max()};
}

ZonedTime zero_time() { return {time_from_us(-62'135'596'800'000'000), "UTC"}; }

namespace {

using Args = std::span<const Value>;
using Methods = std::map<std::string, Method, std::less<>>;

Method no_args(std::function<Value(const Value&)> f) {
  return Method{{}, [f = std::move(f)](const Value& self, Args) -> Result<Value> { return f(self); }};
}
Method one_arg(ParamKind kind, std::function<Value(const Value&, const Value&)> f) {
  return Method{{kind}, [f = std::move(f)](const Value& self, Args args) -> Result<Value> { return f(self, args[0]); }};
}

// Times a template can reach by adding: 100,000 years around 1970, far from the ends of int64.
constexpr int64_t kTimeUsMax = int64_t{100'000} * 365 * 86'400 * 1'000'000;

GoDuration go_abs(GoDuration d) {
  if (d.ns == std::numeric_limits<int64_t>::min()) return {std::numeric_limits<int64_t>::max()};
  return {std::abs(d.ns)};
}

// Half away from zero, as time.Duration.Round.
int64_t round_to(int64_t ns, int64_t unit) {
  if (unit <= 0) return ns;
  const int64_t rest = ns % unit;
  const int64_t down = ns - rest;
  const uint64_t distance = rest < 0 ? uint64_t{0} - static_cast<uint64_t>(rest) : static_cast<uint64_t>(rest);
  if (distance < static_cast<uint64_t>(unit) - distance) return down;
  int64_t up = 0;
  if (!__builtin_add_overflow(down, ns < 0 ? -unit : unit, &up)) return up;
  return ns < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}
int64_t round_half_up(int64_t v, int64_t unit) {  // time.Time.Round
  if (unit <= 0) return v;
  const int64_t rest = ((v % unit) + unit) % unit;
  return rest * 2 >= unit ? v + unit - rest : v - rest;
}

GoDuration between(const ZonedTime& a, const ZonedTime& b) { return go_elapsed(a.at, b.at); }

// Stops at the ends of what can be counted.
ZonedTime moved(const ZonedTime& time, int64_t by_us) {
  int64_t us = 0;
  if (__builtin_add_overflow(to_us(time.at), by_us, &us) || us > kTimeUsMax || us < -kTimeUsMax) {
    us = by_us < 0 ? -kTimeUsMax : kTimeUsMax;
  }
  return {time_from_us(us), time.zone};
}

Methods make_time_methods() {
  Methods m;
  const auto civil = [&m](const char* name, auto f) {
    m[name] = no_args([f](const Value& self) { return Value(f(take_apart(self.as_time()))); });
  };
  civil("Year", [](const Civil& c) { return int64_t{c.at.year()}; });
  civil("Month", [](const Civil& c) { return kMonths[static_cast<size_t>(c.at.month() - 1)]; });
  civil("Weekday", [](const Civil& c) { return kWeekdays[static_cast<size_t>(c.weekday)]; });
  civil("Day", [](const Civil& c) { return int64_t{c.at.day()}; });
  civil("Hour", [](const Civil& c) { return int64_t{c.at.hour()}; });
  civil("Minute", [](const Civil& c) { return int64_t{c.at.minute()}; });
  civil("Second", [](const Civil& c) { return int64_t{c.at.second()}; });
  civil("Nanosecond", [](const Civil& c) { return c.nanos; });
  civil("YearDay", [](const Civil& c) { return int64_t{c.yearday}; });
  m["Unix"] = no_args([](const Value& v) {
    return Value(std::chrono::floor<std::chrono::seconds>(v.as_time().at).time_since_epoch().count());
  });
  m["UnixMilli"] = no_args([](const Value& v) { return Value(to_ms(v.as_time().at)); });
  m["UnixMicro"] = no_args([](const Value& v) { return Value(to_us(v.as_time().at)); });
  m["UnixNano"] = no_args(
      [](const Value& v) { return Value(static_cast<int64_t>(static_cast<uint64_t>(to_us(v.as_time().at)) * 1000)); });
  m["UTC"] = no_args([](const Value& v) { return Value(ZonedTime{v.as_time().at, "UTC"}); });
  m["Local"] = m["UTC"];  // a server's zone is UTC
  m["IsZero"] = no_args([](const Value& v) { return Value(v.as_time().at == zero_time().at); });
  m["String"] = no_args([](const Value& v) { return Value(go_time_string(v.as_time())); });
  m["Format"] = one_arg(ParamKind::kString, [](const Value& v, const Value& a) {
    return Value(format_go_time(v.as_time(), a.as_string()));
  });
  m["Add"] = one_arg(ParamKind::kDuration, [](const Value& v, const Value& a) {
    return Value(moved(v.as_time(), a.as_duration().ns / 1000));
  });
  m["Sub"] = one_arg(ParamKind::kTime,
                     [](const Value& v, const Value& a) { return Value(between(v.as_time(), a.as_time())); });
  m["Before"] =
      one_arg(ParamKind::kTime, [](const Value& v, const Value& a) { return Value(v.as_time().at < a.as_time().at); });
  m["After"] =
      one_arg(ParamKind::kTime, [](const Value& v, const Value& a) { return Value(v.as_time().at > a.as_time().at); });
  m["Equal"] =
      one_arg(ParamKind::kTime, [](const Value& v, const Value& a) { return Value(v.as_time().at == a.as_time().at); });
  const auto snap = [](bool round) {
    return [round](const Value& v, const Value& a) {
      const int64_t unit = a.as_duration().ns / 1000;
      const int64_t since = to_us(v.as_time().at) - to_us(zero_time().at);  // Go counts from year 1
      const int64_t to = unit <= 0 ? since
                         : round   ? round_half_up(since, unit)
                                   : since - ((since % unit) + unit) % unit;
      return Value(moved(v.as_time(), to - since));
    };
  };
  m["Truncate"] = one_arg(ParamKind::kDuration, snap(false));
  m["Round"] = one_arg(ParamKind::kDuration, snap(true));
  return m;
}

Methods make_duration_methods() {
  Methods m;
  const auto scaled = [&m](const char* name, double unit) {
    m[name] = no_args([unit](const Value& v) { return Value(static_cast<double>(v.as_duration().ns) / unit); });
  };
  scaled("Seconds", 1e9);
  scaled("Minutes", 60e9);
  scaled("Hours", 3600e9);
  const auto whole = [&m](const char* name, int64_t unit) {
    m[name] = no_args([unit](const Value& v) { return Value(v.as_duration().ns / unit); });
  };
  whole("Nanoseconds", 1);
  whole("Microseconds", 1000);
  whole("Milliseconds", 1'000'000);
  m["String"] = no_args([](const Value& v) { return Value(format_go_duration(v.as_duration().ns)); });
  m["Abs"] = no_args([](const Value& v) { return Value(go_abs(v.as_duration())); });
  m["Round"] = one_arg(ParamKind::kDuration, [](const Value& v, const Value& a) {
    return Value(GoDuration{round_to(v.as_duration().ns, a.as_duration().ns)});
  });
  m["Truncate"] = one_arg(ParamKind::kDuration, [](const Value& v, const Value& a) {
    const int64_t unit = a.as_duration().ns;
    return Value(GoDuration{unit <= 0 ? v.as_duration().ns : v.as_duration().ns - v.as_duration().ns % unit});
  });
  return m;
}

const Method* find(const Methods& methods, std::string_view name) {
  auto it = methods.find(name);
  return it == methods.end() ? nullptr : &it->second;
}

}  // namespace

const Method* time_method(std::string_view name) {
  static const Methods methods = make_time_methods();
  return find(methods, name);
}
const Method* duration_method(std::string_view name) {
  static const Methods methods = make_duration_methods();
  return find(methods, name);
}

}  // namespace sentinel::text
