// Webhooks: Alertmanager's JSON, version 4, or a payload of the user's own; signed when there is a signing_secret.

#include <boost/json.hpp>

#include "base/hash.h"
#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

class Webhook final : public Receiver {
 public:
  Webhook() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    const auto payload = [this](const text::YamlNode& n) -> Status {
      SENTINEL_ASSIGN(payload_, json_from_yaml(n));
      return {};
    };
    SENTINEL_TRY(read(node, "webhook_configs", globals,
                      {{"url", &url_},
                       {"max_alerts", &max_alerts_},
                       {"timeout", GoDurationField{&timeout_}},
                       {"payload", ReadNode(payload)},
                       {"signing_secret", &signing_secret_}}));
    if (url_.empty()) return fail(node.error("one of url or url_file must be configured"));
    return url_.value.empty() ? Status() : check_template_url(node.get("url"), url_.value);
  }

  Next begin(Attempt& attempt) const override {
    const Result<std::string> address = read_secret(url_);
    if (!address) return failed(address.error());
    const json::value body = payload_ ? expand_document(*payload_, attempt.expand)
                                      : json::value(data_json(attempt.notification, attempt.expand, max_alerts_, "4"));
    const std::string url = attempt.expand(*address);
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("webhook"));
    if (url.empty()) return failed({ErrorCode::kUnprocessable, "the webhook's URL is empty after templating"});
    HttpCall call = json_call(url, json::serialize(body));
    if (const Status s = sign(call); !s) return failed(s.error());
    return ask_once(std::move(call), attempt.now);
  }

 private:
  // The receiver knows by it that the message is ours and whole.
  Status sign(HttpCall& call) const {
    if (signing_secret_.empty()) return {};
    SENTINEL_ASSIGN(const std::string secret, read_secret(signing_secret_));
    call.headers.set("X-Sentinel-Signature", "sha256=" + hex_encode(hmac_sha256(secret, call.body)));
    return {};
  }

  Secret url_;  // a template
  Secret signing_secret_;
  size_t max_alerts_ = 0;
  std::optional<json::value> payload_;
};

}  // namespace

ReceiverResult read_webhook(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Webhook>(entry, globals);
}

}  // namespace sentinel::receivers
