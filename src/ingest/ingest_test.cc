#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>

#include <gtest/gtest.h>

#include "base/strings.h"
#include "ingest/collector.h"
#include "ingest/exposition.h"
#include "ingest/pipeline.h"

namespace sentinel::ingest {
namespace {

using model::Interaction;

// Marks what it saw; no scores of its own.
class MarkingAnalyzer final : public analysis::Analyzer {
 public:
  void analyze(Interaction& i) override {
    i.safety_label = "SAFE";
    i.safety_score = 0.9;
  }
  analysis::TextRisk check_prompt(std::string_view) const override { return {}; }
  std::string save_drift() const override { return "{}"; }
  Status load_drift(std::string_view) override { return {}; }
  void reset_drift(std::string_view) override {}
};

// Keeps rows; refuses while told to.
class FakeStore final : public events::EventStore {
 public:
  Status append(const std::vector<Interaction>& batch) override {
    if (refuse.load() > 0) {
      --refuse;
      return fail(ErrorCode::kIo, "disk full");
    }
    rows += batch.size();
    return {};
  }
  Result<events::SqlResult> query(std::string_view, const events::SqlLimits&) override { return events::SqlResult{}; }
  Result<events::SqlResult> query(std::string_view, const std::vector<events::Cell>&,
                                  const events::SqlLimits&) override {
    return events::SqlResult{};
  }
  Status maintain() override { return {}; }
  events::StoreStats stats() const override { return {}; }

  std::atomic<int> refuse{0};
  std::atomic<size_t> rows{0};
};

Interaction call(std::string endpoint = "/qa") {
  Interaction i;
  i.request_id = "r";
  i.service = "shop";
  i.env = "demo";
  i.endpoint = std::move(endpoint);
  i.model = "m";
  i.latency_ms = 120;
  i.tokens_input = 10;
  i.tokens_output = 5;
  i.cost_microusd = 2'000'000;
  return i;
}

double value_of(const MetricRegistry& registry, std::string_view name) {
  double sum = 0;
  for (const MetricFamily& family : registry.collect()) {
    if (family.name != name) continue;
    for (const MetricPoint& point : family.points) {
      sum += family.type == MetricType::kHistogram ? static_cast<double>(point.counts.back()) : point.value;
    }
  }
  return sum;
}

TEST(Pipeline, EveryCallIsScoredMeasuredStoredAndObserved) {
  MarkingAnalyzer analyzer;
  FakeStore store;
  MetricRegistry metrics;
  std::atomic<size_t> observed{0};
  {
    Pipeline pipeline(analyzer, &store, metrics, {});
    pipeline.on_scored([&](const Interaction& i) { observed += i.safety_label == "SAFE"; });
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(pipeline.submit(call()));
    pipeline.stop();
  }
  EXPECT_EQ(store.rows, 1000u);
  EXPECT_EQ(observed, 1000u);
  EXPECT_EQ(value_of(metrics, "llm_requests_total"), 1000);
  EXPECT_EQ(value_of(metrics, "llm_request_latency_ms"), 1000);
  EXPECT_DOUBLE_EQ(value_of(metrics, "llm_cost_usd_total"), 2000);
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 0);
}

TEST(Pipeline, AFullQueueRefusesAndCounts) {
  MarkingAnalyzer analyzer;
  FakeStore store;
  MetricRegistry metrics;
  Pipeline pipeline(analyzer, &store, metrics, {.queue_max = 2});
  std::promise<void> entered, release;
  pipeline.run_on_worker([&] {
    entered.set_value();
    release.get_future().wait();
  });
  entered.get_future().wait();  // the worker is held and the queue is empty
  EXPECT_TRUE(pipeline.submit(call()));
  EXPECT_TRUE(pipeline.submit(call()));
  EXPECT_FALSE(pipeline.submit(call()));
  release.set_value();
  pipeline.stop();
  EXPECT_EQ(store.rows, 2u);
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 1);
}

TEST(Pipeline, ABatchTheStoreRefusesIsOfferedAgain) {
  MarkingAnalyzer analyzer;
  FakeStore store;
  store.refuse = 2;
  MetricRegistry metrics;
  std::promise<void> stored;
  Pipeline pipeline(analyzer, &store, metrics, {.append_retry = Millis(1)});
  pipeline.on_scored([&](const Interaction&) { stored.set_value(); });
  EXPECT_TRUE(pipeline.submit(call()));
  stored.get_future().wait();
  EXPECT_EQ(store.rows, 1u);
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 0);
}

TEST(Pipeline, WhatTheStoreNeverTakesIsCountedAsLost) {
  MarkingAnalyzer analyzer;
  FakeStore store;
  store.refuse = 1'000'000;
  MetricRegistry metrics;
  Pipeline pipeline(analyzer, &store, metrics, {.append_retry = Millis(1), .append_retries_max = 2});
  EXPECT_TRUE(pipeline.submit(call()));
  pipeline.stop();
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 1);
}

TEST(CallMetrics, TestTrafficTouchesNoSeriesOfTheApplication) {
  MetricRegistry metrics;
  CallMetrics call_metrics(metrics);
  Interaction test = call();
  test.test_mode = true;
  call_metrics.record(test);
  EXPECT_EQ(value_of(metrics, "llm_test_calls_total"), 1);
  EXPECT_EQ(value_of(metrics, "llm_requests_total"), 0);
}

TEST(CallMetrics, OutcomesGoToTheirSeries) {
  MetricRegistry metrics;
  CallMetrics call_metrics(metrics);
  Interaction failed = call();
  failed.status = model::InteractionStatus::kError;
  failed.error_type = "provider_timeout";
  failed.retry_count = 2;
  call_metrics.record(failed);
  Interaction empty = call();
  empty.empty_response = true;
  empty.cost_microusd.reset();
  empty.ungrounded = true;
  call_metrics.record(empty);
  EXPECT_EQ(value_of(metrics, "llm_error_count_total"), 1);
  EXPECT_EQ(value_of(metrics, "llm_timeout_count_total"), 1);
  EXPECT_EQ(value_of(metrics, "llm_retry_count_total"), 2);
  EXPECT_EQ(value_of(metrics, "llm_empty_response_count_total"), 1);
  EXPECT_EQ(value_of(metrics, "llm_cost_unknown_total"), 1) << "unknown is counted, never zero";
  EXPECT_EQ(value_of(metrics, "llm_ungrounded_answer_flag_total"), 1);
}

TEST(CallMetrics, ANewModelVersionMovesTheSameDriftSeries) {
  MetricRegistry metrics;
  CallMetrics call_metrics(metrics);
  for (const auto& [version, drift] : {std::pair("m-1", 0.1), std::pair("m-2", 0.7)}) {
    Interaction i = call();
    i.model_version = version;
    i.drift_score = drift;
    i.baseline_ready = true;
    call_metrics.record(i);
  }
  for (const MetricFamily& family : metrics.collect()) {
    if (family.name != "llm_drift_score") continue;
    ASSERT_EQ(family.points.size(), 1u);
    EXPECT_DOUBLE_EQ(family.points[0].value, 0.7);
    return;
  }
  FAIL() << "no llm_drift_score";
}

TEST(Collector, WritesCountersAndWholeHistogramsIntoTheStore) {
  const std::string dir = testing::TempDir() + "/collector-" + std::to_string(getpid());
  MetricRegistry registry;
  FakeClock clock;
  registry.counter("calls_total", "Calls.", {{"model", "m"}}).add(3);
  registry.histogram("latency", "Latency.", {1, 5}).observe(2);
  {
    MetricRegistry own;
    const auto store = tsdb::Store::open(posix_env(), clock, own, {.dir = dir}).value();
    Collector collector(registry, *store, clock, {.disk_path = testing::TempDir()});
    ASSERT_TRUE(collector.collect());
    clock.advance(std::chrono::seconds(1));
    ASSERT_TRUE(collector.collect());
    const int64_t now = to_ms(clock.now());
    const auto one = [&](model::Matchers matchers) { return store->select(matchers, now - 10'000, now, {}).value(); };
    const auto counter = one({model::Matcher::equal("__name__", "calls_total")});
    ASSERT_EQ(counter.size(), 1u);
    EXPECT_EQ(counter[0].labels.to_string(), R"(calls_total{job="sentinel", model="m"})");
    ASSERT_EQ(counter[0].samples.size(), 2u);
    EXPECT_EQ(counter[0].samples[1].v, 3);
    EXPECT_EQ(one({model::Matcher::equal("__name__", "latency_bucket")}).size(), 3u);
    EXPECT_EQ(one({model::Matcher::equal("__name__", "latency_sum")})[0].samples[0].v, 2);
    EXPECT_EQ(one({model::Matcher::equal("__name__", "up")})[0].samples[0].v, 1);
  }
  std::filesystem::remove_all(dir);
}

TEST(Collector, WhatHadComeToRestIsWrittenOnceItMoves) {
  const std::string dir = testing::TempDir() + "/collector-moved-" + std::to_string(getpid());
  MetricRegistry registry;
  FakeClock clock;
  Counter& steady = registry.counter("llm_requests_total", "Calls.");
  Counter& rare = registry.counter("llm_errors_total", "Errors.");
  Counter& other = registry.counter("errors_total", "Not asked for.");
  {
    MetricRegistry own;
    const auto store = tsdb::Store::open(posix_env(), clock, own, {.dir = dir}).value();
    Collector collector(registry, *store, clock, {.disk_path = testing::TempDir()});
    const auto samples = [&](const char* name) {
      const auto found = store->select({model::Matcher::equal("__name__", name)}, 0, to_ms(clock.now()), {}).value();
      return found.empty() ? 0 : found[0].samples.size();
    };
    for (int pass = 0; pass < 2; ++pass) {
      ASSERT_TRUE(collector.collect());
      clock.advance(std::chrono::milliseconds(500));
      steady.add();
      clock.advance(std::chrono::milliseconds(500));
    }
    ASSERT_TRUE(collector.collect());
    for (int call = 0; call < 2; ++call) {
      clock.advance(std::chrono::milliseconds(100));
      for (Counter* counter : {&steady, &rare, &other}) counter->add();
      registry.counter("llm_new_total", "A label set that was not there before.").add();
      ASSERT_TRUE(collector.collect_moved("llm_"));
    }
    EXPECT_EQ(samples("llm_requests_total"), 3u) << "it moves all the time";
    EXPECT_EQ(samples("llm_errors_total"), 4u) << "once between two passes";
    EXPECT_EQ(samples("errors_total"), 3u);
    EXPECT_EQ(samples("llm_new_total"), 1u);
    clock.advance(std::chrono::milliseconds(800));
    ASSERT_TRUE(collector.collect());
    EXPECT_EQ(samples("llm_errors_total"), 5u);
  }
  std::filesystem::remove_all(dir);
}

TEST(Exposition, IsPrometheusTextWithEscapes) {
  MetricRegistry registry;
  registry.counter("a_total", "Line\nbreak.", {{"path", "c:\\\"x\""}}).add(2);
  registry.histogram("h", "H.", {0.5}).observe(0.1);
  EXPECT_EQ(write_text_format(registry.collect()),
            "# HELP a_total Line\\nbreak.\n# TYPE a_total counter\na_total{path=\"c:\\\\\\\"x\\\"\"} 2\n"
            "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 0.1\nh_count 1\n");
}

}  // namespace
}  // namespace sentinel::ingest
