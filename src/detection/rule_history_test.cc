#include "detection/rule_history.h"

#include <gtest/gtest.h>

#include "detection/limits.h"

namespace sentinel::detection {
namespace {

TEST(RuleHistory, KeepsTheNewestAndOlderOnesThatTellSomething) {
  RuleHistory history;
  constexpr int kCount = 10 * kEvaluationsKept;
  for (int i = 0; i < kCount; ++i) {
    Evaluation e{.at = time_from_ms(i)};
    if (i == 7) e.error = "failed";
    if (i == 9) e.changes.resize(kChangesPerEvaluationMax + 5);
    history.add(std::move(e));
  }
  const auto all = history.newest(1'000'000);
  ASSERT_EQ(all.size(), kEvaluationsKept + 2);
  EXPECT_EQ(to_ms(all.front().at), kCount - 1);
  EXPECT_EQ(to_ms(all[kEvaluationsKept].at), 9);
  EXPECT_EQ(all[kEvaluationsKept].changes.size(), kChangesPerEvaluationMax);
  EXPECT_EQ(all[kEvaluationsKept].changes_left_out, 5u);
  EXPECT_EQ(all.back().error, "failed");
  EXPECT_EQ(history.newest(3).size(), 3u);
}

TEST(RuleHistory, IsBoundedThoughEveryEvaluationTells) {
  RuleHistory history;
  for (size_t i = 0; i < 5 * kEvaluationsKept; ++i)
    history.add({.at = time_from_ms(static_cast<int64_t>(i)), .error = "x"});
  EXPECT_EQ(history.newest(1'000'000).size(), 2 * kEvaluationsKept);
}

}  // namespace
}  // namespace sentinel::detection
