#include "receivers/notification.h"

#include <algorithm>

#include <boost/json.hpp>

#include "text/json_text.h"
#include "text/labels_json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

model::Labels common(const std::vector<NotifiedAlert>& alerts, model::Labels model::Alert::* member) {
  model::Labels shared;
  if (alerts.empty()) return shared;
  for (const model::Label& label : alerts.front().alert.*member) {
    const bool everywhere = std::all_of(alerts.begin(), alerts.end(), [&](const NotifiedAlert& a) {
      return (a.alert.*member).get(label.name) == label.value;
    });
    if (everywhere) shared.set(label.name, label.value);
  }
  return shared;
}

model::Labels labels_from(const json::value& value) {
  std::vector<model::Label> labels;
  for (const auto& [name, v] : value.as_object()) {
    labels.push_back({std::string(name), std::string(v.as_string())});
  }
  return model::Labels(std::move(labels));
}

json::object alert_json(const NotifiedAlert& notified) {
  const model::Alert& a = notified.alert;
  return {{"labels", text::labels_object(a.labels)},
          {"annotations", text::labels_object(a.annotations)},
          {"starts_at_us", to_us(a.starts_at)},
          {"ends_at_us", to_us(a.ends_at)},
          {"updated_at_us", to_us(a.updated_at)},
          {"generator_url", a.generator_url},
          {"resolved", notified.resolved}};
}

TimePoint time_from(const json::value& value) { return time_from_us(value.to_number<int64_t>()); }

NotifiedAlert alert_from(const json::value& value) {
  const json::object& o = value.as_object();
  NotifiedAlert n;
  n.alert.labels = labels_from(o.at("labels"));
  n.alert.annotations = labels_from(o.at("annotations"));
  n.alert.starts_at = time_from(o.at("starts_at_us"));
  n.alert.ends_at = time_from(o.at("ends_at_us"));
  n.alert.updated_at = time_from(o.at("updated_at_us"));
  n.alert.generator_url = std::string(o.at("generator_url").as_string());
  n.resolved = o.at("resolved").as_bool();
  return n;
}

}  // namespace

bool Notification::firing() const {
  return std::any_of(alerts.begin(), alerts.end(), [](const NotifiedAlert& a) { return !a.resolved; });
}

model::Labels Notification::common_labels() const { return common(alerts, &model::Alert::labels); }
model::Labels Notification::common_annotations() const { return common(alerts, &model::Alert::annotations); }

std::string encode_notification(const Notification& n) {
  json::array alerts;
  for (const NotifiedAlert& a : n.alerts) alerts.push_back(alert_json(a));
  const json::object document = {{"receiver", n.receiver},
                                 {"group_key", n.group_key},
                                 {"group_labels", text::labels_object(n.group_labels)},
                                 {"route_labels", text::labels_object(n.route_labels)},
                                 {"reason", n.reason},
                                 {"alerts", std::move(alerts)},
                                 {"external_url", n.external_url},
                                 {"created_at_us", to_us(n.created_at)},
                                 {"expires_at_us", to_us(n.expires_at)}};
  return text::serialize(document);
}

Result<Notification> decode_notification(std::string_view text) {
  try {
    const json::value parsed = json::parse(text);
    const json::object& o = parsed.as_object();
    Notification n;
    n.receiver = std::string(o.at("receiver").as_string());
    n.group_key = std::string(o.at("group_key").as_string());
    n.group_labels = labels_from(o.at("group_labels"));
    // Absent in what older versions left in the outbox.
    if (const json::value* labels = o.if_contains("route_labels")) n.route_labels = labels_from(*labels);
    if (const json::value* reason = o.if_contains("reason")) n.reason = std::string(reason->as_string());
    for (const json::value& a : o.at("alerts").as_array()) n.alerts.push_back(alert_from(a));
    n.external_url = std::string(o.at("external_url").as_string());
    n.created_at = time_from(o.at("created_at_us"));
    n.expires_at = time_from(o.at("expires_at_us"));
    return n;
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInvalidArgument, std::string("stored notification cannot be read: ") + e.what());
  }
}

}  // namespace sentinel::receivers
