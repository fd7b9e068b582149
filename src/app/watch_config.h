#pragma once
// The sections `heartbeats` and `dead_man` of sentinel.yml (docs/watching.md).

#include <vector>

#include "alerting/dead_man.h"
#include "alerting/heartbeats.h"
#include "base/result.h"
#include "text/yaml.h"

namespace sentinel::app {

// Errors say file:line:column.
Result<std::vector<alerting::HeartbeatDefinition>> parse_heartbeats(const text::YamlNode& node);
Result<alerting::DeadManOptions> parse_dead_man(const text::YamlNode& node);

}  // namespace sentinel::app
