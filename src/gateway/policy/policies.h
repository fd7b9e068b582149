#pragma once
// What the policies of one gateway share: keys and switches as published, counts, the cache. Owned by the gateway;
// outlives its calls. Thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "gateway/policy/answer_cache.h"
#include "gateway/policy/budget.h"
#include "gateway/policy/inspector.h"
#include "gateway/policy/keys.h"
#include "gateway/policy/limits.h"
#include "gateway/policy/published.h"
#include "gateway/policy/rate_limiter.h"
#include "gateway/policy/switches.h"
#include "model/interaction.h"

namespace sentinel::gateway {

// What a call costs, by its model, provider and tokens; nullopt: unknown. Thread-safe.
using CostOf = std::function<std::optional<int64_t>(const model::Interaction&)>;

struct Policies {
  explicit Policies(MetricRegistry& registry)
      : metrics(registry),
        rates(registry, kRateCells),
        budgets(registry, kBudgetCells),
        cache(registry, kCacheBytesDefault) {}

  MetricRegistry& metrics;
  Published<VirtualKeys> keys;
  Published<RouteSwitches> switches;
  RateLimiter rates;
  BudgetBook budgets;
  AnswerCache cache;

  // Set before the first call. Without the first, guards find nothing and no answer is near another; without the
  // second, dollars are not counted.
  const TextInspector* inspector = nullptr;
  CostOf cost_of;
};

// Whose account a budget of a key is, in BudgetBook: for showing what was spent.
std::string key_budget_subject(std::string_view key_id, BudgetPeriod period);

}  // namespace sentinel::gateway
