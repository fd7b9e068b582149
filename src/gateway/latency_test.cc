#include "gateway/latency.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

class LatencyTest : public testing::Test {
 protected:
  void observe(int ms) { latency_.observe(Millis(ms), clock_.now()); }
  double load_ms(int under_way = 0) { return latency_.load(under_way, clock_.now()) / 1000; }
  FakeClock clock_;
  Latency latency_;
};

TEST_F(LatencyTest, JumpsToAPeakAtOnceAndComesDownSlowly) {
  observe(100);
  EXPECT_DOUBLE_EQ(load_ms(), 100);
  observe(900);
  EXPECT_DOUBLE_EQ(load_ms(), 900);
  clock_.advance(std::chrono::seconds(1));
  observe(100);
  EXPECT_GT(load_ms(), 700);
  for (int i = 0; i < 40; ++i) {
    clock_.advance(std::chrono::seconds(1));
    observe(100);
  }
  EXPECT_NEAR(load_ms(), 100, 20);
}

TEST_F(LatencyTest, WhatIsUnderWayCounts) {
  observe(100);
  EXPECT_DOUBLE_EQ(load_ms(3), 400);
}

TEST_F(LatencyTest, ASlowTargetThatIsNotAskedLooksBetterWithTime) {
  observe(5000);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_LT(load_ms(), 20);
}

TEST_F(LatencyTest, WhatIsNotKnownLooksFast) { EXPECT_LT(load_ms(), 1); }

TEST_F(LatencyTest, QuantilesNeedSomeAnswersAndForgetOldOnes) {
  for (int i = 0; i < 19; ++i) observe(10);
  EXPECT_FALSE(latency_.quantile(0.5));
  observe(10);
  EXPECT_EQ(latency_.quantile(0.5), Millis(10));
  for (int i = 1; i <= 128; ++i) observe(i);
  EXPECT_EQ(latency_.quantile(0.5), Millis(65));
  EXPECT_EQ(latency_.quantile(0.95), Millis(122));
  EXPECT_EQ(latency_.quantile(0.999), Millis(128));
}

}  // namespace
}  // namespace sentinel::gateway
