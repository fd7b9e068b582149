#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <thread>

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
  void redact(Interaction& i) const override {
    i.prompt = "[REDACTED]";
    i.redacted = true;
  }
  analysis::PromptCheck check_prompt(std::string_view) const override { return {}; }
  std::vector<analysis::DriftTracker::Summary> drift_summaries() const override { return {}; }
  std::vector<analysis::DriftTracker::Document> drift_changes() const override { return {}; }
  void drift_saved() override {}
  Status load_drift(const std::vector<std::string>&) override { return {}; }
  size_t frozen_references() const override { return 0; }
  size_t reset_drift(const analysis::DriftRoute&) override { return 0; }
  size_t adopt_drift(const analysis::DriftRoute&) override { return 0; }
  void set_policies(analysis::Policies) override {}
};

// Keeps rows; refuses while told to. A query is taken for "which of these ids are there".
class FakeStore final : public events::EventStore {
 public:
  Status append(const std::vector<Interaction>& batch) override {
    if (refuse.load() > 0) {
      --refuse;
      return fail(ErrorCode::kIo, "disk full");
    }
    const std::lock_guard lock(mutex);
    for (const Interaction& i : batch) ids.push_back(i.request_id);
    rows += batch.size();
    return {};
  }
  Result<events::SqlResult> query(std::string_view, const events::SqlLimits&) override { return events::SqlResult{}; }
  Result<events::SqlResult> query(std::string_view, const std::vector<events::Cell>& params,
                                  const events::SqlLimits&) override {
    const std::lock_guard lock(mutex);
    events::SqlResult found;
    for (const events::Cell& cell : params) {
      const auto* id = std::get_if<std::string>(&cell);
      if (id != nullptr && std::count(ids.begin(), ids.end(), *id) > 0) found.rows.push_back({cell});
    }
    return found;
  }
  std::vector<std::string> stored() {
    const std::lock_guard lock(mutex);
    return ids;
  }
  std::mutex mutex;
  std::vector<std::string> ids;
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

// The pipeline's threads are real ones: waits for what they do, at most ten seconds.
template <class Predicate>
bool eventually(Predicate predicate) {
  const int64_t end = monotonic_us() + 10'000'000;
  while (!predicate()) {
    if (monotonic_us() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(Pipeline, EveryCallIsScoredMeasuredStoredAndObserved) {
  MarkingAnalyzer analyzer;
  FakeStore store;
  MetricRegistry metrics;
  std::atomic<size_t> observed{0};
  {
    Pipeline pipeline(analyzer, &store, nullptr, metrics, {});
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
  Pipeline pipeline(analyzer, &store, nullptr, metrics, {.queue_max = 2});
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
  Pipeline pipeline(analyzer, &store, nullptr, metrics, {.append_retry = Millis(1)});
  EXPECT_TRUE(pipeline.submit(call()));
  EXPECT_TRUE(eventually([&] { return store.rows == 1; }));
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 0);
}

TEST(Pipeline, WhatTheStoreNeverTakesIsCountedAsLost) {
  MarkingAnalyzer analyzer;
  FakeStore store;
  store.refuse = 1'000'000;
  MetricRegistry metrics;
  Pipeline pipeline(analyzer, &store, nullptr, metrics, {.append_retry = Millis(1), .append_retries_max = 2});
  EXPECT_TRUE(pipeline.submit(call()));
  pipeline.stop();
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 1);
}

Interaction numbered(int number) {
  Interaction i = call();
  i.request_id = "r" + std::to_string(number);
  i.prompt = "my mail is a@example.org";
  return i;
}

std::unique_ptr<Spill> open_spill(Env& env, uint64_t bytes_max = kSpillBytesMax) {
  return Spill::open(env, {.dir = "/spill", .bytes_max = bytes_max, .segment_bytes = 2'000}).value();
}

// Holds the worker inside a task until let go.
class HeldWorker {
 public:
  explicit HeldWorker(Pipeline& pipeline) {
    pipeline.run_on_worker([this] {
      entered_.set_value();
      release_.get_future().wait();
    });
    entered_.get_future().wait();
  }
  void let_go() { release_.set_value(); }

 private:
  std::promise<void> entered_, release_;
};

TEST(PipelineSpill, AFullQueueGoesToDiskRedactedAndComesBack) {
  FaultEnv env;
  MarkingAnalyzer analyzer;
  FakeStore store;
  MetricRegistry metrics;
  {
    Pipeline pipeline(analyzer, &store, open_spill(env), metrics,
                      {.queue_max = 8, .spill_after = std::chrono::hours(1)});
    HeldWorker worker(pipeline);
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(eventually([&] { return pipeline.queued() < 8; })) << "the queue is not spilled";
      EXPECT_TRUE(pipeline.submit(numbered(i)));
    }
    EXPECT_TRUE(eventually([&] { return pipeline.spill_stats().calls >= 96; }));
    const std::string file = env.read_file("/spill/" + env.list("/spill").value().at(0)).value();
    EXPECT_EQ(file.find("example.org"), std::string::npos) << "a prompt was written as it came";
    EXPECT_NE(file.find("[REDACTED]"), std::string::npos);
    worker.let_go();
    EXPECT_TRUE(eventually([&] { return store.rows == 100; }));
    pipeline.stop();
  }
  EXPECT_EQ(value_of(metrics, "llm_requests_total"), 100) << "each is measured once";
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 0);
  EXPECT_GE(value_of(metrics, "sentinel_telemetry_spilled_total"), 96);
  EXPECT_EQ(env.list("/spill").value().size(), 0u);
}

TEST(PipelineSpill, ACallThatWaitsTooLongIsWrittenDownAndOutlivesTheProcess) {
  FaultEnv env;
  MarkingAnalyzer analyzer;
  FakeStore store;
  {
    MetricRegistry metrics;
    Pipeline pipeline(analyzer, &store, open_spill(env), metrics, {.spill_after = Millis(0), .spill_tick = Millis(1)});
    HeldWorker worker(pipeline);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(pipeline.submit(numbered(i)));
    EXPECT_TRUE(eventually([&] { return pipeline.spill_stats().calls == 10; }));
    env.crash_after(0);  // nothing this process does from now on reaches the disk
    store.refuse = 1'000'000;
    worker.let_go();
  }
  env.reopen_after_crash();
  store.refuse = 0;
  ASSERT_TRUE(store.append({numbered(3)})) << "one had been stored when the process died";
  MetricRegistry metrics;
  std::vector<std::string> read_back;
  Pipeline pipeline(analyzer, &store, open_spill(env), metrics,
                    {.on_read_back = [&](const model::Interaction& call) { read_back.push_back(call.request_id); }});
  EXPECT_TRUE(eventually([&] { return pipeline.spill_stats().calls == 0; }));
  pipeline.stop();
  EXPECT_EQ(read_back.size(), 9u) << "r3 was seen by the process that died";
  std::vector<std::string> ids = store.stored();
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, (std::vector<std::string>{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"}));
}

TEST(PipelineSpill, BeyondItsLimitCallsAreLostAndCounted) {
  FaultEnv env;
  MarkingAnalyzer analyzer;
  FakeStore store;
  MetricRegistry metrics;
  Pipeline pipeline(analyzer, &store, open_spill(env, 3'000), metrics,
                    {.queue_max = 1000, .spill_after = Millis(0), .spill_tick = Millis(1)});
  HeldWorker worker(pipeline);
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(pipeline.submit(numbered(i)));
  EXPECT_TRUE(eventually([&] { return pipeline.queued() == 0; }));
  EXPECT_TRUE(eventually([&] {
    return static_cast<double>(pipeline.spill_stats().calls) + value_of(metrics, "sentinel_telemetry_dropped_total") ==
           200;
  }));
  EXPECT_GT(pipeline.spill_stats().calls, 0u);
  worker.let_go();
  EXPECT_TRUE(eventually([&] { return pipeline.spill_stats().calls == 0; }));
  pipeline.stop();
  EXPECT_EQ(static_cast<double>(store.rows) + value_of(metrics, "sentinel_telemetry_dropped_total"), 200);
}

TEST(PipelineSpill, WhileTheStoreRefusesCallsAreStillMeasuredAndKept) {
  FaultEnv env;
  MarkingAnalyzer analyzer;
  FakeStore store;
  store.refuse = 1'000'000;
  MetricRegistry metrics;
  Pipeline pipeline(analyzer, &store, open_spill(env), metrics, {.append_retry = Millis(1)});
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(pipeline.submit(numbered(i)));
  EXPECT_TRUE(eventually([&] { return value_of(metrics, "llm_requests_total") == 50; })) << "rules must not go blind";
  EXPECT_TRUE(eventually([&] { return pipeline.spill_stats().calls == 50; }));
  store.refuse = 0;
  EXPECT_TRUE(eventually([&] { return store.rows == 50; }));
  pipeline.stop();
  EXPECT_EQ(value_of(metrics, "llm_requests_total"), 50) << "read back, not counted twice";
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 0);
}

TEST(PipelineSpill, WhileTheDiskIsFullCallsAreHeldInMemoryUpToALimit) {
  FaultEnv env;
  MarkingAnalyzer analyzer;
  FakeStore store;
  store.refuse = 1'000'000;
  MetricRegistry metrics;
  Pipeline pipeline(analyzer, &store, open_spill(env), metrics,
                    {.batch_max = 1, .append_retry = Millis(1), .held_max = 10});
  env.disk_full(true);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(pipeline.submit(numbered(i)));
  EXPECT_TRUE(eventually([&] { return value_of(metrics, "sentinel_telemetry_dropped_total") == 20; }));
  EXPECT_EQ(pipeline.held(), 10u);
  EXPECT_TRUE(eventually([&] { return value_of(metrics, "sentinel_telemetry_held") == 10; }));
  env.disk_full(false);
  store.refuse = 0;
  EXPECT_TRUE(eventually([&] { return store.rows == 10; }));
  pipeline.stop();
  EXPECT_EQ(pipeline.held(), 0u);
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 20);
}

TEST(PipelineSpill, ASpillThatCannotBeWrittenLeavesTheCallsInTheQueue) {
  FaultEnv env;
  MarkingAnalyzer analyzer;
  FakeStore store;
  MetricRegistry metrics;
  Pipeline pipeline(analyzer, &store, open_spill(env), metrics, {.spill_after = Millis(0), .spill_tick = Millis(1)});
  HeldWorker worker(pipeline);
  env.disk_full(true);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(pipeline.submit(numbered(i)));
  EXPECT_TRUE(eventually([&] { return pipeline.queued() == 20; }));
  worker.let_go();
  EXPECT_TRUE(eventually([&] { return store.rows == 20; }));
  pipeline.stop();
  EXPECT_EQ(value_of(metrics, "sentinel_telemetry_dropped_total"), 0);
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

TEST(CallMetrics, OddAnswersAreCountedByWhatIsOddOfRouteAndModel) {
  MetricRegistry metrics;
  CallMetrics call_metrics(metrics);
  call_metrics.record(call());
  EXPECT_EQ(value_of(metrics, "llm_quality_issues_total"), 0) << "no series before the first";
  Interaction odd = call();
  odd.quality_issues = {"refusal", "language", "of a newer program"};
  call_metrics.record(odd);
  call_metrics.record(odd);
  std::map<std::string, double> counted;
  for (const MetricFamily& family : metrics.collect()) {
    if (family.name != "llm_quality_issues_total") continue;
    for (const MetricPoint& point : family.points) {
      std::map<std::string, std::string> labels(point.labels.begin(), point.labels.end());
      EXPECT_EQ(labels["model"], odd.model);
      counted[labels["issue"]] = point.value;
    }
  }
  EXPECT_EQ(counted, (std::map<std::string, double>{{"language", 2}, {"refusal", 2}}));
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

TEST(CallMetrics, WhatIsNotKnownYetHasNoDriftSeries) {
  MetricRegistry metrics;
  CallMetrics call_metrics(metrics);
  Interaction failed = call();
  failed.status = model::InteractionStatus::kError;
  failed.error_type = "provider_timeout";
  call_metrics.record(failed);
  const auto has = [&](std::string_view name) {
    const std::vector<MetricFamily> families = metrics.collect();
    return std::any_of(families.begin(), families.end(), [&](const MetricFamily& f) { return f.name == name; });
  };
  EXPECT_FALSE(has("llm_baseline_ready"));
  EXPECT_FALSE(has("llm_drift_score"));
  call_metrics.record(call());
  EXPECT_TRUE(has("llm_baseline_ready"));
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

TEST(Collector, APassThatIsALittleLateIsStampedAsDue) {
  const std::string dir = testing::TempDir() + "/collector-due-" + std::to_string(getpid());
  MetricRegistry registry;
  FakeClock clock;
  const int64_t start = to_ms(clock.now()) - to_ms(clock.now()) % 1000 + 1000;
  Counter& calls = registry.counter("llm_requests_total", "Calls.");
  {
    MetricRegistry own;
    const auto store = tsdb::Store::open(posix_env(), clock, own, {.dir = dir}).value();
    Collector collector(registry, *store, clock,
                        {.disk_path = testing::TempDir(), .interval = std::chrono::seconds(1)});
    const auto at = [&](int64_t ms) { clock.advance(Millis(start + ms - to_ms(clock.now()))); };
    for (const int64_t ms : {3, 1100, 2101, 3002}) {
      at(ms);
      ASSERT_TRUE(collector.collect());
    }
    at(4005);
    calls.add();
    ASSERT_TRUE(collector.collect_moved("llm_"));
    at(4010);
    ASSERT_TRUE(collector.collect()) << "due before what is there already";
    std::vector<int64_t> times;
    const auto found = store->select({model::Matcher::equal("__name__", "llm_requests_total")}, 0, start + 9000, {});
    for (const model::Sample& sample : found->at(0).samples) times.push_back(sample.t_ms - start);
    EXPECT_EQ(times, (std::vector<int64_t>{0, 1000, 2101, 3000, 4005, 4010}));
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
