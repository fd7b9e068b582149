#include "alerting/cron.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace sentinel::alerting {
namespace {

TimePoint at(std::string_view text) { return parse_time(text).value(); }

CronSchedule cron(std::string_view text, std::string zone = "Europe/Berlin") {
  auto made = CronSchedule::parse(text, std::move(zone));
  EXPECT_TRUE(made) << made.error().to_string();
  return *made;
}

struct Case {
  const char* text;
  const char* zone;
  const char* after;
  std::vector<const char*> runs;
};

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const CronSchedule schedule = cron(c.text, c.zone);
    TimePoint t = at(c.after);
    for (const char* run : c.runs) {
      t = schedule.next(t);
      EXPECT_EQ(t, at(run)) << c.text << " in " << c.zone << ": " << format_rfc3339(t) << ", not " << run;
    }
  }
}

TEST(Cron, fields_mean_what_they_mean_in_a_crontab) {
  check({
      {"0 3 * * *", "UTC", "2026-03-02T03:00:00Z", {"2026-03-03T03:00:00Z", "2026-03-04T03:00:00Z"}},
      {"0 3 * * *", "UTC", "2026-03-02T02:59:59Z", {"2026-03-02T03:00:00Z"}},
      {"*/20 * * * *", "UTC", "2026-03-02T03:00:30Z", {"2026-03-02T03:20:00Z", "2026-03-02T03:40:00Z"}},
      {"5-10/2,58 4 * * *", "UTC", "2026-03-02T04:07:00Z", {"2026-03-02T04:09:00Z", "2026-03-02T04:58:00Z"}},
      {"0 9 * * mon-fri", "UTC", "2026-03-06T09:00:00Z", {"2026-03-09T09:00:00Z"}},
      {"0 9 * * 6-7", "UTC", "2026-03-06T09:00:00Z", {"2026-03-07T09:00:00Z", "2026-03-08T09:00:00Z"}},
      {"0 0 1 JAN,jul *", "UTC", "2026-03-06T09:00:00Z", {"2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
      {"0 0 31 * *", "UTC", "2026-03-31T00:00:00Z", {"2026-05-31T00:00:00Z"}},
      {"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", {"2104-02-29T00:00:00Z"}},
      {"0 0 29 2 */7", "UTC", "2088-03-01T00:00:00Z", {"2128-02-29T00:00:00Z"}},  // a Sunday
      // Day and weekday: one of them, unless one is any.
      {"0 9 13 * fri", "UTC", "2026-03-06T09:00:00Z", {"2026-03-13T09:00:00Z", "2026-03-20T09:00:00Z"}},
      {"0 9 13 * fri", "UTC", "2026-04-10T09:00:00Z", {"2026-04-13T09:00:00Z", "2026-04-17T09:00:00Z"}},
      {"0 9 */2 * fri", "UTC", "2026-03-06T09:00:00Z", {"2026-03-13T09:00:00Z", "2026-03-27T09:00:00Z"}},
      {"@weekly", "UTC", "2026-03-06T09:00:00Z", {"2026-03-08T00:00:00Z"}},
      {"@monthly", "America/New_York", "2026-03-06T09:00:00Z", {"2026-04-01T04:00:00Z"}},
      {" 0  3  *  *  * ", "UTC", "2026-03-02T03:00:00Z", {"2026-03-03T03:00:00Z"}},
  });
}

// Berlin: 02:00 to 03:00 is not on 29 March 2026, and comes twice on 25 October.
TEST(Cron, when_the_clocks_change_a_run_is_neither_lost_nor_doubled) {
  check({
      {"30 2 * * *", "Europe/Berlin", "2026-03-28T01:30:00Z", {"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
      {"15,45 2 * * *", "Europe/Berlin", "2026-03-28T01:45:00Z", {"2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z"}},
      {"0 3 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", {"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
      {"30 2 * * *", "Europe/Berlin", "2026-10-24T00:30:00Z", {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
      {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", {"2026-10-26T01:30:00Z"}},
      {"0 3 * * *", "Europe/Berlin", "2026-10-24T01:00:00Z", {"2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"}},
      // New York: the hole from 02:00 on 8 March, the second 01:00 on 1 November.
      {"30 2 * * *", "America/New_York", "2026-03-08T06:30:00Z", {"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
      {"30 1 * * *", "America/New_York", "2026-11-01T05:00:00Z", {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
      // A day that never was.
      {"0 12 * * *", "Pacific/Apia", "2011-12-29T22:00:00Z", {"2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
  });
}

TEST(Cron, whatever_comes_by_the_hour_comes_whenever_the_clock_shows_it) {
  check({
      {"*/30 * * * *",
       "Europe/Berlin",
       "2026-03-29T00:00:00Z",
       {"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
      {"30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", {"2026-03-29T01:30:00Z"}},
      {"30 * * * *",
       "Europe/Berlin",
       "2026-10-25T00:00:00Z",
       {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
      {"*/15 2 * * *", "Europe/Berlin", "2026-03-28T01:45:00Z", {"2026-03-30T00:00:00Z", "2026-03-30T00:15:00Z"}},
      {"*/30 2 * * *",
       "Europe/Berlin",
       "2026-10-25T00:00:00Z",
       {"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:00:00Z"}},
  });
}

// Against looking at the clock each minute, over every change of four zones in a year.
TEST(Cron, is_what_a_look_at_the_clock_each_minute_finds) {
  const char* const zones[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"};
  for (const char* zone : zones) {
    const CronSchedule schedule = cron("7,37 * * * *", zone);
    TimePoint expected = at("2026-01-01T00:00:00Z");
    for (TimePoint t = expected + std::chrono::minutes(1); t < at("2027-01-01T00:00:00Z");
         t += std::chrono::minutes(1)) {
      const std::string shown = schedule.shown(t);
      if (!shown.ends_with(":07") && !shown.ends_with(":37")) continue;
      expected = schedule.next(expected);
      ASSERT_EQ(expected, t) << zone << " " << shown << ": " << format_rfc3339(expected);
    }
  }
}

TEST(Cron, the_last_run_is_found_however_long_ago_the_first_was) {
  const TimePoint first = at("2020-01-01T02:00:00Z");
  for (const char* text : {"0 3 * * *", "* * * * *", "0 0 1 * *", "0 0 1 1 *"}) {
    const CronSchedule schedule = cron(text);
    const TimePoint begin = schedule.next(first);
    for (const char* until : {"2026-03-29T01:00:00Z", "2026-10-25T01:30:30Z", "2026-12-31T23:30:00Z"}) {
      const TimePoint last = schedule.last(begin, at(until));
      EXPECT_LE(last, at(until)) << text;
      EXPECT_GT(schedule.next(last), at(until)) << text;
      EXPECT_EQ(schedule.next(last - Micros(1)), last) << text;
    }
    EXPECT_EQ(schedule.last(begin, begin), begin);
  }
}

TEST(Cron, what_is_wrong_is_said) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected minute, hour"},           {"0 3 * *", "expected minute, hour"},
      {"0 3 * * * *", "expected minute"},      {"60 3 * * *", "\"60\" is no minute"},
      {"0 24 * * *", "\"24\" is no hour"},     {"0 3 0 * *", "\"0\" is no day of the month"},
      {"0 3 * 13 *", "\"13\" is no month"},    {"0 3 * * 8", "\"8\" is no weekday"},
      {"0 3 * * mo", "\"mo\" is no weekday"},  {"5-1 3 * * *", "\"5-1\" is no minute"},
      {"5/2 3 * * *", "\"5/2\" is no minute"}, {"*/0 3 * * *", "\"*/0\" is no minute"},
      {"1,,2 3 * * *", "\"\" is no minute"},   {"-1 3 * * *", "\"-1\" is no minute"},
      {"@reboot", "expected minute, hour"},    {"0 0 30 2 *", "never comes"},
      {"0 0 31 feb,apr *", "never comes"},
  };
  for (const auto& [text, why] : cases) {
    const auto made = CronSchedule::parse(text, "UTC");
    ASSERT_FALSE(made) << text;
    EXPECT_NE(made.error().message().find(why), std::string::npos) << text << ": " << made.error().message();
  }
  for (const char* zone : {"", "Mars/Base", "/etc/passwd", "../UTC", "file:UTC"})
    EXPECT_FALSE(CronSchedule::parse("0 3 * * *", zone)) << zone;
}

}  // namespace
}  // namespace sentinel::alerting
