#include "base/metrics.h"

#include <cmath>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sentinel {
namespace {

using testing::ElementsAre;

const MetricFamily* find(const std::vector<MetricFamily>& families, std::string_view name) {
  for (const MetricFamily& family : families) {
    if (family.name == name) return &family;
  }
  return nullptr;
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetricInAnyOrderOfLabels) {
  MetricRegistry registry;
  Counter& a = registry.counter("x_total", "help", {{"b", "2"}, {"a", "1"}});
  Counter& b = registry.counter("x_total", "help", {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &registry.counter("x_total", "help", {{"a", "12"}, {"b", ""}}));
  a.add();
  b.add(1.5);
  EXPECT_EQ(a.value(), 2.5);
}

TEST(Metrics, CollectsSortedByNameAndLabels) {
  MetricRegistry registry;
  registry.gauge("z", "last").set(3);
  registry.counter("a_total", "first", {{"k", "y"}}).add(2);
  registry.counter("a_total", "first", {{"k", "x"}}).add(1);
  registry.histogram("h", "middle", {1, 5}).observe(4);
  const auto families = registry.collect();
  ASSERT_EQ(families.size(), 3u);
  EXPECT_EQ(families[0].name, "a_total");
  EXPECT_EQ(families[0].help, "first");
  ASSERT_EQ(families[0].points.size(), 2u);
  EXPECT_EQ(families[0].points[0].labels, (MetricLabels{{"k", "x"}}));
  EXPECT_EQ(families[0].points[1].value, 2);
  EXPECT_EQ(families[1].type, MetricType::kHistogram);
  EXPECT_THAT(families[1].upper_bounds, ElementsAre(1, 5));
  EXPECT_THAT(families[1].points[0].counts, ElementsAre(0, 1, 1));
  EXPECT_EQ(families[2].points[0].value, 3);
}

TEST(Metrics, HistogramBoundsAreInclusiveAndNanIsBeyondAll) {
  Histogram histogram({1, 2.5, 10});
  for (const double v : {0.0, 1.0, 1.1, 2.5, 10.0, 11.0, -5.0}) histogram.observe(v);
  EXPECT_THAT(histogram.cumulative_counts(), ElementsAre(3, 5, 6, 7));
  EXPECT_DOUBLE_EQ(histogram.sum(), 20.6);
  histogram.observe(std::nan(""));
  EXPECT_THAT(histogram.cumulative_counts(), ElementsAre(3, 5, 6, 8));
}

TEST(MetricsDeathTest, OneNameHasOneType) {
  MetricRegistry registry;
  registry.counter("x", "help");
  registry.histogram("h", "help", {1, 2});
  EXPECT_DEATH(registry.gauge("x", "help"), "CHECK failed");
  EXPECT_DEATH(registry.histogram("h", "help", {1, 3}), "CHECK failed");
}

TEST(Metrics, PastTheLimitOfSeriesNewLabelsShareOneAndAreCounted) {
  MetricRegistry registry;
  for (size_t i = 0; i < kMetricSeriesMax; ++i)
    registry.counter("x_total", "help", {{"user", std::to_string(i)}}).add();
  registry.counter("x_total", "help", {{"user", "one more"}}).add();
  registry.counter("x_total", "help", {{"user", "and another"}}).add(2);
  registry.counter("x_total", "help", {{"user", "7"}}).add();
  const auto families = registry.collect();
  EXPECT_EQ(find(families, "x_total")->points.size(), kMetricSeriesMax + 1);
  EXPECT_EQ(registry.counter("x_total", "help", {{"overflow", "true"}}).value(), 3);
  EXPECT_EQ(registry.counter("x_total", "help", {{"user", "7"}}).value(), 2);
  const MetricFamily* overflow = find(families, "sentinel_metric_overflow_total");
  ASSERT_NE(overflow, nullptr);
  EXPECT_EQ(overflow->points[0].value, 2);
  EXPECT_EQ(overflow->points[0].labels, (MetricLabels{{"metric", "x_total"}}));
}

TEST(Metrics, NoAdditionIsLostBetweenThreads) {
  MetricRegistry registry;
  constexpr int kThreads = 4;
  constexpr int kAdds = 5000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&registry, t] {
      for (int i = 0; i < kAdds; ++i) {
        registry.counter("shared_total", "help").add();
        registry.counter("own_total", "help", {{"thread", std::to_string(t)}}).add();
        registry.gauge("level", "help").add(i % 2 == 0 ? 1 : -1);
        registry.histogram("h", "help", {0.5}).observe(i % 2);
        if (i % 1000 == 0) EXPECT_LE(registry.collect().size(), 4u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("shared_total", "help").value(), kThreads * kAdds);
  for (int t = 0; t < kThreads; ++t) {
    EXPECT_EQ(registry.counter("own_total", "help", {{"thread", std::to_string(t)}}).value(), kAdds);
  }
  EXPECT_EQ(registry.gauge("level", "help").value(), 0);
  EXPECT_THAT(registry.histogram("h", "help", {0.5}).cumulative_counts(),
              ElementsAre(kThreads * kAdds / 2, kThreads * kAdds));
}

}  // namespace
}  // namespace sentinel
