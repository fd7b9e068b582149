#pragma once
// The kinds of services, one file each. To add one: copy a file, and name its reader here and in config.cc.

#include <memory>
#include <string>

#include "base/result.h"
#include "connect/connection.h"
#include "text/yaml.h"

namespace sentinel::connect {

using ConnectionResult = Result<std::shared_ptr<const Connection>>;

ConnectionResult read_datadog(const text::YamlNode& node, const std::string& folder);
ConnectionResult read_mail(const text::YamlNode& node, const std::string& folder);
ConnectionResult read_slack(const text::YamlNode& node, const std::string& folder);
ConnectionResult read_pagerduty(const text::YamlNode& node, const std::string& folder);
ConnectionResult read_jira(const text::YamlNode& node, const std::string& folder);

template <class Kind>
ConnectionResult read_as(const text::YamlNode& node, const std::string& folder) {
  auto out = std::make_shared<Kind>();
  SENTINEL_TRY(out->configure(node, folder));
  return out;
}

}  // namespace sentinel::connect
