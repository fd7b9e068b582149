#include "gateway/retry_budget.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

class RetryBudgetTest : public testing::Test {
 protected:
  int retries_of(RetryBudget& budget, int tried) {
    int taken = 0;
    for (int i = 0; i < tried; ++i) taken += budget.take(clock_.now());
    return taken;
  }
  void ask(RetryBudget& budget, int times) {
    for (int i = 0; i < times; ++i) budget.asked(clock_.now());
  }
  FakeClock clock_;
};

TEST_F(RetryBudgetTest, AllowsItsMinimumWhenThereIsLittleTraffic) {
  RetryBudget budget({.ratio = 0.2, .minimum = 3, .window = std::chrono::seconds(10)});
  ask(budget, 1);
  EXPECT_EQ(retries_of(budget, 10), 3);
}

TEST_F(RetryBudgetTest, AllowsAShareOfTheFirstAttempts) {
  RetryBudget budget({.ratio = 0.2, .minimum = 3, .window = std::chrono::seconds(10)});
  ask(budget, 100);
  EXPECT_EQ(retries_of(budget, 100), 20);
  ask(budget, 5);
  EXPECT_EQ(retries_of(budget, 100), 1);
}

TEST_F(RetryBudgetTest, RetriesDoNotEarnRetries) {
  RetryBudget budget({.ratio = 1, .minimum = 0, .window = std::chrono::seconds(10)});
  ask(budget, 10);
  EXPECT_EQ(retries_of(budget, 100), 10);
}

TEST_F(RetryBudgetTest, ComesBackAsTheWindowMovesOn) {
  RetryBudget budget({.ratio = 0, .minimum = 2, .window = std::chrono::seconds(10)});
  EXPECT_EQ(retries_of(budget, 5), 2);
  clock_.advance(std::chrono::seconds(5));
  EXPECT_EQ(retries_of(budget, 5), 0);
  clock_.advance(std::chrono::seconds(6));
  EXPECT_EQ(retries_of(budget, 5), 2);
}

TEST_F(RetryBudgetTest, NothingIsAllowedWithoutShareAndMinimum) {
  RetryBudget budget({.ratio = 0, .minimum = 0, .window = std::chrono::seconds(10)});
  ask(budget, 1000);
  EXPECT_EQ(retries_of(budget, 1), 0);
}

TEST_F(RetryBudgetTest, AnotherConfigurationIsInForceAtOnce) {
  RetryBudget budget({.ratio = 0, .minimum = 1, .window = std::chrono::seconds(10)});
  EXPECT_EQ(retries_of(budget, 5), 1);
  budget.reconfigure({.ratio = 0, .minimum = 4, .window = std::chrono::seconds(10)});
  EXPECT_EQ(retries_of(budget, 5), 3);
}

}  // namespace
}  // namespace sentinel::gateway
