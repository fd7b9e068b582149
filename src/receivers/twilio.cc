// SMS and phone calls by Twilio's API of 2010-04-01, or a service that speaks it.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kSmsRunesMax = 1600;  // what Twilio takes in one message
constexpr size_t kTwimlBytesMax = 4000;

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return out;
}

// Twilio says more than the status: {"code": 21211, "message": "..."}.
SendResult judge(const net::Response& response, TimePoint now) {
  const Result<json::object> answer = text::parse_json_object(response.body);
  std::optional<std::string> details;
  bool again = false;
  if (answer && response.status / 100 != 2) {
    const int64_t code = text::json_int_or(*answer, "code", 0).value_or(0);
    details = "Twilio error " + std::to_string(code) + ": " + text::json_string_or(*answer, "message", "").value_or("");
    again = code == 20429;  // too many requests
  }
  return judge_status(response, now, again ? response.status : 0, details);
}

// What both kinds have: who asks, from which number, to which.
class Twilio : public Receiver {
 protected:
  Twilio() : Receiver(false) {}

  Status configure_account(const text::YamlNode& node, std::string_view what, const Globals& globals, Fields fields) {
    for (Field& field : Fields{{"api_url", UrlField{&api_url_}},
                               {"account_sid", &account_sid_},
                               {"auth_token", &auth_token_},
                               {"from", &from_},
                               {"to", &to_},
                               {"timeout", GoDurationField{&timeout_}}}) {
      fields.push_back(std::move(field));
    }
    SENTINEL_TRY(read(node, what, globals, std::move(fields)));
    if (account_sid_.empty()) return fail(node.error("missing account_sid in Twilio configuration"));
    if (auth_token_.empty()) return fail(node.error("one of auth_token or auth_token_file must be configured"));
    if (to_.empty()) return fail(node.error("missing to number in Twilio configuration"));
    if (http_.has_basic_auth || http_.has_authorization) {
      return fail(node.error("Twilio takes account_sid and auth_token, no other authorization"));
    }
    http_.has_basic_auth = true;
    http_.basic_username = {account_sid_, ""};
    http_.basic_password = auth_token_;
    return {};
  }

  Next post(const Attempt& attempt, std::string_view resource, const StringMap& form) const {
    HttpCall call{join_url(api_url_, "2010-04-01/Accounts/" + account_sid_ + "/" + std::string(resource)),
                  form_encode(form)};
    call.headers.set("Content-Type", "application/x-www-form-urlencoded");
    call.headers.set("I-Twilio-Idempotency-Token", attempt.key);
    return ask(std::move(call), [now = attempt.now](const net::Response& r) { return done(judge(r, now)); });
  }

  std::string api_url_ = "https://api.twilio.com/";
  std::string account_sid_;
  Secret auth_token_;
  std::string from_;
  std::string to_;  // a template
};

class TwilioSms final : public Twilio {
 public:
  Status configure(const text::YamlNode& node, const Globals& globals) {
    SENTINEL_TRY(configure_account(
        node, "twilio_sms_configs", globals,
        {{"messaging_service_sid", &service_sid_}, {"body", &body_}, {"status_callback", &status_callback_}}));
    if (from_.empty() == service_sid_.empty()) {
      return fail(node.error("exactly one of from and messaging_service_sid must be configured"));
    }
    return {};
  }

  bool digestible() const override { return fixed({to_}); }

  Next begin(Attempt& attempt) const override {
    Expander& expand = attempt.expand;
    StringMap form = {{"To", expand(to_)}, {"Body", truncate_runes(std::string(trim(expand(body_))), kSmsRunesMax)}};
    if (!from_.empty()) form["From"] = from_;
    if (!service_sid_.empty()) form["MessagingServiceSid"] = service_sid_;
    if (const std::string callback = expand(status_callback_); !callback.empty()) form["StatusCallback"] = callback;
    if (expand.error()) return failed(expand.error()->with_context("SMS"));
    return post(attempt, "Messages.json", form);
  }

 private:
  std::string service_sid_;
  std::string body_ = R"({{ template "pushover.default.title" . }})";
  std::string status_callback_;
};

class TwilioCall final : public Twilio {
 public:
  Status configure(const text::YamlNode& node, const Globals& globals) {
    SENTINEL_TRY(configure_account(node, "twilio_call_configs", globals,
                                   {{"say", &say_},
                                    {"ask", &ask_},
                                    {"voice", &voice_},
                                    {"language", &language_},
                                    {"digits_url", &digits_url_},
                                    {"status_callback", &status_callback_}}));
    if (from_.empty()) return fail(node.error("missing from number in Twilio configuration"));
    return {};
  }

  Next begin(Attempt& attempt) const override {
    Expander& expand = attempt.expand;
    StringMap form = {{"From", from_}, {"To", expand(to_)}, {"Twiml", spoken(expand)}};
    if (const std::string callback = expand(status_callback_); !callback.empty()) form["StatusCallback"] = callback;
    if (expand.error()) return failed(expand.error()->with_context("phone call"));
    return post(attempt, "Calls.json", form);
  }

 private:
  // Said twice: whoever was asleep has missed the first half.
  std::string spoken(Expander& expand) const {
    const std::string say =
        "<Say voice=\"" + xml_escape(voice_) + "\" language=\"" + xml_escape(language_) + "\" loop=\"2\">";
    const std::string text = xml_escape(truncate_bytes(std::string(trim(expand(say_))), kTwimlBytesMax / 2));
    const std::string digits = expand(digits_url_);
    if (digits.empty()) return "<Response>" + say + text + "</Say></Response>";
    return "<Response><Gather numDigits=\"1\" timeout=\"15\" action=\"" + xml_escape(digits) + "\">" + say + text +
           " " + xml_escape(expand(ask_)) + "</Say></Gather></Response>";
  }

  std::string say_ = R"({{ template "pushover.default.title" . }})";
  std::string ask_ = "Press 4 to acknowledge, 6 to escalate.";
  std::string voice_ = "alice";
  std::string language_ = "en-US";
  std::string digits_url_;  // where Twilio posts the key that was pressed; "": nothing is asked
  std::string status_callback_;
};

}  // namespace

ReceiverResult read_twilio_sms(const text::YamlNode& entry, const Globals& globals) {
  return read_as<TwilioSms>(entry, globals);
}

ReceiverResult read_twilio_call(const text::YamlNode& entry, const Globals& globals) {
  return read_as<TwilioCall>(entry, globals);
}

}  // namespace sentinel::receivers
