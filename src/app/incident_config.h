#pragma once
// The section `incidents` of sentinel.yml (docs/incidents.md).

#include "base/result.h"
#include "incident/options.h"
#include "incident/status_page.h"
#include "text/yaml.h"

namespace sentinel::app {

// What the node does not say stays as it is in `options`. Errors say file:line:column.
Status parse_incidents(const text::YamlNode& node, incident::Options& options);

// The section `status_page`; without it there is none.
Result<incident::StatusPageOptions> parse_status_page(const text::YamlNode& node);

}  // namespace sentinel::app
