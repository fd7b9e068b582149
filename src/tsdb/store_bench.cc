// Appends and reads of the store. Data: series of one metric with six labels, one sample each every 15 s, counters that
// grow by a small random step — the shape of scraped counters.

#include <filesystem>

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "tsdb/store.h"

namespace sentinel::tsdb {
namespace {

constexpr int64_t kStart = 1'767'225'600'000;

model::Labels labels_of(int64_t i) {
  return model::Labels{{"__name__", "http_requests_total"},
                       {"instance", "host-" + std::to_string(i / 100)},
                       {"job", "api"},
                       {"path", "/v1/route/" + std::to_string(i % 100)},
                       {"region", "eu-" + std::to_string(i % 3)},
                       {"status", i % 10 == 0 ? "500" : "200"}};
}

// A store in a fresh folder, removed at the end.
struct Bench {
  explicit Bench(const std::string& name) {
    dir = std::filesystem::temp_directory_path() / ("sentinel_tsdb_bench_" + name);
    std::filesystem::remove_all(dir);
    open();
  }
  ~Bench() {
    store.reset();
    std::filesystem::remove_all(dir);
  }
  void open() {
    store.reset();
    StoreOptions options;
    options.dir = dir.string();
    options.series_max = 10'000'000;
    store = std::move(Store::open(posix_env(), clock, metrics, options).value());
  }
  void make_series(int64_t count) {
    auto appender = store->appender();
    for (int64_t i = 0; i < count; ++i) refs.push_back(appender->ref(labels_of(i)).value());
    values.resize(refs.size());
  }
  // One sample for each series at t_ms, in batches of 5,000.
  void round(int64_t t_ms) {
    auto appender = store->appender();
    for (size_t i = 0; i < refs.size(); ++i) {
      values[i] += static_cast<double>(random.below(20));
      if (!appender->append(refs[i], {t_ms, values[i]})) std::abort();
      if (i % 5'000 == 4'999 && !appender->commit()) std::abort();
    }
    if (!appender->commit()) std::abort();
  }

  std::filesystem::path dir;
  FakeClock clock;
  MetricRegistry metrics;
  Random random{1};
  std::unique_ptr<Store> store;
  std::vector<SeriesRef> refs;
  std::vector<double> values;
};

void append_known(benchmark::State& state) {
  Bench bench("append");
  bench.make_series(state.range(0));
  int64_t t = kStart;
  for (auto _ : state) bench.round(t += 15'000);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(append_known)->Arg(10'000)->Arg(200'000)->Unit(benchmark::kMillisecond);

// As remote write does: labels looked up for each sample.
void append_by_labels(benchmark::State& state) {
  Bench bench("labels");
  std::vector<model::Labels> all;
  for (int64_t i = 0; i < state.range(0); ++i) all.push_back(labels_of(i));
  int64_t t = kStart;
  for (auto _ : state) {
    auto appender = bench.store->appender();
    t += 15'000;
    for (const model::Labels& labels : all) {
      if (!appender->append(appender->ref(labels).value(), {t, 1.0})) std::abort();
    }
    if (!appender->commit()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(append_by_labels)->Arg(200'000)->Unit(benchmark::kMillisecond);

void new_series(benchmark::State& state) {
  for (auto _ : state) {
    Bench bench("new");
    bench.make_series(state.range(0));
    bench.round(kStart);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(new_series)->Arg(200'000)->Unit(benchmark::kMillisecond)->Iterations(1);

// What `rate(x[5m])` over 10,000 series reads, and an hour of it.
void select_range(benchmark::State& state) {
  Bench bench("select");
  bench.make_series(10'000);
  for (int64_t t = kStart - 3'600'000; t <= kStart; t += 15'000) bench.round(t);
  const model::Matchers matchers = {model::Matcher::equal("__name__", "http_requests_total")};
  for (auto _ : state) {
    auto found = bench.store->select(matchers, kStart - state.range(0), kStart, {});
    if (!found || found->size() != 10'000) std::abort();
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(select_range)->Arg(300'000)->Arg(3'600'000)->Unit(benchmark::kMillisecond);

void select_regexp(benchmark::State& state) {
  Bench bench("regexp");
  bench.make_series(200'000);
  bench.round(kStart);
  const model::Matchers matchers = {
      model::Matcher::equal("__name__", "http_requests_total"),
      model::Matcher::make(model::MatchType::kRegexp, "instance", "host-1[0-9]{2}").value()};
  for (auto _ : state) {
    auto found = bench.store->select(matchers, kStart, kStart, {});
    if (!found || found->size() != 10'000) std::abort();
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(select_regexp)->Unit(benchmark::kMillisecond);

// Opening a folder with a checkpoint of that many series, 20 samples each.
void reopen(benchmark::State& state) {
  Bench bench("reopen");
  bench.make_series(state.range(0));
  for (int64_t i = 0; i < 20; ++i) bench.round(kStart + i * 15'000);
  for (auto _ : state) bench.open();
  state.counters["bytes_a_series"] =
      static_cast<double>(bench.store->stats().head_bytes) / static_cast<double>(state.range(0));
}
BENCHMARK(reopen)->Arg(200'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace sentinel::tsdb

BENCHMARK_MAIN();
