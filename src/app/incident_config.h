#pragma once
// The section `incidents` of sentinel.yml (docs/incidents.md).

#include "base/result.h"
#include "incident/options.h"
#include "text/yaml.h"

namespace sentinel::app {

// What the node does not say stays as it is in `options`. Errors say file:line:column.
Status parse_incidents(const text::YamlNode& node, incident::Options& options);

}  // namespace sentinel::app
