// How long do queries take over many series? JSON on stdout.
// Usage: promql_bench [series]
// Data: one counter family, series spread over 100 values of `path` and as many instances as that takes, a sample every
// 15 s for 65 minutes with seeded increments, in the store on disk that the server uses. Each query runs nine times;
// the median wall time and the CPU time of one run are printed.

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/random.h"
#include "base/strings.h"
#include "promql/engine.h"
#include "tsdb/store.h"

namespace sentinel::promql {
namespace {

constexpr int kRounds = 9;
constexpr int64_t kStepMs = 15'000;
constexpr int64_t kHourMs = 3'600'000;

double cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](timeval t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

Status fill(tsdb::Store& store, size_t series, int64_t from_ms, int64_t to_ms) {
  Random random(1);
  std::vector<tsdb::SeriesRef> refs;
  std::vector<double> values(series, 0);
  const auto appender = store.appender();
  for (size_t i = 0; i < series; ++i) {
    SENTINEL_ASSIGN(refs.emplace_back(), appender->ref({{"__name__", "c"},
                                                        {"path", fmt::format("/api/v1/{}", i % 100)},
                                                        {"instance", fmt::format("10.0.{}.{}:80", i / 25'600, i / 100)},
                                                        {"job", "api"}}));
  }
  for (int64_t t = from_ms; t <= to_ms; t += kStepMs) {
    for (size_t i = 0; i < series; ++i) {
      values[i] += static_cast<double>(random.below(100));
      SENTINEL_TRY(appender->append(refs[i], {t, values[i]}));
    }
    SENTINEL_TRY(appender->commit());
  }
  return {};
}

struct Case {
  const char* query;
  bool range;
};
const Case kCases[] = {
    {"sum by (path) (rate(c[5m]))", false},
    {"sum by (path) (rate(c[5m]))", true},
    {"sum(c)", false},
    {"sum(c)", true},
    {"topk(5, rate(c[5m]))", false},
    {"sum(rate(c[5m])) / count(c)", true},
    {"max_over_time(c[30m])", false},
    {"sum by (path) (rate(c[5m])) > 1e9", false},
};

Status measure(const Engine& engine, const Case& c, size_t series, int64_t end_ms) {
  SENTINEL_ASSIGN(const auto query, parse(c.query));
  std::vector<double> wall;
  double cpu = 0;
  for (int round = 0; round < kRounds; ++round) {
    const int64_t started = monotonic_us();
    const double before = cpu_ms();
    const auto result =
        c.range ? engine.range(*query, end_ms - kHourMs, end_ms, kStepMs) : engine.instant(*query, end_ms);
    if (!result) return fail(result.error());
    wall.push_back(static_cast<double>(monotonic_us() - started) / 1000);
    cpu += cpu_ms() - before;
  }
  std::sort(wall.begin(), wall.end());
  fmt::print(
      R"({{"bench":"promql","query":"{}","kind":"{}","series":{},"p50_ms":{:.2f},"max_ms":{:.2f},"cpu_ms":{:.2f}}})"
      "\n",
      c.query, c.range ? "1h at 15s" : "instant", series, wall[wall.size() / 2], wall.back(), cpu / kRounds);
  return {};
}

Status run_in(const std::string& dir, size_t series) {
  const FakeClock clock;
  MetricRegistry metrics;
  SENTINEL_ASSIGN(const auto store, tsdb::Store::open(posix_env(), clock, metrics, {.dir = dir}));
  const int64_t end_ms = to_ms(clock.now());
  SENTINEL_TRY(fill(*store, series, end_ms - kHourMs - 5 * 60'000, end_ms));
  SENTINEL_TRY(store->maintain());  // as the server has done a minute after the series came
  const Engine engine(*store, {});
  for (const Case& c : kCases) SENTINEL_TRY(measure(engine, c, series, end_ms));
  return {};
}

Status run(size_t series) {
  const std::string dir = fmt::format("{}/promql-bench-{}", std::filesystem::temp_directory_path().string(), getpid());
  const Status status = run_in(dir, series);
  std::filesystem::remove_all(dir);
  return status;
}

}  // namespace
}  // namespace sentinel::promql

int main(int argc, char** argv) {
  const auto status =
      sentinel::promql::run(argc > 1 ? static_cast<size_t>(sentinel::parse_int(argv[1]).value_or(0)) : size_t{10'000});
  if (status) return 0;
  fmt::print(stderr, "promql_bench: {}\n", status.error().to_string());
  return 1;
}
