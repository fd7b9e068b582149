// WeChat Work: an access token for corp_id and secret, kept for two hours, then message/send.

#include <boost/json.hpp>

#include "base/hash.h"
#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr Micros kTokenKept = std::chrono::hours(2);
constexpr int64_t kTokenExpired = 42001;

class WeChat final : public Receiver {
 public:
  WeChat() : Receiver(false) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    url_ = globals.wechat_api_url;
    corp_id_ = globals.wechat_api_corp_id;
    SENTINEL_TRY(read(node, "wechat_configs", globals,
                      {{"api_secret", &secret_},
                       {"corp_id", &corp_id_},
                       {"message", &message_},
                       {"api_url", UrlField{&url_}},
                       {"to_user", &to_user_},
                       {"to_party", &to_party_},
                       {"to_tag", &to_tag_},
                       {"agent_id", &agent_id_},
                       {"message_type", &message_type_}}));
    if (message_type_.empty()) message_type_ = "text";
    if (message_type_ != "text" && message_type_ != "markdown") {
      return fail(node.get("message_type").error("message_type must be text or markdown"));
    }
    secret_ = secret_.or_else(globals.wechat_api_secret);
    if (secret_.empty()) return fail(node.error("no WeChat api_secret, neither here nor in global"));
    if (corp_id_.empty()) return fail(node.error("no WeChat corp_id, neither here nor in global"));
    url_ = with_slash(url_);
    return {};
  }

  bool digestible() const override { return fixed({url_, to_user_, to_party_, to_tag_, agent_id_}); }
  Next begin(Attempt& attempt) const override {
    const Result<std::string> secret = read_secret(secret_);
    if (!secret) return failed(secret.error());
    const std::string query =
        form_encode({{"corpsecret", attempt.expand(*secret)}, {"corpid", attempt.expand(corp_id_)}});
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("WeChat token"));
    const std::string key = "wechat " + url_ + " " + hex_encode(sha256(query));
    if (const auto token = attempt.tokens.find(key, attempt.now)) return send(&attempt, key, *token);
    return ask({url_ + "gettoken?" + query, "", "GET"}, [this, &attempt, key](const net::Response& response) {
      const auto answer = text::parse_json_object(response.body);
      const std::string token = answer ? text::json_string_or(*answer, "access_token", "").value_or("") : std::string();
      if (token.empty() && response.status / 100 != 2) return done(judge_status(response, attempt.now));
      if (token.empty()) return failed({ErrorCode::kUnauthenticated, "invalid api_secret for corp_id " + corp_id_});
      attempt.tokens.put(key, token, attempt.now + kTokenKept);
      return send(&attempt, key, token);
    });
  }

 private:
  Next send(Attempt* attempt, const std::string& key, const std::string& token) const {
    Expander& expand = attempt->expand;
    const std::string content = expand(message_);
    const bool markdown = message_type_ == "markdown";
    json::object body = {{"text", json::object{{"content", markdown ? "" : content}}}};
    expand.put_unless_empty(body, "touser", to_user_);
    expand.put_unless_empty(body, "toparty", to_party_);
    expand.put_unless_empty(body, "totag", to_tag_);
    expand.put_unless_empty(body, "agentid", agent_id_);
    body["safe"] = "0";
    body["msgtype"] = message_type_;
    body["markdown"] = json::object{{"content", markdown ? content : ""}};
    if (expand.error()) return failed(expand.error()->with_context("WeChat message"));
    const std::string url = url_ + "message/send?" + form_encode({{"access_token", token}});
    return ask(json_call(url, json::serialize(body)), [attempt, key](const net::Response& response) {
      if (response.status != 200) {
        SendResult result = judge_status(response, attempt->now);
        result.kind = SendResult::Kind::kRetry;  // whatever it is, as Alertmanager does
        result.error = "unexpected status code " + std::to_string(response.status);
        return done(std::move(result));
      }
      const auto answer = text::parse_json_object(response.body);
      if (!answer) return retry("the answer is not JSON: " + shown_body(response.body));
      const int64_t code = text::json_int_or(*answer, "errcode", 0).value_or(0);
      if (code == 0) return done();
      const std::string error = text::json_string_or(*answer, "errmsg", "").value_or("");
      if (code != kTokenExpired) return failed({ErrorCode::kUnprocessable, "error answer from WeChat: " + error});
      attempt->tokens.drop(key);
      return retry("error answer from WeChat: " + error);
    });
  }

  Secret secret_;
  std::string corp_id_;
  std::string message_ = R"({{ template "wechat.default.message" . }})";
  std::string url_;
  std::string to_user_ = R"({{ template "wechat.default.to_user" . }})";
  std::string to_party_ = R"({{ template "wechat.default.to_party" . }})";
  std::string to_tag_ = R"({{ template "wechat.default.to_tag" . }})";
  std::string agent_id_ = R"({{ template "wechat.default.agent_id" . }})";
  std::string message_type_;
};

}  // namespace

ReceiverResult read_wechat(const text::YamlNode& entry, const Globals& globals) {
  return read_as<WeChat>(entry, globals);
}

}  // namespace sentinel::receivers
