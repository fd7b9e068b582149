#include "alerting/flapping.h"

#include <gtest/gtest.h>

namespace sentinel::alerting {
namespace {

TimePoint minute(int n) { return time_from_us(0) + std::chrono::minutes(n); }

TEST(Flapping, a_rule_says_how_often_is_too_often) {
  struct Case {
    const char* text;
    size_t changes;
    size_t calm;
    int window_minutes;
  };
  for (const Case& c : {Case{"6 in 30m", 6, 2, 30}, Case{" 4 in 1h , calm at 0 ", 4, 0, 60}, Case{"off", 0, 2, 60},
                        Case{"2 in 10m, calm at 1", 2, 1, 10}, Case{"100 in 7d", 100, 33, 7 * 24 * 60}}) {
    const auto o = parse_flap_options(c.text);
    ASSERT_TRUE(o) << c.text;
    EXPECT_EQ(o->changes, c.changes) << c.text;
    EXPECT_EQ(o->calm, c.calm) << c.text;
    EXPECT_EQ(o->window, std::chrono::minutes(c.window_minutes)) << c.text;
    EXPECT_EQ(o->watches(), c.changes > 0) << c.text;
  }
  for (const char* bad : {"", "6", "6 in", "6 in soon", "1 in 5m", "101 in 5m", "-3 in 5m", "6 in 0s", "6 in 8d",
                          "6 in 5m, calm at 6", "6 in 5m, calm at -1", "6 in 5m, calm", "6 in 5m,", "six in 5m"})
    EXPECT_FALSE(parse_flap_options(bad)) << bad;
}

TEST(Flapping, the_rule_goes_before_the_setting) {
  const FlapOptions setting{8, 3, std::chrono::hours(2)};
  model::Alert alert;
  EXPECT_EQ(flap_options(alert, setting).changes, 8u);
  alert.annotations.set(kFlapAnnotation, "off");
  EXPECT_FALSE(flap_options(alert, setting).watches());
  alert.annotations.set(kFlapAnnotation, "4 in 5m");
  EXPECT_EQ(flap_options(alert, setting).changes, 4u);
  alert.annotations.set(kFlapAnnotation, "very often");
  EXPECT_EQ(flap_options(alert, setting).changes, 8u) << "what cannot be read asks for nothing";
}

// Between the two thresholds it stays what it is: fewer changes than begin it do not end it.
TEST(Flapping, begins_at_one_count_and_ends_at_another) {
  const FlapOptions options{4, 1, std::chrono::minutes(10)};
  FlapState s;
  for (const int at : {0, 4, 8}) s = flap_after(s, minute(at), options);
  EXPECT_FALSE(s.since);
  s = flap_after(s, minute(12), options);
  EXPECT_FALSE(s.since) << "the first one has left the window";
  s = flap_after(s, minute(13), options);
  ASSERT_TRUE(s.since);
  EXPECT_EQ(*s.since, minute(13));
  EXPECT_EQ(s.calm_at(), minute(22)) << "the change of minute 12 is the last but one";
  s = flap_after(s, minute(21), options);
  EXPECT_EQ(s.calm_at(), minute(23)) << "two in the window are fewer than four and more than one";
  EXPECT_EQ(s.changes.size(), 4u);
  EXPECT_EQ(*s.since, minute(13));
}

}  // namespace
}  // namespace sentinel::alerting
