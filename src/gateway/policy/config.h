#pragma once
// The part of the gateway's configuration that says who may do how much. Plain values.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "gateway/policy/budget.h"
#include "gateway/policy/guard_rules.h"
#include "gateway/policy/limits.h"
#include "gateway/policy/rate_limiter.h"

namespace sentinel::text {
class YamlNode;
}

namespace sentinel::gateway {

// Whose requests, tokens or dollars are added up. kUser is the user of the key, else the `user` of the request; a call
// that has none of what is asked for is counted with all others that have none.
enum class CountBy { kAll, kKey, kUser, kTeam, kRoute };
std::string_view count_by_name(CountBy by);

struct LimitConfig {
  CountBy by = CountBy::kAll;
  RateLimit limit;
};

struct BudgetConfig {
  CountBy by = CountBy::kAll;
  BudgetPeriod period = BudgetPeriod::kDay;
  int64_t amount_microusd = 0;
};

struct CacheConfig {
  bool exact = false;
  Millis ttl = std::chrono::minutes(10);
  bool semantic = false;
  double threshold = 0.95;  // cosine of the embeddings
};

// Of one route.
struct RoutePolicy {
  std::vector<LimitConfig> limits;
  std::vector<BudgetConfig> budgets;
  CacheConfig cache;
  GuardRules guards;
  int64_t prompt_tokens_max = 0;  // estimated; 0: no limit

  bool counts() const { return !limits.empty() || !budgets.empty(); }
};

// Of the gateway.
struct GatewayPolicy {
  bool require_key = false;  // calls without a virtual key are refused
  std::vector<LimitConfig> limits;
  std::vector<BudgetConfig> budgets;
  uint64_t cache_bytes = kCacheBytesDefault;
};

// The fields `limits`, `budgets`, `cache`, `guards`, `max_prompt_tokens` of a route; others are not looked at.
Result<RoutePolicy> read_route_policy(const text::YamlNode& route);
// `require_key`, `limits`, `budgets`, `cache` of the gateway.
Result<GatewayPolicy> read_gateway_policy(const text::YamlNode& gateway);

// As keys write them in their JSON: {"requests": 100, "per": "1m"}, {"usd": 5, "per": "day"}; docs/gateway.md.
Result<std::vector<LimitConfig>> read_limits(const text::YamlNode& list, CountBy fallback, bool by_allowed);
Result<std::vector<BudgetConfig>> read_budgets(const text::YamlNode& list, CountBy fallback, bool by_allowed);

}  // namespace sentinel::gateway
