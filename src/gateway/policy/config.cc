#include "gateway/policy/config.h"

#include <cmath>
#include <optional>

#include "text/yaml.h"

namespace sentinel::gateway {
namespace {

using text::YamlNode;

constexpr CountBy kCounts[] = {CountBy::kAll, CountBy::kKey, CountBy::kUser, CountBy::kTeam, CountBy::kRoute};

Result<CountBy> read_by(const YamlNode& node, CountBy fallback) {
  SENTINEL_ASSIGN(const std::string word, node.string_or("by", std::string(count_by_name(fallback))));
  for (const CountBy by : kCounts) {
    if (count_by_name(by) == word) return by;
  }
  return fail(node.get("by").error("by must be all, key, user, team or route, not \"" + word + "\""));
}

// Dollars as written, in micro-dollars.
Result<int64_t> read_usd(const YamlNode& node) {
  SENTINEL_ASSIGN(const double usd, node.number());
  const double micro = std::round(usd * 1e6);
  if (!(micro >= 1 && micro <= static_cast<double>(kLimitAmountMax)))
    return fail(node.error("expected dollars above 0, such as 2.50"));
  return static_cast<int64_t>(micro);
}

Result<RateLimit> read_limit(const YamlNode& node) {
  RateLimit limit;
  int units = 0;
  for (const LimitUnit unit : {LimitUnit::kRequests, LimitUnit::kTokens}) {
    const YamlNode amount = node.get(limit_unit_name(unit));
    if (amount.is_null()) continue;
    ++units;
    limit.unit = unit;
    SENTINEL_ASSIGN(limit.amount, amount.integer());
    if (limit.amount < 1 || limit.amount > kLimitAmountMax)
      return fail(amount.error(std::string(limit_unit_name(unit)) + " must be a whole number from 1"));
  }
  if (const YamlNode usd = node.get("usd"); !usd.is_null()) {
    ++units;
    limit.unit = LimitUnit::kUsd;
    SENTINEL_ASSIGN(limit.amount, read_usd(usd));
  }
  if (units != 1) return fail(node.error("a limit has exactly one of requests, tokens and usd"));
  SENTINEL_ASSIGN(const YamlNode per, node.require("limit", "per"));
  SENTINEL_ASSIGN(limit.per, per.duration());
  if (limit.per < kLimitWindowMin || limit.per > kLimitWindowMax) return fail(per.error("per must be 1s to 31d"));
  return limit;
}

Result<CacheConfig> read_cache(const YamlNode& node) {
  CacheConfig cache;
  if (node.is_null()) return cache;
  SENTINEL_TRY(node.expect_keys("cache", {"exact", "ttl", "semantic", "threshold"}));
  SENTINEL_ASSIGN(cache.exact, node.boolean_or("exact", true));
  SENTINEL_ASSIGN(cache.ttl, node.duration_or("ttl", cache.ttl));
  if (cache.ttl.count() < 1 || cache.ttl > kCacheTtlMax) return fail(node.get("ttl").error("ttl must be 1ms to 30d"));
  SENTINEL_ASSIGN(cache.semantic, node.boolean_or("semantic", false));
  SENTINEL_ASSIGN(cache.threshold, node.number_or("threshold", cache.threshold));
  if (!(cache.threshold > 0 && cache.threshold <= 1))
    return fail(node.get("threshold").error("threshold must be above 0 and at most 1"));
  return cache;
}

}  // namespace

std::string_view count_by_name(CountBy by) {
  switch (by) {
    case CountBy::kAll: return "all";
    case CountBy::kKey: return "key";
    case CountBy::kUser: return "user";
    case CountBy::kTeam: return "team";
    case CountBy::kRoute: return "route";
  }
  return "all";
}

Result<std::vector<LimitConfig>> read_limits(const YamlNode& list, CountBy fallback, bool by_allowed) {
  std::vector<LimitConfig> limits;
  if (!list.is_null() && !list.is_list()) return fail(list.error("limits must be a list"));
  for (const YamlNode& node : list.items()) {
    SENTINEL_TRY(by_allowed ? node.expect_keys("limit", {"by", "requests", "tokens", "usd", "per"})
                            : node.expect_keys("limit", {"requests", "tokens", "usd", "per"}));
    if (limits.size() >= kLimitsPerScopeMax) return fail(node.error("at most 16 limits"));
    LimitConfig limit;
    SENTINEL_ASSIGN(limit.by, read_by(node, fallback));
    SENTINEL_ASSIGN(limit.limit, read_limit(node));
    limits.push_back(limit);
  }
  return limits;
}

Result<std::vector<BudgetConfig>> read_budgets(const YamlNode& list, CountBy fallback, bool by_allowed) {
  std::vector<BudgetConfig> budgets;
  if (!list.is_null() && !list.is_list()) return fail(list.error("budgets must be a list"));
  for (const YamlNode& node : list.items()) {
    SENTINEL_TRY(by_allowed ? node.expect_keys("budget", {"by", "usd", "per"})
                            : node.expect_keys("budget", {"usd", "per"}));
    if (budgets.size() >= kLimitsPerScopeMax) return fail(node.error("at most 16 budgets"));
    BudgetConfig budget;
    SENTINEL_ASSIGN(budget.by, read_by(node, fallback));
    SENTINEL_ASSIGN(const YamlNode usd, node.require("budget", "usd"));
    SENTINEL_ASSIGN(budget.amount_microusd, read_usd(usd));
    SENTINEL_ASSIGN(const std::string per, node.string_or("per", "day"));
    if (per != "day" && per != "month") return fail(node.get("per").error("per must be day or month"));
    budget.period = per == "day" ? BudgetPeriod::kDay : BudgetPeriod::kMonth;
    budgets.push_back(budget);
  }
  return budgets;
}

Result<RoutePolicy> read_route_policy(const YamlNode& route) {
  RoutePolicy policy;
  SENTINEL_ASSIGN(policy.limits, read_limits(route.get("limits"), CountBy::kAll, true));
  SENTINEL_ASSIGN(policy.budgets, read_budgets(route.get("budgets"), CountBy::kAll, true));
  SENTINEL_ASSIGN(policy.cache, read_cache(route.get("cache")));
  SENTINEL_ASSIGN(policy.guards, read_guard_rules(route.get("guards")));
  SENTINEL_ASSIGN(policy.prompt_tokens_max, route.integer_or("max_prompt_tokens", 0));
  if (policy.prompt_tokens_max < 0) return fail(route.get("max_prompt_tokens").error("must not be negative"));
  return policy;
}

Result<GatewayPolicy> read_gateway_policy(const YamlNode& gateway) {
  GatewayPolicy policy;
  SENTINEL_ASSIGN(policy.require_key, gateway.boolean_or("require_key", false));
  SENTINEL_ASSIGN(policy.limits, read_limits(gateway.get("limits"), CountBy::kAll, true));
  SENTINEL_ASSIGN(policy.budgets, read_budgets(gateway.get("budgets"), CountBy::kAll, true));
  const YamlNode cache = gateway.get("cache");
  SENTINEL_TRY(cache.expect_keys("cache", {"max_size"}));
  SENTINEL_ASSIGN(policy.cache_bytes, cache.bytes_or("max_size", policy.cache_bytes));
  return policy;
}

}  // namespace sentinel::gateway
