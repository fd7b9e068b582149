// From the sample that crosses a limit to the alert that is stored, and to the webhook on the wire. JSON on stdout.
// Usage: alert_latency_bench [rules] [series] [crossings] [spread|burst]
//
// Data: one counter family, `series` spread evenly over `rules` values of `job`; rule N is
// `sum(rate(requests_total{job="N"}[1m])) > LIMIT` at an interval of 15 s, evaluated on arrival as in the server. All
// series get a sample every 15 s, either job after job (spread: what scraping does) or all in one commit (burst).
// Every 150 ms (burst: with every commit, of which there is one in two seconds) one sample of one job jumps. Everything
// behind it is the server's: rule state and alerts in SQLite with full sync, routing without group_wait, one webhook to
// a server on loopback.

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "alerting/alerting.h"
#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "detection/rule_manager.h"
#include "detection/sql_rule_state.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "receivers/net_sender.h"

namespace sentinel::app {
namespace {

struct Shape {
  size_t rules = 1000;
  size_t series = 100'000;
  size_t crossings = 200;
  bool burst = false;
  size_t per_job() const { return series / rules; }
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// When each rule's sample was committed, its alert stored, its webhook received. Thread-safe.
class Times {
 public:
  void crossed(size_t rule) { note(rule, 0); }
  void stored(size_t rule) { note(rule, 1); }
  void received(size_t rule) { note(rule, 2); }
  size_t count(size_t stage) const {
    MutexLock lock(mutex_);
    return static_cast<size_t>(std::count_if(by_rule_.begin(), by_rule_.end(),
                                             [&](const auto& item) { return item.second[0] && item.second[stage]; }));
  }
  void print(size_t stage, const char* name) const {
    std::vector<double> ms;
    {
      MutexLock lock(mutex_);
      for (const auto& [rule, us] : by_rule_) {
        if (us[0] && us[stage]) ms.push_back(static_cast<double>(us[stage] - us[0]) / 1000);
      }
    }
    if (ms.empty()) return;
    std::sort(ms.begin(), ms.end());
    const auto at = [&](size_t percent) { return ms[std::min(ms.size() - 1, ms.size() * percent / 100)]; };
    fmt::print(R"(,"{0}":{1},"{0}_p50_ms":{2:.1f},"{0}_p99_ms":{3:.1f},"{0}_max_ms":{4:.1f})", name, ms.size(), at(50),
               at(99), ms.back());
  }

 private:
  void note(size_t rule, size_t stage) {
    const int64_t now = monotonic_us();
    MutexLock lock(mutex_);
    int64_t& time = by_rule_[rule][stage];
    if (time == 0) time = now;
  }
  mutable Mutex mutex_;
  std::map<size_t, std::array<int64_t, 3>> by_rule_ GUARDED_BY(mutex_);
};

size_t rule_number(std::string_view name) {
  return static_cast<size_t>(parse_int(name.substr(std::min<size_t>(4, name.size()))).value_or(0));
}

// As the server's: over to the control thread; ok means stored.
class Bridge final : public detection::AlertSink {
 public:
  Bridge(Scheduler& control, std::unique_ptr<alerting::Alerting>& alerting, Times& times)
      : control_(control), alerting_(alerting), times_(times) {}
  Status put(std::vector<model::Alert> alerts) override {
    std::vector<size_t> rules;
    for (const model::Alert& alert : alerts) rules.push_back(rule_number(alert.labels.get("alertname")));
    SENTINEL_TRY(control_.call([&] { return alerting_->put(std::move(alerts)); }));
    for (const size_t rule : rules) times_.stored(rule);
    return {};
  }

 private:
  Scheduler& control_;
  std::unique_ptr<alerting::Alerting>& alerting_;
  Times& times_;
};

// All series, and the next value of each.
class Load {
 public:
  Load(tsdb::Store& store, Shape shape) : store_(store), shape_(shape), values_(shape.series, 0) {}

  Status fill(TimePoint now) {
    for (int step = -8; step < 0; ++step) SENTINEL_TRY(write(0, shape_.series, now + step * std::chrono::seconds(15)));
    return {};
  }
  // The series of jobs [from, to) grow as always.
  Status write_jobs(size_t from, size_t to, TimePoint now) {
    return write(from * shape_.per_job(), to * shape_.per_job(), now);
  }
  void jump(size_t job) { values_[job * shape_.per_job()] += 1e6; }

 private:
  Status write(size_t from, size_t to, TimePoint now) {
    const auto appender = store_.appender();
    refs_.resize(shape_.series, tsdb::SeriesRef::kNone);
    for (size_t i = from; i < to; ++i) {
      if (refs_[i] == tsdb::SeriesRef::kNone) {
        SENTINEL_ASSIGN(refs_[i], appender->ref({{"__name__", "requests_total"},
                                                 {"job", std::to_string(i / shape_.per_job())},
                                                 {"instance", std::to_string(i)}}));
      }
      values_[i] += 15;
      SENTINEL_TRY(appender->append(refs_[i], {to_ms(now), values_[i]}));
    }
    return appender->commit();
  }

  tsdb::Store& store_;
  const Shape shape_;
  std::vector<double> values_;
  std::vector<tsdb::SeriesRef> refs_;
};

std::string rules_yaml(Shape shape) {
  std::string out = "groups:\n- name: bench\n  interval: 15s\n  rules:\n";
  for (size_t i = 0; i < shape.rules; ++i) {
    out += fmt::format("  - alert: Rule{0}\n    expr: 'sum(rate(requests_total{{job=\"{0}\"}}[1m])) > {1}'\n", i,
                       5 * shape.per_job());
  }
  return out;
}

net::Task<void> take_webhook(net::Exchange* exchange, Times* times) {
  const std::string& body = exchange->request().body;
  constexpr std::string_view kKey = R"("alertname":"Rule)";
  const size_t at = body.find(kKey);
  if (at != std::string::npos) {
    const size_t begin = at + kKey.size();
    times->received(static_cast<size_t>(parse_int(body.substr(begin, body.find('"', begin) - begin)).value_or(0)));
  }
  (void)co_await exchange->respond(net::text_response(200, "ok"));
}

// The load comes by the wall clock.
void wait_until(TimePoint t) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_until(lock, t, [] { return false; });
}

// Writes until the crossings are done. Every job is used at most once.
Status drive(Load& load, const Clock& clock, Shape shape, Times& times) {
  const Micros pause = shape.burst ? Micros(2'000'000) : Micros(15'000'000 / static_cast<int64_t>(shape.rules));
  const size_t step = shape.burst ? 1
                                  : std::max<size_t>(1, static_cast<size_t>(150'000 / pause.count())) |
                                        1;  // so that no job comes twice
  TimePoint next = clock.now();
  for (size_t tick = 0, crossed = 0; crossed < shape.crossings && crossed < shape.rules; ++tick) {
    wait_until(next);
    next += pause;
    const bool cross = tick % step == 0;
    const size_t job = shape.burst ? (crossed * 37) % shape.rules : tick % shape.rules;
    if (cross) load.jump(job);
    if (cross) times.crossed(job);
    if (cross) ++crossed;
    SENTINEL_TRY(shape.burst ? load.write_jobs(0, shape.rules, clock.now())
                             : load.write_jobs(job, job + 1, clock.now()));
  }
  return {};
}

Status run_in(const std::string& dir, Shape shape) {
  SystemClock clock;
  MetricRegistry metrics;
  Times times;
  SENTINEL_ASSIGN(const auto store, tsdb::Store::open(posix_env(), clock, metrics, {.dir = dir + "/tsdb"}));
  Load load(*store, shape);
  SENTINEL_TRY(load.fill(clock.now()));
  SENTINEL_ASSIGN(const auto database, state::open_sqlite(dir + "/state.db", metrics));
  SENTINEL_TRY(alerting::Alerting::migrate(*database));
  EventLoop control(clock, "control"), detection(clock, "detection");
  net::Runtime runtime({.cores = 1});
  net::HttpClient client(runtime, metrics, {});
  auto router = std::make_shared<net::Router>();
  router->add("POST", "/hook", [&times](net::Exchange* exchange) { return take_webhook(exchange, &times); });
  SENTINEL_ASSIGN(const auto http, net::HttpServer::start(runtime, metrics, {}, router));
  SENTINEL_ASSIGN(
      alerting::Config config,
      alerting::parse_config(fmt::format("route: {{receiver: hook, group_by: [alertname], group_wait: 0s}}\n"
                                         "receivers: [{{name: hook, webhook_configs: [{{url: "
                                         "'http://127.0.0.1:{}/hook'}}]}}]\n",
                                         http->port()),
                             "bench.yml"));
  receivers::NetSender sender(runtime, client, clock);
  SENTINEL_TRY(sender.configure(config.receivers, config.template_globs));
  std::unique_ptr<alerting::Alerting> alerting;
  SENTINEL_TRY(control.call([&]() -> Status {
    SENTINEL_ASSIGN(alerting, alerting::Alerting::open(control, *database, metrics, sender, {}, std::move(config), {}));
    return {};
  }));
  SENTINEL_ASSIGN(const auto states, detection::SqlRuleStateStore::open(*database));
  const promql::Engine engine(*store, {});
  Bridge bridge(control, alerting, times);
  SENTINEL_ASSIGN(const detection::RuleFile file, detection::parse_rule_file(rules_yaml(shape), "bench.yml"));
  detection::RuleManager rules(detection, engine, *store, *states, bridge, metrics, {.arrival = {.enabled = true}});
  SENTINEL_TRY(detection.call([&] { return rules.apply({file}); }));

  const double cpu = cpu_seconds();
  const int64_t started = monotonic_us();
  const Status driven = drive(load, clock, shape, times);
  for (int i = 0; i < 100 && times.count(2) < times.count(0); ++i) wait_until(clock.now() + Millis(100));
  const double seconds = static_cast<double>(monotonic_us() - started) / 1e6;
  double evaluations = 0;
  for (const MetricFamily& family : metrics.collect()) {
    if (family.name == "sentinel_rule_evaluations_total") evaluations = family.points[0].value;
  }
  fmt::print(R"({{"bench":"alert_latency","load":"{}","rules":{},"series":{},"crossings":{})",
             shape.burst ? "burst" : "spread", shape.rules, shape.series, times.count(0));
  times.print(1, "alert");
  times.print(2, "webhook");
  fmt::print(",\"evaluations_per_s\":{:.0f},\"cpu_cores\":{:.2f}}}\n", evaluations / seconds,
             (cpu_seconds() - cpu) / seconds);
  detection.call([&] { rules.stop(); });
  detection.stop();
  http->stop(Millis(0));
  runtime.stop();
  control.call([&] { alerting.reset(); });
  control.stop();
  return driven;
}

Status run(Shape shape) {
  const std::string dir = fmt::format("{}/alert-bench-{}", std::filesystem::temp_directory_path().string(), getpid());
  std::filesystem::create_directories(dir);
  const Status status = run_in(dir, shape);
  std::filesystem::remove_all(dir);
  return status;
}

}  // namespace
}  // namespace sentinel::app

int main(int argc, char** argv) {
  const auto argument = [&](int i, size_t fallback) {
    return argc > i ? static_cast<size_t>(sentinel::parse_int(argv[i]).value_or(0)) : fallback;
  };
  sentinel::log_configure({.level = sentinel::LogLevel::kWarn});
  const auto status = sentinel::app::run(
      {argument(1, 1000), argument(2, 100'000), argument(3, 200), argc > 4 && std::string_view(argv[4]) == "burst"});
  if (status) return 0;
  fmt::print(stderr, "alert_latency_bench: {}\n", status.error().to_string());
  return 1;
}
