#include "incident/contrast.h"

#include <gtest/gtest.h>

namespace sentinel::incident {
namespace {

// Fisher's tea: 3 of 4 and 1 of 4; the one-sided chance is 17/70.
TEST(Contrast, TheChanceIsFishersExactTest) {
  EXPECT_NEAR(chance_of_difference({3, 1}, {4, 4}), 2 * 17.0 / 70, 1e-12);
  EXPECT_NEAR(chance_of_difference({1, 3}, {4, 4}), 2 * 17.0 / 70, 1e-12) << "either way";
  EXPECT_NEAR(chance_of_difference({4, 0}, {4, 4}), 2 * 1.0 / 70, 1e-12);
  EXPECT_EQ(chance_of_difference({2, 2}, {4, 4}), 1);
  EXPECT_EQ(chance_of_difference({2, 0}, {4, 0}), 1) << "nothing to compare with";
  EXPECT_EQ(chance_of_difference({0, 0}, {0, 9}), 1);
  EXPECT_EQ(chance_of_difference({4, 9}, {4, 9}), 1) << "all have it";
}

// By the normal approximation with its correction for counts: z = (0.1204 - 0.1 - 1 / 2 (1 / 5000 + 1 / 2000000)) / s.
TEST(Contrast, TheChanceHoldsForMillionsOfCalls) {
  const double p = chance_of_difference({602, 200'000}, {5000, 2'000'000});
  EXPECT_GT(p, 1e-6);
  EXPECT_LT(p, 4e-6);
  EXPECT_LT(chance_of_difference({5000, 200'000}, {5000, 2'000'000}), 1e-300);
}

TEST(Contrast, SeparationIsInBitsBetweenNothingAndAll) {
  EXPECT_DOUBLE_EQ(separation(1.0, 0.0), 1);
  EXPECT_DOUBLE_EQ(separation(0.3, 0.3), 0);
  EXPECT_GT(separation(0.4, 0.0), separation(0.7, 0.3)) << "a value that others hardly have tells more";
}

TEST(Contrast, TwoValuesSayMoreWhereOnlyTheirCallsFail) {
  // 1,000 calls: half have the version, half the endpoint; those with both fail.
  TwoValues both_needed{.first = {225, 275}, .second = {225, 275}, .both = {225, 25}, .all = {225, 775}};
  EXPECT_GT(more_together(both_needed, 1e-4), 0.5);
  // Three in a hundred calls have the version, all of them since it came up: alone it separates nearly as well, but
  // among its calls it is the endpoint that decides.
  TwoValues rare{.first = {52, 110}, .second = {54, 1800}, .both = {50, 6}, .all = {56, 3600}};
  EXPECT_GT(more_together(rare, 1e-4), 0.3);
  // The version fails, wherever.
  TwoValues one_is_enough{.first = {450, 50}, .second = {225, 275}, .both = {225, 25}, .all = {450, 550}};
  EXPECT_EQ(more_together(one_is_enough, 1e-4), 0);
  // Two names of one thing.
  TwoValues the_same{.first = {450, 50}, .second = {450, 50}, .both = {450, 50}, .all = {450, 550}};
  EXPECT_EQ(more_together(the_same, 1e-4), 0);
  // Either is enough: calls with both are some of those that fail.
  TwoValues either{.first = {400, 100}, .second = {400, 100}, .both = {240, 10}, .all = {560, 440}};
  EXPECT_EQ(more_together(either, 1e-4), 0);
  // So few calls that it may be luck.
  TwoValues few{.first = {3, 4}, .second = {3, 4}, .both = {3, 2}, .all = {3, 20}};
  EXPECT_EQ(more_together(few, 1e-4), 0);
}

}  // namespace
}  // namespace sentinel::incident
