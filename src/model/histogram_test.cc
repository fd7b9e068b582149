#include "model/histogram.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace sentinel::model {
namespace {

HistogramBuckets buckets(int32_t first, std::initializer_list<double> counts) {
  HistogramBuckets out;
  for (double c : counts) out.push(first++, c);
  return out;
}

FloatHistogram exponential(int32_t schema, HistogramBuckets positive) {
  FloatHistogram h;
  h.schema = schema;
  for (double c : positive.count) h.count += c;
  h.positive = std::move(positive);
  return h;
}

TEST(Histogram, bounds_of_exponential_buckets_are_powers) {
  EXPECT_EQ(histogram_bound(0, 0, {}), 1);
  EXPECT_EQ(histogram_bound(3, 0, {}), 8);
  EXPECT_EQ(histogram_bound(-2, 0, {}), 0.25);
  EXPECT_DOUBLE_EQ(histogram_bound(1, 1, {}), std::sqrt(2));
  EXPECT_EQ(histogram_bound(1, -1, {}), 4);
  EXPECT_EQ(histogram_bound(1024, 0, {}), std::numeric_limits<double>::max());
  EXPECT_TRUE(std::isinf(histogram_bound(1025, 0, {})));
  EXPECT_EQ(histogram_bound(1, kCustomBucketsSchema, {5, 10}), 10);
  EXPECT_TRUE(std::isinf(histogram_bound(2, kCustomBucketsSchema, {5, 10})));
}

TEST(Histogram, addition_meets_at_the_coarser_schema) {
  FloatHistogram a = exponential(1, buckets(1, {1, 2, 3, 4}));
  const FloatHistogram b = exponential(0, buckets(1, {10, 20}));
  EXPECT_TRUE(a.add(b).compatible);
  EXPECT_EQ(a.schema, 0);
  EXPECT_EQ(a.positive.index, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(a.positive.count, (std::vector<double>{13, 27}));
  EXPECT_EQ(a.count, 40);
}

TEST(Histogram, addition_widens_the_zero_bucket_past_buckets_it_would_cut) {
  FloatHistogram a = exponential(0, buckets(0, {4, 2}));  // (0.5, 1] and (1, 2]
  FloatHistogram b;
  b.zero_threshold = 0.75;
  b.zero_count = 1;
  b.count = 1;
  EXPECT_TRUE(a.add(b).compatible);
  EXPECT_EQ(a.zero_threshold, 1);
  EXPECT_EQ(a.zero_count, 5);
  EXPECT_EQ(a.positive.index, (std::vector<int32_t>{1}));
}

TEST(Histogram, custom_bounds_are_intersected) {
  FloatHistogram a;
  a.schema = kCustomBucketsSchema;
  a.custom_values = {1, 2, 5};
  a.positive = buckets(0, {1, 1, 1, 1});
  FloatHistogram b = a;
  b.custom_values = {2, 5, 9};
  const HistogramMerge merge = a.add(b);
  EXPECT_TRUE(merge.compatible);
  EXPECT_TRUE(merge.bounds_reconciled);
  EXPECT_EQ(a.custom_values, (std::vector<double>{2, 5}));
  EXPECT_EQ(a.positive.count, (std::vector<double>{3, 2, 3}));
}

TEST(Histogram, exponential_and_custom_do_not_mix) {
  FloatHistogram a = exponential(0, buckets(0, {1}));
  FloatHistogram b;
  b.schema = kCustomBucketsSchema;
  const FloatHistogram before = a;
  EXPECT_FALSE(a.add(b).compatible);
  EXPECT_TRUE(a.equals(before));
}

TEST(Histogram, hints_collide_when_reset_meets_not_reset) {
  FloatHistogram a;
  FloatHistogram b;
  a.hint = CounterResetHint::kReset;
  b.hint = CounterResetHint::kNotReset;
  EXPECT_TRUE(a.add(b).counter_reset_collision);
  EXPECT_EQ(a.hint, CounterResetHint::kUnknown);
}

TEST(Histogram, finds_resets_in_any_bucket) {
  const FloatHistogram before = exponential(0, buckets(0, {1, 2, 3}));
  FloatHistogram after = exponential(0, buckets(0, {2, 2, 4}));
  EXPECT_FALSE(after.detect_reset(before));
  after.positive.count[1] = 1;
  after.positive.count[2] = 9;
  after.count = 12;
  EXPECT_TRUE(after.detect_reset(before));
  after.hint = CounterResetHint::kNotReset;
  EXPECT_FALSE(after.detect_reset(before));
}

TEST(Histogram, kahan_addition_keeps_what_rounding_loses) {
  FloatHistogram sum = exponential(0, buckets(0, {1e100}));
  std::unique_ptr<FloatHistogram> lost;
  sum.kahan_add(exponential(0, buckets(0, {1})), lost);
  sum.kahan_add(exponential(0, buckets(0, {-1e100})), lost);
  sum.add(*lost);
  EXPECT_EQ(sum.positive.count[0], 1);
}

TEST(Histogram, trimming_keeps_one_side) {
  FloatHistogram h = exponential(0, buckets(0, {4, 4}));  // (0.5, 1] and (1, 2]
  h.trim(1, true);
  EXPECT_EQ(h.count, 4);
  EXPECT_EQ(h.positive.index, (std::vector<int32_t>{0}));
}

}  // namespace
}  // namespace sentinel::model
