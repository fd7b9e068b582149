#pragma once
// Which model sums up incidents: `incidents.summary` of sentinel.yml (docs/incidents.md).

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "text/yaml.h"

namespace sentinel::app {

struct SummaryConfig {
  std::string model;     // empty: nothing is summed up
  std::string base_url;  // ends in /v1; empty: this server's gateway
  std::string api_key;   // a secret; empty: none is sent
  int64_t max_tokens = 300;
  Millis timeout = std::chrono::seconds(30);
};
Result<SummaryConfig> parse_summary(const text::YamlNode& node);

}  // namespace sentinel::app
