#include "gateway/policy/rate_limiter.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "gateway/policy/limits.h"

namespace sentinel::gateway {
namespace {

using std::chrono::seconds;

struct RateLimiterTest : testing::Test {
  MetricRegistry metrics;
  FakeClock clock;
  RateLimiter limiter{metrics, kRateCells};
  RateLimiter::Taken take(const RateLimit& limit, int64_t cost = 1, uint64_t subject = 7) {
    return limiter.take(subject, limit, cost, clock.now());
  }
};

TEST_F(RateLimiterTest, LetsTheWholeLimitThroughAtOnceAndThenGivesItBackEvenly) {
  const RateLimit limit{LimitUnit::kRequests, 6, Millis(60'000)};
  for (int64_t left = 5; left >= 0; --left) {
    const auto taken = take(limit);
    ASSERT_TRUE(taken.allowed);
    EXPECT_EQ(taken.remaining, left);
  }
  const auto refused = take(limit);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, Micros(seconds(10)));
  EXPECT_EQ(refused.full_after, Micros(seconds(60)));
  EXPECT_EQ(refused.remaining, 0);
  clock.advance(seconds(9));
  EXPECT_FALSE(take(limit).allowed);
  clock.advance(seconds(1));
  EXPECT_TRUE(take(limit).allowed);
  EXPECT_FALSE(take(limit).allowed);
  clock.advance(seconds(60));
  EXPECT_EQ(take(limit).remaining, 5) << "a minute of rest gives all of it back, and no more";
}

TEST_F(RateLimiterTest, NeverLetsMoreThanTwiceTheLimitThroughInAnyWindow) {
  const RateLimit limit{LimitUnit::kRequests, 10, Millis(10'000)};
  std::vector<int64_t> allowed_at;
  for (int tick = 0; tick < 600; ++tick) {
    if (take(limit).allowed) allowed_at.push_back(to_ms(clock.now()));
    clock.advance(Micros(100'000));
  }
  for (const int64_t begin : allowed_at) {
    const auto within = std::count_if(allowed_at.begin(), allowed_at.end(),
                                      [&](int64_t at) { return at >= begin && at < begin + 10'000; });
    EXPECT_LE(within, 20);
  }
  EXPECT_EQ(allowed_at.size(), 10U + 59U) << "60 s: the first ten, and one a second";
}

TEST_F(RateLimiterTest, SubjectsAndLimitsAreCountedApart) {
  const RateLimit limit{LimitUnit::kRequests, 1, Millis(1000)};
  const uint64_t ada = limit_subject("route", "ada", limit);
  const uint64_t bo = limit_subject("route", "bo", limit);
  EXPECT_NE(ada, bo);
  EXPECT_NE(ada, limit_subject("route", "ada", {LimitUnit::kTokens, 1, Millis(1000)}));
  EXPECT_NE(ada, limit_subject("route", "ada", {LimitUnit::kRequests, 1, Millis(2000)}));
  EXPECT_NE(ada, limit_subject("other", "ada", limit));
  EXPECT_TRUE(take(limit, 1, ada).allowed);
  EXPECT_FALSE(take(limit, 1, ada).allowed);
  EXPECT_TRUE(take(limit, 1, bo).allowed);
}

TEST_F(RateLimiterTest, WhatWasReservedTooMuchComesBackAndTooLittleIsOwed) {
  const RateLimit limit{LimitUnit::kTokens, 1000, Millis(60'000)};
  ASSERT_TRUE(take(limit, 900).allowed);
  EXPECT_FALSE(take(limit, 200).allowed);
  limiter.settle(7, limit, -800, clock.now());
  EXPECT_EQ(take(limit, 200).remaining, 700);
  limiter.settle(7, limit, 1700, clock.now());
  const auto owing = take(limit, 1);
  EXPECT_FALSE(owing.allowed);
  EXPECT_EQ(owing.remaining, 0);
  EXPECT_NEAR(static_cast<double>(owing.retry_after.count()), 60.06e6, 1e3) << "1,000 too many and this one";
}

TEST_F(RateLimiterTest, ADebtWaitsNoLongerThanAFewWindows) {
  const RateLimit limit{LimitUnit::kTokens, 10, Millis(1000)};
  limiter.settle(7, limit, 1'000'000'000, clock.now());
  EXPECT_LE(take(limit).retry_after, Micros(seconds(kRateDebtWindowsMax)));
  clock.advance(-std::chrono::hours(1));
  EXPECT_LE(take(limit).retry_after, Micros(seconds(kRateDebtWindowsMax))) << "nor after a clock that was set back";
}

TEST_F(RateLimiterTest, WhatCostsMoreThanTheWholeLimitIsNeverAllowed) {
  const RateLimit limit{LimitUnit::kTokens, 100, Millis(1000)};
  const auto taken = take(limit, 101);
  EXPECT_FALSE(taken.allowed);
  EXPECT_TRUE(taken.never);
  EXPECT_TRUE(take(limit, 100).allowed) << "nothing was taken for it";
}

TEST_F(RateLimiterTest, LargeAndSmallLimitsKeepTheirPrecision) {
  for (const RateLimit& limit : {RateLimit{LimitUnit::kUsd, 10'000'000'000, Millis(60'000)},
                                 RateLimit{LimitUnit::kTokens, 3, std::chrono::hours(24 * 31)},
                                 RateLimit{LimitUnit::kRequests, 7, Millis(1000)}}) {
    const uint64_t subject = limit_subject("t", "x", limit);
    EXPECT_EQ(take(limit, 1, subject).remaining, limit.amount - 1) << limit.amount;
    EXPECT_EQ(take(limit, limit.amount - 1, subject).remaining, 0) << limit.amount;
    EXPECT_FALSE(take(limit, 1, subject).allowed) << limit.amount;
  }
}

TEST(RateLimiterTable, GivesCellsThatRestToOthersAndSaysWhenThereIsNone) {
  MetricRegistry metrics;
  FakeClock clock;
  RateLimiter limiter(metrics, 16);
  const RateLimit limit{LimitUnit::kRequests, 1, Millis(1000)};
  for (uint64_t subject = 1; subject <= 16; ++subject)
    EXPECT_TRUE(limiter.take(subject, limit, 1, clock.now()).allowed);
  EXPECT_FALSE(limiter.take(16, limit, 1, clock.now()).allowed);
  EXPECT_TRUE(limiter.take(17, limit, 1, clock.now()).allowed) << "no room: goes unchecked";
  EXPECT_TRUE(limiter.take(17, limit, 1, clock.now()).allowed);
  EXPECT_EQ(metrics.counter("sentinel_gateway_rate_table_full_total", "").value(), 2);
  clock.advance(seconds(2));
  EXPECT_TRUE(limiter.take(17, limit, 1, clock.now()).allowed);
  EXPECT_FALSE(limiter.take(17, limit, 1, clock.now()).allowed);
}

TEST(RateLimiterTable, CoresTogetherGetExactlyTheLimit) {
  MetricRegistry metrics;
  FakeClock clock;
  RateLimiter limiter(metrics, kRateCells);
  const RateLimit limit{LimitUnit::kRequests, 1000, Millis(60'000)};
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) allowed += limiter.take(5, limit, 1, clock.now()).allowed ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(allowed.load(), 1000);
}

}  // namespace
}  // namespace sentinel::gateway
