#pragma once
// Internal to gateway: in which order the targets of a route are asked.

#include <array>
#include <cstddef>
#include <string_view>

#include "base/random.h"
#include "gateway/limits.h"
#include "gateway/plan.h"
#include "gateway/policy/policies.h"

namespace sentinel::gateway {

struct TargetOrder {
  std::array<const Target*, kTargetsMax> targets{};
  size_t count = 0;

  void add(const Target* target) { targets[count++] = target; }
};

// One of the targets by the route's balance, the others of equal rank, the fallbacks. Targets whose breaker is open
// come last among their equals. Of equal rank a weight of 0 takes a target out of use without deleting it. By cost,
// what a target without a `cost` costs is asked of `prices` (which may be empty); what is not known costs most.
TargetOrder order_targets(const Route& route, std::string_view asked_model, TimePoint now, Random& random,
                          const CostOf& prices = {});
// Dollars for a million tokens, three quarters of them input: what `cost` of a target is compared with.
std::optional<double> list_price(const CostOf& prices, const std::string& provider, std::string_view model);

// What is known of this target; a target without a model of its own is asked for `asked_model`.
Lane& lane_of(const Target& target, std::string_view asked_model);

}  // namespace sentinel::gateway
