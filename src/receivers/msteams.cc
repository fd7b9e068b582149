// Microsoft Teams, both ways: the retired connector's MessageCard (msteams), and the adaptive card of a Power Automate
// workflow (msteamsv2).

#include <boost/json.hpp>

#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

class Teams : public Receiver {
 public:
  explicit Teams(const std::string& prefix)
      : Receiver(true),
        title_("{{ template \"" + prefix + ".default.title\" . }}"),
        text_("{{ template \"" + prefix + ".default.text\" . }}") {}

  bool digestible() const override { return fixed({url_.value}); }
  Next begin(Attempt& attempt) const override {
    const Result<std::string> url = read_secret(url_);
    if (!url) return failed(url.error());
    const std::string body = json::serialize(card(attempt.expand, attempt.notification.firing()));
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("Teams message"));
    return ask_once(json_call(*url, body), attempt.now);
  }

 protected:
  virtual json::object card(Expander& expand, bool firing) const = 0;

  Status configure_with(const text::YamlNode& node, std::string_view what, const Globals& globals, Fields more) {
    more.insert(more.end(), {{"webhook_url", SecretUrlField{&url_}}, {"title", &title_}, {"text", &text_}});
    SENTINEL_TRY(read(node, what, globals, std::move(more)));
    if (url_.empty()) return fail(node.error("one of webhook_url or webhook_url_file must be configured"));
    return {};
  }

  Secret url_;
  std::string title_;
  std::string text_;
};

class MessageCard final : public Teams {
 public:
  MessageCard() : Teams("msteams") {}
  Status configure(const text::YamlNode& node, const Globals& globals) {
    return configure_with(node, "msteams_configs", globals, {{"summary", &summary_}});
  }

 private:
  json::object card(Expander& expand, bool firing) const override {
    return {{"@context", "http://schema.org/extensions"},
            {"type", "MessageCard"},
            {"title", expand(title_)},
            {"summary", expand(summary_)},
            {"text", expand(text_)},
            {"themeColor", firing ? "8C1A1A" : "2DC72D"}};
  }
  std::string summary_ = R"({{ template "msteams.default.summary" . }})";
};

class AdaptiveCard final : public Teams {
 public:
  AdaptiveCard() : Teams("msteamsv2") {}
  Status configure(const text::YamlNode& node, const Globals& globals) {
    SENTINEL_TRY(configure_with(node, "msteamsv2_configs", globals, {}));
    // An http_config without a proxy keeps the global one.
    if (http_.proxy.url.empty() && !http_.proxy.from_environment) http_.proxy.url = globals.http.proxy.url;
    return {};
  }

 private:
  json::object card(Expander& expand, bool firing) const override {
    const json::object title = {{"type", "TextBlock"},
                                {"text", expand(title_)},
                                {"weight", "Bolder"},
                                {"size", "Medium"},
                                {"wrap", true},
                                {"style", "heading"},
                                {"color", firing ? "Attention" : "Good"}};
    const json::object text = {{"type", "TextBlock"}, {"text", expand(text_)}, {"wrap", true}};
    const json::object content = {{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
                                  {"type", "AdaptiveCard"},
                                  {"version", "1.2"},
                                  {"body", json::array{title, text}},
                                  {"msteams", json::object{{"width", "full"}}}};
    const json::object attachment = {
        {"contentType", "application/vnd.microsoft.card.adaptive"}, {"contentUrl", nullptr}, {"content", content}};
    return {{"type", "message"}, {"attachments", json::array{attachment}}};
  }
};

}  // namespace

ReceiverResult read_msteams(const text::YamlNode& entry, const Globals& globals) {
  return read_as<MessageCard>(entry, globals);
}
ReceiverResult read_msteamsv2(const text::YamlNode& entry, const Globals& globals) {
  return read_as<AdaptiveCard>(entry, globals);
}

}  // namespace sentinel::receivers
