// Mattermost's incoming webhooks: Slack's attachments with more around them.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/attachment.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kTextRunesMax = 16383;

struct Attachment {
  std::string fallback;
  std::string color;
  std::string pretext;
  std::string text;
  std::string author_name;
  std::string author_link;
  std::string author_icon;
  std::string title;
  std::string title_link;
  std::vector<AttachmentField> fields;
  std::string thumb_url;
  std::string footer;
  std::string footer_icon;
  std::string image_url;
};

struct Priority {
  std::string priority;
  bool requested_ack = false;
  bool persistent_notifications = false;
};

Fields attachment_table(Attachment& a) {
  return {{"fallback", &a.fallback},
          {"color", &a.color},
          {"pretext", &a.pretext},
          {"text", &a.text},
          {"author_name", &a.author_name},
          {"author_link", &a.author_link},
          {"author_icon", &a.author_icon},
          {"title", &a.title},
          {"title_link", &a.title_link},
          {"fields",
           list_of<AttachmentField>("Mattermost field", &a.fields, attachment_field_table, check_attachment_field)},
          {"thumb_url", &a.thumb_url},
          {"footer", &a.footer},
          {"footer_icon", &a.footer_icon},
          {"image_url", &a.image_url}};
}

json::object attachment_json(const Attachment& a, const std::string& text, Expander& expand) {
  json::object o;
  expand.put_unless_empty(o, "fallback", a.fallback);
  expand.put_unless_empty(o, "color", a.color);
  expand.put_unless_empty(o, "pretext", a.pretext);
  if (!text.empty()) o["text"] = text;
  expand.put_unless_empty(o, "author_name", a.author_name);
  expand.put_unless_empty(o, "author_link", a.author_link);
  expand.put_unless_empty(o, "author_icon", a.author_icon);
  expand.put_unless_empty(o, "title", a.title);
  expand.put_unless_empty(o, "title_link", a.title_link);
  if (!a.fields.empty()) o["fields"] = attachment_fields(a.fields, std::nullopt, expand);
  expand.put_unless_empty(o, "thumb_url", a.thumb_url);
  expand.put_unless_empty(o, "footer", a.footer);
  expand.put_unless_empty(o, "footer_icon", a.footer_icon);
  expand.put_unless_empty(o, "image_url", a.image_url);
  return o;
}

class Mattermost final : public Receiver {
 public:
  Mattermost() : Receiver(true) {
    card_.text = R"({{ template "mattermost.default.text" . }})";
    card_.color = R"({{ template "mattermost.default.color" . }})";
    card_.title = R"({{ template "mattermost.default.title" . }})";
    card_.title_link = R"({{ template "mattermost.default.titlelink" . }})";
    card_.fallback = R"({{ template "mattermost.default.fallback" . }})";
  }

  Status configure(const text::YamlNode& node, const Globals& globals) {
    Fields fields = attachment_table(card_);
    const auto priority = [this](const text::YamlNode& n) {
      return read_fields(n, "Mattermost priority",
                         {{"priority", &priority_.priority},
                          {"requested_ack", &priority_.requested_ack},
                          {"persistent_notifications", &priority_.persistent_notifications}});
    };
    const auto props = [this](const text::YamlNode& n) {
      return read_fields(n, "Mattermost props", {{"card", &props_card_}});
    };
    fields.insert(fields.end(),
                  {{"webhook_url", SecretUrlField{&url_}},
                   {"channel", &channel_},
                   {"username", &username_},
                   {"icon_url", &icon_url_},
                   {"icon_emoji", &icon_emoji_},
                   {"attachments", list_of<Attachment>("Mattermost attachment", &attachments_, attachment_table)},
                   {"type", &type_},
                   {"props", ReadNode(props)},
                   {"priority", ReadNode(priority)}});
    SENTINEL_TRY(read(node, "mattermost_configs", globals, std::move(fields)));
    url_ = url_.or_else(globals.mattermost_webhook_url);
    if (url_.empty()) return fail(node.error("no Mattermost webhook_url, neither here nor in global"));
    return {};
  }

  bool digestible() const override { return fixed({url_.value, channel_}); }
  Next begin(Attempt& attempt) const override {
    const Result<std::string> url = read_secret(url_);
    if (!url) return failed(url.error());
    if (url->empty()) return failed({ErrorCode::kUnprocessable, "the webhook's URL is missing"});
    const json::object body = message(attempt.expand);
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("Mattermost message"));
    const std::string channel = body.contains("channel") ? std::string(body.at("channel").as_string()) : "";
    return ask(json_call(*url, json::serialize(body)), [channel, now = attempt.now](const net::Response& response) {
      SendResult result = judge_status(response, now);
      if (!result.error.empty()) result.error = "channel \"" + channel + "\": " + result.error;
      return done(std::move(result));
    });
  }

 private:
  json::object message(Expander& expand) const {
    const std::string text = expand(card_.text);
    json::object o;
    // Attachments of one's own stand beside the text; the default one holds it.
    if (!attachments_.empty() && !text.empty()) o["text"] = truncate_runes(text, kTextRunesMax);
    expand.put_unless_empty(o, "channel", channel_);
    expand.put_unless_empty(o, "username", username_);
    expand.put_unless_empty(o, "icon_url", icon_url_);
    expand.put_unless_empty(o, "icon_emoji", icon_emoji_);
    json::array attachments;
    for (const Attachment& a : attachments_) attachments.push_back(attachment_json(a, expand(a.text), expand));
    if (attachments.empty()) attachments.push_back(attachment_json(card_, text, expand));
    o["attachments"] = std::move(attachments);
    expand.put_unless_empty(o, "type", type_);
    if (!props_card_.empty()) o["props"] = json::object{{"card", expand(props_card_)}};
    if (!priority_.priority.empty()) o["priority"] = priority(expand);
    return o;
  }

  // Mattermost refuses combinations that make no sense; they are mended as Alertmanager does.
  json::object priority(Expander& expand) const {
    std::string level = to_lower(expand(priority_.priority));
    if (level != "urgent" && level != "important") level = "standard";
    json::object o = {{"priority", level}};
    if (priority_.requested_ack && level != "standard") o["requested_ack"] = true;
    if (priority_.persistent_notifications && level == "urgent") o["persistent_notifications"] = true;
    return o;
  }

  Secret url_;
  std::string channel_;
  std::string username_ = R"({{ template "mattermost.default.username" . }})";
  std::string icon_url_;
  std::string icon_emoji_;
  std::string type_;
  std::string props_card_;
  Attachment card_;
  std::vector<Attachment> attachments_;
  Priority priority_;
};

}  // namespace

ReceiverResult read_mattermost(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Mattermost>(entry, globals);
}

}  // namespace sentinel::receivers
