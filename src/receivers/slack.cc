// Slack: incoming webhooks, and chat.postMessage with an app token. One attachment, as Alertmanager sends it. With
// update_message, what follows about the same group edits the first message instead of sending another.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/attachment.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kTitleRunesMax = 1024;
constexpr std::string_view kPostMessage = "/chat.postMessage";
constexpr std::string_view kUpdate = "/chat.update";

struct Confirm {
  std::string text;
  std::string title;
  std::string ok_text;
  std::string dismiss_text;
};

struct Action {
  std::string type;
  std::string text;
  std::string url;
  std::string style;
  std::string name;
  std::string value;
  std::optional<Confirm> confirm;
};

class Slack final : public Receiver {
 public:
  Slack() : Receiver(false) {}
  Status configure(const text::YamlNode& node, const Globals& globals);
  bool digestible() const override { return !update_message_ && fixed({api_url_.value, app_url_, channel_}); }
  Next begin(Attempt& attempt) const override;
  bool remembers() const override { return update_message_; }

 private:
  Status choose_address(const text::YamlNode& node, const Globals& globals);
  json::object message(Expander& expand) const;
  json::array actions(Expander& expand) const;
  Next judge(const net::Response& response, const std::string& channel, bool was_update, TimePoint now) const;

  Secret api_url_;
  Secret app_token_;
  std::string app_url_;
  std::string channel_;
  std::string username_ = R"({{ template "slack.default.username" . }})";
  std::string color_ = R"({{ template "slack.default.color" . }})";
  std::string title_ = R"({{ template "slack.default.title" . }})";
  std::string title_link_ = R"({{ template "slack.default.titlelink" . }})";
  std::string pretext_ = R"({{ template "slack.default.pretext" . }})";
  std::string text_ = R"({{ template "slack.default.text" . }})";
  std::string message_text_;
  std::string fallback_ = R"({{ template "slack.default.fallback" . }})";
  std::string callback_id_ = R"({{ template "slack.default.callbackid" . }})";
  std::string footer_ = R"({{ template "slack.default.footer" . }})";
  std::string icon_emoji_ = R"({{ template "slack.default.iconemoji" . }})";
  std::string icon_url_ = R"({{ template "slack.default.iconurl" . }})";
  std::string image_url_;
  std::string thumb_url_;
  bool short_fields_ = false;
  bool link_names_ = false;
  bool update_message_ = false;
  std::vector<std::string> mrkdwn_in_;  // not templates
  std::vector<AttachmentField> fields_;
  std::vector<Action> actions_;
};

Fields confirm_fields(Confirm& c) {
  return {{"text", &c.text}, {"title", &c.title}, {"ok_text", &c.ok_text}, {"dismiss_text", &c.dismiss_text}};
}

Fields action_fields(Action& a) {
  const auto confirm = [&a](const text::YamlNode& n) -> Status {
    a.confirm.emplace();
    SENTINEL_TRY(read_fields(n, "Slack confirmation", confirm_fields(*a.confirm)));
    if (a.confirm->text.empty()) return fail(n.error("missing text in Slack confirmation configuration"));
    return {};
  };
  return {{"type", &a.type},
          {"text", &a.text},
          {"url", &a.url},
          {"style", &a.style},
          {"name", &a.name},
          {"value", &a.value},
          {"confirm", ReadNode(confirm)}};
}

Status check_action(const text::YamlNode& node, Action& a) {
  if (a.type.empty()) return fail(node.error("missing type in Slack action configuration"));
  if (a.text.empty()) return fail(node.error("missing text in Slack action configuration"));
  if (a.url.empty() && a.name.empty()) return fail(node.error("missing name or url in Slack action configuration"));
  if (!a.url.empty()) {  // a link has no more to it
    a.name.clear();
    a.value.clear();
    a.confirm.reset();
  }
  return {};
}

Status Slack::configure(const text::YamlNode& node, const Globals& globals) {
  SENTINEL_TRY(read(
      node, "slack_configs", globals,
      {{"api_url", SecretUrlField{&api_url_}},
       {"app_token", &app_token_},
       {"app_url", UrlField{&app_url_}},
       {"channel", &channel_},
       {"username", &username_},
       {"color", &color_},
       {"title", &title_},
       {"title_link", &title_link_},
       {"pretext", &pretext_},
       {"text", &text_},
       {"message_text", &message_text_},
       {"fields", list_of<AttachmentField>("Slack field", &fields_, attachment_field_table, check_attachment_field)},
       {"short_fields", &short_fields_},
       {"footer", &footer_},
       {"fallback", &fallback_},
       {"callback_id", &callback_id_},
       {"icon_emoji", &icon_emoji_},
       {"icon_url", &icon_url_},
       {"image_url", &image_url_},
       {"thumb_url", &thumb_url_},
       {"link_names", &link_names_},
       {"mrkdwn_in", &mrkdwn_in_},
       {"actions", list_of<Action>("Slack action", &actions_, action_fields, check_action)},
       {"update_message", &update_message_},
       {"timeout", GoDurationField{&timeout_}}}));
  if (!api_url_.empty() && !app_token_.empty()) {
    return fail(node.error("at most one of api_url and app_token must be configured"));
  }
  SENTINEL_TRY(choose_address(node, globals));
  // Incoming webhooks do not say which message they made.
  if (!update_message_ || api_url_.value.ends_with(kPostMessage)) return {};
  return fail(node.get("update_message")
                  .error("update_message needs a bot token, and api_url must be https://slack.com/api" +
                         std::string(kPostMessage)));
}

// Where to send, from the integration or from `global`. A token goes with the address of the app API.
Status Slack::choose_address(const text::YamlNode& node, const Globals& globals) {
  const bool own_http = !node.get("http_config").is_null();
  const bool own_authorization = own_http && http_.has_authorization;
  // As with Alertmanager, a global token also wins over an api_url_file.
  if (app_token_.empty() && !own_authorization && api_url_.value.empty()) app_token_ = globals.slack_app_token;
  if (api_url_.empty()) api_url_ = globals.slack_api_url;
  if (api_url_.empty() && app_token_.empty()) {
    return fail(
        node.error("no Slack address: expected api_url, api_url_file or app_token here, or slack_api_url, "
                   "slack_api_url_file or slack_app_token in global"));
  }
  if (app_token_.empty()) return {};
  if (http_.has_authorization) {
    return fail(node.error("http authorization cannot be given together with a Slack app token"));
  }
  http_.has_authorization = true;
  http_.authorization = app_token_;
  api_url_ = {app_url_.empty() ? globals.slack_app_url : app_url_, ""};
  return {};
}

json::array Slack::actions(Expander& expand) const {
  json::array out;
  for (const Action& action : actions_) {
    json::object o;
    expand.put_unless_empty(o, "type", action.type);
    expand.put_unless_empty(o, "text", action.text);
    expand.put_unless_empty(o, "url", action.url);
    expand.put_unless_empty(o, "style", action.style);
    expand.put_unless_empty(o, "name", action.name);
    expand.put_unless_empty(o, "value", action.value);
    if (action.confirm) {
      json::object confirm;
      expand.put_unless_empty(confirm, "text", action.confirm->text);
      expand.put_unless_empty(confirm, "title", action.confirm->title);
      expand.put_unless_empty(confirm, "ok_text", action.confirm->ok_text);
      expand.put_unless_empty(confirm, "dismiss_text", action.confirm->dismiss_text);
      o["confirm"] = std::move(confirm);
    }
    out.push_back(std::move(o));
  }
  return out;
}

json::object Slack::message(Expander& expand) const {
  json::object m;
  expand.put_unless_empty(m, "channel", channel_);
  expand.put_unless_empty(m, "username", username_);
  expand.put_unless_empty(m, "icon_emoji", icon_emoji_);
  expand.put_unless_empty(m, "icon_url", icon_url_);
  if (link_names_) m["link_names"] = true;
  expand.put_unless_empty(m, "text", message_text_);
  json::object a;
  if (std::string title = truncate_runes(expand(title_), kTitleRunesMax); !title.empty()) a["title"] = title;
  expand.put_unless_empty(a, "title_link", title_link_);
  expand.put_unless_empty(a, "pretext", pretext_);
  expand.put(a, "text", text_);
  expand.put(a, "fallback", fallback_);
  expand.put(a, "callback_id", callback_id_);
  if (!fields_.empty()) a["fields"] = attachment_fields(fields_, short_fields_, expand);
  if (!actions_.empty()) a["actions"] = actions(expand);
  expand.put_unless_empty(a, "image_url", image_url_);
  expand.put_unless_empty(a, "thumb_url", thumb_url_);
  expand.put(a, "footer", footer_);
  expand.put_unless_empty(a, "color", color_);
  json::array markdown_in;
  for (const std::string& name : mrkdwn_in_) markdown_in.emplace_back(name);
  if (markdown_in.empty()) markdown_in = {"fallback", "pretext", "text"};
  a["mrkdwn_in"] = std::move(markdown_in);
  m["attachments"] = json::array{std::move(a)};
  return m;
}

Next Slack::begin(Attempt& attempt) const {
  Result<std::string> url = read_secret(api_url_);
  if (!url) return failed(url.error());
  json::object m = message(attempt.expand);
  if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("Slack message"));
  // A group that begins anew gets a message of its own.
  const auto earlier = update_message_ && attempt.notification.reason != "first notification"
                           ? text::parse_json_object(attempt.remembered)
                           : Result<json::object>(json::object());
  bool updates = false;
  if (earlier && earlier->contains("ts") && earlier->contains("channel")) {
    url->replace(url->size() - kPostMessage.size(), kPostMessage.size(), kUpdate);
    m["channel"] = earlier->at("channel");
    m["ts"] = earlier->at("ts");
    updates = true;
  }
  const json::value* channel = m.if_contains("channel");
  const std::string shown = channel == nullptr ? "" : std::string(channel->as_string());
  return ask(json_call(*url, json::serialize(m)), [this, shown, updates, now = attempt.now](const net::Response& r) {
    return judge(r, shown, updates, now);
  });
}

// Slack answers 200 also to what it refuses, and says so in the body.
Next Slack::judge(const net::Response& response, const std::string& channel, bool was_update, TimePoint now) const {
  const std::string prefix = "channel \"" + channel + "\": ";
  SendResult result = judge_status(response, now);
  if (result.kind != SendResult::Kind::kDelivered) {
    result.error = prefix + result.error;
    return done(std::move(result));
  }
  const auto refused = [&](SendResult::Kind kind, const std::string& why) {
    return done({kind, prefix + "error answer from Slack: " + why, std::nullopt, ""});
  };
  if (!response.headers.get("Content-Type").starts_with("application/json")) {
    if (response.body == "ok") return done();
    return refused(SendResult::Kind::kFailed, shown_body(response.body));
  }
  const Result<json::object> answer = text::parse_json_object(response.body);
  if (!answer) return refused(SendResult::Kind::kRetry, shown_body(response.body));
  if (!text::json_bool_or(*answer, "ok", false).value_or(false)) {
    const std::string error = text::json_string_or(*answer, "error", "").value_or("");
    // Throttled, or a fault of theirs: the message itself is good.
    const bool again = error == "ratelimited" || error == "rate_limited" || error == "fatal_error" ||
                       error == "internal_error" || error == "service_unavailable";
    return refused(again ? SendResult::Kind::kRetry : SendResult::Kind::kFailed, error);
  }
  if (update_message_ && !was_update) {
    const std::string ts = text::json_string_or(*answer, "ts", "").value_or("");
    const std::string id = text::json_string_or(*answer, "channel", "").value_or("");
    if (!ts.empty() && !id.empty()) result.remember = json::serialize(json::object{{"ts", ts}, {"channel", id}});
  }
  return done(std::move(result));
}

}  // namespace

ReceiverResult read_slack(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Slack>(entry, globals);
}

}  // namespace sentinel::receivers
