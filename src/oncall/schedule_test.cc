// Who is on call: the rules, and each bug of others (S1 to S15) as a test.

#include "oncall/schedule.h"

#include <gtest/gtest.h>

#include "oncall/test_schedules.h"
#include "oncall/turns.h"

namespace sentinel::oncall {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr std::string_view kWeekly = R"(
id: primary
time_zone: Europe/Berlin
layers:
- {name: weekly, start: '2026-01-05 09:00', every: week, participants: [ada, bob, cy]}
)";

TEST(Zone, clock_times_that_come_twice_or_never) {
  struct Case {
    std::string zone, wall, first, last;
  };
  const Case cases[] = {
      {"Europe/Berlin", "2026-07-01 12:00", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"},
      {"Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
      {"Europe/Berlin", "2026-03-29 02:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"},
      {"Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"},
      {"Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:30:00Z", "2026-10-03T15:30:00Z"},
      {"Pacific/Apia", "2011-12-30 12:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"},
      {"Asia/Kathmandu", "2026-01-01 00:00", "2025-12-31T18:15:00Z", "2025-12-31T18:15:00Z"},
  };
  for (const Case& c : cases) {
    const Zone zone = Zone::load(c.zone).value();
    const WallTime wall = parse_wall_time(c.wall).value();
    EXPECT_EQ(format_rfc3339(zone.first(wall)), format_rfc3339(at(c.first))) << c.zone << " " << c.wall;
    EXPECT_EQ(format_rfc3339(zone.last(wall)), format_rfc3339(at(c.last))) << c.zone << " " << c.wall;
  }
}

TEST(Zone, paths_and_unknown_names_are_refused) {
  for (const std::string name : {"", "/etc/localtime", "../UTC", "Mars/Olympus", "file:/etc/localtime"}) {
    EXPECT_FALSE(Zone::load(name)) << name;
  }
}

TEST(Schedule, turns_follow_one_another) {
  const Schedule s = schedule(kWeekly);
  EXPECT_EQ(on_call(s, "2026-01-05T07:59:59Z"), "");
  EXPECT_EQ(on_call(s, "2026-01-05T08:00:00Z"), "ada");
  EXPECT_EQ(on_call(s, "2026-01-12T08:00:00Z"), "bob");
  EXPECT_EQ(on_call(s, "2026-01-26T08:00:00Z"), "ada");
}

// S1, S2: handovers keep their clock time over both changes, and turns neither gap nor overlap.
TEST(Schedule, a_weekly_rotation_keeps_its_clock_over_daylight_saving) {
  const Schedule s = schedule(kWeekly);
  EXPECT_EQ(shifts(s, "2026-03-23T08:00:00Z", "2026-04-06T07:00:00Z"),
            "2026-03-23 08:00..2026-03-30 07:00 cy\n2026-03-30 07:00..2026-04-06 07:00 ada\n");
  const FinalSchedule year = final_schedule(s, {at("2026-01-05T08:00:00Z"), at("2028-01-05T08:00:00Z")});
  EXPECT_EQ(spans(year.gaps), "");
  EXPECT_EQ(spans(year.overlaps), "");
  for (const Shift& shift : year.shifts) EXPECT_EQ(format_wall_time(s.zone.wall(shift.span.start)).substr(11), "09:00");
}

// S3: whatever is given as a start and a length is elapsed time, and is kept as two instants.
TEST(Schedule, a_length_in_hours_is_elapsed_time) {
  const Schedule s = schedule(R"(
id: s
time_zone: Europe/Berlin
overrides: [{id: o, add: ada, from: '2026-03-28 09:00', duration: 24h}]
)");
  EXPECT_EQ(shifts(s, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"), "2026-03-28 08:00..2026-03-29 08:00 ada\n");
}

// S4
TEST(Schedule, turns_of_hours_are_elapsed_time) {
  for (const int length : {5, 7, 12}) {
    const Schedule s = schedule("{id: s, time_zone: Europe/Berlin, layers: [{start: '2026-03-28 09:00', every: '" +
                                std::to_string(length) + " hours', participants: [ada, bob]}]}");
    const FinalSchedule f = final_schedule(s, {at("2026-03-28T08:00:00Z"), at("2026-04-28T08:00:00Z")});
    for (size_t i = 0; i + 1 < f.shifts.size(); ++i) {
      ASSERT_EQ(f.shifts[i].span.end - f.shifts[i].span.start, hours(length)) << i;
    }
    EXPECT_TRUE(f.gaps.empty() && f.overlaps.empty());
  }
}

// S4: the 30th never was. Its turn at 09:00 begins at the first instant after; one at midnight has no length at all.
TEST(Schedule, a_zone_that_skips_a_day) {
  const auto daily = [](std::string_view clock) {
    return schedule("{id: s, time_zone: Pacific/Apia, layers: [{start: '2011-12-28 " + std::string(clock) +
                    "', every: day, participants: [ada, bob, cy, dan]}]}");
  };
  EXPECT_EQ(shifts(daily("09:00"), "2011-12-28T19:00:00Z", "2012-01-01T19:00:00Z"),
            "2011-12-28 19:00..2011-12-29 19:00 ada\n2011-12-29 19:00..2011-12-30 10:00 bob\n"
            "2011-12-30 10:00..2011-12-30 19:00 cy\n2011-12-30 19:00..2011-12-31 19:00 dan\n"
            "2011-12-31 19:00..2012-01-01 19:00 ada\n");
  EXPECT_EQ(shifts(daily("00:00"), "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z"),
            "2011-12-29 10:00..2011-12-30 10:00 bob\n2011-12-30 10:00..2011-12-31 10:00 dan\n");
}

TEST(Schedule, half_an_hour_of_daylight_saving) {
  const Schedule s = schedule(
      "{id: s, time_zone: Australia/Lord_Howe, layers: [{start: '2026-01-01 01:45', every: day, participants: [a, "
      "b]}]}");
  const FinalSchedule f = final_schedule(s, {at("2026-01-02T00:00:00Z"), at("2027-01-02T00:00:00Z")});
  EXPECT_TRUE(f.gaps.empty() && f.overlaps.empty());
  EXPECT_EQ(on_call(s, "2026-04-04T14:45:00Z"), on_call(s, "2026-04-04T15:15:00Z"))
      << "only the first 01:45 hands over";
}

// S5
TEST(Schedule, an_hour_that_comes_twice_overlaps_rather_than_gaps) {
  const Schedule s = schedule(R"(
id: s
time_zone: Europe/Berlin
layers:
- {name: day, priority: 1, start: '2026-01-01 00:00', every: week, participants: [ada], restrictions: [{from: '02:30', to: '14:00'}]}
- {name: night, priority: 1, start: '2026-01-01 00:00', every: week, participants: [bob], restrictions: [{from: '14:00', to: '02:30'}]}
)");
  const FinalSchedule autumn = final_schedule(s, {at("2026-10-24T00:00:00Z"), at("2026-10-27T00:00:00Z")});
  EXPECT_EQ(spans(autumn.gaps), "");
  EXPECT_EQ(spans(autumn.overlaps), "2026-10-25 00:30..2026-10-25 01:30\n");
  const FinalSchedule spring = final_schedule(s, {at("2026-03-28T00:00:00Z"), at("2026-03-31T00:00:00Z")});
  EXPECT_EQ(spans(spring.gaps), "");
  EXPECT_EQ(spans(spring.overlaps), "");
}

// S2, S6: a window keeps its clock time too.
TEST(Schedule, a_restriction_keeps_its_clock_over_daylight_saving) {
  const Schedule s = schedule(R"(
id: s
time_zone: America/New_York
layers: [{start: '2026-01-01 00:00', every: week, participants: [ada], restrictions: [{days: [mon-fri], from: '09:00', to: '17:00'}]}]
)");
  EXPECT_EQ(shifts(s, "2026-03-06T00:00:00Z", "2026-03-10T00:00:00Z"),
            "2026-03-06 14:00..2026-03-06 22:00 ada\n2026-03-09 13:00..2026-03-09 21:00 ada\n");
}

TEST(Schedule, a_restriction_over_midnight_belongs_to_the_day_it_begins_on) {
  const Schedule s = schedule(R"(
id: s
layers: [{start: '2026-01-01 00:00', every: week, participants: [ada], restrictions: [{days: [fri], from: '22:00', to: '06:00'}]}]
)");
  EXPECT_EQ(shifts(s, "2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"), "2026-01-09 22:00..2026-01-10 06:00 ada\n");
}

// S7
TEST(Schedule, with_a_turn_a_day_on_weekdays_everybody_serves_and_nobody_twice_in_a_row) {
  for (size_t people = 2; people <= 7; ++people) {
    std::string names;
    for (size_t i = 0; i < people; ++i) names += (i ? ", u" : "u") + std::to_string(i);
    const Schedule s = schedule("{id: s, layers: [{start: '2026-01-05 00:00', every: day, participants: [" + names +
                                "], restrictions: [{days: [mon-fri]}]}]}");
    const Coverage c = coverage(s, at("2026-01-05T00:00:00Z"), days(70));
    EXPECT_TRUE(c.never_serve.empty()) << people;
    std::map<std::string, int> count;
    for (size_t i = 0; i < c.final.shifts.size(); ++i) {
      ++count[c.final.shifts[i].user];
      if (i) EXPECT_NE(c.final.shifts[i].user, c.final.shifts[i - 1].user) << people << " " << i;
    }
    for (const auto& [user, n] : count) EXPECT_NEAR(n, 50.0 / static_cast<double>(people), 1) << user;
  }
}

// S7: where turns of hours leave somebody out it is said.
TEST(Schedule, who_never_serves_is_reported) {
  const Schedule s = schedule(
      "{id: s, layers: [{start: '2026-01-05 08:00', every: '12 hours', participants: [ada, bob],"
      " restrictions: [{from: '08:00', to: '20:00'}]}]}");
  EXPECT_EQ(coverage(s, at("2026-01-05T08:00:00Z"), days(30)).never_serve, std::vector<std::string>{"bob"});
}

// S8
TEST(Schedule, replacing_somebody_who_is_not_on_call_does_nothing) {
  const std::string base(kWeekly);
  const Schedule s = schedule(
      base + "overrides: [{id: o, replace: bob, with: dan, from: '2026-01-05 09:00', to: '2026-01-06 09:00'}]");
  EXPECT_EQ(on_call(s, "2026-01-05T12:00:00Z"), "ada");
  const Schedule hit = schedule(
      base + "overrides: [{id: o, replace: ada, with: dan, from: '2026-01-05 12:00', to: '2026-01-06 09:00'}]");
  EXPECT_EQ(shifts(hit, "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z"),
            "2026-01-05 08:00..2026-01-05 11:00 ada\n2026-01-05 11:00..2026-01-06 08:00 dan\n"
            "2026-01-06 08:00..2026-01-12 08:00 ada\n");
}

// S9
TEST(Schedule, an_override_over_several_shifts_keeps_their_edges_and_gaps) {
  const Schedule s = schedule(R"(
id: s
layers: [{start: '2026-01-05 00:00', every: day, participants: [ada], restrictions: [{from: '09:00', to: '17:00'}]}]
overrides: [{id: o, replace: ada, with: bob, from: '2026-01-05 12:00', to: '2026-01-07 12:00'}]
)");
  EXPECT_EQ(shifts(s, "2026-01-05T00:00:00Z", "2026-01-08T00:00:00Z"),
            "2026-01-05 09:00..2026-01-05 12:00 ada\n2026-01-05 12:00..2026-01-05 17:00 bob\n"
            "2026-01-06 09:00..2026-01-06 17:00 bob\n2026-01-07 09:00..2026-01-07 12:00 bob\n"
            "2026-01-07 12:00..2026-01-07 17:00 ada\n");
}

// S10
TEST(Schedule, overrides_apply_one_after_the_other) {
  const Schedule s = schedule(std::string(kWeekly) + R"(overrides:
- {id: first, replace: ada, with: bob, from: '2026-01-05 09:00', to: '2026-01-08 09:00'}
- {id: second, replace: bob, with: cy, from: '2026-01-06 09:00', to: '2026-01-07 09:00'}
- {id: third, add: cy, from: '2026-01-06 08:00', to: '2026-01-06 10:00'}
- {id: fourth, remove: cy, from: '2026-01-06 15:00', to: '2026-01-06 16:00'}
)");
  EXPECT_EQ(shifts(s, "2026-01-05T08:00:00Z", "2026-01-08T08:00:00Z"),
            "2026-01-05 08:00..2026-01-06 08:00 bob\n2026-01-06 07:00..2026-01-06 08:00 cy\n"
            "2026-01-06 08:00..2026-01-06 14:00 cy\n2026-01-06 15:00..2026-01-07 08:00 cy\n"
            "2026-01-07 08:00..2026-01-08 08:00 bob\n");
  EXPECT_EQ(spans(final_schedule(s, {at("2026-01-05T08:00:00Z"), at("2026-01-08T08:00:00Z")}).gaps),
            "2026-01-06 14:00..2026-01-06 15:00\n");
}

// S10
TEST(Schedule, an_override_holds_in_a_temporary_schedule_as_well) {
  const Schedule s = schedule(std::string(kWeekly) + R"(temporary:
- {id: launch, from: '2026-01-06 09:00', to: '2026-01-08 09:00', shifts: [{user: dan, from: '2026-01-06 09:00', to: '2026-01-07 09:00'}]}
overrides:
- {id: o, replace: dan, with: eve, from: '2026-01-06 20:00', to: '2026-01-06 22:00'}
)");
  const FinalSchedule f = final_schedule(s, {at("2026-01-05T08:00:00Z"), at("2026-01-09T08:00:00Z")});
  EXPECT_EQ(shifts(s, "2026-01-05T08:00:00Z", "2026-01-09T08:00:00Z"),
            "2026-01-05 08:00..2026-01-06 08:00 ada\n2026-01-06 08:00..2026-01-06 19:00 dan\n"
            "2026-01-06 19:00..2026-01-06 21:00 eve\n2026-01-06 21:00..2026-01-07 08:00 dan\n"
            "2026-01-08 08:00..2026-01-09 08:00 ada\n");
  EXPECT_EQ(spans(f.gaps), "2026-01-07 08:00..2026-01-08 08:00\n");
}

// S10
TEST(Schedule, swaps_go_both_ways_and_may_not_overlap) {
  const std::string base(kWeekly);
  const Schedule s = schedule(base + R"(swaps:
- {id: asked, user: cy, from: '2026-01-19 09:00', to: '2026-01-20 09:00'}
- {id: done, user: ada, from: '2026-01-05 09:00', to: '2026-01-12 09:00', taken_by: bob, in_return: {from: '2026-01-12 09:00', to: '2026-01-19 09:00'}}
)");
  EXPECT_EQ(on_call(s, "2026-01-06T00:00:00Z"), "bob");
  EXPECT_EQ(on_call(s, "2026-01-13T00:00:00Z"), "ada");
  EXPECT_EQ(on_call(s, "2026-01-19T12:00:00Z"), "cy") << "only asked for";
  const auto refused = read_schedule(base + R"(swaps:
- {id: one, user: ada, from: '2026-01-05 09:00', to: '2026-01-12 09:00', taken_by: bob}
- {id: two, user: ada, from: '2026-01-11 09:00', to: '2026-01-13 09:00', taken_by: cy}
)");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().to_string(), "s.yml:8:3: swap two overlaps swap one of ada");
}

// S11
TEST(Schedule, removing_somebody_does_not_move_the_turn) {
  const TimePoint now = at("2026-01-20T00:00:00Z");  // the third week: cy
  for (const std::string user : {"ada", "bob"}) {
    Schedule s = schedule(kWeekly);
    remove_user(s, user, now);
    EXPECT_EQ(on_call(s, "2026-01-20T00:00:00Z"), "cy") << user;
    EXPECT_EQ(on_call(s, "2026-01-27T00:00:00Z"), user == "ada" ? "bob" : "ada");
  }
  Schedule s = schedule(kWeekly);
  remove_user(s, "cy", now);
  EXPECT_EQ(on_call(s, "2026-01-20T00:00:00Z"), "ada") << "the next one, at once";
  EXPECT_EQ(on_call(s, "2026-01-27T00:00:00Z"), "bob");
  remove_user(s, "ada", now);
  remove_user(s, "bob", now);
  EXPECT_EQ(on_call(s, "2026-01-20T00:00:00Z"), "");
  Schedule before = schedule(kWeekly);
  remove_user(before, "cy", at("2025-01-01T00:00:00Z"));
  EXPECT_EQ(on_call(before, "2026-01-06T00:00:00Z"), "ada") << "removed before the rotation begins";
}

// S11
TEST(Schedule, what_names_a_removed_user_goes_with_him) {
  Schedule s = schedule(std::string(kWeekly) + R"(overrides:
- {id: a, add: dan, from: '2026-01-05 09:00', to: '2026-01-08 09:00'}
- {id: b, replace: ada, with: dan, from: '2026-01-05 09:00', to: '2026-01-08 09:00'}
- {id: c, add: bob, from: '2026-01-05 09:00', to: '2026-01-08 09:00'}
swaps: [{id: s, user: ada, taken_by: dan, from: '2026-01-08 09:00', to: '2026-01-09 09:00'}]
)");
  remove_user(s, "dan", at("2026-01-05T00:00:00Z"));
  ASSERT_EQ(s.overrides.size(), 1u);
  EXPECT_EQ(s.overrides[0].id, "c");
  EXPECT_TRUE(s.swaps.empty());
}

// S12
TEST(Schedule, a_new_length_begins_at_the_handover_that_is_named) {
  Schedule s = schedule(kWeekly);
  const TimePoint now = at("2026-01-14T00:00:00Z");  // bob
  const auto wall = [](std::string_view text) { return parse_wall_time(text).value(); };
  EXPECT_FALSE(with_length(s.layers[0], s.zone, RotationUnit::kDay, 1, wall("2026-01-13 09:00"), now));
  auto changed = with_length(s.layers[0], s.zone, RotationUnit::kDay, 1, wall("2026-01-16 09:00"), now);
  ASSERT_TRUE(changed);
  s.layers[0].rotation = *changed;
  EXPECT_EQ(on_call(s, "2026-01-14T00:00:00Z"), "bob");
  EXPECT_EQ(on_call(s, "2026-01-16T07:59:59Z"), "bob");
  EXPECT_EQ(on_call(s, "2026-01-16T08:00:00Z"), "cy");
  EXPECT_EQ(on_call(s, "2026-01-17T08:00:00Z"), "ada");
}

// S13
TEST(Schedule, old_names_of_zones_work) {
  for (const std::string name : {"US/Pacific", "PST8PDT"}) {
    const Schedule s = schedule("{id: s, time_zone: " + name +
                                ", layers: [{start: '2026-03-01 09:00', every: day, participants: [ada, bob]}]}");
    EXPECT_EQ(on_call(s, "2026-03-08T15:59:00Z"), "ada") << name;
    EXPECT_EQ(on_call(s, "2026-03-08T16:00:00Z"), "bob") << name;
  }
}

// S15
TEST(Schedule, a_monthly_rotation_begun_on_the_31st_stays_at_months_ends) {
  const Schedule s = schedule("{id: s, layers: [{start: '2026-01-31 09:00', every: month, participants: [ada, bob]}]}");
  EXPECT_EQ(shifts(s, "2026-01-31T09:00:00Z", "2026-05-31T09:00:00Z"),
            "2026-01-31 09:00..2026-02-28 09:00 ada\n2026-02-28 09:00..2026-03-31 09:00 bob\n"
            "2026-03-31 09:00..2026-04-30 09:00 ada\n2026-04-30 09:00..2026-05-31 09:00 bob\n");
}

// S15
TEST(Schedule, gaps_are_reported_ahead_and_never_of_the_past) {
  const Schedule s = schedule(std::string(kWeekly) +
                              "overrides:\n"
                              "- {id: past, remove: ada, from: '2026-01-06 09:00', to: '2026-01-06 10:00'}\n"
                              "- {id: ahead, remove: bob, from: '2026-01-13 09:00', to: '2026-01-13 10:00'}\n");
  EXPECT_EQ(spans(coverage(s, at("2026-01-10T00:00:00Z"), days(14)).final.gaps),
            "2026-01-13 08:00..2026-01-13 09:00\n");
}

TEST(Schedule, turns_of_nobody_are_reported_where_nobody_else_serves) {
  const Schedule s = schedule(R"(
id: s
layers:
- {name: main, start: '2026-01-05 00:00', every: day, participants: [ada, null, [bob, cy]]}
- {name: weekend, start: '2026-01-05 00:00', every: week, participants: [dan], restrictions: [{days: [fri]}]}
)");
  const FinalSchedule f = final_schedule(s, {at("2026-01-05T00:00:00Z"), at("2026-01-12T00:00:00Z")});
  ASSERT_EQ(f.empty_shifts.size(), 1u) << "friday's is dan's";
  EXPECT_EQ(show(f.empty_shifts[0].span), "2026-01-06 00:00..2026-01-07 00:00");
  EXPECT_EQ(f.empty_shifts[0].source, "layer main #1");
  EXPECT_EQ(spans(f.gaps), "2026-01-06 00:00..2026-01-07 00:00\n");
  EXPECT_EQ(on_call(s, "2026-01-07T00:00:00Z"), "bob+cy");
  EXPECT_EQ(on_call(s, "2026-01-09T00:00:00Z"), "dan");
}

TEST(Schedule, holidays_switch_layers_off_and_on) {
  const Schedule s = schedule(R"(
id: s
holidays: [2026-12-25]
layers:
- {name: work, start: '2026-01-05 00:00', every: week, participants: [ada], on_holidays: off}
- {name: feast, start: '2026-01-05 00:00', every: week, participants: [bob], on_holidays: only}
)");
  EXPECT_EQ(on_call(s, "2026-12-24T23:59:59Z"), "ada");
  EXPECT_EQ(on_call(s, "2026-12-25T00:00:00Z"), "bob");
  EXPECT_EQ(on_call(s, "2026-12-26T00:00:00Z"), "ada");
}

// A range and its instants must say the same: interface, export and pager ask differently (S3).
TEST(Schedule, the_range_and_the_instant_agree) {
  const Schedule s = schedule(R"(
id: s
time_zone: Australia/Lord_Howe
layers:
- {name: a, priority: 1, start: '2026-01-31 01:45', every: month, participants: [ada, bob]}
- {name: b, priority: 2, start: '2026-02-01 13:00', every: '7 hours', participants: [cy, null, dan], restrictions: [{days: [sat-sun], from: '20:00', to: '04:00'}]}
overrides: [{id: o, replace: ada, with: eve, from: '2026-04-01 00:00', to: '2026-04-09 00:00'}]
)");
  const FinalSchedule f = final_schedule(s, {at("2026-03-30T00:00:00Z"), at("2026-04-12T00:00:00Z")});
  for (TimePoint t = f.range.start; t < f.range.end; t += minutes(15)) {
    std::set<std::string> in_range;
    for (const Shift& shift : f.shifts) {
      if (shift.span.contains(t)) in_range.insert(shift.user);
    }
    const auto now = who_is_on_call(s, t);
    ASSERT_EQ(std::set<std::string>(now.begin(), now.end()), in_range) << format_rfc3339(t);
  }
}

}  // namespace
}  // namespace sentinel::oncall
