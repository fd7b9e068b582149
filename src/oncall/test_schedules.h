#pragma once
// For tests: schedules from YAML, times from text, answers as text.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "oncall/config.h"

namespace sentinel::oncall {

inline TimePoint at(std::string_view text) {
  const auto t = sentinel::parse_time(text);
  EXPECT_TRUE(t) << text;
  return t.value_or(TimePoint());
}

inline Result<Schedule> read_schedule(std::string_view yaml) {
  SENTINEL_ASSIGN(const text::YamlNode node, text::parse_yaml(yaml, "s.yml"));
  return parse_schedule(node);
}

inline Schedule schedule(std::string_view yaml) {
  auto made = read_schedule(yaml);
  EXPECT_TRUE(made) << made.error().to_string();
  return made.value_or(Schedule());
}

inline std::string on_call(const Schedule& s, std::string_view when) { return join(who_is_on_call(s, at(when)), "+"); }

inline std::string show(const Span& s) {
  std::string out = format_rfc3339(s.start).substr(0, 16) + ".." + format_rfc3339(s.end).substr(0, 16);
  return replace_all(out, "T", " ");
}

// One line a shift: "2026-03-02 08:00..2026-03-09 08:00 ada"; times are UTC.
inline std::string shifts(const Schedule& s, std::string_view from, std::string_view to) {
  std::string out;
  const FinalSchedule final = final_schedule(s, {at(from), at(to)});
  for (const Shift& shift : final.shifts) out += show(shift.span) + " " + shift.user + "\n";
  return out;
}

inline std::string spans(const std::vector<Span>& all) {
  std::string out;
  for (const Span& s : all) out += show(s) + "\n";
  return out;
}

}  // namespace sentinel::oncall
