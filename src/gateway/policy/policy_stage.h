#pragma once
// Internal to gateway: the policies on the way of a call: key, kill switch, limits and budgets, guards, cache.

#include <memory>
#include <optional>
#include <string>

#include "gateway/call_state.h"
#include "gateway/policy/metering.h"
#include "gateway/policy/policies.h"

namespace sentinel::gateway {

// What the policies know of one call between its stages. Made for calls that have something to remember.
struct PolicyCall {
  std::shared_ptr<const VirtualKey> key;
  std::optional<Metering> metering;
  std::string cache_key;  // not empty: a good answer is kept under it
  std::string cache_scope;
  std::vector<float> embedding;
};

// Called on every core; owned by the gateway.
class PolicyStage final : public CallStage {
 public:
  PolicyStage(Policies& policies, const Clock& clock);

  // Before anything else of the call is looked at: who asks. Takes a virtual key off the request.
  Outcome identify(CallState& call);
  // The same for requests that are no calls: lists of models.
  Outcome identify(const Plan& plan, CoreState& core, net::Request& request,
                   std::shared_ptr<const VirtualKey>* key) const;

  Verdict before(CallState& call) override;
  Outcome on_answer(CallState& call, net::Response& response) override;
  std::unique_ptr<StreamGuard> guard_stream(CallState& call) override;
  void after(CallState& call, const Outcome& outcome) override;

 private:
  class Guarded;
  // Counted on every call of a route with a cache: found once, because the registry has a lock.
  struct Lookups {
    Counter *hit, *miss, *bypass, *too_large;
  };
  static Lookups lookups(MetricRegistry& metrics, const char* cache);
  Outcome check_switch(CallState& call);
  Outcome check_key(CallState& call);
  Outcome check_size(CallState& call);
  Outcome meter(CallState& call);
  Outcome guard_prompt(CallState& call);
  std::unique_ptr<net::Response> look_up(CallState& call);
  std::unique_ptr<net::Response> replay(CallState& call, const CachedAnswer& answer, const Lookups& counts);
  void keep(CallState& call);
  Consumption used(const CallState& call) const;
  void count_refusal(std::string_view policy, const CallState& call);
  void count_guard(const GuardRule& rule, std::string_view when);

  Policies& policies_;
  const Clock& clock_;
  const Lookups exact_;
  const Lookups semantic_;
};

}  // namespace sentinel::gateway
