#include "alerting/time_interval.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace sentinel::alerting {
namespace {

Result<TimeInterval> parse(std::string_view yaml) {
  SENTINEL_ASSIGN(const text::YamlNode node, text::parse_yaml(yaml, "t.yml"));
  return TimeInterval::parse(node);
}

struct Case {
  std::string yaml;
  std::string at;
  bool inside;
};

TEST(TimeInterval, contains) {
  const Case cases[] = {
      {"{}", "2026-11-21T03:00:00Z", true},
      {"times: [{start_time: '09:00', end_time: '17:00'}]", "2026-11-21T09:00:00Z", true},
      {"times: [{start_time: '09:00', end_time: '17:00'}]", "2026-11-21T16:59:59Z", true},
      {"times: [{start_time: '09:00', end_time: '17:00'}]", "2026-11-21T17:00:00Z", false},
      {"times: [{start_time: '22:00', end_time: '24:00'}]", "2026-11-21T23:59:59Z", true},
      {"weekdays: ['monday:friday']", "2026-11-21T03:00:00Z", false},  // a Saturday
      {"weekdays: ['monday:friday', 'Saturday']", "2026-11-21T03:00:00Z", true},
      {"weekdays: ['sunday']", "2026-11-22T03:00:00Z", true},
      {"days_of_month: ['-1']", "2026-02-28T00:00:00Z", true},
      {"days_of_month: ['-1']", "2028-02-28T00:00:00Z", false},
      {"days_of_month: ['-3:-1']", "2026-11-28T00:00:00Z", true},
      {"days_of_month: ['30:31']", "2026-02-28T00:00:00Z", false},
      {"days_of_month: ['25:31']", "2026-02-28T00:00:00Z", true},
      {"days_of_month: ['1:-2']", "2026-11-30T00:00:00Z", false},
      {"months: ['november:december']", "2026-11-21T03:00:00Z", true},
      {"months: ['1:3', '12']", "2026-11-21T03:00:00Z", false},
      {"years: ['2020:2026']", "2026-11-21T03:00:00Z", true},
      {"years: ['2027']", "2026-11-21T03:00:00Z", false},
      {"{times: [{start_time: '09:00', end_time: '10:00'}], location: 'Europe/Berlin'}", "2026-07-01T07:30:00Z", true},
      {"{times: [{start_time: '09:00', end_time: '10:00'}], location: 'Europe/Berlin'}", "2026-12-01T07:30:00Z", false},
      // The hour that is skipped and the hour that comes twice.
      {"{times: [{start_time: '02:00', end_time: '03:00'}], location: 'Europe/Berlin'}", "2026-03-29T01:00:00Z", false},
      {"{times: [{start_time: '02:00', end_time: '03:00'}], location: 'Europe/Berlin'}", "2026-10-25T00:30:00Z", true},
      {"{times: [{start_time: '02:00', end_time: '03:00'}], location: 'Europe/Berlin'}", "2026-10-25T01:30:00Z", true},
  };
  for (const Case& c : cases) {
    const auto interval = parse(c.yaml);
    ASSERT_TRUE(interval) << c.yaml << ": " << interval.error().to_string();
    EXPECT_EQ(interval->contains(parse_time(c.at).value()), c.inside) << c.yaml << " at " << c.at;
  }
}

TEST(TimeInterval, mistakes_have_a_position) {
  for (const std::string yaml : {
           "times: [{start_time: '9:00', end_time: '17:00'}]",
           "times: [{start_time: '17:00', end_time: '09:00'}]",
           "times: [{start_time: '17:00'}]",
           "times: [{start_time: '23:00', end_time: '24:01'}]",
           "weekdays: ['friday:monday']",
           "weekdays: ['freitag']",
           "weekdays: monday",
           "days_of_month: ['0']",
           "days_of_month: ['32']",
           "days_of_month: ['-1:5']",
           "days_of_month: ['10:5']",
           "days_of_month: ['1:2:3']",
           "months: ['13']",
           "years: ['2030:2020']",
           "location: 'Mars/Olympus'",
           "wochentage: ['monday']",
       }) {
    const auto interval = parse(yaml);
    ASSERT_FALSE(interval) << yaml;
    ASSERT_TRUE(interval.error().position()) << yaml;
    EXPECT_GT(interval.error().position()->line, 0) << yaml;
  }
}

struct SpanCase {
  std::string yaml;  // of one interval
  std::string from;
  std::vector<std::pair<std::string, std::string>> spans;
};

TEST(TimeInterval, stretches_follow_the_clock_of_the_place) {
  const SpanCase cases[] = {
      {"times: [{start_time: '09:00', end_time: '17:00'}]",
       "2026-11-21T12:30:30Z",
       {{"2026-11-21T12:30:30Z", "2026-11-21T17:00:00Z"}, {"2026-11-22T09:00:00Z", "2026-11-22T17:00:00Z"}}},
      // The hour from 2 to 3 is left out in spring and comes twice in autumn.
      {"{times: [{start_time: '02:00', end_time: '04:00'}], location: Europe/Berlin}",
       "2026-03-28T12:00:00Z",
       {{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}, {"2026-03-30T00:00:00Z", "2026-03-30T02:00:00Z"}}},
      {"{times: [{start_time: '02:00', end_time: '04:00'}], location: Europe/Berlin}",
       "2026-10-24T12:00:00Z",
       {{"2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z"}, {"2026-10-26T01:00:00Z", "2026-10-26T03:00:00Z"}}},
      {"{times: [{start_time: '02:15', end_time: '02:45'}], location: Europe/Berlin}",
       "2026-10-24T12:00:00Z",
       {{"2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z"}, {"2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z"}}},
      {"{weekdays: [monday], times: [{start_time: '00:00', end_time: '00:01'}], location: Asia/Kathmandu}",
       "2026-11-21T12:00:00Z",
       {{"2026-11-22T18:15:00Z", "2026-11-22T18:16:00Z"}}},
      {"{months: [february], days_of_month: ['-1']}",
       "2026-11-21T12:00:00Z",
       {{"2027-02-28T00:00:00Z", "2027-03-01T00:00:00Z"}}},
      {"{}", "2026-11-21T12:00:00Z", {{"2026-11-21T12:00:00Z", "2026-11-28T12:00:00Z"}}},
      {"years: ['2025']", "2026-11-21T12:00:00Z", {}},
  };
  for (const SpanCase& c : cases) {
    const auto interval = parse(c.yaml);
    ASSERT_TRUE(interval) << c.yaml << ": " << interval.error().to_string();
    const auto week = std::chrono::hours(24 * 7);
    TimePoint from = parse_time(c.from).value();
    for (const auto& [start, end] : c.spans) {
      const auto span = next_span({*interval}, from, from + std::chrono::hours(24 * 400), week);
      ASSERT_TRUE(span) << c.yaml;
      EXPECT_EQ(format_rfc3339(span->start), format_rfc3339(parse_time(start).value())) << c.yaml;
      EXPECT_EQ(format_rfc3339(span->end), format_rfc3339(parse_time(end).value())) << c.yaml;
      from = span->end;
    }
    if (c.spans.empty())
      EXPECT_FALSE(next_span({*interval}, from, from + std::chrono::hours(24 * 400), week)) << c.yaml;
  }
}

TEST(TimeInterval, intervals_that_touch_are_one_stretch) {
  const auto evening = parse("times: [{start_time: '22:00', end_time: '24:00'}]");
  const auto morning = parse("times: [{start_time: '00:00', end_time: '06:00'}]");
  ASSERT_TRUE(evening && morning);
  const TimePoint noon = parse_time("2026-11-21T12:00:00Z").value();
  const auto night =
      next_span({*evening, *morning}, noon, noon + std::chrono::hours(24 * 7), std::chrono::hours(24 * 7));
  ASSERT_TRUE(night);
  EXPECT_EQ(*night, (TimeSpan{noon + std::chrono::hours(10), noon + std::chrono::hours(18)}));
}

}  // namespace
}  // namespace sentinel::alerting
