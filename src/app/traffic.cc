#include "app/traffic.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "app/questions.h"
#include "base/log.h"
#include "base/strings.h"
#include "gateway/simulated_provider.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

template <class T>
const T& pick(std::span<const T> items, Random& random) {
  return items[random.below(items.size())];
}

double percentile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(q * static_cast<double>(sorted.size())))];
}

std::string user_name(Random& random) { return fmt::format("user-{:02}", random.below(40)); }

}  // namespace

TrafficRequest make_traffic_request(std::string_view scenario, double toxic_share, bool test_mode, Random& random) {
  json::object body{{"user", user_name(random)}};
  if (test_mode) body["test"] = true;
  TrafficRequest request;
  const double kind = random.uniform();
  const bool struck = random.chance(0.6);  // the share of its endpoint's calls a scenario breaks
  const Question& question = pick(document_questions(), random);
  const std::string_view chat = pick(chat_messages(), random);
  const std::string_view hostile = pick(hostile_messages(), random);
  if (random.chance(toxic_share)) {
    request.path = "/api/chat";
    body["message"] = hostile;
    request.toxic = true;
  } else if (scenario == "cost-spike" && struck) {
    request.path = "/stress";
    body["repetitions"] = static_cast<int64_t>(40 + random.below(80));
    body["simulate_long_context"] = true;
  } else if (kind < 0.5 || (scenario == "quality-drop" && kind < 0.8)) {
    request.path = "/qa";
    body["question"] = question.question;
    body["document"] = question.document;
    if (scenario == "quality-drop" && struck) body["simulate_bad_prompt"] = true;
  } else if (kind < 0.75 || (scenario == "latency-retry" && kind < 0.9)) {
    request.path = "/reason";
    body["question"] = chat;
    if (scenario == "latency-retry" && struck) {
      body["simulate_latency"] = true;
      body["simulate_retry"] = random.chance(0.5);
    }
  } else if (kind < 0.97) {
    request.path = "/api/chat";
    body["message"] = chat;
  } else {
    request.path = "/stress";
    body["repetitions"] = static_cast<int64_t>(1 + random.below(5));
  }
  request.body = text::serialize(body);
  return request;
}

Traffic::Traffic(net::Runtime& runtime, net::HttpClient& client, TrafficOptions options)
    : runtime_(runtime), client_(client), options_(std::move(options)), random_(options_.seed) {}

std::string_view Traffic::scenario_at(double fraction) const {
  if (options_.control != nullptr)
    return kScenarios[std::min(kScenarios.size() - 1, options_.control->scenario.load())];
  if (options_.scenario != "all") return options_.scenario;
  return kScenarios[std::min(kScenarios.size() - 1,
                             static_cast<size_t>(fraction * static_cast<double>(kScenarios.size())))];
}

void Traffic::apply_toggles(TrafficRequest& request) const {
  if (options_.control == nullptr) return;
  for (size_t i = 0; i < kSimulateToggles.size(); ++i) {
    if (!options_.control->toggles[i]) continue;
    request.body.pop_back();  // the closing brace: bodies are objects of at least one field
    request.body += fmt::format(R"(,"{}":true}})", kSimulateToggles[i]);
  }
}

net::Task<void> Traffic::set_model_version(std::string version) {
  net::ClientRequest call;
  call.method = "POST";
  call.url = options_.provider_control + "/sim/control";
  call.headers.set("Content-Type", "application/json");
  call.body = fmt::format(R"({{"model_version":{}}})", json_quote(version));
  const Result<net::Response> answer = co_await client_.fetch(std::move(call));
  if (!answer || answer->status != 200) {
    log_warn("traffic", "the simulated provider did not take the model version",
             {{"version", version}, {"error", answer ? std::to_string(answer->status) : answer.error().to_string()}});
  }
}

void Traffic::play_scenario_change(std::string_view from, std::string_view to) {
  if (from == to) return;
  if (to == "drift")
    runtime_.spawn(runtime_.any_core(), "traffic-drift", set_model_version(std::string(gateway::kSimVersionLater)));
  if (from == "drift")
    runtime_.spawn(runtime_.any_core(), "traffic-drift", set_model_version(std::string(gateway::kSimVersionFirst)));
}

// Arrivals are Poisson: the gaps are exponential, from the seed.
net::Task<void> Traffic::generate() {
  const int64_t start = monotonic_us();
  double next_us = 0;
  std::string_view scenario;
  while (!stopping_ && !runtime_.stopping()) {
    next_us += random_.exponential(1e6 / options_.rate_per_s);
    if (next_us >= static_cast<double>(options_.duration.count())) break;
    const int64_t wait = start + static_cast<int64_t>(next_us) - monotonic_us();
    if (wait > 0) co_await net::sleep_for(Micros(wait));
    fraction_ = next_us / static_cast<double>(options_.duration.count());
    const std::string_view now = scenario_at(fraction_);
    play_scenario_change(scenario, now);
    scenario = now;
    scenario_index_ = static_cast<size_t>(std::find(kScenarios.begin(), kScenarios.end(), now) - kScenarios.begin());
    TrafficRequest request = make_traffic_request(now, options_.toxic_share, options_.test_mode, random_);
    apply_toggles(request);
    if (in_flight_ >= kTrafficInFlightMax) {
      MutexLock lock(mutex_);
      ++summary_.skipped;
      continue;
    }
    ++in_flight_;
    runtime_.spawn(runtime_.any_core(), "traffic-request", send(std::move(request)));
  }
  if (scenario == "drift") co_await set_model_version(std::string(gateway::kSimVersionFirst));
  fraction_ = 1;
  generating_ = false;
}

net::Task<void> Traffic::send(TrafficRequest request) {
  {
    MutexLock lock(mutex_);
    ++summary_.sent;
    ++summary_.by_endpoint[request.path];
    summary_.toxic += request.toxic;
  }
  net::ClientRequest call;
  call.method = "POST";
  call.url = options_.target + request.path;
  call.headers.set("Content-Type", "application/json");
  call.body = std::move(request.body);
  const int64_t start = monotonic_us();
  const Result<net::Response> answer = co_await client_.fetch(std::move(call));
  {
    MutexLock lock(mutex_);
    latencies_ms_.push_back(static_cast<double>(monotonic_us() - start) / 1000);
    if (!answer)
      ++summary_.broken;
    else if (answer->status < 400)
      ++summary_.ok;
    else
      ++summary_.failed;
    ++summary_.by_status[answer ? std::to_string(answer->status) : "no answer"];
  }
  --in_flight_;
}

Result<TrafficSummary> Traffic::run(const std::function<void(const TrafficProgress&)>& progress) {
  if (options_.scenario != "all" &&
      std::find(kScenarios.begin(), kScenarios.end(), options_.scenario) == kScenarios.end()) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("unknown scenario \"{}\"; expected normal, cost-spike, quality-drop, latency-retry, drift or all",
                    options_.scenario));
  }
  if (options_.rate_per_s <= 0 || options_.toxic_share < 0 || options_.toxic_share > 1) {
    return fail(ErrorCode::kInvalidArgument, "--rate must be above 0 and --toxic between 0% and 100%");
  }
  const int64_t start = monotonic_us();
  runtime_.spawn(runtime_.any_core(), "traffic", generate());
  std::mutex wait_mutex;
  std::condition_variable never;
  while (generating_ || in_flight_ > 0) {
    std::unique_lock wait(wait_mutex);
    never.wait_for(wait, std::chrono::milliseconds(200));
    TrafficProgress now;
    {
      MutexLock lock(mutex_);
      now = {kScenarios[std::min<size_t>(scenario_index_, kScenarios.size() - 1)], fraction_, summary_.sent,
             summary_.ok, summary_.failed + summary_.broken};
    }
    if (progress) progress(now);
  }
  MutexLock lock(mutex_);
  summary_.seconds = static_cast<double>(monotonic_us() - start) / 1e6;
  std::sort(latencies_ms_.begin(), latencies_ms_.end());
  summary_.p50_ms = percentile(latencies_ms_, 0.5);
  summary_.p95_ms = percentile(latencies_ms_, 0.95);
  summary_.p99_ms = percentile(latencies_ms_, 0.99);
  return summary_;
}

}  // namespace sentinel::app
