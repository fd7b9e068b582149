#pragma once
// What alertmanager.yml says about receivers, as plain values: read by alerting/config, used by the receivers.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace sentinel::receivers {

// A secret given in the file, or the file that holds it (read again at each use, so that it can be rotated).
struct Secret {
  std::string value;
  std::string file;
  bool empty() const { return value.empty() && file.empty(); }
};

struct HttpConfig {
  std::string basic_username;
  Secret basic_password;
  std::string authorization_type = "Bearer";
  Secret authorization;
  bool follow_redirects = true;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct WebhookConfig {
  bool send_resolved = true;
  Secret url;
  size_t max_alerts = 0;  // 0: all
  Millis timeout{0};      // 0: the default
  HttpConfig http;
};

struct SlackField {
  std::string title;
  std::string value;
  std::optional<bool> is_short;
};

struct SlackConfirm {
  std::string text;
  std::string title;
  std::string ok_text;
  std::string dismiss_text;
};

struct SlackAction {
  std::string type;
  std::string text;
  std::string url;
  std::string style;
  std::string name;
  std::string value;
  std::optional<SlackConfirm> confirm;
};

// The strings are templates unless noted.
struct SlackConfig {
  bool send_resolved = false;
  Secret api_url;    // not a template
  Secret app_token;  // not a template; sent as a bearer token
  std::string channel;
  std::string username = R"({{ template "slack.default.username" . }})";
  std::string color = R"({{ if eq .Status "firing" }}danger{{ else }}good{{ end }})";
  std::string title = R"({{ template "slack.default.title" . }})";
  std::string title_link = R"({{ template "slack.default.titlelink" . }})";
  std::string pretext = R"({{ template "slack.default.pretext" . }})";
  std::string text = R"({{ template "slack.default.text" . }})";
  std::string message_text;
  std::string fallback = R"({{ template "slack.default.fallback" . }})";
  std::string callback_id = R"({{ template "slack.default.callbackid" . }})";
  std::string footer = R"({{ template "slack.default.footer" . }})";
  std::string icon_emoji = R"({{ template "slack.default.iconemoji" . }})";
  std::string icon_url = R"({{ template "slack.default.iconurl" . }})";
  std::string image_url;
  std::string thumb_url;
  bool short_fields = false;
  bool link_names = false;
  std::vector<std::string> mrkdwn_in;  // not templates; empty: fallback, pretext, text
  std::vector<SlackField> fields;
  std::vector<SlackAction> actions;
  Millis timeout{0};
  HttpConfig http;
};

using IntegrationConfig = std::variant<WebhookConfig, SlackConfig>;

// One integration of a receiver: its name in metrics and outbox rows is "receiver/kind/index".
struct Integration {
  std::string receiver;
  size_t index = 0;  // within the receiver and kind
  IntegrationConfig config;

  std::string_view kind() const { return std::holds_alternative<WebhookConfig>(config) ? "webhook" : "slack"; }
  std::string id() const { return receiver + "/" + std::string(kind()) + "/" + std::to_string(index); }
  bool send_resolved() const {
    return std::visit([](const auto& c) { return c.send_resolved; }, config);
  }
};

struct ReceiverConfig {
  std::string name;
  std::vector<Integration> integrations;
};

}  // namespace sentinel::receivers
