#include "base/duration.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel {
namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
  bool only_exact;  // written only when nothing is left over: 90d is easier to read than 12w6d
};

constexpr int64_t kDayMs = 24LL * 3600 * 1000;
constexpr std::array<Unit, 7> kUnits{{{"y", 365 * kDayMs, true},
                                      {"w", 7 * kDayMs, true},
                                      {"d", kDayMs, false},
                                      {"h", 3'600'000, false},
                                      {"m", 60'000, false},
                                      {"s", 1000, false},
                                      {"ms", 1, false}}};

// Prometheus counts in nanoseconds, so that is where its range ends: about 292 years.
constexpr uint64_t kNanosMax = std::numeric_limits<int64_t>::max();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

tl::unexpected<Error> invalid(std::string_view text) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("not a valid duration string: {}", go_quote(text)));
}

std::string two_units(int64_t big, std::string_view big_name, int64_t small, std::string_view small_name) {
  if (small == 0) return fmt::format("{} {}", big, big_name);
  return fmt::format("{} {} {} {}", big, big_name, small, small_name);
}

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
  if (text == "0") return Millis(0);
  if (text.empty()) return fail(ErrorCode::kInvalidArgument, "empty duration string");
  uint64_t total_ns = 0;
  size_t next_unit = 0;  // units must come in the order of kUnits
  for (std::string_view rest = text; !rest.empty();) {
    uint64_t count = 0;
    const auto [number_end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (!is_digit(rest[0]) || ec != std::errc()) return invalid(text);
    rest.remove_prefix(static_cast<size_t>(number_end - rest.data()));
    size_t name_size = 0;
    while (name_size < rest.size() && !is_digit(rest[name_size])) ++name_size;
    if (name_size == 0) return invalid(text);
    const std::string_view name = rest.substr(0, name_size);
    rest.remove_prefix(name_size);
    size_t unit = 0;
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (unit == kUnits.size()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown unit {} in duration {}", go_quote(name), go_quote(text)));
    }
    if (unit < next_unit) return invalid(text);
    next_unit = unit + 1;
    const uint64_t unit_ns = static_cast<uint64_t>(kUnits[unit].ms) * 1'000'000;
    if (count > kNanosMax / unit_ns || total_ns + count * unit_ns > kNanosMax) {
      return fail(ErrorCode::kInvalidArgument, "duration out of range");
    }
    total_ns += count * unit_ns;
  }
  return Millis(static_cast<int64_t>(total_ns / 1'000'000));
}

std::string format_duration(Millis d) {
  int64_t ms = d.count();
  if (ms == 0) return "0s";
  std::string out;
  if (ms < 0) {
    out = "-";
    ms = -ms;
  }
  for (const Unit& unit : kUnits) {
    if (ms < unit.ms || (unit.only_exact && ms % unit.ms != 0)) continue;
    fmt::format_to(std::back_inserter(out), "{}{}", ms / unit.ms, unit.name);
    ms %= unit.ms;
  }
  return out;
}

std::string humanize_duration(Micros d) {
  const int64_t us = d.count();
  if (us < 0) return "-" + humanize_duration(-d);
  if (us == 0) return "0 s";
  if (us < 1000) return fmt::format("{} µs", us);
  if (us < 1'000'000) return fmt::format("{} ms", us / 1000);
  const int64_t s = us / 1'000'000;
  if (s < 10 && us % 1'000'000 >= 100'000) return fmt::format("{}.{} s", s, us % 1'000'000 / 100'000);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return two_units(s / 60, "min", s % 60, "s");
  if (s < 86400) return two_units(s / 3600, "h", s % 3600 / 60, "min");
  return two_units(s / 86400, "d", s % 86400 / 3600, "h");
}

}  // namespace sentinel
