#pragma once
// Internal to gateway: what its calls share.

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "base/thread_annotations.h"
#include "gateway/errors.h"
#include "gateway/gateway.h"
#include "gateway/last_answers.h"
#include "gateway/plan.h"
#include "gateway/policy/policies.h"
#include "gateway/protocol/info.h"

namespace sentinel::gateway {

inline constexpr size_t kStatusMax = 600;

class Call;
class CallStage;
class PolicyStage;

// What one core uses without locks.
struct CoreState {
  Random random{1};
  std::array<std::array<Counter*, kStatusMax>, kApis> requests{};  // found once, then kept
  std::array<Histogram*, kApis> durations{};
  std::vector<Call*> calls;  // under way
  Published<VirtualKeys>::Copy keys;
  Published<RouteSwitches>::Copy switches;
};

struct Gateway::Impl {
  Impl(net::Runtime& rt, net::HttpClient& http, const Clock& time, MetricRegistry& registry, InteractionSink& out);
  ~Impl();

  CoreState& core(const net::asio::io_context& context) { return cores[runtime.index_of(context)]; }
  void count(CoreState& core, Api type, int status, double seconds);
  void count_error(Api type, ErrorType error);
  void call_begins(CoreState& core, Call& call);
  void call_ends(CoreState& core, Call& call);
  bool wait_for_calls(Millis patience);

  net::Runtime& runtime;
  net::HttpClient& client;
  const Clock& clock;
  MetricRegistry& metrics;
  InteractionSink& sink;
  InjectionRisk injection_risk;
  bool log_calls = false;
  LastAnswers last_answers;
  std::vector<CallStage*> stages;  // in order; set up before the first call, owned by who adds them
  Policies policies;
  std::unique_ptr<PolicyStage> policy_stage;  // the first of the stages
  std::atomic<std::shared_ptr<const Plan>> plan;
  Mutex mutex;
  HealthBoard health GUARDED_BY(mutex);
  std::vector<CoreState> cores;
  std::atomic<bool> draining{false};
  std::atomic<size_t> calls_open{0};
  std::mutex drain_mutex;
  std::condition_variable drained;
  Gauge& active;
  Gauge& queue;
  Counter& fallbacks;
};

}  // namespace sentinel::gateway
