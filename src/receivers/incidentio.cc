// incident.io alert sources: the webhook's JSON, version 1, at most 512 KB.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kPayloadBytesMax = 512 * 1024;

// "message: error: errors", as far as the answer has them.
std::string details_of(std::string_view body) {
  const auto answer = text::parse_json_object(body);
  if (!answer) return "";
  std::vector<std::string> parts;
  for (const char* key : {"message", "error"}) {
    if (std::string part = text::json_string_or(*answer, key, "").value_or(""); !part.empty()) parts.push_back(part);
  }
  if (const auto errors = text::json_strings(*answer, "errors"); errors && !errors->empty()) {
    parts.push_back(join(*errors, ", "));
  }
  return join(parts, ": ");
}

class IncidentIo final : public Receiver {
 public:
  IncidentIo() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    SENTINEL_TRY(read(node, "incidentio_configs", globals,
                      {{"url", SecretUrlField{&url_}},
                       {"alert_source_token", &token_},
                       {"max_alerts", &max_alerts_},
                       {"timeout", GoDurationField{&timeout_}}}));
    if (url_.empty()) return fail(node.error("one of url or url_file must be configured"));
    const bool own_http = !node.get("http_config").is_null();
    if (own_http && http_.has_authorization && !token_.empty()) {
      return fail(node.error("alert_source_token cannot be given together with http_config.authorization"));
    }
    if (own_http && !http_.has_authorization && token_.empty()) {
      return fail(
          node.error("one of alert_source_token, alert_source_token_file or http_config.authorization is needed"));
    }
    if (!token_.empty()) {
      http_.has_authorization = true;
      http_.authorization_type = "Bearer";
      http_.authorization = token_;
      http_.has_basic_auth = false;
    }
    return {};
  }

  Next begin(Attempt& attempt) const override {
    const Result<std::string> url = read_secret(url_);
    if (!url) return failed(url.error());
    json::object message = data_json(attempt.notification, attempt.expand, max_alerts_, "1");
    std::string body = json::serialize(message);
    if (body.size() > kPayloadBytesMax && message["alerts"].as_array().size() > 1) {
      message["alerts"].as_array().resize(1);  // one is enough to open the alert there
      body = json::serialize(message);
    }
    return ask(json_call(*url, body), [now = attempt.now](const net::Response& response) {
      return done(judge_status(response, now, 0, details_of(response.body)));
    });
  }

 private:
  Secret url_;
  Secret token_;
  size_t max_alerts_ = 0;
};

}  // namespace

ReceiverResult read_incidentio(const text::YamlNode& entry, const Globals& globals) {
  return read_as<IncidentIo>(entry, globals);
}

}  // namespace sentinel::receivers
