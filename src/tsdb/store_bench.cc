// Appends and reads of the store. Data: series of one metric with six labels, one sample each every 15 s, counters that
// grow by a small random step — the shape of scraped counters.

#include <malloc.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

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

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
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
  bench.round(t += 15'000);  // the first allocates the chunks
  const double cpu = cpu_seconds();
  for (auto _ : state) bench.round(t += 15'000);
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["samples_a_cpu_second"] = static_cast<double>(state.items_processed()) / (cpu_seconds() - cpu);
}
BENCHMARK(append_known)->Arg(10'000)->Arg(200'000)->Unit(benchmark::kMillisecond);

// As remote write does: labels looked up for each sample.
void append_by_labels(benchmark::State& state) {
  Bench bench("labels");
  std::vector<model::Labels> all;
  for (int64_t i = 0; i < state.range(0); ++i) all.push_back(labels_of(i));
  int64_t t = kStart;
  const double cpu = cpu_seconds();
  for (auto _ : state) {
    auto appender = bench.store->appender();
    t += 15'000;
    for (const model::Labels& labels : all) {
      if (!appender->append(appender->ref(labels).value(), {t, 1.0})) std::abort();
    }
    if (!appender->commit()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["samples_a_cpu_second"] = static_cast<double>(state.items_processed()) / (cpu_seconds() - cpu);
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
  if (!bench.store->maintain()) std::abort();
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

// Opening a folder with a log of that many series, 20 samples each, and what the series then take of memory: all that
// the process holds more than before, divided by the series.
void reopen(benchmark::State& state) {
  Bench bench("reopen");
  bench.make_series(state.range(0));
  for (int64_t i = 0; i < 20; ++i) bench.round(kStart + i * 15'000);
  if (state.range(1) != 0 && !bench.store->maintain()) std::abort();
  bench.store.reset();
  bench.refs = {};
  bench.values = {};
  malloc_trim(0);
  const double before = resident_bytes();
  for (auto _ : state) bench.open();
  malloc_trim(0);
  const auto series = static_cast<double>(state.range(0));
  state.counters["rss_bytes_a_series"] = (resident_bytes() - before) / series;
  state.counters["chunk_bytes_a_series"] = static_cast<double>(bench.store->stats().head_bytes) / series;
}
BENCHMARK(reopen)
    ->Args({200'000, 0})
    ->Args({1'000'000, 0})
    ->Args({1'000'000, 1})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

// The same memory as it grows from the first sample on.
void memory(benchmark::State& state) {
  Bench bench("memory");
  const double before = resident_bytes();
  for (auto _ : state) {
    bench.make_series(state.range(0));
    for (int64_t i = 0; i < 20; ++i) bench.round(kStart + i * 15'000);
  }
  const double own = static_cast<double>(state.range(0)) * (sizeof(SeriesRef) + sizeof(double));
  malloc_trim(0);
  state.counters["rss_bytes_a_series"] = (resident_bytes() - before - own) / static_cast<double>(state.range(0));
}
BENCHMARK(memory)->Arg(1'000'000)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace sentinel::tsdb

BENCHMARK_MAIN();
