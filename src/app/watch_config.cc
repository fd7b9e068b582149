#include "app/watch_config.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace sentinel::app {
namespace {

using text::YamlNode;

Result<Micros> positive(const YamlNode& node, std::string_view key, Micros least) {
  const YamlNode value = node.get(key);
  SENTINEL_ASSIGN(const Millis duration, value.duration());
  if (duration < least) return fail(value.error(fmt::format("{} is too short", key)));
  return Micros(duration);
}

Result<model::Labels> labels_of(const YamlNode& node, std::string_view key) {
  model::Labels out;
  const YamlNode map = node.get(key);
  if (!map.is_null() && !map.is_map()) return fail(map.error(fmt::format("{} must be a map", key)));
  for (const YamlNode::Entry& entry : map.entries()) {
    SENTINEL_ASSIGN(const std::string value, entry.value.string());
    out.set(entry.name(), value);
  }
  return out;
}

// Every so often, or after each run of a crontab.
Status parse_when(const YamlNode& node, alerting::HeartbeatDefinition& out) {
  if (!node.has("schedule")) {
    if (node.has("time_zone")) return fail(node.get("time_zone").error("only a schedule has a time_zone"));
    SENTINEL_TRY(node.require("heartbeat", "every"));
    SENTINEL_ASSIGN(out.every, positive(node, "every", std::chrono::seconds(1)));
    SENTINEL_ASSIGN(out.grace, node.duration_or("grace", std::chrono::duration_cast<Millis>(out.every / 10)));
    return {};
  }
  const YamlNode schedule = node.get("schedule");
  if (node.has("every")) return fail(schedule.error("a heartbeat has every or a schedule, not both"));
  SENTINEL_ASSIGN(const std::string text, schedule.string());
  SENTINEL_ASSIGN(const std::string zone, node.string_or("time_zone", "UTC"));
  auto read = alerting::CronSchedule::parse(text, zone);
  if (!read) return fail(schedule.error(read.error().message()));
  out.schedule = std::move(*read);
  SENTINEL_TRY(node.require("heartbeat with a schedule", "grace"));
  SENTINEL_ASSIGN(out.grace, positive(node, "grace", std::chrono::seconds(1)));
  return {};
}

Result<alerting::HeartbeatDefinition> parse_heartbeat(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys(
      "heartbeat", {"name", "every", "schedule", "time_zone", "grace", "max_run", "labels", "annotations"}));
  alerting::HeartbeatDefinition out;
  SENTINEL_ASSIGN(const YamlNode name, node.require("heartbeat", "name"));
  SENTINEL_ASSIGN(out.name, name.string());
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  if (out.name.empty() || out.name.size() > 100 || !std::all_of(out.name.begin(), out.name.end(), fits))
    return fail(name.error("a name is letters, digits and _ - ., at most 100"));
  SENTINEL_TRY(parse_when(node, out));
  if (node.has("max_run")) {
    SENTINEL_ASSIGN(out.max_run, positive(node, "max_run", std::chrono::seconds(1)));
  }
  SENTINEL_ASSIGN(out.labels, labels_of(node, "labels"));
  SENTINEL_ASSIGN(out.annotations, labels_of(node, "annotations"));
  for (const char* ours : {"alertname", "heartbeat"}) {
    if (out.labels.has(ours)) return fail(node.get("labels").error(fmt::format("the label {} is ours", ours)));
  }
  return out;
}

}  // namespace

Result<std::vector<alerting::HeartbeatDefinition>> parse_heartbeats(const YamlNode& node) {
  std::vector<alerting::HeartbeatDefinition> out;
  if (node.is_null()) return out;
  if (!node.is_list()) return fail(node.error("heartbeats must be a list"));
  if (node.size() > alerting::kHeartbeatsMax)
    return fail(node.error(fmt::format("more than {} heartbeats", alerting::kHeartbeatsMax)));
  std::set<std::string> seen;
  for (const YamlNode& item : node.items()) {
    SENTINEL_ASSIGN(alerting::HeartbeatDefinition one, parse_heartbeat(item));
    if (!seen.insert(one.name).second)
      return fail(item.error(fmt::format("heartbeat \"{}\" is there twice", one.name)));
    out.push_back(std::move(one));
  }
  return out;
}

Result<alerting::DeadManOptions> parse_dead_man(const YamlNode& node) {
  alerting::DeadManOptions out;
  if (node.is_null()) return out;
  SENTINEL_TRY(node.expect_keys("dead_man", {"urls", "every", "alert"}));
  SENTINEL_ASSIGN(out.urls, node.strings_or("urls", {}));
  for (const std::string& url : out.urls) {
    if (!url.starts_with("http://") && !url.starts_with("https://"))
      return fail(node.get("urls").error("an address begins with http:// or https://"));
  }
  if (node.has("every")) {
    SENTINEL_ASSIGN(out.every, positive(node, "every", std::chrono::seconds(1)));
  }
  SENTINEL_ASSIGN(out.alert, node.string_or("alert", out.alert));
  return out;
}

}  // namespace sentinel::app
