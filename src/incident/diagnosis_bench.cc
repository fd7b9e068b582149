// How long "why" takes, in a store with a day of calls. As JSON on stdout.
// Usage: diagnosis_bench [calls] [folder]
// Data: calls spread evenly over 24 h, short texts, 5,000 users, three models of two providers; since 25 minutes ago a
// new model version answers a third of the calls and fails four fifths of those. Asked for the incident of that (30
// minutes of baseline) and for one whose baseline is the whole day.

#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "base/random.h"
#include "base/strings.h"
#include "events/event_store.h"
#include "incident/diagnosis.h"

namespace sentinel::incident {
namespace {

constexpr int kRuns = 5;
constexpr auto kDay = std::chrono::hours(24);
constexpr auto kFault = std::chrono::minutes(25);

model::Interaction call(uint64_t n, TimePoint at, bool fault, Random& random) {
  model::Interaction i;
  i.request_id = fmt::format("r{}", n);
  i.timestamp_us = to_us(at);
  i.service = "shop";
  i.env = "prod";
  i.endpoint = random.chance(0.5) ? "/qa" : "/chat";
  i.request_type = "chat";
  i.model = random.chance(0.6) ? "small" : random.chance(0.5) ? "large" : "other";
  i.provider = i.model == "other" ? "anthropic" : "openai";
  i.model_version = i.model + "-1";
  i.prompt_template = random.chance(0.5) ? "a" : "b";
  i.user_hash = fmt::format("u{}", random.below(5000));
  i.prompt = "where is my order";
  i.response = "it is on its way";
  i.finish_reason = "stop";
  i.http_status = 200;
  i.latency_ms = 300 + random.exponential(100);
  i.tokens_input = 120;
  if (fault && random.chance(0.33)) i.model_version = "large-2";
  if (random.chance(i.model_version == "large-2" ? 0.8 : 0.005)) {
    i.status = model::InteractionStatus::kError;
    i.error_type = "provider_server_error";
  }
  return i;
}

int run(uint64_t calls, const std::string& folder) {
  SystemClock clock;
  MetricRegistry metrics;
  events::EmbeddedOptions options;
  options.dir = folder;
  options.retention = 2 * kDay;
  auto store = events::open_embedded(clock, metrics, options);
  if (!store) return fmt::print(stderr, "{}\n", store.error().to_string()), 1;
  const TimePoint now = clock.now();
  const TimePoint start = now - kDay;
  Random random(1);
  std::vector<model::Interaction> batch;
  for (uint64_t n = 0; n < calls; ++n) {
    const TimePoint at = start + Micros(static_cast<int64_t>(static_cast<double>(n) / static_cast<double>(calls) *
                                                             static_cast<double>(Micros(kDay).count())));
    batch.push_back(call(n, at, at >= now - kFault, random));
    if (batch.size() < 1000 && n + 1 < calls) continue;
    if (const Status s = (*store)->append(batch); !s) return fmt::print(stderr, "{}\n", s.error().to_string()), 1;
    batch.clear();
  }
  if (const Status s = (*store)->maintain(); !s) return fmt::print(stderr, "{}\n", s.error().to_string()), 1;
  const std::pair<const char*, Micros> asked[] = {{"30 min", std::chrono::minutes(30)}, {"24 h", kDay}};
  for (const auto& [name, before] : asked) {
    DiagnosisRequest request;
    request.failing_condition = "status = 'error'";
    request.scope = {{"service", "shop"}, {"env", "prod"}};
    request.alert_started_at = now - kFault + std::chrono::seconds(20);
    request.now = now;
    request.before = before;
    double best_ms = 1e9, worst_ms = 0;
    std::string why;
    uint64_t compared = 0;
    for (int r = 0; r < kRuns; ++r) {
      const int64_t began = monotonic_us();
      const auto diagnosis = diagnose(**store, request);
      const double ms = static_cast<double>(monotonic_us() - began) / 1e3;
      if (!diagnosis) return fmt::print(stderr, "{}\n", diagnosis.error().to_string()), 1;
      best_ms = std::min(best_ms, ms);
      worst_ms = std::max(worst_ms, ms);
      why = diagnosis->why();
      compared = diagnosis->failing + diagnosis->baseline;
    }
    fmt::print(R"({{"bench":"diagnosis","calls":{},"baseline":"{}","compared":{},"best_ms":{:.0f},"worst_ms":{:.0f},)"
               R"("why":"{}"}})"
               "\n",
               calls, name, compared, best_ms, worst_ms, why);
  }
  return 0;
}

}  // namespace
}  // namespace sentinel::incident

int main(int argc, char** argv) {
  const auto asked = argc > 1 ? sentinel::parse_int(argv[1]) : std::nullopt;
  const auto calls = static_cast<uint64_t>(asked.value_or(2'000'000));
  const std::string folder = argc > 2 ? argv[2] : (std::filesystem::temp_directory_path() / "diagnosis_bench").string();
  std::filesystem::remove_all(folder);
  const int code = sentinel::incident::run(calls, folder);
  std::filesystem::remove_all(folder);
  return code;
}
