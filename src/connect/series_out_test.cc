// What Datadog is told of series, window after window, with a script of answers in place of the network.

#include "connect/series_out.h"

#include <unistd.h>

#include <filesystem>
#include <limits>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "net/gzip.h"
#include "state/kv.h"
#include "tsdb/store.h"

namespace sentinel::connect {
namespace {

using ingest::MetricKind;
using Lines = std::vector<std::string>;

// "name type value @timestamp tags", one a point, sorted.
Lines points_of(const std::string& packed) {
  const boost::json::value body = boost::json::parse(net::gunzip(packed, 10'000'000).value());
  Lines out;
  for (const auto& one : body.at("series").as_array()) {
    const auto& point = one.at("points").at(0);
    std::string line =
        fmt::format("{} {} {} @{}", std::string(one.at("metric").as_string()), one.at("type").to_number<int>(),
                    point.at("value").to_number<double>(), point.at("timestamp").to_number<int64_t>());
    EXPECT_EQ(one.as_object().contains("interval"), one.at("type").to_number<int>() == 1);
    for (const auto& tag : one.at("tags").as_array()) line += " " + std::string(tag.as_string());
    out.push_back(std::move(line));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Lines points_of(std::vector<SeriesBatch> batches) {
  Lines out;
  for (const SeriesBatch& batch : batches) {
    const Lines some = points_of(batch.body);
    EXPECT_EQ(some.size(), batch.points);
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

TEST(SeriesWriter, ToldByItsKindOrByWhatItsNameEndsIn) {
  const FamilyKinds kinds{{"queue_count", MetricKind::kGauge},
                          {"latency_ms", MetricKind::kHistogram},
                          {"hits", MetricKind::kCounter},
                          {"odd_total", MetricKind::kGauge}};
  for (const char* name : {"hits", "latency_ms_bucket", "latency_ms_sum", "x_total", "y_count", "latency_ms"})
    EXPECT_TRUE(grows(name, kinds)) << name;
  for (const char* name : {"queue_count", "odd_total", "temperature", "_total", "active"})
    EXPECT_FALSE(grows(name, kinds)) << name;
}

TEST(SeriesWriter, OneWindowIsWhatWasAddedAndTheNewestValue) {
  const double stale = model::stale_nan();
  struct Case {
    const char* name;
    std::vector<model::Sample> samples;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"a_total", {{80'000, 5}, {90'000, 7}, {95'000, 8}, {100'000, 12}}, "a_total 1 7 @100 env:prod"},
      {"a_total", {{80'000, 5}, {95'000, 2}, {99'000, 3}}, "a_total 1 3 @100 env:prod"},  // began anew
      {"a_total", {{80'000, 5}}, "a_total 1 0 @100 env:prod"},                            // at rest
      {"a_total", {{95'000, 5}}, ""},                                                     // nobody knows
      {"a_total", {{95'000, 5}, {96'000, 6}}, "a_total 1 1 @100 env:prod"},
      {"a_total", {{80'000, 5}, {95'000, stale}}, ""},  // it has ended
      {"a_total", {{80'000, 5}, {86'000, stale}, {95'000, 2}}, "a_total 1 2 @100 env:prod"},
      {"a_total", {{80'000, 5}, {101'000, 9}}, "a_total 1 0 @100 env:prod"},  // of the next window
      {"gauge", {{80'000, 5}, {90'000, 7}, {101'000, 9}}, "gauge 3 7 @100 env:prod"},
      {"gauge", {{80'000, 5}}, "gauge 3 5 @100 env:prod"},
      {"gauge", {{90'000, std::numeric_limits<double>::infinity()}}, ""},
      {"job:errors:rate5m", {{90'000, 1.5}}, "job_errors_rate5m 3 1.5 @100 env:prod"},
  };
  SeriesOut out;
  const FamilyKinds kinds;
  for (const Case& c : cases) {
    SeriesWriter writer(out, kinds, 100'000);
    writer.add({.labels = {{"__name__", c.name}, {"env", "prod"}, {"empty", ""}}, .samples = c.samples});
    const Lines said = points_of(writer.take());
    EXPECT_EQ(said, c.says[0] == '\0' ? Lines() : Lines{c.says}) << c.name << " " << c.samples.back().t_ms;
  }
  // One that says when it began is known from its first value on.
  SeriesWriter writer(out, kinds, 100'000);
  writer.add({.labels = {{"__name__", "b_total"}}, .samples = {{95'000, 5}}, .sample_starts_ms = {90'000}});
  writer.add({.labels = {{"__name__", "c_total"}}, .samples = {{95'000, 5}}, .sample_starts_ms = {10'000}});
  EXPECT_EQ(points_of(writer.take()), Lines{"b_total 1 5 @100"});
}

TEST(SeriesWriter, BatchesFitAndLoseNothing) {
  const SeriesOut out{.prefix = "sentinel.", .tags = {"team:llm"}};
  const FamilyKinds kinds;
  SeriesWriter writer(out, kinds, 100'000);
  for (int i = 0; i < 10'000; ++i) {
    writer.add({.labels = {{"__name__", "gauge"}, {"n", std::to_string(i)}, {"long", std::string(400, 'x')}},
                .samples = {{90'000, 1}}});
  }
  std::vector<SeriesBatch> batches = writer.take();
  EXPECT_GT(batches.size(), 5u);
  for (const SeriesBatch& batch : batches) EXPECT_LT(net::gunzip(batch.body, 512'000)->size(), 512'000u);
  const Lines all = points_of(std::move(batches));
  EXPECT_EQ(all.size(), 10'000u);
  EXPECT_EQ(all.front(), fmt::format("sentinel.gauge 3 1 @100 long:{} n:0 team:llm", std::string(195, 'x')));
}

// ---- sending ----

class Service final : public Caller {
 public:
  void call(std::shared_ptr<const Connection>, receivers::HttpCall call, std::string, bool, Done done) override {
    EXPECT_EQ(call.headers.get("Content-Encoding"), "gzip");
    const int status = statuses.empty() ? 202 : statuses.front();
    if (!statuses.empty()) statuses.erase(statuses.begin());
    if (status / 100 == 2) {
      const Lines said = points_of(call.body);
      told.insert(told.end(), said.begin(), said.end());
      const boost::json::value body = boost::json::parse(net::gunzip(call.body, 10'000'000).value());
      for (const auto& one : body.at("series").as_array())
        sum += one.at("points").at(0).at("value").to_number<double>();
    }
    ++calls;
    if (status == 0) return done(fail(ErrorCode::kIo, "connection refused"));
    done(net::Response{status, {}, R"({"errors":[]})"});
  }
  Lines heard() { return std::exchange(told, {}); }
  Lines told;
  double sum = 0;
  std::vector<int> statuses;  // of the next answers; 0: none comes
  int calls = 0;
};

class SeriesExportTest : public testing::Test {
 protected:
  SeriesExportTest()
      : dir_(testing::TempDir() + "/series-" + testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
             std::to_string(getpid())) {
    std::filesystem::create_directories(dir_);
    database_ = state::open_sqlite(dir_ + "/state.db", metrics_).value();
    EXPECT_TRUE(state::KeyValue::migrate(*database_));
    store_ = tsdb::Store::open(posix_env(), scheduler_.clock(), metrics_, {.dir = dir_ + "/series"}).value();
  }
  ~SeriesExportTest() override {
    export_.reset();
    store_.reset();
    database_.reset();
    std::filesystem::remove_all(dir_);
  }
  // As after a start.
  void open(std::string_view metrics = "{match: ['calls_total'], interval: 10s}") {
    const std::string yaml = fmt::format("- {{kind: datadog, api_key: k, metrics: {}}}", metrics);
    const auto parsed = parse_integrations(text::parse_yaml(yaml, "f.yml").value(), "");
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    export_.reset();
    export_ = std::make_unique<SeriesExport>(
        SeriesExport::Parts{scheduler_, *database_, metrics_, *store_, datadog_,
                            [](const std::function<void()>& job) { job(); }, [] { return FamilyKinds(); }},
        std::make_shared<const Config>(*parsed));
  }
  // A call a second, counted each second.
  void live(int seconds) {
    for (int s = 0; s < seconds; ++s) {
      scheduler_.run_for(std::chrono::seconds(1));
      const auto appender = store_->appender();
      const auto series = appender->ref({{"__name__", "calls_total"}});
      ASSERT_TRUE(series);
      ASSERT_TRUE(appender->append(*series, {to_ms(scheduler_.now()), static_cast<double>(++count_)}));
      ASSERT_TRUE(appender->commit());
    }
  }
  // Of the values that were taken since the last time.
  double sum() {
    (void)datadog_.heard();
    return std::exchange(datadog_.sum, 0);
  }
  double value(std::string_view metric, std::string_view result = "") {
    for (const MetricFamily& family : metrics_.collect()) {
      if (family.name != metric) continue;
      for (const auto& point : family.points) {
        const bool fits = result.empty() || std::any_of(point.labels.begin(), point.labels.end(),
                                                        [&](const auto& l) { return l.second == result; });
        if (fits) return point.value;
      }
    }
    return -1;
  }

  const std::string dir_;
  SimScheduler scheduler_;
  MetricRegistry metrics_;
  int count_ = 0;
  Service datadog_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<tsdb::Store> store_;
  std::unique_ptr<SeriesExport> export_;
};

TEST_F(SeriesExportTest, EachWindowIsSentOnceWhenItIsOver) {
  live(20);
  open();
  live(13);
  EXPECT_EQ(datadog_.told.size(), 2u) << "the window that was over at the start, and the next";
  (void)sum();
  live(30);
  EXPECT_EQ(sum(), 30);
  EXPECT_EQ(value("sentinel_integration_points_total", "sent"), 5);
}

TEST_F(SeriesExportTest, WhatAServiceDoesNotTakeWaitsAndARestartGoesOnThere) {
  live(20);
  open();
  live(12);
  (void)sum();
  datadog_.statuses = {0, 503, 429, 403, 503, 503};
  live(30);
  open();  // as after a kill: nothing of what was under way is known
  live(90);
  EXPECT_EQ(sum(), 120) << "every call of the minutes it was away, none twice";
  datadog_.statuses = {400};
  live(20);
  EXPECT_EQ(sum(), 10) << "what is refused for good is left out";
  EXPECT_EQ(value("sentinel_integration_points_total", "refused"), 1);
  EXPECT_EQ(value("sentinel_integration_series_windows_lost_total"), 0);
}

TEST_F(SeriesExportTest, WhatIsOlderThanDatadogTakesIsCounted) {
  live(20);
  open();
  live(12);
  (void)sum();
  datadog_.statuses.assign(10'000, 503);
  live(3'600 + 300);
  EXPECT_LT(datadog_.calls, 120) << "asked again with growing pauses";
  datadog_.statuses.clear();
  live(70);
  const double lost = value("sentinel_integration_series_windows_lost_total");
  EXPECT_GT(lost, 55);
  EXPECT_LT(lost, 75);
  EXPECT_EQ(sum() + lost * 10, 3'600 + 300 + 70);
  EXPECT_LT(value("sentinel_integration_series_delay_seconds"), 30);
}

}  // namespace
}  // namespace sentinel::connect
