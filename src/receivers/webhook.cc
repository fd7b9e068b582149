// The webhook receiver: Alertmanager's JSON, version 4.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/receiver.h"
#include "text/json.h"
#include "text/labels_json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

// Go's RFC3339Nano: no trailing zeros in the fraction.
std::string go_time(TimePoint t) {
  std::string text = format_rfc3339(t);
  const size_t dot = text.find('.');
  if (dot == std::string::npos) return text;
  const size_t zone = text.find_first_not_of("0123456789", dot + 1);
  size_t end = zone;
  while (end > dot + 1 && text[end - 1] == '0') --end;
  if (end == dot + 1) end = dot;
  return text.substr(0, end) + text.substr(zone);
}

json::object alert_json(const NotifiedAlert& a) {
  return {{"status", a.resolved ? "resolved" : "firing"},
          {"labels", text::labels_object(a.alert.labels)},
          {"annotations", text::labels_object(a.alert.annotations)},
          {"startsAt", go_time(a.alert.starts_at)},
          {"endsAt", a.resolved ? go_time(a.alert.ends_at) : "0001-01-01T00:00:00Z"},
          {"generatorURL", a.alert.generator_url},
          {"fingerprint", a.alert.fingerprint_hex()}};
}

class Webhook final : public Receiver {
 public:
  explicit Webhook(WebhookConfig config) : config_(std::move(config)) {}

  Result<HttpPost> post(const Notification& n) const override {
    HttpPost post;
    SENTINEL_ASSIGN(post.url, read_secret(config_.url));
    post.headers.set("Content-Type", "application/json");
    post.timeout = config_.timeout;
    const size_t shown = config_.max_alerts == 0 ? n.alerts.size() : std::min(config_.max_alerts, n.alerts.size());
    json::array alerts;
    for (size_t i = 0; i < shown; ++i) alerts.push_back(alert_json(n.alerts[i]));
    const json::object body = {{"receiver", n.receiver},
                               {"status", n.status()},
                               {"alerts", std::move(alerts)},
                               {"groupLabels", text::labels_object(n.group_labels)},
                               {"commonLabels", text::labels_object(n.common_labels())},
                               {"commonAnnotations", text::labels_object(n.common_annotations())},
                               {"externalURL", n.external_url},
                               {"version", "4"},
                               {"groupKey", n.group_key},
                               {"truncatedAlerts", n.alerts.size() - shown}};
    post.body = text::serialize(body);
    return post;
  }

  SendResult judge(const net::Response& response) const override { return judge_status(response); }
  const HttpConfig& http() const override { return config_.http; }

 private:
  const WebhookConfig config_;
};

}  // namespace

std::shared_ptr<const Receiver> make_webhook(WebhookConfig config) {
  return std::make_shared<Webhook>(std::move(config));
}

}  // namespace sentinel::receivers
