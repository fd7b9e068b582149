#include "receivers/globals.h"

namespace sentinel::receivers {

using text::YamlNode;

Result<Globals> read_globals(const YamlNode& node, const std::string& folder) {
  Globals g;
  g.folder = folder;
  const auto http = [&](const YamlNode& n) -> Status {
    SENTINEL_ASSIGN(g.http, read_http_config(n, folder, HttpConfig{}));
    return {};
  };
  const auto smtp_tls = [&](const YamlNode& n) -> Status {
    SENTINEL_ASSIGN(g.smtp_tls, read_tls_config(n, folder));
    return {};
  };
  SENTINEL_TRY(read_fields(node, "global",
                           {{"resolve_timeout", Ignored{}},
                            {"http_config", ReadNode(http)},
                            {"smtp_from", &g.smtp_from},
                            {"smtp_hello", &g.smtp_hello},
                            {"smtp_smarthost", HostPortField{&g.smtp_smarthost}},
                            {"smtp_auth_username", &g.smtp_auth_username},
                            {"smtp_auth_password", &g.smtp_auth_password},
                            {"smtp_auth_secret", &g.smtp_auth_secret},
                            {"smtp_auth_identity", &g.smtp_auth_identity},
                            {"smtp_require_tls", &g.smtp_require_tls},
                            {"smtp_tls_config", ReadNode(smtp_tls)},
                            {"smtp_force_implicit_tls", &g.smtp_force_implicit_tls},
                            {"slack_api_url", SecretUrlField{&g.slack_api_url}},
                            {"slack_app_token", &g.slack_app_token},
                            {"slack_app_url", UrlField{&g.slack_app_url}},
                            {"pagerduty_url", UrlField{&g.pagerduty_url}},
                            {"opsgenie_api_key", &g.opsgenie_api_key},
                            {"opsgenie_api_url", UrlField{&g.opsgenie_api_url}},
                            {"wechat_api_url", UrlField{&g.wechat_api_url}},
                            {"wechat_api_secret", &g.wechat_api_secret},
                            {"wechat_api_corp_id", &g.wechat_api_corp_id},
                            {"victorops_api_url", UrlField{&g.victorops_api_url}},
                            {"victorops_api_key", &g.victorops_api_key},
                            {"telegram_api_url", UrlField{&g.telegram_api_url}},
                            {"telegram_bot_token", &g.telegram_bot_token},
                            {"webex_api_url", UrlField{&g.webex_api_url}},
                            {"rocketchat_api_url", UrlField{&g.rocketchat_api_url}},
                            {"rocketchat_token", &g.rocketchat_token},
                            {"rocketchat_token_id", &g.rocketchat_token_id},
                            {"jira_api_url", UrlField{&g.jira_api_url}},
                            {"mattermost_webhook_url", SecretUrlField{&g.mattermost_webhook_url}}}));
  // A token beside the API's own address is the older way to use one; beside another address it is a contradiction.
  if (!g.slack_app_token.empty() && !g.slack_api_url.empty() && g.slack_api_url.value != g.slack_app_url) {
    return fail(node.error("at most one of slack_app_token and slack_api_url must be configured"));
  }
  return g;
}

}  // namespace sentinel::receivers
