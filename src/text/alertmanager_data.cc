#include "text/alertmanager_data.h"

#include <set>

#include "text/go_time.h"

namespace sentinel::text {
namespace {

using Args = std::span<const Value>;

Value empty_text() { return Value(std::string()); }

const TypeInfo* named_strings_type() {  // template.Strings
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "template.Strings";
    t.element = "string";
    t.methods["Join"] = {{ParamKind::kString}, [](const Value& self, Args args) -> Result<Value> {
                           std::string out;
                           for (const Value& item : self.as_list()) {
                             if (&item != &self.as_list().front()) out += args[0].as_string();
                             out += item.as_string();
                           }
                           return Value(std::move(out));
                         }};
    return t;
  }();
  return &type;
}

const TypeInfo* pair_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "template.Pair";
    return t;
  }();
  return &type;
}

Value column(const Value& pairs, size_t field) {
  List list;
  for (const Value& pair : pairs.as_list()) list.push_back(pair.as_struct()[field].second);
  return Value::list(std::move(list), named_strings_type());
}

std::string pairs_text(const Value& pairs) {
  std::string out;
  for (const Value& pair : pairs.as_list()) {
    if (!out.empty()) out += ", ";
    out += pair.as_struct()[0].second.as_string() + "=" + pair.as_struct()[1].second.as_string();
  }
  return out;
}

const TypeInfo* pairs_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "template.Pairs";
    t.element = "template.Pair";
    t.methods["Names"] = {{}, [](const Value& self, Args) -> Result<Value> { return column(self, 0); }};
    t.methods["Values"] = {{}, [](const Value& self, Args) -> Result<Value> { return column(self, 1); }};
    t.methods["String"] = {{}, [](const Value& self, Args) -> Result<Value> { return Value(pairs_text(self)); }};
    t.to_string = pairs_text;
    return t;
  }();
  return &type;
}

// By name, the alert's name in front.
Value sorted_pairs(const Value& kv) {
  List list;
  const auto add = [&](const std::string& name, const Value& value) {
    list.push_back(Value::structure({{"Name", Value(name)}, {"Value", value}}, pair_type()));
  };
  const Map& map = kv.as_map();
  const std::string first(model::kAlertNameLabel);
  if (auto found = map.find(first); found != map.end()) add(found->first, found->second);
  for (const auto& [name, value] : map) {
    if (name != first) add(name, value);
  }
  return Value::list(std::move(list), pairs_type());
}

const TypeInfo* kv_type();

Value without_keys(const Value& kv, const Value& keys) {
  std::set<std::string> gone;
  for (const Value& key : keys.as_list()) gone.insert(key.as_string());
  Map kept;
  for (const auto& [name, value] : kv.as_map()) {
    if (!gone.contains(name)) kept.emplace(name, value);
  }
  return Value::map(std::move(kept), kv_type());
}

const TypeInfo* kv_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "template.KV";
    t.element = "string";
    t.zero = empty_text;
    t.methods["SortedPairs"] = {{}, [](const Value& self, Args) -> Result<Value> { return sorted_pairs(self); }};
    t.methods["Names"] = {{}, [](const Value& self, Args) -> Result<Value> { return column(sorted_pairs(self), 0); }};
    t.methods["Values"] = {{}, [](const Value& self, Args) -> Result<Value> { return column(sorted_pairs(self), 1); }};
    t.methods["Remove"] = {{ParamKind::kStrings},
                           [](const Value& self, Args args) -> Result<Value> { return without_keys(self, args[0]); }};
    t.methods["String"] = {
        {}, [](const Value& self, Args) -> Result<Value> { return Value(pairs_text(sorted_pairs(self))); }};
    t.to_string = [](const Value& self) { return pairs_text(sorted_pairs(self)); };
    return t;
  }();
  return &type;
}

const TypeInfo* alert_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "template.Alert";
    t.json_names = {{"Status", "status"},          {"Labels", "labels"}, {"Annotations", "annotations"},
                    {"StartsAt", "startsAt"},      {"EndsAt", "endsAt"}, {"GeneratorURL", "generatorURL"},
                    {"Fingerprint", "fingerprint"}};
    return t;
  }();
  return &type;
}

const TypeInfo* alert_list_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "[]template.Alert";
    t.element = "template.Alert";
    return t;
  }();
  return &type;
}

Value with_status(const Value& alerts, std::string_view status) {
  List list;
  for (const Value& alert : alerts.as_list()) {
    if (alert.as_struct()[0].second.as_string() == status) list.push_back(alert);
  }
  return Value::list(std::move(list), alert_list_type());
}

const TypeInfo* alerts_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "template.Alerts";
    t.element = "template.Alert";
    t.methods["Firing"] = {{}, [](const Value& self, Args) -> Result<Value> { return with_status(self, "firing"); }};
    t.methods["Resolved"] = {{},
                             [](const Value& self, Args) -> Result<Value> { return with_status(self, "resolved"); }};
    return t;
  }();
  return &type;
}

const TypeInfo* data_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "*template.Data";
    t.json_names = {{"Receiver", "receiver"},
                    {"Status", "status"},
                    {"Alerts", "alerts"},
                    {"NotificationReason", "notification_reason"},
                    {"GroupLabels", "groupLabels"},
                    {"CommonLabels", "commonLabels"},
                    {"CommonAnnotations", "commonAnnotations"},
                    {"RouteLabels", "routeLabels"},
                    {"ExternalURL", "externalURL"}};
    return t;
  }();
  return &type;
}

}  // namespace

TimePoint NotificationAlert::zero_end() { return zero_time().at; }

Value kv_value(const model::Labels& labels) {
  Map map;
  for (const auto& label : labels) map.emplace(label.name, Value(label.value));
  return Value::map(std::move(map), kv_type());
}

Value alert_value(const NotificationAlert& alert) {
  return Value::structure({{"Status", Value(alert.firing ? "firing" : "resolved")},
                           {"Labels", kv_value(alert.labels)},
                           {"Annotations", kv_value(alert.annotations)},
                           {"StartsAt", Value(alert.starts_at)},
                           {"EndsAt", Value(alert.ends_at)},
                           {"GeneratorURL", Value(alert.generator_url)},
                           {"Fingerprint", Value(alert.fingerprint)}},
                          alert_type());
}

Value to_value(const NotificationData& data) {
  List alerts;
  for (const NotificationAlert& alert : data.alerts) alerts.push_back(alert_value(alert));
  return Value::structure({{"Receiver", Value(data.receiver)},
                           {"Status", Value(data.firing ? "firing" : "resolved")},
                           {"Alerts", Value::list(std::move(alerts), alerts_type())},
                           {"NotificationReason", Value(data.notification_reason)},
                           {"GroupLabels", kv_value(data.group_labels)},
                           {"CommonLabels", kv_value(data.common_labels)},
                           {"CommonAnnotations", kv_value(data.common_annotations)},
                           {"RouteLabels", kv_value(data.route_labels)},
                           {"ExternalURL", Value(data.external_url)}},
                          data_type());
}

}  // namespace sentinel::text
