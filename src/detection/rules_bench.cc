// How long do 1,000 alerting rules over 100,000 series take? JSON on stdout.
// Usage: rules_bench [rules] [series]
// Data: one counter family, series spread evenly over as many values of `job` as there are rules; a sample every 15 s
// for two minutes; each rule is `sum(rate(requests_total{job="N"}[1m])) > LIMIT`, and one rule in a hundred fires.

#include <cstdlib>
#include <filesystem>

#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/scheduler.h"
#include "base/strings.h"
#include "detection/rule_manager.h"
#include "detection/sql_rule_state.h"
#include "tsdb/store.h"

namespace sentinel::detection {
namespace {

constexpr int kRounds = 5;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class CountingSink final : public AlertSink {
 public:
  Status put(std::vector<model::Alert> alerts) override {
    count += alerts.size();
    return {};
  }
  size_t count = 0;
};

Status fill(tsdb::Store& store, size_t series, size_t jobs, TimePoint start) {
  std::vector<tsdb::SeriesRef> refs(series, tsdb::SeriesRef::kNone);
  for (int step = 0; step <= 8; ++step) {
    const auto appender = store.appender();
    for (size_t i = 0; i < series; ++i) {
      if (step == 0) {
        const model::Labels labels{
            {"__name__", "requests_total"}, {"job", std::to_string(i % jobs)}, {"instance", std::to_string(i)}};
        SENTINEL_ASSIGN(refs[i], appender->ref(labels));
      }
      const double rate = i % jobs % 100 == 0 ? 10 : 1;
      SENTINEL_TRY(appender->append(refs[i], {to_ms(start) + step * 15'000, rate * 15 * step}));
    }
    SENTINEL_TRY(appender->commit());
  }
  return {};
}

std::string rules_yaml(size_t rules, size_t series) {
  std::string out = "groups:\n- name: bench\n  interval: 15s\n  rules:\n";
  const double limit = static_cast<double>(series) / static_cast<double>(rules) * 5;
  for (size_t i = 0; i < rules; ++i) {
    out +=
        fmt::format("  - alert: Rule{0}\n    expr: 'sum(rate(requests_total{{job=\"{0}\"}}[1m])) > {1}'\n", i, limit);
  }
  return out;
}

Status run_in(const std::string& dir, size_t rules, size_t series) {
  SimScheduler scheduler;
  MetricRegistry metrics;
  tsdb::StoreOptions options;
  options.dir = dir + "/tsdb";
  SENTINEL_ASSIGN(const auto store, tsdb::Store::open(posix_env(), scheduler.clock(), metrics, options));
  SENTINEL_TRY(fill(*store, series, rules, scheduler.now()));
  scheduler.run_for(std::chrono::minutes(2));
  SENTINEL_ASSIGN(const auto database, state::open_sqlite(dir + "/state.db", metrics));
  SENTINEL_ASSIGN(const auto states, SqlRuleStateStore::open(*database));
  const promql::Engine engine(*store, {});
  CountingSink sink;
  RuleManager manager(scheduler, engine, *store, *states, sink, metrics, {.spread_groups = false});
  SENTINEL_ASSIGN(const RuleFile file, parse_rule_file(rules_yaml(rules, series), "bench.yml"));
  SENTINEL_TRY(manager.apply({file}));
  for (int round = 0; round < kRounds; ++round) {
    const double cpu = cpu_seconds();
    const int64_t wall = monotonic_us();
    scheduler.run_for(std::chrono::seconds(15));
    fmt::print(
        R"({{"bench":"rules","rules":{},"series":{},"round":{},"wall_ms":{:.1f},"cpu_ms":{:.1f},"alerts_sent":{}}})"
        "\n",
        rules, series, round, static_cast<double>(monotonic_us() - wall) / 1000, (cpu_seconds() - cpu) * 1000,
        sink.count);
  }
  return {};
}

Status run(size_t rules, size_t series) {
  const std::string dir = fmt::format("{}/rules-bench-{}", std::filesystem::temp_directory_path().string(), getpid());
  std::filesystem::create_directories(dir);
  const Status status = run_in(dir, rules, series);
  std::filesystem::remove_all(dir);
  return status;
}

}  // namespace
}  // namespace sentinel::detection

int main(int argc, char** argv) {
  const auto argument = [&](int i, int64_t fallback) {
    return static_cast<size_t>(argc > i ? sentinel::parse_int(argv[i]).value_or(fallback) : fallback);
  };
  const auto status = sentinel::detection::run(argument(1, 1000), argument(2, 100'000));
  if (status) return 0;
  fmt::print(stderr, "rules_bench: {}\n", status.error().to_string());
  return 1;
}
