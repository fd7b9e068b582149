// Pushover's message API. Everything travels in the query, as Alertmanager sends it.

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

// https://pushover.net/api#limits
constexpr size_t kTitleRunesMax = 250;
constexpr size_t kMessageRunesMax = 1024;
constexpr size_t kUrlRunesMax = 512;
constexpr const char* kApiUrl = "https://api.pushover.net/1/messages.json";

std::string seconds(Millis d) { return std::to_string(d.count() / 1000); }

class Pushover final : public Receiver {
 public:
  Pushover() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    SENTINEL_TRY(read(node, "pushover_configs", globals,
                      {{"user_key", &user_key_},
                       {"token", &token_},
                       {"title", &title_},
                       {"message", &message_},
                       {"url", &url_},
                       {"url_title", &url_title_},
                       {"device", &device_},
                       {"sound", &sound_},
                       {"priority", &priority_},
                       {"retry", GoDurationField{&retry_}},
                       {"expire", GoDurationField{&expire_}},
                       {"ttl", GoDurationField{&ttl_}},
                       {"html", &html_},
                       {"monospace", &monospace_}}));
    if (user_key_.empty()) return fail(node.error("one of user_key or user_key_file must be configured"));
    if (token_.empty()) return fail(node.error("one of token or token_file must be configured"));
    if (html_ && monospace_) return fail(node.error("at most one of monospace and html must be configured"));
    return {};
  }

  bool digestible() const override { return fixed({user_key_.value, token_.value, device_}); }
  Next begin(Attempt& attempt) const override {
    const Result<std::string> token = read_secret(token_);
    if (!token) return failed(token.error());
    const Result<std::string> user = read_secret(user_key_);
    if (!user) return failed(user.error());
    Expander& expand = attempt.expand;
    std::string message = html_ ? expand.html(message_) : expand(message_);
    message = std::string(trim(truncate_runes(message, kMessageRunesMax)));
    StringMap query = {{"token", expand(*token)},
                       {"user", expand(*user)},
                       {"title", truncate_runes(expand(title_), kTitleRunesMax)},
                       {"message", message.empty() ? "(no details)" : message},  // Pushover refuses empty ones
                       {"url", truncate_runes(expand(url_), kUrlRunesMax)},
                       {"url_title", expand(url_title_)},
                       {"priority", expand(priority_)},
                       {"retry", seconds(retry_)},
                       {"expire", seconds(expire_)},
                       {"device", expand(device_)},
                       {"sound", expand(sound_)}};
    if (html_) query["html"] = "1";
    if (monospace_) query["monospace"] = "1";
    if (ttl_.count() >= 1000) query["ttl"] = seconds(ttl_);
    if (expand.error()) return failed(expand.error()->with_context("Pushover message"));
    HttpCall call{std::string(kApiUrl) + "?" + form_encode(query), ""};
    call.headers.set("Content-Type", "text/plain");
    return ask_once(std::move(call), attempt.now);
  }

 private:
  Secret user_key_;
  Secret token_;
  std::string title_ = R"({{ template "pushover.default.title" . }})";
  std::string message_ = R"({{ template "pushover.default.message" . }})";
  std::string url_ = R"({{ template "pushover.default.url" . }})";
  std::string url_title_;
  std::string device_;
  std::string sound_;
  std::string priority_ = R"({{ if eq .Status "firing" }}2{{ else }}0{{ end }})";  // emergency, normal
  Millis retry_ = std::chrono::minutes(1);
  Millis expire_ = std::chrono::hours(1);
  Millis ttl_{0};
  bool html_ = false;
  bool monospace_ = false;
};

}  // namespace

ReceiverResult read_pushover(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Pushover>(entry, globals);
}

}  // namespace sentinel::receivers
