#pragma once
// The traffic generator: open loop (arrivals do not wait for answers), seeded, against the demo application.

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/demo_app.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "net/http_client.h"
#include "net/task.h"

namespace sentinel::app {

// In the order "all" plays them.
inline constexpr std::array<std::string_view, 5> kScenarios{"normal", "cost-spike", "quality-drop", "latency-retry",
                                                            "drift"};
inline constexpr size_t kTrafficInFlightMax = 2000;  // one more arrival is skipped and counted

// What an owner may change while traffic runs. Thread-safe.
struct TrafficControl {
  std::atomic<size_t> scenario{0};  // index into kScenarios
  std::array<std::atomic<bool>, kSimulateToggles.size()>
      toggles{};  // set on every request, beside what the scenario sets
};

struct TrafficOptions {
  std::string target = "http://127.0.0.1:8082";            // the demo application
  std::string provider_control = "http://127.0.0.1:8081";  // the simulated provider, for the drift scenario
  std::string scenario = "normal";                         // one of kScenarios, or "all": equal slices in order
  Micros duration = std::chrono::minutes(5);
  double rate_per_s = 10;
  double toxic_share = 0;
  uint64_t seed = 1;
  bool test_mode = false;             // marked as a test: scored and stored, raises no page
  TrafficControl* control = nullptr;  // when set, decides instead of `scenario`; outlives the run
};

struct TrafficSummary {
  uint64_t sent = 0;
  uint64_t ok = 0;
  uint64_t failed = 0;   // an HTTP error status
  uint64_t broken = 0;   // no answer
  uint64_t skipped = 0;  // kTrafficInFlightMax reached
  uint64_t toxic = 0;    // of those sent, hostile prompts
  double seconds = 0;
  double p50_ms = 0, p95_ms = 0, p99_ms = 0;
  std::map<std::string, uint64_t> by_status;
  std::map<std::string, uint64_t> by_endpoint;
};

struct TrafficProgress {
  std::string_view scenario;
  double fraction = 0;  // of the whole run
  uint64_t sent = 0, ok = 0, failed = 0;
};

// One request of a scenario, made from the seed alone.
struct TrafficRequest {
  std::string path;
  std::string body;  // JSON
  bool toxic = false;
};
TrafficRequest make_traffic_request(std::string_view scenario, double toxic_share, bool test_mode, Random& random);

class Traffic {
 public:
  Traffic(net::Runtime& runtime, net::HttpClient& client, TrafficOptions options);
  // Blocks until the duration has passed and the last answer is in, or stop() was called.
  Result<TrafficSummary> run(const std::function<void(const TrafficProgress&)>& progress);
  void stop() { stopping_ = true; }

 private:
  net::Task<void> generate();
  net::Task<void> send(TrafficRequest request);
  net::Task<void> set_model_version(std::string version);
  void play_scenario_change(std::string_view from, std::string_view to);
  std::string_view scenario_at(double fraction) const;
  void apply_toggles(TrafficRequest& request) const;

  net::Runtime& runtime_;
  net::HttpClient& client_;
  const TrafficOptions options_;
  Random random_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> generating_{true};
  std::atomic<size_t> in_flight_{0};
  std::atomic<double> fraction_{0};
  std::atomic<size_t> scenario_index_{0};
  Mutex mutex_;
  TrafficSummary summary_ GUARDED_BY(mutex_);
  std::vector<double> latencies_ms_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::app
