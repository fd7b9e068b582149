#include "gateway/breaker.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

class BreakerTest : public testing::Test {
 protected:
  bool allow() { return breaker_.allow(clock_.now()); }
  void fail_times(int n) {
    for (int i = 0; i < n; ++i) breaker_.failed(clock_.now());
  }
  BreakerState state() { return breaker_.state(clock_.now()); }
  FakeClock clock_;
  Breaker breaker_{BreakerConfig{5, std::chrono::seconds(60)}};
};

TEST_F(BreakerTest, OpensAfterFailuresInARow) {
  fail_times(4);
  breaker_.succeeded();
  fail_times(4);
  EXPECT_TRUE(allow());
  fail_times(1);
  EXPECT_FALSE(allow());
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, LetsOneProbeThroughAfterThePause) {
  fail_times(5);
  clock_.advance(std::chrono::seconds(59));
  EXPECT_FALSE(allow());
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
  EXPECT_TRUE(allow());
  EXPECT_FALSE(allow());
  breaker_.failed(clock_.now());
  EXPECT_FALSE(allow());
  clock_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(allow());
  breaker_.succeeded();
  EXPECT_TRUE(allow());
  EXPECT_TRUE(allow());
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, AWithdrawnProbeLeavesRoomForAnother) {
  fail_times(5);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(allow());
  breaker_.withdrawn();
  EXPECT_TRUE(allow());
}

TEST_F(BreakerTest, LateFailuresDoNotProlongThePause) {
  fail_times(5);
  clock_.advance(std::chrono::seconds(50));
  fail_times(3);
  clock_.advance(std::chrono::seconds(10));
  EXPECT_TRUE(allow());
}

TEST_F(BreakerTest, AnOperatorCanHoldItOpenAndCloseIt) {
  breaker_.force(BreakerState::kOpen);
  clock_.advance(std::chrono::hours(1));
  EXPECT_FALSE(allow());
  breaker_.force(std::nullopt);
  EXPECT_TRUE(allow());
  fail_times(5);
  breaker_.force(BreakerState::kClosed);
  EXPECT_TRUE(allow());
}

}  // namespace
}  // namespace sentinel::gateway
