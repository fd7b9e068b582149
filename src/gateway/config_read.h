#pragma once
// Internal to gateway: reading the parts of its YAML.

#include <string>
#include <vector>

#include "gateway/config.h"
#include "text/yaml.h"

namespace sentinel::gateway {

// Durations are written as in Prometheus ("30s"); fields that end in _ms take a bare number.
Result<Millis> read_time(const text::YamlNode& map, const std::string& name, Millis fallback);
// Within [low, high]; the error stands at the field.
Result<double> read_number(const text::YamlNode& map, const std::string& name, double fallback, double low,
                           double high);
Result<int> read_count(const text::YamlNode& map, const std::string& name, int fallback, int low, int high);
Result<std::vector<TargetConfig>> read_targets(const text::YamlNode& list);

Result<BreakerConfig> read_breaker(const text::YamlNode& node);
Result<RetryBudgetConfig> read_retry_budget(const text::YamlNode& node);
// The fields of a provider: api_keys, key_rest_refused, key_rest_limited.
Result<KeysConfig> read_several_keys(const text::YamlNode& provider);
// The fields of a route: kConductKeys.
Result<ConductConfig> read_conduct(const text::YamlNode& route);
inline constexpr std::string_view kConductKeys[] = {"balance",     "context_fallback", "hedge",
                                                    "last_resort", "hold_streams",     "faults"};

}  // namespace sentinel::gateway
