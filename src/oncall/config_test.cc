#include "oncall/config.h"

#include <gtest/gtest.h>

#include "oncall/test_schedules.h"

namespace sentinel::oncall {
namespace {

std::string error_of(std::string_view yaml) {
  const auto config = parse_config(yaml, "oncall.yml");
  return config ? "accepted" : config.error().to_string();
}

TEST(Config, errors_say_where_and_what) {
  const std::pair<std::string, std::string> cases[] = {
      {"usres: []",
       "oncall.yml:1:1: unknown field \"usres\" in on-call configuration; known are users, teams, schedules, policies, "
       "maintenance, last_resort"},
      {"users:\n- {id: ada}\n- {id: ada}", "oncall.yml:3:8: user \"ada\" is there twice"},
      {"users: [{id: 'a b'}]", "oncall.yml:1:14: an id is letters, digits and _ - . @, at most 100"},
      {"users: [{id: a, rules: {default: [{by: sms}]}}]", "oncall.yml:1:40: user \"a\" has no contact \"sms\""},
      {"teams: [{id: t, members: [x]}]", "oncall.yml:1:27: user \"x\" is not defined"},
      {"schedules: [{id: s, time_zone: Mars/Base}]",
       "oncall.yml:1:32: \"Mars/Base\" is not a time zone of this machine's database"},
      {"schedules: [{id: s, layers: [{start: '2026-02-30 09:00', every: day, participants: [null]}]}]",
       "oncall.yml:1:38: \"2026-02-30\" is not a date, expected YYYY-MM-DD"},
      {"schedules: [{id: s, layers: [{start: '2026-02-03 09:00', every: fortnight, participants: [null]}]}]",
       "oncall.yml:1:65: \"fortnight\" is not a length, expected \"12 hours\", \"1 day\", \"week\", \"2 months\""},
      {"schedules: [{id: s, layers: [{start: '2026-02-03 09:00', every: day, participants: [ada]}]}]",
       "oncall.yml:1:85: user \"ada\" is not defined"},
      {"schedules: [{id: s, layers: [{start: '2026-02-03 09:00', every: day}]}]",
       "oncall.yml:1:30: a layer needs participants"},
      {"users: [{id: a}]\nschedules: [{id: s, overrides: [{id: o, add: a, from: '2026-01-02', to: '2026-01-01'}]}]",
       "oncall.yml:2:73: the end must be after the start"},
      {"users: [{id: a}]\nschedules: [{id: s, overrides: [{id: o, add: a, from: '2026-01-02'}]}]",
       "oncall.yml:2:33: override needs either to or duration"},
      {"users: [{id: a}]\nschedules: [{id: s, overrides: [{id: o, replace: a, from: '2026-01-02', duration: 1h}]}]",
       "oncall.yml:2:33: replace needs with, and only it"},
      {"policies: [{id: p, levels: [{notify: []}]}]", "oncall.yml:1:29: a level needs somebody to notify"},
      // E8: a level whose name is wrong is refused; it must not become everybody.
      {"policies: [{id: p, levels: [{notify: [{schedule: sre}]}]}]",
       "oncall.yml:1:50: schedule \"sre\" is not defined"},
      {"users: [{id: a}]\npolicies: [{id: p, levels: [{id: x, notify: [{user: a}]}, {id: x, notify: [{user: a}]}]}]",
       "oncall.yml:2:64: level \"x\" is there twice"},
      {"maintenance: [{id: m, from: '2026-01-01', duration: 1h, policies: [q]}]",
       "oncall.yml:1:15: policy \"q\" is not defined"},
  };
  for (const auto& [yaml, error] : cases) EXPECT_EQ(error_of(yaml), error) << yaml;
}

TEST(Config, an_empty_text_is_an_empty_configuration) { EXPECT_EQ(error_of(""), "accepted"); }

TEST(Config, weekdays_may_go_around_the_week) {
  const Schedule s = schedule(
      "{id: s, layers: [{start: '2026-01-01', every: day, participants: [a], restrictions: [{days: [Fri-mon]}]}]}");
  EXPECT_EQ(s.layers[0].restrictions[0].weekdays, (std::set<unsigned>{0, 1, 5, 6}));
}

TEST(Config, clock_times_that_come_twice_make_an_override_longer_never_shorter) {
  const Schedule s = schedule(
      "{id: s, time_zone: Europe/Berlin, overrides: [{id: o, add: a, from: '2026-10-25 02:30', to: '2026-10-25 02:45'},"
      " {id: i, add: b, from: '2026-10-25T02:30:00+01:00', to: '2026-10-25T01:45:00Z'}]}");
  EXPECT_EQ(show(s.overrides[0].span), "2026-10-25 00:30..2026-10-25 01:45");
  EXPECT_EQ(show(s.overrides[1].span), "2026-10-25 01:30..2026-10-25 01:45");
}

// S10: an override belongs to its schedule and to no other.
TEST(Config, an_override_does_not_leak_into_another_schedule) {
  const auto config = parse_config(R"(
users: [{id: ada}, {id: bob}]
schedules:
- id: one
  layers: [{start: '2026-01-01', every: day, participants: [ada]}]
  overrides: [{id: o, replace: ada, with: bob, from: '2026-01-02', to: '2026-01-03'}]
- {id: two, layers: [{start: '2026-01-01', every: day, participants: [ada]}]}
)",
                                   "oncall.yml");
  ASSERT_TRUE(config);
  EXPECT_EQ(on_call(config->schedules.at("one"), "2026-01-02T12:00:00Z"), "bob");
  EXPECT_EQ(on_call(config->schedules.at("two"), "2026-01-02T12:00:00Z"), "ada");
}

}  // namespace
}  // namespace sentinel::oncall
