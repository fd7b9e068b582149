// How long who-is-on-call takes among 500 schedules, and a status change among 10,000 open escalations. Models: weekly
// rotas of six with a night layer, a year old, ten overrides each; escalations of one page.

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <string>

#include "base/check.h"
#include "base/file.h"
#include "base/scheduler.h"
#include "oncall/escalation.h"

namespace sentinel::oncall {
namespace {

std::shared_ptr<const Config> config(int schedules) {
  std::string yaml = "users:\n";
  for (const std::string user : {"a", "b", "c", "d", "e", "f"}) yaml += "- {id: " + user + ", contacts: {sms: x}}\n";
  yaml += "policies: [{id: p, levels: [{notify: [{user: a}], timeout: 60m}]}]\nschedules:\n";
  for (int i = 0; i < schedules; ++i) {
    yaml +=
        "- id: s" + std::to_string(i) +
        "\n  time_zone: Europe/Berlin\n  layers:\n"
        "  - {start: '2025-01-06 09:00', every: week, participants: [a, b, c]}\n"
        "  - {start: '2025-01-06 09:00', every: day, participants: [d, e, f], restrictions: [{days: [mon-fri], from:"
        " '22:00', to: '06:00'}]}\n  overrides:\n";
    for (int o = 0; o < 10; ++o) {
      yaml += "  - {id: o" + std::to_string(o) + ", replace: a, with: b, from: '2026-01-0" + std::to_string(o % 9 + 1) +
              "', duration: 5h}\n";
    }
  }
  auto parsed = parse_config(yaml, "bench.yml");
  SENTINEL_CHECK(parsed.has_value());
  return std::make_shared<const Config>(std::move(*parsed));
}

void who_is_on_call_of_500_schedules(benchmark::State& state) {
  const auto all = config(500);
  TimePoint t = FakeClock().now();
  for (auto _ : state) {
    for (const auto& [id, schedule] : all->schedules) benchmark::DoNotOptimize(who_is_on_call(schedule, t));
    t += std::chrono::minutes(7);
  }
}
BENCHMARK(who_is_on_call_of_500_schedules)->Unit(benchmark::kMillisecond);

void two_weeks_of_500_schedules(benchmark::State& state) {
  const auto all = config(500);
  const TimePoint t = FakeClock().now();
  for (auto _ : state) {
    for (const auto& [id, schedule] : all->schedules) {
      benchmark::DoNotOptimize(final_schedule(schedule, {t, t + std::chrono::days(14)}));
    }
  }
}
BENCHMARK(two_weeks_of_500_schedules)->Unit(benchmark::kMillisecond);

// An acknowledgement, durable, with 10,000 open.
void acknowledge_among_10000(benchmark::State& state) {
  std::string dir = "/tmp/sentinel-oncall-bench-XXXXXX";
  SENTINEL_CHECK(::mkdtemp(dir.data()) != nullptr);
  {
    MetricRegistry metrics;
    SimScheduler scheduler;
    auto database = state::open_sqlite(dir + "/state.db", metrics);
    SENTINEL_CHECK(database.has_value() && Escalations::migrate(**database));
    auto escalations = Escalations::open(scheduler, **database, metrics, nullptr, config(0));
    SENTINEL_CHECK(escalations.has_value());
    const Status filled = (*database)->write([&](state::Tx& tx) -> Status {
      for (int i = 0; i < 10'000; ++i) {
        SENTINEL_TRY((*escalations)->trigger_in(tx, {"k" + std::to_string(i), "p", "t", true}));
      }
      return {};
    });
    SENTINEL_CHECK(filled.has_value());
    (*escalations)->committed();
    int64_t i = 0;
    for (auto _ : state) {
      SENTINEL_CHECK((*escalations)->acknowledge("k" + std::to_string(i++ % 10'000), "a").has_value());
    }
  }
  SENTINEL_CHECK(posix_env().remove_tree(dir).has_value());
}
BENCHMARK(acknowledge_among_10000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sentinel::oncall

BENCHMARK_MAIN();
