#pragma once
// What receivers take from `global` of alertmanager.yml when they do not say it themselves.

#include <optional>
#include <string>

#include "receivers/http_config.h"

namespace sentinel::receivers {

struct Globals {
  std::string folder;  // of the configuration file, "" or ending in a slash: relative names of secret files start here
  HttpConfig http;
  std::string smtp_smarthost;
  std::string smtp_from;
  std::string smtp_hello = "localhost";
  std::string smtp_auth_username;
  std::string smtp_auth_identity;
  Secret smtp_auth_password;
  Secret smtp_auth_secret;
  bool smtp_require_tls = true;
  TlsConfig smtp_tls;
  std::optional<bool> smtp_force_implicit_tls;
  Secret slack_api_url;
  Secret slack_app_token;
  std::string slack_app_url = "https://slack.com/api/chat.postMessage";
  std::string pagerduty_url = "https://events.pagerduty.com/v2/enqueue";
  std::string opsgenie_api_url = "https://api.opsgenie.com/";
  Secret opsgenie_api_key;
  std::string wechat_api_url = "https://qyapi.weixin.qq.com/cgi-bin/";
  Secret wechat_api_secret;
  std::string wechat_api_corp_id;
  std::string victorops_api_url = "https://alert.victorops.com/integrations/generic/20131114/alert/";
  Secret victorops_api_key;
  std::string telegram_api_url = "https://api.telegram.org";
  Secret telegram_bot_token;
  std::string webex_api_url = "https://webexapis.com/v1/messages";
  std::string rocketchat_api_url = "https://open.rocket.chat/";
  Secret rocketchat_token;
  Secret rocketchat_token_id;
  std::string jira_api_url;
  Secret mattermost_webhook_url;
};

// Leaves `resolve_timeout` to alerting. kInvalidArgument with the place.
Result<Globals> read_globals(const text::YamlNode& node, const std::string& folder);

}  // namespace sentinel::receivers
