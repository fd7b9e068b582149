#pragma once
// What services may spend a day, from `budgets` of the configuration, as llm_budget_daily_usd{service,env}: rules
// compare the cost of the calls with it.

#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "text/yaml.h"

namespace sentinel::app {

struct Budget {
  std::string service;
  std::string env;
  double daily_usd = 0;
};

// A list of {service, env, daily_usd}; service and env default to those of the gateway's calls. An error for a budget
// that is not above 0, or for two of the same service and env.
Result<std::vector<Budget>> parse_budgets(const text::YamlNode& node, const std::string& service,
                                          const std::string& env);

// One that is no longer in force becomes NaN, which no rule takes for a budget.
void publish_budgets(MetricRegistry& metrics, const std::vector<Budget>& before, const std::vector<Budget>& now);

}  // namespace sentinel::app
