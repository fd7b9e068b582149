#pragma once
// The section `integrations` of sentinel.yml (docs/integrations.md).

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/connection.h"
#include "text/yaml.h"

namespace sentinel::connect {

struct Config {
  std::vector<std::shared_ptr<const Connection>> connections;  // names are unique

  std::shared_ptr<const Connection> find(std::string_view name) const;  // null: there is none
  std::string reply_address() const;                                    // of the first that has one, ""
};

// A null node: no connections. `folder`: what relative names of files start from, "" or ending in a slash. Errors say
// file:line:column.
Result<Config> parse_integrations(const text::YamlNode& node, const std::string& folder);

}  // namespace sentinel::connect
