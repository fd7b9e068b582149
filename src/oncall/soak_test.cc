// Two years of virtual time with both clock changes, in a spread of zones; every zone of the machine with
// SENTINEL_SLOW_TESTS=1. At each minute that matters (every edge of a shift, every change of the clock, and the minutes
// beside them) exactly one person is on call, or the schedule has said that there is a gap or an overlap.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "oncall/test_schedules.h"

namespace sentinel::oncall {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

std::vector<std::string> zones() {
  std::vector<std::string> out = {"UTC",
                                  "Europe/Berlin",
                                  "Europe/London",
                                  "America/New_York",
                                  "America/St_Johns",
                                  "America/Havana",  // changes at midnight
                                  "America/Sao_Paulo",
                                  "America/Nuuk",       // changes in the evening before
                                  "Africa/Casablanca",  // four changes a year
                                  "Africa/Cairo",
                                  "Asia/Kathmandu",
                                  "Asia/Beirut",
                                  "Asia/Gaza",
                                  "Atlantic/Azores",
                                  "Australia/Lord_Howe",  // by half an hour
                                  "Pacific/Chatham",
                                  "Pacific/Kiritimati",
                                  "US/Pacific"};
  if (::getenv("SENTINEL_SLOW_TESTS") == nullptr) return out;
  std::ifstream table("/usr/share/zoneinfo/tzdata.zi");
  std::set<std::string> all(out.begin(), out.end());
  std::string line;
  while (std::getline(table, line)) {
    const auto words = split(line, ' ');
    if (words.size() > 1 && words[0] == "Z") all.emplace(words[1]);
    if (words.size() > 2 && words[0] == "L") all.emplace(words[2]);
  }
  EXPECT_GT(all.size(), 400u) << "no table of zones on this machine";
  return {all.begin(), all.end()};
}

struct Form {
  std::string name;
  std::string layers;
  bool one_primary;  // by its making: no gap and no overlap, ever
};
const std::vector<Form>& forms() {
  static const std::vector<Form> all = {
      {"weekly", "[{start: '2025-01-06 02:30', every: week, participants: [a, b, c]}]", true},
      {"daily", "[{start: '2025-01-06 00:00', every: day, participants: [a, b, c, d, e]}]", true},
      {"hours", "[{start: '2025-01-06 01:30', every: '7 hours', participants: [a, b]}]", true},
      {"monthly", "[{start: '2025-01-31 02:15', every: month, participants: [a, b]}]", true},
      {"stacked",
       "[{start: '2025-01-06 02:30', every: week, participants: [a, b]},"
       " {start: '2025-01-06 01:00', every: day, participants: [c, d], restrictions: [{days: [sat-sun], from: '01:30', "
       "to:"
       " '02:30'}]}]",
       true},
      {"halves",
       "[{priority: 1, start: '2025-01-06 00:00', every: day, participants: [a, b], restrictions: [{from: '02:30', to:"
       " '14:00'}]}, {priority: 1, start: '2025-01-06 00:00', every: day, participants: [c, d], restrictions: [{from:"
       " '14:00', to: '02:30'}]}]",
       false},
      {"office",
       "[{start: '2025-01-06 09:00', every: day, participants: [a, b, c], restrictions: [{days: [mon-fri], from: "
       "'00:30',"
       " to: '23:30'}]}]",
       false},
  };
  return all;
}

bool in_any(const std::vector<Span>& spans, TimePoint t) {
  return std::any_of(spans.begin(), spans.end(), [t](const Span& s) { return s.contains(t); });
}

// When the clock of the zone jumps.
std::vector<TimePoint> changes(const Zone& zone, const Span& range) {
  const auto offset = [&](TimePoint t) {
    return zone.wall(t).time_since_epoch() - std::chrono::floor<std::chrono::seconds>(t.time_since_epoch());
  };
  std::vector<TimePoint> out;
  for (TimePoint t = range.start; t < range.end; t += hours(1)) {
    if (offset(t) == offset(t + hours(1))) continue;
    for (TimePoint m = t; m <= t + hours(1); m += minutes(1)) {
      if (offset(m) != offset(m - minutes(1))) out.push_back(m);
    }
  }
  return out;
}

void check(const Schedule& s, const FinalSchedule& f, const std::set<TimePoint>& times, const std::string& what) {
  size_t first = 0;  // shifts that end before the present time are over
  for (const TimePoint t : times) {
    while (first < f.shifts.size() && f.shifts[first].span.end + hours(24 * 40) < t) ++first;
    const size_t people = who_is_on_call(s, t).size();
    size_t in_range = 0;
    for (size_t i = first; i < f.shifts.size() && f.shifts[i].span.start <= t; ++i) {
      in_range += f.shifts[i].span.contains(t) ? 1 : 0;
    }
    ASSERT_EQ(people, in_range) << what << " " << format_rfc3339(t);
    ASSERT_EQ(people == 0, in_any(f.gaps, t)) << what << " " << format_rfc3339(t);
    ASSERT_EQ(people > 1, in_any(f.overlaps, t)) << what << " " << format_rfc3339(t);
  }
}

class Soak : public ::testing::TestWithParam<std::string> {};

TEST_P(Soak, one_primary_or_a_declared_gap_or_overlap) {
  const Zone zone = Zone::load(GetParam()).value();
  const Span range{at("2025-02-02T00:00:00Z"), at("2027-02-02T00:00:00Z")};
  const std::vector<TimePoint> jumps = changes(zone, range);
  for (const Form& form : forms()) {
    const Schedule s = schedule("{id: s, time_zone: " + GetParam() + ", layers: " + form.layers + "}");
    const FinalSchedule f = final_schedule(s, range);
    if (form.one_primary) {
      ASSERT_EQ(spans(f.gaps), "") << form.name;
      ASSERT_EQ(spans(f.overlaps), "") << form.name;
    }
    std::set<TimePoint> times;
    const auto around = [&](TimePoint t) {
      for (const auto by : {minutes(-1), minutes(0), minutes(1)}) times.insert(t + by);
    };
    // All edges near a jump of the clock, every tenth elsewhere: the rest are the same arithmetic.
    for (size_t i = 0; i < f.shifts.size(); ++i) {
      const TimePoint edge = f.shifts[i].span.start;
      const bool near = std::any_of(jumps.begin(), jumps.end(),
                                    [&](TimePoint j) { return j - hours(26) < edge && edge < j + hours(26); });
      if (near || i % 10 == 0) around(edge);
    }
    for (const TimePoint jump : jumps) {
      for (TimePoint t = jump - hours(4); t < jump + hours(4); t += minutes(15)) around(t);
    }
    std::erase_if(times, [&](TimePoint t) { return !range.contains(t); });
    check(s, f, times, GetParam() + " " + form.name);
    if (HasFatalFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(Zones, Soak, ::testing::ValuesIn(zones()), [](const auto& zone) {
  std::string name = zone.param;
  for (char& c : name) {
    if (!::isalnum(static_cast<unsigned char>(c))) c = c == '+' ? 'p' : (c == '-' ? 'm' : '_');
  }
  return name;
});

}  // namespace
}  // namespace sentinel::oncall
