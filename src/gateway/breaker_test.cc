#include "gateway/breaker.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

using Pass = Breaker::Pass;

class BreakerTest : public testing::Test {
 protected:
  explicit BreakerTest(BreakerConfig config = {5, std::chrono::seconds(60)}) : breaker_(config) {}
  Pass allow() { return breaker_.allow(clock_.now()); }
  void fail_times(int n) {
    for (int i = 0; i < n; ++i) breaker_.failed(Pass::kCall, clock_.now());
  }
  void succeed_times(int n) {
    for (int i = 0; i < n; ++i) breaker_.succeeded(Pass::kCall, clock_.now());
  }
  void force(std::optional<BreakerState> state) { breaker_.force(state, clock_.now()); }
  BreakerState state() { return breaker_.state(clock_.now()); }
  FakeClock clock_;
  Breaker breaker_;
};

TEST_F(BreakerTest, OpensAfterFailuresInARow) {
  fail_times(4);
  succeed_times(1);
  fail_times(4);
  EXPECT_EQ(allow(), Pass::kCall);
  fail_times(1);
  EXPECT_EQ(allow(), Pass::kNo);
  EXPECT_EQ(state(), BreakerState::kOpen);
  EXPECT_EQ(breaker_.open_until(), clock_.now() + std::chrono::seconds(60));
}

TEST_F(BreakerTest, LetsOneProbeThroughAfterThePause) {
  fail_times(5);
  clock_.advance(std::chrono::seconds(59));
  EXPECT_EQ(allow(), Pass::kNo);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
  EXPECT_EQ(allow(), Pass::kProbe);
  EXPECT_EQ(allow(), Pass::kNo);
  breaker_.failed(Pass::kProbe, clock_.now());
  EXPECT_EQ(allow(), Pass::kNo);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(allow(), Pass::kProbe);
  breaker_.succeeded(Pass::kProbe, clock_.now());
  EXPECT_EQ(allow(), Pass::kCall);
  EXPECT_EQ(allow(), Pass::kCall);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, AWithdrawnProbeLeavesRoomForAnother) {
  fail_times(5);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(allow(), Pass::kProbe);
  breaker_.withdrawn(Pass::kCall);  // of a call sent long ago
  EXPECT_EQ(allow(), Pass::kNo);
  breaker_.withdrawn(Pass::kProbe);
  EXPECT_EQ(allow(), Pass::kProbe);
}

TEST_F(BreakerTest, LateFailuresDoNotProlongThePause) {
  fail_times(5);
  clock_.advance(std::chrono::seconds(50));
  fail_times(3);
  clock_.advance(std::chrono::seconds(10));
  EXPECT_EQ(allow(), Pass::kProbe);
}

TEST_F(BreakerTest, ALateSuccessDoesNotCloseIt) {
  fail_times(5);
  succeed_times(1);
  EXPECT_EQ(allow(), Pass::kNo);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(allow(), Pass::kProbe);
  succeed_times(1);
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
}

TEST_F(BreakerTest, AnOperatorCanHoldItOpenAndCloseIt) {
  force(BreakerState::kOpen);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(allow(), Pass::kNo);
  EXPECT_TRUE(breaker_.held());
  EXPECT_FALSE(breaker_.open_until());
  force(std::nullopt);
  EXPECT_EQ(allow(), Pass::kCall);
  fail_times(5);
  force(BreakerState::kClosed);
  EXPECT_EQ(allow(), Pass::kCall);
  force(BreakerState::kHalfOpen);
  EXPECT_EQ(allow(), Pass::kProbe);
}

TEST_F(BreakerTest, StatesHaveNamesThatCanBeReadBack) {
  for (const BreakerState each : {BreakerState::kClosed, BreakerState::kHalfOpen, BreakerState::kOpen})
    EXPECT_EQ(parse_breaker_state(breaker_state_name(each)), each);
  EXPECT_FALSE(parse_breaker_state("ajar"));
}

class RateBreakerTest : public BreakerTest {
 protected:
  RateBreakerTest()
      : BreakerTest({.threshold = 0,
                     .open = std::chrono::seconds(60),
                     .failure_percent = 50,
                     .minimum_requests = 10,
                     .window = std::chrono::seconds(30),
                     .probes = 2}) {}
};

TEST_F(RateBreakerTest, OpensWhenTooManyOfTheLastAttemptsFailed) {
  for (int i = 0; i < 8; ++i) {
    succeed_times(1);
    fail_times(i % 2);
  }
  EXPECT_EQ(state(), BreakerState::kClosed);  // 4 of 12
  fail_times(3);
  EXPECT_EQ(state(), BreakerState::kClosed);  // 7 of 15
  fail_times(1);
  EXPECT_EQ(state(), BreakerState::kOpen);  // 8 of 16
}

TEST_F(RateBreakerTest, FewAttemptsSayNothing) {
  fail_times(9);
  EXPECT_EQ(state(), BreakerState::kClosed);
  fail_times(1);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(RateBreakerTest, WhatIsOlderThanTheWindowIsForgotten) {
  fail_times(9);
  clock_.advance(std::chrono::seconds(31));
  fail_times(9);
  EXPECT_EQ(state(), BreakerState::kClosed);
  EXPECT_EQ(breaker_.counts(clock_.now()).failures, 9);
  clock_.advance(std::chrono::seconds(15));
  EXPECT_EQ(breaker_.counts(clock_.now()).attempts, 9);
  fail_times(1);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(RateBreakerTest, ClosesAfterItsProbesAndForgetsTheFailures) {
  fail_times(10);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(allow(), Pass::kProbe);
  breaker_.succeeded(Pass::kProbe, clock_.now());
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
  EXPECT_EQ(allow(), Pass::kProbe);
  breaker_.succeeded(Pass::kProbe, clock_.now());
  EXPECT_EQ(state(), BreakerState::kClosed);
  EXPECT_EQ(breaker_.counts(clock_.now()).attempts, 0);
  fail_times(5);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(RateBreakerTest, AFailedProbeStartsThePauseAndTheCountOfProbesAnew) {
  fail_times(10);
  clock_.advance(std::chrono::seconds(60));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(allow(), Pass::kProbe);
    breaker_.succeeded(Pass::kProbe, clock_.now());
    EXPECT_EQ(allow(), Pass::kProbe);
    breaker_.failed(Pass::kProbe, clock_.now());
    EXPECT_EQ(state(), BreakerState::kOpen);
    clock_.advance(std::chrono::seconds(60));
  }
}

TEST(Breaker, WithoutLimitsItNeverOpens) {
  FakeClock clock;
  Breaker breaker({.threshold = 0});
  for (int i = 0; i < 1000; ++i) breaker.failed(Pass::kCall, clock.now());
  EXPECT_EQ(breaker.state(clock.now()), BreakerState::kClosed);
  EXPECT_EQ(breaker.allow(clock.now()), Pass::kCall);
}

}  // namespace
}  // namespace sentinel::gateway
