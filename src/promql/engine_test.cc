#include "promql/engine.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/work_crew.h"
#include "promql/memory_queryable.h"
#include "promql/series_description.h"
#include "promql/test_script.h"

namespace sentinel::promql {
namespace {

constexpr int64_t kMinute = 60'000;

class EngineTest : public ::testing::Test {
 protected:
  // One sample a minute from 0 on.
  void load(std::string_view text) {
    const auto series = parse_series_description(text);
    ASSERT_TRUE(series.has_value()) << series.error().to_string();
    for (size_t i = 0; i < series->values.size(); ++i) {
      const SequenceValue& v = series->values[i];
      const int64_t t = static_cast<int64_t>(i) * kMinute;
      if (v.omitted) continue;
      if (v.h) {
        store_.add(series->labels, t, v.h);
      } else {
        store_.add(series->labels, t, v.v);
      }
    }
  }
  Result<QueryResult> instant(std::string_view query, int64_t t, EngineOptions options = {}) const {
    const auto parsed = parse(query);
    if (!parsed) return fail(parsed.error());
    return Engine(store_, options).instant(**parsed, t);
  }
  Result<QueryResult> range(std::string_view query, int64_t start, int64_t end, int64_t step,
                            EngineOptions options = {}) const {
    const auto parsed = parse(query);
    if (!parsed) return fail(parsed.error());
    return Engine(store_, options).range(**parsed, start, end, step);
  }
  MemoryQueryable store_;
};

TEST_F(EngineTest, gives_each_type_of_result) {
  load("m{a=\"1\"} 1 2 3");
  EXPECT_EQ(std::get<Scalar>(instant("1 + 1", 5)->value).v, 2);
  EXPECT_EQ(std::get<String>(instant("(\"x\")", 5)->value).v, "x");
  const auto vector = std::get<Vector>(instant("m", 2 * kMinute)->value);
  ASSERT_EQ(vector.size(), 1U);
  EXPECT_EQ(vector[0].v, 3);
  EXPECT_EQ(vector[0].t_ms, 2 * kMinute);
  const auto matrix = std::get<Matrix>(instant("m[2m]", 2 * kMinute)->value);
  ASSERT_EQ(matrix.size(), 1U);
  EXPECT_EQ(matrix[0].samples.size(), 2U);  // the range is open on the left
  EXPECT_EQ(range("m[2m]", 0, 1, 1).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(EngineTest, names_the_limit_that_was_exceeded) {
  load("m 1x100");
  EngineOptions few;
  few.samples_max = 50;
  const auto too_many = range("m", 0, 100 * kMinute, kMinute, few);
  ASSERT_FALSE(too_many.has_value());
  EXPECT_EQ(too_many.error().code(), ErrorCode::kTooLarge);
  EngineOptions little;
  little.memory_max = 1000;
  const auto too_big = range("m", 0, 100 * kMinute, kMinute, little);
  ASSERT_FALSE(too_big.has_value());
  EXPECT_EQ(too_big.error().code(), ErrorCode::kTooLarge);
  EXPECT_NE(too_big.error().message().find("memory"), std::string::npos) << too_big.error().message();
  EXPECT_TRUE(instant("m", 0, little).has_value());
  const auto steps = range("1", 0, 1'000'000'000'000, 1);
  ASSERT_FALSE(steps.has_value());
  EXPECT_NE(steps.error().message().find("steps"), std::string::npos);
  EXPECT_EQ(range("1", 0, 10, 0).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(range("1", 10, 0, 1).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(EngineTest, aggregates_more_steps_than_one_block) {
  load("m{a=\"1\"} 0+1x600");
  load("m{a=\"2\"} 0+2x600");
  const auto result = range("sum(m)", 0, 600 * kMinute, 5'000);
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  const Matrix& matrix = std::get<Matrix>(result->value);
  ASSERT_EQ(matrix.size(), 1U);
  ASSERT_EQ(matrix[0].samples.size(), 7201U);
  for (const auto& p : matrix[0].samples) EXPECT_EQ(p.v, 3.0 * static_cast<double>(p.t_ms / kMinute)) << p.t_ms;
}

TEST_F(EngineTest, refuses_times_that_would_overflow) {
  EXPECT_EQ(instant("1", INT64_MAX).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(range("1", INT64_MIN, 0, 1).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(instant("m @ 9e15 offset 200y", 0).has_value());
  EXPECT_TRUE(instant("max_over_time(m[200y:100y] @ 9e15 offset -200y)", -1'000'000'000'000'000'000).has_value());
}

TEST_F(EngineTest, ends_when_cancelled) {
  load("m 1x100");
  const std::atomic<bool> cancel = true;
  const auto query = parse("m");
  const auto result = Engine(store_, {}).instant(**query, 0, &cancel);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kCanceled);
}

TEST_F(EngineTest, ends_when_out_of_time) {
  load("m 1x100");
  EngineOptions options;
  options.timeout = Millis(1);
  options.samples_max = 1'000'000'000;
  const auto result = instant("sum_over_time((sum_over_time(vector(1)[100d:1s]))[100d:1s])", 0, options);
  ASSERT_FALSE(result.has_value());
  EXPECT_TRUE(result.error().code() == ErrorCode::kTimeout || result.error().code() == ErrorCode::kTooLarge)
      << result.error().to_string();
}

TEST_F(EngineTest, refuses_experimental_functions_when_they_are_off) {
  EngineOptions options;
  options.experimental_functions = false;
  const auto result = instant("limitk(1, m)", 0, options);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(EngineTest, drops_names_at_once_without_delayed_removal) {
  load("a{x=\"1\"} 1 2");
  load("b{x=\"1\"} 1 2");
  const auto eager = instant("abs({__name__=~\"a|b\"})", 0);
  ASSERT_FALSE(eager.has_value());
  EXPECT_EQ(eager.error().message(), "vector cannot contain metrics with the same labelset");
  const auto by_name = std::get<Vector>(instant("sum by (__name__) (abs(a))", 0)->value);
  ASSERT_EQ(by_name.size(), 1U);
  EXPECT_EQ(by_name[0].labels, model::Labels());
  EngineOptions delayed;
  delayed.delayed_name_removal = true;
  const auto kept = std::get<Vector>(
      instant("label_replace(abs({__name__=~\"a|b\"}), \"n\", \"$1\", \"__name__\", \"(.*)\")", 0, delayed)->value);
  EXPECT_EQ(kept.size(), 2U);
}

TEST_F(EngineTest, reports_the_position_of_a_warning) {
  load("m{a=\"1\"} 0+1x10");
  const auto result = instant("sum(rate(m[5m]))", 5 * kMinute);
  ASSERT_TRUE(result.has_value());
  ASSERT_EQ(result->infos.size(), 1U);
  EXPECT_EQ(
      result->infos[0],
      "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"m\" (1:10)");
}

TEST_F(EngineTest, lists_the_selectors_of_a_query) {
  const auto query = parse("sum(rate(a{x=\"1\"}[5m])) / ignoring(y) max_over_time(b[1h:1m])");
  const auto found = selectors(**query);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].size(), 2U);
  EXPECT_EQ(found[1][0].value(), "b");
}

// A range query has at each step what an instant query has there.
TEST_F(EngineTest, says_when_each_selector_finds_nothing_any_more) {
  const auto of = [](std::string_view query) { return horizons(**parse(query), std::chrono::minutes(5)); };
  using Minutes = std::chrono::minutes;
  EXPECT_EQ(of("up == 0"), std::vector<Millis>{Minutes(5)});
  EXPECT_EQ(of("rate(a[2m]) / rate(b[1m] offset 30s) + c offset 1m"),
            (std::vector<Millis>{std::chrono::seconds(90), Minutes(2), Minutes(6)}));
  EXPECT_TRUE(of("max_over_time(up[10m:1m]) + up @ 10 + rate(up[step()])").empty());
  EXPECT_TRUE(of("vector(1)").empty());
}

TEST_F(EngineTest, range_queries_agree_with_instant_queries_at_every_step) {
  for (const char* text :
       {"c_total{p=\"a\", i=\"1\"} 0+10x20 5+3x20", "c_total{p=\"a\", i=\"2\"} _x5 1+1x10 stale _ _ 4+1x10",
        "c_total{p=\"b\", i=\"1\"} 3 NaN 5 +Inf 7 8 _x9 9 10 11", "g{p=\"a\"} 5-1x30", "g{p=\"b\"} 1 _ _ _ _ _ _ 2 3",
        "h_bucket{le=\"1\", p=\"a\"} 0+1x30", "h_bucket{le=\"5\", p=\"a\"} 0+3x30",
        "h_bucket{le=\"+Inf\", p=\"a\"} 0+4x30",
        "n{p=\"a\"} {{schema:0 sum:1 count:3 buckets:[1 2]}}+{{sum:2 count:3 buckets:[1 1 1]}}x30"}) {
    load(text);
  }
  const char* queries[] = {
      "c_total",
      "sum(c_total)",
      "sum by (p) (rate(c_total[5m]))",
      "avg without (i) (c_total)",
      "topk(1, c_total)",
      "bottomk by (p) (1, c_total)",
      "quantile(0.3, c_total)",
      "count_values(\"v\", c_total)",
      "stddev(c_total)",
      "c_total > 5",
      "c_total == bool 5",
      "2 ^ c_total",
      "c_total / on(p) group_left g",
      "g and c_total{i=\"1\"}",
      "g or on(p) c_total",
      "g unless on(p) c_total{p=\"a\"}",
      "c_total{i=\"1\"} + ignoring(i) fill(0) g",
      "histogram_quantile(0.9, rate(h_bucket[5m]))",
      "histogram_fraction(0, 2, n)",
      "rate(n[5m])",
      "sum(n) + sum(n)",
      "irate(c_total[10m])",
      "increase(c_total[7m:2m])",
      "delta(g[5m])",
      "deriv(g[6m])",
      "predict_linear(g[6m], 60)",
      "max_over_time(g[3m])",
      "quantile_over_time(0.5, g[5m])",
      "stddev_over_time(c_total[5m])",
      "changes(c_total[9m])",
      "resets(c_total[9m])",
      "absent(g{p=\"b\"})",
      "absent_over_time(g{p=\"b\"}[2m])",
      "timestamp(c_total)",
      "c_total @ 600",
      "c_total offset 3m",
      "max_over_time(sum(c_total)[6m:1m])",
      "label_replace(g, \"q\", \"$1\", \"p\", \"(.*)\")",
      "scalar(g{p=\"a\"}) + g",
      "round(c_total, 4)",
      "clamp(g, 2, 4)",
      "hour(c_total)",
      "vector(time())",
      "avg_over_time(c_total[5m] offset 1m)",
      "last_over_time(c_total[3m])",
      "increase(c_total[3m] smoothed)",
      "count(c_total > 3) by (p)",
      "-c_total",
      "n * 2",
      "sum_over_time(n[4m])",
      "group(c_total)",
  };
  for (const bool delayed : {false, true}) {
    EngineOptions options;
    options.delayed_name_removal = delayed;
    for (const char* query : queries) {
      const int64_t start = -2 * kMinute, end = 44 * kMinute, step = 95'000;
      const auto whole = range(query, start, end, step, options);
      ASSERT_TRUE(whole.has_value()) << query << ": " << whole.error().to_string();
      const Matrix& matrix = std::get<Matrix>(whole->value);
      size_t points = 0;
      for (int64_t t = start; t <= end; t += step) {
        const auto single = instant(query, t, options);
        ASSERT_TRUE(single.has_value()) << query << ": " << single.error().to_string();
        for (const VectorSample& s : std::get<Vector>(single->value)) {
          bool found = false;
          for (const tsdb::SeriesData& series : matrix) {
            if (series.labels != s.labels) continue;
            for (const auto& p : series.samples)
              found = found || (p.t_ms == t && !s.h && almost_equal(p.v, s.v, 1e-12));
            for (const auto& p : series.histograms) found = found || (p.t_ms == t && s.h && p.h->equals(*s.h));
          }
          EXPECT_TRUE(found) << query << " at " << t << " for " << s.labels.to_string();
          ++points;
        }
      }
      size_t expected = 0;
      for (const tsdb::SeriesData& series : matrix) expected += series.samples.size() + series.histograms.size();
      EXPECT_EQ(points, expected) << query;
    }
  }
}

TEST(SeriesDescription, takes_a_word_to_its_end_as_prometheus_does) {
  for (const char* good : {"m NaN Inf -Inf +inf nan stale", "m NaN+1x2", "m Inf-1x2\n1 _x3", "m NaN\t_"}) {
    EXPECT_TRUE(parse_series_description(good).has_value()) << good;
  }
  for (const char* bad : {"m NaNx100", "m Infx3", "m -Infx2", "m nan_", "m 1+NaNx3", "m inf:x2", "m stalex5"}) {
    EXPECT_FALSE(parse_series_description(bad).has_value()) << bad;
  }
  EXPECT_EQ(parse_series_description("m NaNx100").error().message(),
            "parse error: unexpected identifier \"NaNx100\" in series values, expected number or \"stale\"");
}

// Everything an answer says, to the bit.
std::string all_of(const Result<QueryResult>& result) {
  if (!result) return result.error().message();
  std::string out;
  const auto number = [&](int64_t t, double v) { out += fmt::format(" {}={:x}", t, std::bit_cast<uint64_t>(v)); };
  const auto histogram = [&](const model::HistogramPtr& h) {
    if (h) out += fmt::format(" h{:x}/{:x}", std::bit_cast<uint64_t>(h->sum), std::bit_cast<uint64_t>(h->count));
  };
  if (const auto* vector = std::get_if<Vector>(&result->value)) {
    for (const VectorSample& s : *vector) {
      out += "\n" + s.labels.to_string();
      number(s.t_ms, s.v);
      histogram(s.h);
    }
  } else if (const auto* matrix = std::get_if<Matrix>(&result->value)) {
    for (const tsdb::SeriesData& s : *matrix) {
      out += "\n" + s.labels.to_string();
      for (const model::Sample& p : s.samples) number(p.t_ms, p.v);
      for (const model::HistogramSample& p : s.histograms) histogram(p.h);
    }
  }
  for (const std::string& text : result->warnings) out += "\nwarning " + text;
  for (const std::string& text : result->infos) out += "\ninfo " + text;
  return out + fmt::format("\nread {} {}", result->samples_read, result->read_histograms);
}

TEST_F(EngineTest, answers_do_not_depend_on_who_helps) {
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    const model::Labels labels{{"__name__", "m"}, {"i", std::to_string(i)}, {"g", std::to_string(i % 7)}};
    double v = 0;
    for (int64_t t = 0; t <= 30 * kMinute; t += kMinute) {
      v = random.below(40) == 0 ? 0 : v + random.uniform() * (i % 3 == 0 ? 1e17 : 0.1);
      if (random.below(10) != 0) store_.add(labels, t, v);
    }
  }
  load("m{i=\"h\",g=\"1\"} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x20");
  load("typed{__type__=\"counter\"} 1+1x20");
  load("typed{__type__=\"gauge\"} 1+1x20");
  const char* queries[] = {"sum by (g) (rate(m[5m]))",
                           "avg without (i) (m)",
                           "stddev(m)",
                           "sum(m)",
                           "max by (i) (m)",
                           "count(m)",
                           "topk(3, rate(m[5m]))",
                           "rate(m[5m])",
                           "m",
                           "sum(rate(typed[5m]))",
                           "quantile(0.3, m)",
                           "sum by (g) (max_over_time(m[5m:1m]))",
                           "sum by (i) (m)",
                           "group(last_over_time({__name__=~\"m|typed\"}[3m]))",
                           "sum by (g) (quantile_over_time(2, m[5m]))",
                           "sum(predict_linear(m[5m], scalar(sum(m))))"};
  for (const char* query : queries) {
    const std::string expected = all_of(range(query, 0, 30 * kMinute, kMinute));
    const std::string at_once = all_of(instant(query, 20 * kMinute));
    for (const size_t helpers : {0, 1, 3}) {
      WorkCrew crew("crew", helpers);
      for (const size_t piece : {1, 7, 128}) {
        EXPECT_EQ(all_of(range(query, 0, 30 * kMinute, kMinute, {.crew = &crew, .piece_series = piece})), expected);
        EXPECT_EQ(all_of(instant(query, 20 * kMinute, {.crew = &crew, .piece_series = piece})), at_once);
      }
    }
  }
}

TEST_F(EngineTest, helpers_stop_at_limits_and_when_canceled) {
  for (int i = 0; i < 100; ++i) load(fmt::format("m{{i=\"{}\"}} 1x100", i));
  WorkCrew crew("crew", 2);
  EngineOptions options{.crew = &crew, .piece_series = 3};
  options.samples_max = 5000;
  for (const char* query : {"rate(m[5m])", "sum(rate(m[5m]))", "m", "sum(m)"}) {
    const auto refused = range(query, 0, 100 * kMinute, kMinute, options);
    ASSERT_FALSE(refused.has_value()) << query;
    EXPECT_EQ(refused.error().code(), ErrorCode::kTooLarge) << refused.error().message();
  }
  options.samples_max = 50'000'000;
  const std::atomic<bool> cancel{true};
  const auto parsed = parse("sum(rate(m[5m]))");
  const auto canceled = Engine(store_, options).range(**parsed, 0, 100 * kMinute, 100, &cancel);
  ASSERT_FALSE(canceled.has_value());
  EXPECT_EQ(canceled.error().code(), ErrorCode::kCanceled);
}

}  // namespace
}  // namespace sentinel::promql
