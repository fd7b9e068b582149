#include "base/duration.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel {
namespace {

struct Case {
  const char* text;
  int64_t ms;
  const char* canonical;
};

// The table of prometheus/common model.TestParseDuration and TestDuration_UnmarshalJSON, in our words.
const Case kCases[] = {
    {"0", 0, "0s"},
    {"0s", 0, "0s"},
    {"0w", 0, "0s"},
    {"324ms", 324, "324ms"},
    {"3s", 3000, "3s"},
    {"5m", 300'000, "5m"},
    {"1h", 3'600'000, "1h"},
    {"4d", 345'600'000, "4d"},
    {"4d1h", 349'200'000, "4d1h"},
    {"14d", 1'209'600'000, "2w"},
    {"3w", 1'814'400'000, "3w"},
    {"3w2d1h", 1'990'800'000, "23d1h"},
    {"10y", 315'360'000'000, "10y"},
    {"1y1w", 32'140'800'000, "372d"},
    {"1h30m", 5'400'000, "1h30m"},
    {"90m", 5'400'000, "1h30m"},
    {"1500ms", 1500, "1s500ms"},
    {"1d2h3m4s5ms", 93'784'005, "1d2h3m4s5ms"},
};

TEST(Duration, ReadsAndWritesAsPrometheus) {
  for (const Case& c : kCases) {
    const auto parsed = parse_duration(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(parsed->count(), c.ms) << c.text;
    EXPECT_EQ(format_duration(*parsed), c.canonical) << c.text;
  }
  EXPECT_EQ(format_duration(Millis(-90'000)), "-1m30s");
}

TEST(Duration, NamesWhatIsWrong) {
  struct Bad {
    const char* text;
    const char* message;
  };
  const Bad bad[] = {
      {"", "empty duration string"},
      {"1", "not a valid duration string: \"1\""},
      {"1y1m1d", "not a valid duration string: \"1y1m1d\""},
      {"-1w", "not a valid duration string: \"-1w\""},
      {"1.5d", "unknown unit \".\" in duration \"1.5d\""},
      {"d", "not a valid duration string: \"d\""},
      {"5m5m", "not a valid duration string: \"5m5m\""},
      {"5 m", "unknown unit \" m\" in duration \"5 m\""},
      {"3x", "unknown unit \"x\" in duration \"3x\""},
      {"294y", "duration out of range"},
      {"200y10400w", "duration out of range"},
      {"107675d", "duration out of range"},
      {"2584200h", "duration out of range"},
      {"99999999999999999999s", "not a valid duration string: \"99999999999999999999s\""},
  };
  for (const Bad& b : bad) {
    const auto parsed = parse_duration(b.text);
    ASSERT_FALSE(parsed) << b.text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(parsed.error().message(), b.message);
  }
}

TEST(Duration, WhatIsWrittenReadsBackTheSame) {
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    const Millis d(static_cast<int64_t>(random.next() >> (20 + random.below(44)) >> 4));
    const auto parsed = parse_duration(format_duration(d));
    ASSERT_TRUE(parsed) << d.count();
    ASSERT_EQ(*parsed, d) << format_duration(d);
  }
}

TEST(Duration, SpeaksToPeople) {
  using std::chrono::duration_cast;
  const std::pair<Micros, const char*> cases[] = {
      {Micros(0), "0 s"},
      {Micros(250), "250 µs"},
      {Millis(850), "850 ms"},
      {Millis(1500), "1.5 s"},
      {std::chrono::seconds(12), "12 s"},
      {std::chrono::seconds(250), "4 min 10 s"},
      {std::chrono::minutes(5), "5 min"},
      {std::chrono::minutes(185), "3 h 5 min"},
      {std::chrono::hours(52), "2 d 4 h"},
      {std::chrono::seconds(-12), "-12 s"},
  };
  for (const auto& [d, text] : cases) EXPECT_EQ(humanize_duration(d), text);
}

}  // namespace
}  // namespace sentinel
