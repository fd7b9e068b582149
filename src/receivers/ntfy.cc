// Push by ntfy (https://docs.ntfy.sh/publish/#publish-as-json), its own server or ntfy.sh: a phone without a vendor's
// cloud.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

// What ntfy takes; a longer message would become an attachment, which a locked phone does not show.
constexpr size_t kMessageBytesMax = 4096;
constexpr size_t kTitleBytesMax = 1024;

struct Button {
  std::string label;
  std::string url;
  std::string method = "POST";
};

class Ntfy final : public Receiver {
 public:
  Ntfy() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    const auto buttons = list_of<Button>(
        "ntfy action", &actions_,
        [](Button& b) { return Fields{{"label", &b.label}, {"url", &b.url}, {"method", &b.method}}; },
        [](const text::YamlNode& n, Button& b) -> Status {
          if (b.label.empty() || b.url.empty()) return fail(n.error("an ntfy action needs label and url"));
          return {};
        });
    SENTINEL_TRY(read(node, "ntfy_configs", globals,
                      {{"url", UrlField{&url_}},
                       {"topic", &topic_},
                       {"token", &token_},
                       {"title", &title_},
                       {"message", &message_},
                       {"priority", &priority_},
                       {"tags", &tags_},
                       {"click", &click_},
                       {"actions", buttons},
                       {"timeout", GoDurationField{&timeout_}}}));
    if (topic_.empty()) return fail(node.error("missing topic in ntfy configuration"));
    if (!token_.empty() && (http_.has_authorization || http_.has_basic_auth)) {
      return fail(node.error("at most one of token and the authorization of http_config must be configured"));
    }
    if (token_.empty()) return {};
    http_.has_authorization = true;
    http_.authorization = token_;
    return {};
  }

  bool digestible() const override { return fixed({topic_}); }

  Next begin(Attempt& attempt) const override {
    Expander& expand = attempt.expand;
    json::object body = {{"topic", expand(topic_)},
                         {"title", truncate_bytes(expand(title_), kTitleBytesMax)},
                         {"message", truncate_bytes(std::string(trim(expand(message_))), kMessageBytesMax)}};
    const auto priority = parse_int(trim(expand(priority_)));
    expand.put_unless_empty(body, "click", click_);
    json::array tags;
    for (const std::string& tag : tags_) {
      if (const std::string text = expand(tag); !text.empty()) tags.emplace_back(text);
    }
    if (!tags.empty()) body["tags"] = std::move(tags);
    json::array actions;
    for (const Button& button : actions_) {
      const std::string url = expand(button.url);
      if (url.empty()) continue;  // what cannot be done in this message has no button
      actions.push_back(json::object{{"action", "http"},
                                     {"label", expand(button.label)},
                                     {"url", url},
                                     {"method", expand(button.method)},
                                     {"clear", true}});
    }
    if (!actions.empty()) body["actions"] = std::move(actions);
    if (expand.error()) return failed(expand.error()->with_context("ntfy message"));
    if (!priority || *priority < 1 || *priority > 5) {
      return failed({ErrorCode::kUnprocessable, "the ntfy priority is not a number from 1 to 5"});
    }
    body["priority"] = *priority;
    if (body["topic"].as_string().empty()) {
      return failed({ErrorCode::kUnprocessable, "the ntfy topic is empty after templating"});
    }
    return ask_once(json_call(url_, json::serialize(body)), attempt.now);
  }

 private:
  std::string url_ = "https://ntfy.sh/";
  std::string topic_;  // a template
  Secret token_;
  std::string title_ = R"({{ template "pushover.default.title" . }})";
  std::string message_ = R"({{ template "pushover.default.message" . }})";
  std::string priority_ = R"({{ if eq .Status "firing" }}5{{ else }}3{{ end }})";
  std::vector<std::string> tags_;
  std::string click_ = R"({{ template "pushover.default.url" . }})";
  std::vector<Button> actions_;
};

}  // namespace

ReceiverResult read_ntfy(const text::YamlNode& entry, const Globals& globals) { return read_as<Ntfy>(entry, globals); }

}  // namespace sentinel::receivers
