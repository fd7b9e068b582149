#pragma once
// The receivers' part of alertmanager.yml. For alerting/config.cc only.

#include <vector>

#include "base/result.h"
#include "receivers/config.h"
#include "text/yaml.h"

namespace sentinel::alerting {

// What receivers take from `global` when they do not say it themselves.
struct GlobalReceiverDefaults {
  receivers::HttpConfig http;
  receivers::Secret slack_api_url;
  receivers::Secret slack_app_token;
  std::string slack_app_url = "https://slack.com/api/chat.postMessage";
};

Result<GlobalReceiverDefaults> parse_global_receiver_defaults(const text::YamlNode& global);
Result<std::vector<receivers::ReceiverConfig>> parse_receivers(const text::YamlNode& node,
                                                               const GlobalReceiverDefaults& defaults);

}  // namespace sentinel::alerting
