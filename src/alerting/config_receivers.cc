#include "alerting/config_receivers.h"

#include <array>
#include <set>

#include "alerting/limits.h"
#include "base/strings.h"

namespace sentinel::alerting {
namespace {

using receivers::HttpConfig;
using receivers::Secret;
using receivers::SlackAction;
using receivers::SlackConfig;
using receivers::SlackConfirm;
using receivers::SlackField;
using receivers::WebhookConfig;
using text::YamlNode;

constexpr std::array<std::string_view, 16> kLaterKinds = {
    "email_configs",     "pagerduty_configs",  "opsgenie_configs",   "pushover_configs",
    "victorops_configs", "sns_configs",        "telegram_configs",   "discord_configs",
    "msteams_configs",   "msteamsv2_configs",  "webex_configs",      "wechat_configs",
    "jira_configs",      "rocketchat_configs", "mattermost_configs", "incidentio_configs"};

tl::unexpected<Error> not_yet(const YamlNode& node, std::string_view what) {
  return fail(Error(ErrorCode::kUnprocessable, "not supported yet: " + std::string(what), node.position()));
}

// `key` or `key`_file, not both.
Result<Secret> read_secret(const YamlNode& node, const std::string& key) {
  Secret secret;
  SENTINEL_ASSIGN(secret.value, node.string_or(key, ""));
  SENTINEL_ASSIGN(secret.file, node.string_or(key + "_file", ""));
  if (!secret.value.empty() && !secret.file.empty()) {
    return fail(node.get(key + "_file").error("at most one of " + key + " and " + key + "_file must be given"));
  }
  return secret;
}

Status check_url(const YamlNode& node, const std::string& url) {
  const std::string_view rest = std::string_view(url).starts_with("https://")  ? std::string_view(url).substr(8)
                                : std::string_view(url).starts_with("http://") ? std::string_view(url).substr(7)
                                                                               : std::string_view();
  if (rest.empty() || rest.starts_with('/') || rest.find_first_of(" \t\r\n") != std::string_view::npos) {
    // The text is a secret more often than not.
    return fail(node.error("not a URL, expected http://host… or https://host…"));
  }
  return {};
}

Result<HttpConfig> read_http_config(const YamlNode& node, const HttpConfig& fallback) {
  if (node.is_null()) return fallback;
  SENTINEL_TRY(node.expect_keys(
      "http_config",
      {"basic_auth", "authorization", "bearer_token", "bearer_token_file", "oauth2", "tls_config", "follow_redirects",
       "enable_http2", "proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header", "http_headers"}));
  for (const char* key : {"oauth2", "tls_config", "proxy_url", "no_proxy", "proxy_from_environment",
                          "proxy_connect_header", "http_headers"}) {
    if (!node.get(key).is_null()) return not_yet(node.get(key), std::string("http_config.") + key);
  }
  HttpConfig http;
  SENTINEL_ASSIGN(http.follow_redirects, node.boolean_or("follow_redirects", true));
  SENTINEL_ASSIGN(http.authorization, read_secret(node, "bearer_token"));
  const YamlNode authorization = node.get("authorization");
  const YamlNode basic = node.get("basic_auth");
  if (!authorization.is_null()) {
    SENTINEL_TRY(authorization.expect_keys("authorization", {"type", "credentials", "credentials_file"}));
    if (!http.authorization.empty()) return fail(authorization.error("authorization excludes bearer_token"));
    SENTINEL_ASSIGN(http.authorization_type, authorization.string_or("type", "Bearer"));
    if (iequals(http.authorization_type, "basic")) {
      return fail(authorization.error("authorization type cannot be \"basic\", use basic_auth instead"));
    }
    SENTINEL_ASSIGN(http.authorization, read_secret(authorization, "credentials"));
  }
  if (!basic.is_null()) {
    SENTINEL_TRY(basic.expect_keys("basic_auth", {"username", "password", "password_file"}));
    if (!http.authorization.empty())
      return fail(basic.error("at most one of basic_auth and authorization must be given"));
    SENTINEL_ASSIGN(http.basic_username, basic.string_or("username", ""));
    SENTINEL_ASSIGN(http.basic_password, read_secret(basic, "password"));
  }
  return http;
}

Result<WebhookConfig> read_webhook(const YamlNode& node, const GlobalReceiverDefaults& defaults) {
  SENTINEL_TRY(node.expect_keys(
      "webhook_configs", {"send_resolved", "url", "url_file", "http_config", "max_alerts", "timeout", "payload"}));
  if (!node.get("payload").is_null()) return not_yet(node.get("payload"), "webhook_configs.payload");
  WebhookConfig config;
  SENTINEL_ASSIGN(config.send_resolved, node.boolean_or("send_resolved", true));
  SENTINEL_ASSIGN(config.url, read_secret(node, "url"));
  if (config.url.empty()) return fail(node.error("one of url or url_file must be configured"));
  if (!config.url.value.empty()) SENTINEL_TRY(check_url(node.get("url"), config.url.value));
  SENTINEL_ASSIGN(const int64_t max_alerts, node.integer_or("max_alerts", 0));
  if (max_alerts < 0) return fail(node.get("max_alerts").error("max_alerts must not be negative"));
  config.max_alerts = static_cast<size_t>(max_alerts);
  SENTINEL_ASSIGN(config.timeout, node.duration_or("timeout", Millis(0)));
  SENTINEL_ASSIGN(config.http, read_http_config(node.get("http_config"), defaults.http));
  return config;
}

Result<std::vector<SlackField>> read_slack_fields(const YamlNode& list) {
  std::vector<SlackField> out;
  if (!list.is_null() && !list.is_list()) return fail(list.error("fields must be a list"));
  for (const YamlNode& item : list.items()) {
    SENTINEL_TRY(item.expect_keys("Slack field", {"title", "value", "short"}));
    SlackField field;
    SENTINEL_ASSIGN(field.title, item.string_or("title", ""));
    SENTINEL_ASSIGN(field.value, item.string_or("value", ""));
    if (field.title.empty()) return fail(item.error("missing title in Slack field configuration"));
    if (field.value.empty()) return fail(item.error("missing value in Slack field configuration"));
    if (!item.get("short").is_null()) {
      SENTINEL_ASSIGN(const bool is_short, item.get("short").boolean());
      field.is_short = is_short;
    }
    out.push_back(std::move(field));
  }
  return out;
}

Result<std::optional<SlackConfirm>> read_slack_confirm(const YamlNode& node) {
  if (node.is_null()) return std::nullopt;
  SENTINEL_TRY(node.expect_keys("Slack confirmation", {"text", "title", "ok_text", "dismiss_text"}));
  SlackConfirm confirm;
  SENTINEL_ASSIGN(confirm.text, node.string_or("text", ""));
  if (confirm.text.empty()) return fail(node.error("missing text in Slack confirmation configuration"));
  SENTINEL_ASSIGN(confirm.title, node.string_or("title", ""));
  SENTINEL_ASSIGN(confirm.ok_text, node.string_or("ok_text", ""));
  SENTINEL_ASSIGN(confirm.dismiss_text, node.string_or("dismiss_text", ""));
  return confirm;
}

Result<std::vector<SlackAction>> read_slack_actions(const YamlNode& list) {
  std::vector<SlackAction> out;
  if (!list.is_null() && !list.is_list()) return fail(list.error("actions must be a list"));
  for (const YamlNode& item : list.items()) {
    SENTINEL_TRY(item.expect_keys("Slack action", {"type", "text", "url", "style", "name", "value", "confirm"}));
    SlackAction action;
    const std::pair<const char*, std::string*> strings[] = {{"type", &action.type}, {"text", &action.text},
                                                            {"url", &action.url},   {"style", &action.style},
                                                            {"name", &action.name}, {"value", &action.value}};
    for (const auto& [key, target] : strings) {
      SENTINEL_ASSIGN(*target, item.string_or(key, ""));
    }
    if (action.type.empty()) return fail(item.error("missing type in Slack action configuration"));
    if (action.text.empty()) return fail(item.error("missing text in Slack action configuration"));
    if (action.url.empty() && action.name.empty()) {
      return fail(item.error("missing name or url in Slack action configuration"));
    }
    SENTINEL_ASSIGN(action.confirm, read_slack_confirm(item.get("confirm")));
    out.push_back(std::move(action));
  }
  return out;
}

// Where to send, from the integration or from `global`.
Status read_slack_address(const YamlNode& node, const GlobalReceiverDefaults& defaults, SlackConfig& config) {
  SENTINEL_ASSIGN(config.api_url, read_secret(node, "api_url"));
  SENTINEL_ASSIGN(config.app_token, read_secret(node, "app_token"));
  SENTINEL_ASSIGN(std::string app_url, node.string_or("app_url", ""));
  if (!config.api_url.value.empty()) SENTINEL_TRY(check_url(node.get("api_url"), config.api_url.value));
  if (!app_url.empty()) SENTINEL_TRY(check_url(node.get("app_url"), app_url));
  if (!config.api_url.empty()) {
    if (!config.app_token.empty()) return fail(node.error("at most one of api_url and app_token must be configured"));
    return {};
  }
  const bool own_credentials = !config.http.authorization.empty() && node.has("http_config");
  if (config.app_token.empty() && !own_credentials) config.app_token = defaults.slack_app_token;
  if (!config.app_token.empty() || (own_credentials && !defaults.slack_app_token.empty())) {
    config.api_url.value = app_url.empty() ? defaults.slack_app_url : app_url;
    return {};
  }
  config.api_url = defaults.slack_api_url;
  if (config.api_url.empty()) {
    return fail(
        node.error("no Slack address: expected api_url, api_url_file or app_token here, or slack_api_url, "
                   "slack_api_url_file or slack_app_token in global"));
  }
  return {};
}

Result<SlackConfig> read_slack(const YamlNode& node, const GlobalReceiverDefaults& defaults) {
  SENTINEL_TRY(node.expect_keys(
      "slack_configs",
      {"send_resolved", "http_config", "api_url",      "api_url_file", "app_token",     "app_token_file",
       "app_url",       "channel",     "username",     "color",        "title",         "title_link",
       "pretext",       "text",        "message_text", "fields",       "short_fields",  "footer",
       "fallback",      "callback_id", "icon_emoji",   "icon_url",     "image_url",     "thumb_url",
       "link_names",    "mrkdwn_in",   "actions",      "timeout",      "update_message"}));
  SENTINEL_ASSIGN(const bool update_message, node.boolean_or("update_message", false));
  if (update_message) return not_yet(node.get("update_message"), "slack_configs.update_message");
  SlackConfig config;
  SENTINEL_ASSIGN(config.send_resolved, node.boolean_or("send_resolved", false));
  SENTINEL_ASSIGN(config.http, read_http_config(node.get("http_config"), defaults.http));
  SENTINEL_TRY(read_slack_address(node, defaults, config));
  const std::pair<const char*, std::string*> strings[] = {
      {"channel", &config.channel},   {"username", &config.username},         {"color", &config.color},
      {"title", &config.title},       {"title_link", &config.title_link},     {"pretext", &config.pretext},
      {"text", &config.text},         {"message_text", &config.message_text}, {"footer", &config.footer},
      {"fallback", &config.fallback}, {"callback_id", &config.callback_id},   {"icon_emoji", &config.icon_emoji},
      {"icon_url", &config.icon_url}, {"image_url", &config.image_url},       {"thumb_url", &config.thumb_url}};
  for (const auto& [key, target] : strings) {
    SENTINEL_ASSIGN(*target, node.string_or(key, *target));
  }
  SENTINEL_ASSIGN(config.short_fields, node.boolean_or("short_fields", false));
  SENTINEL_ASSIGN(config.link_names, node.boolean_or("link_names", false));
  SENTINEL_ASSIGN(config.mrkdwn_in, node.strings_or("mrkdwn_in", {}));
  SENTINEL_ASSIGN(config.fields, read_slack_fields(node.get("fields")));
  SENTINEL_ASSIGN(config.actions, read_slack_actions(node.get("actions")));
  SENTINEL_ASSIGN(config.timeout, node.duration_or("timeout", Millis(0)));
  return config;
}

template <class Read>
Status read_integrations(const YamlNode& list, const std::string& key, receivers::ReceiverConfig& receiver, Read read) {
  if (!list.is_null() && !list.is_list()) return fail(list.error(key + " must be a list"));
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list.at(i).is_map()) return fail(list.at(i).error("an entry of " + key + " must be a map"));
    auto config = read(list.at(i));
    if (!config) return fail(std::move(config).error());
    receiver.integrations.push_back({receiver.name, i, std::move(*config)});
  }
  return {};
}

Result<receivers::ReceiverConfig> read_receiver(const YamlNode& node, const GlobalReceiverDefaults& defaults) {
  SENTINEL_TRY(node.expect_keys(
      "receiver", {"name", "webhook_configs", "slack_configs", "email_configs", "pagerduty_configs", "opsgenie_configs",
                   "pushover_configs", "victorops_configs", "sns_configs", "telegram_configs", "discord_configs",
                   "msteams_configs", "msteamsv2_configs", "webex_configs", "wechat_configs", "jira_configs",
                   "rocketchat_configs", "mattermost_configs", "incidentio_configs"}));
  receivers::ReceiverConfig receiver;
  SENTINEL_ASSIGN(receiver.name, node.string_or("name", ""));
  if (receiver.name.empty()) return fail(node.error("a receiver needs a field \"name\""));
  for (const std::string_view kind : kLaterKinds) {
    if (node.get(kind).size() > 0) return not_yet(node.get(kind), kind);
  }
  SENTINEL_TRY(read_integrations(node.get("webhook_configs"), "webhook_configs", receiver,
                                 [&](const YamlNode& n) { return read_webhook(n, defaults); }));
  SENTINEL_TRY(read_integrations(node.get("slack_configs"), "slack_configs", receiver,
                                 [&](const YamlNode& n) { return read_slack(n, defaults); }));
  return receiver;
}

}  // namespace

Result<GlobalReceiverDefaults> parse_global_receiver_defaults(const YamlNode& global) {
  GlobalReceiverDefaults out;
  if (global.is_null()) return out;
  SENTINEL_TRY(global.expect_keys("global", {"resolve_timeout",
                                             "http_config",
                                             "smtp_from",
                                             "smtp_hello",
                                             "smtp_smarthost",
                                             "smtp_auth_username",
                                             "smtp_auth_password",
                                             "smtp_auth_password_file",
                                             "smtp_auth_secret",
                                             "smtp_auth_secret_file",
                                             "smtp_auth_identity",
                                             "smtp_require_tls",
                                             "smtp_tls_config",
                                             "smtp_force_implicit_tls",
                                             "slack_api_url",
                                             "slack_api_url_file",
                                             "slack_app_token",
                                             "slack_app_token_file",
                                             "slack_app_url",
                                             "pagerduty_url",
                                             "opsgenie_api_key",
                                             "opsgenie_api_key_file",
                                             "opsgenie_api_url",
                                             "wechat_api_url",
                                             "wechat_api_secret",
                                             "wechat_api_secret_file",
                                             "wechat_api_corp_id",
                                             "victorops_api_url",
                                             "victorops_api_key",
                                             "victorops_api_key_file",
                                             "telegram_api_url",
                                             "telegram_bot_token",
                                             "telegram_bot_token_file",
                                             "webex_api_url",
                                             "rocketchat_api_url",
                                             "rocketchat_token",
                                             "rocketchat_token_file",
                                             "rocketchat_token_id",
                                             "rocketchat_token_id_file",
                                             "jira_api_url",
                                             "mattermost_webhook_url",
                                             "mattermost_webhook_url_file"}));
  SENTINEL_ASSIGN(out.http, read_http_config(global.get("http_config"), HttpConfig{}));
  SENTINEL_ASSIGN(out.slack_api_url, read_secret(global, "slack_api_url"));
  SENTINEL_ASSIGN(out.slack_app_token, read_secret(global, "slack_app_token"));
  SENTINEL_ASSIGN(out.slack_app_url, global.string_or("slack_app_url", out.slack_app_url));
  if (!out.slack_api_url.value.empty()) SENTINEL_TRY(check_url(global.get("slack_api_url"), out.slack_api_url.value));
  // A token beside the API's own address is the older way to use one; beside another address it is a contradiction.
  if (!out.slack_app_token.empty() && !out.slack_api_url.empty() && out.slack_api_url.value != out.slack_app_url) {
    return fail(global.error("at most one of slack_app_token and slack_api_url must be configured"));
  }
  return out;
}

Result<std::vector<receivers::ReceiverConfig>> parse_receivers(const YamlNode& list,
                                                               const GlobalReceiverDefaults& defaults) {
  std::vector<receivers::ReceiverConfig> out;
  if (!list.is_null() && !list.is_list()) return fail(list.error("receivers must be a list"));
  if (list.size() > kReceiversMax) return fail(list.error("more than " + std::to_string(kReceiversMax) + " receivers"));
  std::set<std::string> names;
  for (const YamlNode& item : list.items()) {
    SENTINEL_ASSIGN(receivers::ReceiverConfig receiver, read_receiver(item, defaults));
    if (!names.insert(receiver.name).second) {
      return fail(item.error("receiver name \"" + receiver.name + "\" is not unique"));
    }
    out.push_back(std::move(receiver));
  }
  return out;
}

}  // namespace sentinel::alerting
