// Discord webhooks: one embed, coloured by status.

#include <boost/json.hpp>

#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

// https://discord.com/developers/docs/resources/channel#embed-object-embed-limits
constexpr size_t kTitleRunesMax = 256;
constexpr size_t kDescriptionRunesMax = 4096;
constexpr size_t kContentRunesMax = 2000;
constexpr int kRed = 0x992D22;
constexpr int kGreen = 0x2ECC71;

class Discord final : public Receiver {
 public:
  Discord() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    SENTINEL_TRY(read(node, "discord_configs", globals,
                      {{"webhook_url", SecretUrlField{&url_}},
                       {"content", &content_},
                       {"title", &title_},
                       {"message", &message_},
                       {"username", &username_},
                       {"avatar_url", &avatar_url_}}));
    if (url_.empty()) return fail(node.error("one of webhook_url or webhook_url_file must be configured"));
    return {};
  }

  bool digestible() const override { return fixed({url_.value}); }
  Next begin(Attempt& attempt) const override {
    const Result<std::string> url = read_secret(url_);
    if (!url) return failed(url.error());
    Expander& expand = attempt.expand;
    const json::object embed = {{"title", truncate_runes(expand(title_), kTitleRunesMax)},
                                {"description", truncate_runes(expand(message_), kDescriptionRunesMax)},
                                {"color", attempt.notification.firing() ? kRed : kGreen}};
    json::object body = {{"content", truncate_runes(expand(content_), kContentRunesMax)},
                         {"embeds", json::array{embed}}};
    if (!username_.empty()) body["username"] = username_;
    if (!avatar_url_.empty()) body["avatar_url"] = avatar_url_;
    if (expand.error()) return failed(expand.error()->with_context("Discord message"));
    return ask_once(json_call(*url, json::serialize(body)), attempt.now);
  }

 private:
  Secret url_;
  std::string content_;
  std::string title_ = R"({{ template "discord.default.title" . }})";
  std::string message_ = R"({{ template "discord.default.message" . }})";
  std::string username_;  // not templates
  std::string avatar_url_;
};

}  // namespace

ReceiverResult read_discord(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Discord>(entry, globals);
}

}  // namespace sentinel::receivers
