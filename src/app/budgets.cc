#include "app/budgets.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace sentinel::app {
namespace {

bool same_calls(const Budget& a, const Budget& b) { return a.service == b.service && a.env == b.env; }

Gauge& gauge_of(MetricRegistry& metrics, const Budget& budget) {
  return metrics.gauge("llm_budget_daily_usd", "What the service may spend a day, in US dollars.",
                       {{"service", budget.service}, {"env", budget.env}});
}

}  // namespace

Result<std::vector<Budget>> parse_budgets(const text::YamlNode& node, const std::string& service,
                                          const std::string& env) {
  std::vector<Budget> out;
  for (const text::YamlNode& item : node.items()) {
    SENTINEL_TRY(item.expect_keys("budget", {"service", "env", "daily_usd"}));
    Budget budget;
    SENTINEL_ASSIGN(budget.service, item.string_or("service", service));
    SENTINEL_ASSIGN(budget.env, item.string_or("env", env));
    SENTINEL_ASSIGN(budget.daily_usd, item.number_or("daily_usd", 0));
    if (!(budget.daily_usd > 0)) return fail(item.error("daily_usd must be above 0"));
    if (std::any_of(out.begin(), out.end(), [&](const Budget& b) { return same_calls(b, budget); }))
      return fail(item.error(fmt::format("a second budget of {} in {}", budget.service, budget.env)));
    out.push_back(std::move(budget));
  }
  return out;
}

void publish_budgets(MetricRegistry& metrics, const std::vector<Budget>& before, const std::vector<Budget>& now) {
  for (const Budget& budget : before) gauge_of(metrics, budget).set(std::numeric_limits<double>::quiet_NaN());
  for (const Budget& budget : now) gauge_of(metrics, budget).set(budget.daily_usd);
}

}  // namespace sentinel::app
