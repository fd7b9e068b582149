// Rocket.Chat's chat.postMessage: one attachment.

#include <boost/json.hpp>

#include "receivers/attachment.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kTitleRunesMax = 1024;

struct Button {
  std::string text;
  std::string url;
  std::string msg;
};

// yaml.v2 lower-cases the names of fields that have no name of their own for YAML.
Fields button_fields(Button& b) {
  return {{"type", Ignored{}},
          {"text", &b.text},
          {"url", &b.url},
          {"imageurl", Ignored{}},
          {"iswebview", Ignored{}},
          {"webviewheightratio", Ignored{}},
          {"msg", &b.msg},
          {"msginchatwindow", Ignored{}},
          {"msgprocessingtype", Ignored{}}};
}

class RocketChat final : public Receiver {
 public:
  RocketChat() : Receiver(false) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    url_ = globals.rocketchat_api_url;
    SENTINEL_TRY(read(node, "rocketchat_configs", globals,
                      {{"api_url", UrlField{&url_}},
                       {"token_id", &token_id_},
                       {"token", &token_},
                       {"channel", &channel_},
                       {"color", &color_},
                       {"title", &title_},
                       {"title_link", &title_link_},
                       {"text", &text_},
                       {"fields", list_of<AttachmentField>("Rocket.Chat field", &fields_, attachment_field_table)},
                       {"short_fields", &short_fields_},
                       {"emoji", &emoji_},
                       {"icon_url", &icon_url_},
                       {"image_url", &image_url_},
                       {"thumb_url", &thumb_url_},
                       {"link_names", Ignored{}},  // Alertmanager reads it and sends nothing of it either
                       {"actions", list_of<Button>("Rocket.Chat action", &actions_, button_fields)}}));
    token_id_ = token_id_.or_else(globals.rocketchat_token_id);
    if (token_id_.empty()) return fail(node.error("no Rocket.Chat token_id, neither here nor in global"));
    token_ = token_.or_else(globals.rocketchat_token);
    if (token_.empty()) return fail(node.error("no Rocket.Chat token, neither here nor in global"));
    return {};
  }

  bool digestible() const override { return fixed({url_, channel_}); }
  Next begin(Attempt& attempt) const override {
    const Result<std::string> token = read_secret(token_);
    if (!token) return failed(token.error());
    const Result<std::string> id = read_secret(token_id_);
    if (!id) return failed(id.error());
    Expander& expand = attempt.expand;
    json::object body;
    expand.put_unless_empty(body, "channel", channel_);
    expand.put_unless_empty(body, "emoji", emoji_);
    expand.put_unless_empty(body, "avatar", icon_url_);
    body["attachments"] = json::array{attachment(expand)};
    if (expand.error()) return failed(expand.error()->with_context("Rocket.Chat message"));
    HttpCall call = json_call(join_url(url_, "api/v1/chat.postMessage"), json::serialize(body));
    call.headers.set("X-Auth-Token", *token);
    call.headers.set("X-User-Id", *id);
    const std::string channel = body.contains("channel") ? std::string(body.at("channel").as_string()) : "";
    return ask(std::move(call),
               [channel, now = attempt.now](const net::Response& r) { return judge(r, channel, now); });
  }

 private:
  json::object attachment(Expander& expand) const {
    json::object a;
    if (std::string title = truncate_runes(expand(title_), kTitleRunesMax); !title.empty()) a["title"] = title;
    expand.put_unless_empty(a, "title_link", title_link_);
    expand.put_unless_empty(a, "text", text_);
    expand.put_unless_empty(a, "image_url", image_url_);
    expand.put_unless_empty(a, "thumb_url", thumb_url_);
    expand.put_unless_empty(a, "color", color_);
    if (!fields_.empty()) a["fields"] = attachment_fields(fields_, short_fields_, expand);
    json::array buttons;
    for (const Button& button : actions_) {
      json::object o = {{"type", "button"}};  // the only type there is
      expand.put_unless_empty(o, "text", button.text);
      expand.put_unless_empty(o, "url", button.url);
      o["is_webview"] = false;
      expand.put_unless_empty(o, "msg", button.msg);
      o["msg_in_chat_window"] = false;
      buttons.push_back(std::move(o));
    }
    if (!buttons.empty()) a["actions"] = std::move(buttons);
    return a;
  }

  // Rocket.Chat answers 200 also to what it refuses.
  static Next judge(const net::Response& response, const std::string& channel, TimePoint now) {
    const std::string prefix = "channel \"" + channel + "\": ";
    SendResult result = judge_status(response, now);
    if (result.kind == SendResult::Kind::kDelivered) {
      const auto answer = text::parse_json_object(response.body);
      if (!answer) return retry(prefix + "the answer is not JSON: " + shown_body(response.body));
      if (text::json_bool_or(*answer, "success", false).value_or(false)) return done();
      result.kind = SendResult::Kind::kFailed;
      result.error = "error answer from Rocket.Chat: " + text::json_string_or(*answer, "error", "").value_or("");
    }
    result.error = prefix + result.error;
    return done(std::move(result));
  }

  std::string url_;
  Secret token_id_;
  Secret token_;
  std::string channel_;
  std::string color_ = R"({{ if eq .Status "firing" }}red{{ else }}green{{ end }})";
  std::string title_ = R"({{ template "rocketchat.default.title" . }})";
  std::string title_link_ = R"({{ template "rocketchat.default.titlelink" . }})";
  std::string text_ = R"({{ template "rocketchat.default.text" . }})";
  std::string emoji_ = R"({{ template "rocketchat.default.emoji" . }})";
  std::string icon_url_ = R"({{ template "rocketchat.default.iconurl" . }})";
  std::string image_url_;
  std::string thumb_url_;
  bool short_fields_ = false;
  std::vector<AttachmentField> fields_;
  std::vector<Button> actions_;
};

}  // namespace

ReceiverResult read_rocketchat(const text::YamlNode& entry, const Globals& globals) {
  return read_as<RocketChat>(entry, globals);
}

}  // namespace sentinel::receivers
