#pragma once
// The data plane: OpenAI's, Anthropic's and Gemini's APIs in, a provider of any of them out, one Interaction a call.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "gateway/breaker.h"
#include "gateway/config.h"
#include "model/interaction.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace sentinel::gateway {

// Takes what the gateway saw of each call. Called on the call's core after its last byte has gone out (or it failed);
// exactly once a call. Must not block and must not throw; from several cores at once.
class InteractionSink {
 public:
  virtual ~InteractionSink() = default;
  virtual void record(model::Interaction interaction) noexcept = 0;
};

// 0..1: how much a prompt looks like an injection. Runs on the core before the prompt is sent, only on routes whose
// guard is not off. Thread-safe.
using InjectionRisk = std::function<double(std::string_view prompt)>;

struct BreakerView {
  std::string provider;
  std::string model;
  BreakerState state = BreakerState::kClosed;
  bool held = false;  // open by hand, until told otherwise
  std::optional<TimePoint> open_until;
  Breaker::Counts counts;
  int under_way = 0;
};

struct Plan;      // a configuration with everything it names found
struct Policies;  // keys, limits, budgets, guards, cache: policy/policies.h

// Owned by app; outlives the servers that serve its routes. Thread-safe: handlers run on all cores.
class Gateway {
 public:
  // REQUIRES: check_config(config). A key that cannot be read is logged, and calls that need it get
  // gateway_misconfigured; use configure() to refuse such a configuration instead.
  Gateway(net::Runtime& runtime, net::HttpClient& client, const Clock& clock, MetricRegistry& metrics,
          InteractionSink& sink, GatewayConfig config);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // What OpenAI's, Anthropic's and Google's clients call, below /v1 and /v1beta; the list is in docs/gateway.md.
  void add_routes(net::Router& router);
  // Puts another configuration in force for calls that begin later; on an error the present one stays.
  Status configure(GatewayConfig config);
  // The same in two steps, for a reload of several parts: prepare() does all that can fail and changes nothing.
  Result<std::shared_ptr<const Plan>> prepare(GatewayConfig config);
  void install(std::shared_ptr<const Plan> plan);
  std::shared_ptr<const GatewayConfig> config() const;
  // REQUIRES: before the first call.
  void set_injection_risk(InjectionRisk fn);
  // For whoever keeps keys, switches and spending, and sets what guards and prices need.
  Policies& policies();
  // Each call at debug; off at first, because the fields cost something. REQUIRES: as above.
  void log_calls(bool on);

  // For a shutdown; there is no way back. Calls that begin from now on get gateway_shutdown (503 with Retry-After).
  // Blocks until the calls under way have ended, at most for `patience`; those that have not are then broken off: the
  // client gets an error answer, or within a stream an error event and a cut connection, and the row says
  // gateway_shutdown. Returns how many these were. Not from a core.
  size_t drain(Millis patience);

  // Of every provider of the configuration, each model that has been asked for or is named by a route.
  std::vector<BreakerView> breakers() const;
  // Closes, half opens, holds open, or (nullopt) releases the breaker of a provider's model; of all its models, also
  // those to come, when `model` is empty. kNotFound.
  Status force_breaker(std::string_view provider, std::string_view model, std::optional<BreakerState> state);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentinel::gateway
