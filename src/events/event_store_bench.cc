// Appends, the two investigations and reopening of the embedded event store, as JSON on stdout.
// Usage: event_store_bench [rows] [batch] [folder]
// Data: prompt and response of 1.5 KB together, words from a vocabulary of 2,000 with a skewed distribution (zstd makes
// about a third of it), three models, 2 % unsafe, 1 % drifted, rows 1 ms apart and ending now.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <sys/resource.h>

#include <fmt/format.h>

#include "base/random.h"
#include "base/strings.h"
#include "events/event_store.h"

namespace sentinel::events {
namespace {

constexpr std::string_view kUnsafe =
    "SELECT request_id, timestamp, prompt, response, safety_label, safety_score FROM `sentinel_telemetry.llm_events` "
    "WHERE safety_score < 0.5 AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 10 MINUTE) "
    "ORDER BY timestamp DESC LIMIT 50";
constexpr std::string_view kDrift =
    "SELECT request_id, timestamp, prompt, response, drift_score, similarity_score FROM "
    "`sentinel_telemetry.llm_events` "
    "WHERE drift_score > 0.2 AND baseline_ready = true AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 "
    "HOUR) "
    "ORDER BY drift_score DESC LIMIT 20";
constexpr std::string_view kPercentiles =
    "SELECT model, date_trunc('minute', timestamp) AS m, quantile_cont(latency_ms, [0.5, 0.95, 0.99]) FROM llm_events "
    "GROUP BY 1, 2";
constexpr std::string_view kCost = "SELECT endpoint, model, sum(cost_usd) FROM llm_events GROUP BY 1, 2";
constexpr std::string_view kOne = "SELECT * FROM llm_events WHERE request_id = 'r500000'";
constexpr int kRuns = 5;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Generator {
 public:
  Generator() {
    for (int i = 0; i < 2'000; ++i) {
      std::string word;
      for (auto n = 3 + random_.below(8); n > 0; --n) word += static_cast<char>('a' + random_.below(26));
      words_.push_back(word);
    }
  }
  model::Interaction make(uint64_t n, int64_t timestamp_us) {
    model::Interaction e;
    e.request_id = "r" + std::to_string(n);
    e.trace_id = fmt::format("{:016x}{:016x}", random_.next(), random_.next());
    e.timestamp_us = timestamp_us;
    e.service = "demo";
    e.env = "prod";
    e.endpoint = random_.chance(0.5) ? "/qa" : "/api/chat";
    e.request_type = "chat";
    e.provider = "openai";
    e.model = random_.chance(0.6) ? "small" : random_.chance(0.5) ? "large" : "huge";
    e.model_version = e.model + "-2026-01";
    e.session_id = "s" + std::to_string(random_.below(10'000));
    e.user_hash = std::to_string(random_.below(5'000));
    e.prompt = text(500);
    e.response = text(1'000);
    e.finish_reason = "stop";
    e.http_status = 200;
    e.latency_ms = random_.exponential(400);
    e.tokens_input = 120;
    e.tokens_output = 250;
    e.cost_microusd = 500;
    e.response_length = 1'000;
    const bool unsafe = random_.chance(0.02);
    e.safety_label = unsafe ? "TOXIC" : "SAFE";
    e.safety_score = unsafe ? 0.2 : 0.97;
    e.prompt_injection_risk = random_.uniform() / 10;
    e.drift_score = random_.chance(0.01) ? 0.2 + random_.uniform() / 2 : random_.uniform() / 10;
    e.similarity_score = 1 - *e.drift_score;
    e.baseline_ready = true;
    e.tags = {{"team", "search"}};
    return e;
  }

 private:
  std::string text(size_t bytes) {
    std::string out;
    while (out.size() < bytes) {
      out += words_[static_cast<size_t>(static_cast<double>(words_.size()) * std::pow(random_.uniform(), 3))];
      out += ' ';
    }
    return out;
  }
  Random random_{1};
  std::vector<std::string> words_;
};

double best_ms(EventStore& store, std::string_view sql) {
  double best = 1e9;
  for (int i = 0; i < kRuns; ++i) {
    auto result = store.query(sql, {.rows_max = 100'000, .timeout = std::chrono::seconds(120)});
    if (!result) {
      std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
      std::exit(1);
    }
    best = std::min(best, result->elapsed_ms);
  }
  return best;
}

std::unique_ptr<EventStore> open(const Clock& clock, const std::string& dir) {
  static MetricRegistry metrics;
  EmbeddedOptions options;
  options.dir = dir;
  auto store = open_embedded(clock, metrics, options);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().to_string().c_str());
    std::exit(1);
  }
  return std::move(*store);
}

void run(uint64_t rows, uint64_t batch_rows, const std::string& dir) {
  const FakeClock clock;
  std::filesystem::remove_all(dir);
  auto store = open(clock, dir);
  Generator generator;
  const int64_t begin_us = to_us(clock.now()) - static_cast<int64_t>(rows) * 1'000;
  double append_s = 0;
  double append_cpu_s = 0;
  std::vector<double> commits_ms;
  for (uint64_t n = 0; n < rows;) {
    std::vector<model::Interaction> batch;
    for (uint64_t i = 0; i < batch_rows && n < rows; ++i, ++n) {
      batch.push_back(generator.make(n, begin_us + static_cast<int64_t>(n) * 1'000));
    }
    const int64_t start = monotonic_us();
    const double cpu = cpu_seconds();
    if (Status s = store->append(batch); !s) {
      std::fprintf(stderr, "%s\n", s.error().to_string().c_str());
      std::exit(1);
    }
    append_cpu_s += cpu_seconds() - cpu;
    commits_ms.push_back(static_cast<double>(monotonic_us() - start) / 1e3);
    append_s += commits_ms.back() / 1e3;
    if (n % 200'000 < batch_rows && !store->maintain()) std::exit(1);
  }
  std::sort(commits_ms.begin(), commits_ms.end());
  const auto at = [&](double q) {
    return commits_ms[static_cast<size_t>(q * static_cast<double>(commits_ms.size() - 1))];
  };
  fmt::print(
      "{{\"rows\": {}, \"batch\": {}, \"append_rows_per_s\": {:.0f}, \"append_cpu_us_per_row\": {:.1f}, "
      "\"commit_ms\": {{\"p50\": {:.1f}, \"p99\": {:.1f}, \"max\": {:.1f}}},\n",
      rows, batch_rows, static_cast<double>(rows) / append_s, append_cpu_s * 1e6 / static_cast<double>(rows), at(0.5),
      at(0.99), at(1));
  const auto queries = [&](const char* label) {
    fmt::print(
        " \"{}\": {{\"unsafe_ms\": {:.1f}, \"drift_ms\": {:.1f}, \"percentiles_ms\": {:.1f}, \"cost_ms\": {:.1f}, "
        "\"one_request_ms\": {:.1f}, \"segments\": {}}},\n",
        label, best_ms(*store, kUnsafe), best_ms(*store, kDrift), best_ms(*store, kPercentiles), best_ms(*store, kCost),
        best_ms(*store, kOne), store->stats().segments);
  };
  queries("queries");
  store.reset();
  const int64_t start = monotonic_us();
  store = open(clock, dir);
  const double open_ms = static_cast<double>(monotonic_us() - start) / 1e3;
  const auto count = store->query("SELECT count(*) FROM llm_events");
  queries("queries_after_reopen");
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print(" \"reopen_ms\": {:.0f}, \"rows_after_reopen\": {}, \"mb_on_disk\": {}, \"peak_rss_mb\": {}}}\n", open_ms,
             std::get<int64_t>(count->rows[0][0]), store->stats().bytes_on_disk >> 20, usage.ru_maxrss >> 10);
  store.reset();
  if (std::getenv("SENTINEL_BENCH_KEEP") == nullptr) std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace sentinel::events

int main(int argc, char** argv) {
  const auto number = [&](int i, int64_t otherwise) {
    return static_cast<uint64_t>(argc > i ? sentinel::parse_int(argv[i]).value_or(otherwise) : otherwise);
  };
  const std::string dir =
      argc > 3 ? argv[3] : (std::filesystem::temp_directory_path() / "sentinel_event_store_bench").string();
  sentinel::events::run(number(1, 1'000'000), number(2, 1'000), dir);
  return 0;
}
