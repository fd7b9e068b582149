// Telegram bots: sendMessage.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kMessageRunesMax = 4096;
// HTML cannot be cut anywhere; this is sent instead.
constexpr const char* kTooLong =
    "Alertmanager notification could not be sent: message length exceeds Telegram limits.\n"
    "\t\t\tPlease check the template used for producing the message content.";

class Telegram final : public Receiver {
 public:
  Telegram() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    url_ = globals.telegram_api_url;
    SENTINEL_TRY(read(node, "telegram_configs", globals,
                      {{"api_url", UrlField{&url_}},
                       {"bot_token", &bot_token_},
                       {"chat_id", &chat_id_},
                       {"chat_id_file", &chat_id_file_},
                       {"message_thread_id", &message_thread_id_},
                       {"message", &message_},
                       {"disable_notifications", &disable_notifications_},
                       {"parse_mode", &parse_mode_}}));
    if (chat_id_ == 0 && chat_id_file_.empty()) {
      return fail(node.error("one of chat_id or chat_id_file must be configured"));
    }
    if (chat_id_ != 0 && !chat_id_file_.empty()) {
      return fail(node.error("at most one of chat_id and chat_id_file must be configured"));
    }
    if (!parse_mode_.empty() && parse_mode_ != "Markdown" && parse_mode_ != "MarkdownV2" && parse_mode_ != "HTML") {
      return fail(node.get("parse_mode").error("parse_mode must be Markdown, MarkdownV2, HTML or empty"));
    }
    bot_token_ = bot_token_.or_else(globals.telegram_bot_token);
    if (bot_token_.empty()) return fail(node.error("no Telegram bot token, neither here nor in global"));
    return {};
  }

  bool digestible() const override { return fixed({url_, chat_id_file_}); }
  Next begin(Attempt& attempt) const override {
    const Result<std::string> token = read_secret(bot_token_);
    if (!token) return retry(token.error().to_string());
    std::string chat = std::to_string(chat_id_);
    if (!chat_id_file_.empty()) {
      const Result<std::string> file = read_secret({"", chat_id_file_});
      if (!file || !parse_int(*file)) return retry("the chat id cannot be read from " + chat_id_file_);
      chat = *file;
    }
    const std::string text = message(attempt.expand);
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("Telegram message"));
    json::object body = {{"chat_id", chat}};
    if (disable_notifications_) body["disable_notification"] = "true";
    body["disable_web_page_preview"] = "true";
    if (message_thread_id_ != 0) body["message_thread_id"] = std::to_string(message_thread_id_);
    if (!parse_mode_.empty()) body["parse_mode"] = parse_mode_;
    body["text"] = text;
    std::string url = url_;
    while (url.ends_with('/')) url.pop_back();
    return ask(json_call(url + "/bot" + *token + "/sendMessage", json::serialize(body)),
               [now = attempt.now](const net::Response& response) { return judge(response, now); });
  }

 private:
  std::string message(Expander& expand) const {
    if (parse_mode_ != "HTML") return truncate_runes(expand(message_), kMessageRunesMax);
    std::string text = expand.html(message_);
    return truncate_runes(text, kMessageRunesMax) == text ? text : kTooLong;
  }

  // Like Alertmanager, whatever Telegram refuses is tried again until the group's next flush.
  static Next judge(const net::Response& response, TimePoint now) {
    const auto answer = text::parse_json_object(response.body);
    if (answer && text::json_bool_or(*answer, "ok", false).value_or(false)) return done();
    SendResult result{SendResult::Kind::kRetry, "error answer from Telegram: " + shown_body(response.body), {}, {}};
    result.retry_after = parse_retry_after(response.headers.get("Retry-After"), now);
    if (answer) {
      if (const auto parameters = text::json_object(*answer, "parameters")) {
        const int64_t seconds = text::json_int_or(**parameters, "retry_after", 0).value_or(0);
        if (seconds > 0) result.retry_after = parse_retry_after(std::to_string(seconds), now);
      }
    }
    return done(std::move(result));
  }

  std::string url_;
  Secret bot_token_;
  int64_t chat_id_ = 0;
  std::string chat_id_file_;
  int64_t message_thread_id_ = 0;
  std::string message_ = R"({{ template "telegram.default.message" . }})";
  bool disable_notifications_ = false;
  std::string parse_mode_ = "HTML";
};

}  // namespace

ReceiverResult read_telegram(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Telegram>(entry, globals);
}

}  // namespace sentinel::receivers
