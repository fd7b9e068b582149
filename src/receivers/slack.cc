// The Slack receiver: incoming webhooks, and chat.postMessage with an app token. One attachment, as Alertmanager sends
// it.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/limits.h"
#include "receivers/receiver.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

// At most `count` code points, the last an ellipsis when something is missing.
std::string truncate_runes(const std::string& text, size_t count) {
  size_t runes = 0;
  size_t cut = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (++runes == count) cut = i;
  }
  return runes <= count ? text : text.substr(0, cut) + "…";
}

// Expands templates one after the other; the first failure sticks.
class Expander {
 public:
  Expander(const Templates& templates, const Notification& n)
      : templates_(templates), data_(text::to_value(template_data(n))) {}

  std::string operator()(const std::string& text) {
    if (error_) return "";
    Result<std::string> out = templates_.expand(text, data_);
    if (out) return std::move(*out);
    error_ = out.error();
    return "";
  }
  void put(json::object& object, const char* key, const std::string& text) { object[key] = (*this)(text); }
  void put_unless_empty(json::object& object, const char* key, const std::string& text) {
    if (std::string value = (*this)(text); !value.empty()) object[key] = std::move(value);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Templates& templates_;
  const text::Value data_;
  std::optional<Error> error_;
};

class Slack final : public Receiver {
 public:
  Slack(SlackConfig config, std::shared_ptr<const Templates> templates)
      : config_(std::move(config)), templates_(std::move(templates)) {}

  Result<HttpPost> post(const Notification& n) const override {
    HttpPost post;
    SENTINEL_ASSIGN(post.url, read_secret(config_.api_url));
    post.headers.set("Content-Type", "application/json");
    if (!config_.app_token.empty()) {
      SENTINEL_ASSIGN(const std::string token, read_secret(config_.app_token));
      post.headers.set("Authorization", "Bearer " + token);
    }
    post.timeout = config_.timeout;
    Expander expand(*templates_, n);
    json::object message;
    expand.put_unless_empty(message, "channel", config_.channel);
    expand.put_unless_empty(message, "username", config_.username);
    expand.put_unless_empty(message, "icon_emoji", config_.icon_emoji);
    expand.put_unless_empty(message, "icon_url", config_.icon_url);
    if (config_.link_names) message["link_names"] = true;
    expand.put_unless_empty(message, "text", config_.message_text);
    message["attachments"] = json::array{attachment(expand)};
    if (expand.error()) return fail(expand.error()->with_context("Slack message"));
    post.body = text::serialize(message);
    return post;
  }

  // Slack answers 200 also to what it refuses, and says so in the body.
  SendResult judge(const net::Response& response) const override {
    SendResult result = judge_status(response);
    if (result.kind != SendResult::Kind::kDelivered) return result;
    const std::string_view body = trim(response.body);
    if (body.empty() || body == "ok") return result;
    if (response.headers.get("Content-Type").starts_with("application/json")) {
      const Result<json::object> answer = text::parse_json_object(body);
      if (answer && text::json_bool_or(*answer, "ok", true).value_or(false)) return result;
    }
    result.kind = SendResult::Kind::kFailed;
    result.error = "error answer from Slack: " + shown_body(body);
    return result;
  }
  const HttpConfig& http() const override { return config_.http; }

 private:
  json::object attachment(Expander& expand) const {
    json::object out;
    if (std::string title = truncate_runes(expand(config_.title), kSlackTitleRunesMax); !title.empty())
      out["title"] = title;
    expand.put_unless_empty(out, "title_link", config_.title_link);
    expand.put_unless_empty(out, "pretext", config_.pretext);
    expand.put(out, "text", config_.text);
    expand.put(out, "fallback", config_.fallback);
    expand.put(out, "callback_id", config_.callback_id);
    if (!config_.fields.empty()) out["fields"] = fields(expand);
    if (!config_.actions.empty()) out["actions"] = actions(expand);
    expand.put_unless_empty(out, "image_url", config_.image_url);
    expand.put_unless_empty(out, "thumb_url", config_.thumb_url);
    expand.put(out, "footer", config_.footer);
    expand.put_unless_empty(out, "color", config_.color);
    json::array markdown_in;
    for (const std::string& name : config_.mrkdwn_in) markdown_in.emplace_back(name);
    if (markdown_in.empty()) markdown_in = {"fallback", "pretext", "text"};
    out["mrkdwn_in"] = std::move(markdown_in);
    return out;
  }

  json::array fields(Expander& expand) const {
    json::array out;
    for (const SlackField& field : config_.fields) {
      out.push_back(json::object{{"title", expand(field.title)},
                                 {"value", expand(field.value)},
                                 {"short", field.is_short.value_or(config_.short_fields)}});
    }
    return out;
  }

  json::array actions(Expander& expand) const {
    json::array out;
    for (const SlackAction& action : config_.actions) {
      json::object o;
      expand.put(o, "type", action.type);
      expand.put(o, "text", action.text);
      expand.put_unless_empty(o, "url", action.url);
      expand.put_unless_empty(o, "style", action.style);
      expand.put_unless_empty(o, "name", action.name);
      expand.put_unless_empty(o, "value", action.value);
      if (action.confirm) {
        json::object confirm;
        expand.put_unless_empty(confirm, "title", action.confirm->title);
        expand.put(confirm, "text", action.confirm->text);
        expand.put_unless_empty(confirm, "ok_text", action.confirm->ok_text);
        expand.put_unless_empty(confirm, "dismiss_text", action.confirm->dismiss_text);
        o["confirm"] = std::move(confirm);
      }
      out.push_back(std::move(o));
    }
    return out;
  }

  const SlackConfig config_;
  const std::shared_ptr<const Templates> templates_;
};

}  // namespace

std::shared_ptr<const Receiver> make_slack(SlackConfig config, std::shared_ptr<const Templates> templates) {
  return std::make_shared<Slack>(std::move(config), std::move(templates));
}

}  // namespace sentinel::receivers
