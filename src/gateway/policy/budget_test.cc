#include "gateway/policy/budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <tuple>

#include "base/strings.h"
#include "gateway/policy/limits.h"

namespace sentinel::gateway {
namespace {

constexpr int64_t kDollar = 1'000'000;

struct BudgetTest : testing::Test {
  MetricRegistry metrics;
  FakeClock clock{*parse_time("2026-02-27T23:30:00Z")};
  BudgetBook book{metrics, kBudgetCells};
  BudgetBook::Reserved reserve(int64_t amount, int64_t estimate, BudgetPeriod period = BudgetPeriod::kDay) {
    return book.reserve("key/k1/day", period, amount, estimate, clock.now());
  }
  void settle(const BudgetBook::Reserved& reserved, int64_t estimate, int64_t cost) {
    book.settle(reserved.account, BudgetPeriod::kDay, estimate, cost, clock.now());
  }
};

TEST(BudgetPeriods, AreCalendarDaysAndMonthsInUtc) {
  const std::tuple<const char*, BudgetPeriod, const char*, const char*> cases[] = {
      {"2026-02-27T23:30:00Z", BudgetPeriod::kDay, "2026-02-27T00:00:00Z", "2026-02-28T00:00:00Z"},
      {"2026-02-28T00:00:00Z", BudgetPeriod::kDay, "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"},
      {"2028-02-29T12:00:00Z", BudgetPeriod::kMonth, "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
      {"2026-12-31T23:59:59Z", BudgetPeriod::kMonth, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
  };
  for (const auto& [now, period, begin, end] : cases) {
    EXPECT_EQ(period_begin(period, *parse_time(now)), *parse_time(begin)) << now;
    EXPECT_EQ(period_end(period, *parse_time(now)), *parse_time(end)) << now;
  }
}

TEST_F(BudgetTest, RefusesOnceItIsSpentUntilTheNextPeriod) {
  auto first = reserve(kDollar, 400'000);
  ASSERT_TRUE(first.allowed);
  settle(first, 400'000, 999'999);
  auto second = reserve(kDollar, 400'000);
  ASSERT_TRUE(second.allowed) << "something is left";
  settle(second, 400'000, 300'000);
  const auto refused = reserve(kDollar, 1);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.spent_microusd, 1'299'999);
  EXPECT_EQ(refused.ends_at, *parse_time("2026-02-28T00:00:00Z"));
  clock.advance(std::chrono::minutes(30));
  EXPECT_TRUE(reserve(kDollar, 1).allowed);
  EXPECT_EQ(book.spent("key/k1/day", BudgetPeriod::kDay, clock.now()), 0);
}

TEST_F(BudgetTest, WhatIsReservedCannotBeSpentTwice) {
  auto a = reserve(kDollar, 600'000);
  auto b = reserve(kDollar, 600'000);
  EXPECT_TRUE(a.allowed);
  EXPECT_TRUE(b.allowed) << "the last one may go beyond, by no more than itself";
  EXPECT_FALSE(reserve(kDollar, 1).allowed);
  settle(a, 600'000, 10);
  settle(b, 600'000, 0);
  EXPECT_TRUE(reserve(kDollar, 1).allowed) << "they cost less than was thought";
  EXPECT_EQ(book.spent("key/k1/day", BudgetPeriod::kDay, clock.now()), 10);
}

TEST_F(BudgetTest, ACallThatEndsInTheNextPeriodIsBookedThere) {
  auto call = reserve(kDollar, 5);
  clock.advance(std::chrono::hours(1));
  settle(call, 5, 70);
  EXPECT_EQ(book.spent("key/k1/day", BudgetPeriod::kDay, clock.now()), 70);
}

TEST_F(BudgetTest, IsKeptOverARestart) {
  auto call = reserve(kDollar, 5);
  settle(call, 5, 700'000);
  const auto kept = book.changed();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_TRUE(book.changed().empty()) << "once";
  book.mark_changed(kept);
  EXPECT_EQ(book.changed().size(), 1U) << "and again when it could not be kept";

  BudgetBook again(metrics, kBudgetCells);
  again.restore(kept);
  EXPECT_EQ(again.spent("key/k1/day", BudgetPeriod::kDay, clock.now()), 700'000);
  EXPECT_FALSE(again.reserve("key/k1/day", BudgetPeriod::kDay, 700'000, 1, clock.now()).allowed);
  clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(again.reserve("key/k1/day", BudgetPeriod::kDay, 700'000, 1, clock.now()).allowed);
}

TEST_F(BudgetTest, AFullTableChecksNothingAndSaysSo) {
  BudgetBook small(metrics, 2);
  for (const char* name : {"a", "b"}) EXPECT_TRUE(small.reserve(name, BudgetPeriod::kDay, 1, 5, clock.now()).allowed);
  EXPECT_FALSE(small.reserve("a", BudgetPeriod::kDay, 1, 5, clock.now()).allowed);
  const auto unchecked = small.reserve("c", BudgetPeriod::kDay, 1, 5, clock.now());
  EXPECT_TRUE(unchecked.allowed);
  EXPECT_EQ(unchecked.account, nullptr);
  small.settle(unchecked.account, BudgetPeriod::kDay, 5, 5, clock.now());
  EXPECT_EQ(metrics.counter("sentinel_gateway_budget_table_full_total", "").value(), 1);
}

TEST_F(BudgetTest, CoresTogetherSpendNoMoreThanTheBudget) {
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const auto r = book.reserve("shared", BudgetPeriod::kMonth, 1000, 1, clock.now());
        if (!r.allowed) continue;
        ++allowed;
        book.settle(r.account, BudgetPeriod::kMonth, 1, 1, clock.now());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(allowed.load(), 1000);
  EXPECT_EQ(book.spent("shared", BudgetPeriod::kMonth, clock.now()), 1000);
}

}  // namespace
}  // namespace sentinel::gateway
