// By what people are reached, and which policy an incident is told by.

#include <algorithm>

#include "oncall/channels.h"
#include "oncall/config_read.h"
#include "oncall/limits.h"
#include "receivers/fields.h"
#include "receivers/globals.h"

namespace sentinel::oncall {
namespace {

using text::YamlNode;

Result<std::set<model::Severity>> read_severities(const YamlNode& map, std::string_view key,
                                                  std::set<model::Severity> fallback) {
  if (!map.has(key)) return fallback;
  std::set<model::Severity> out;
  SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(map, key, 4));
  for (const YamlNode& item : items) {
    SENTINEL_ASSIGN(const std::string word, item.string());
    const auto severity = model::parse_severity(word);
    if (!severity) {
      return fail(
          item.error("unknown severity \"" + word + "\"; expected SEV1..SEV4, P1..P4 or critical, high, medium, low"));
    }
    out.insert(*severity);
  }
  return out;
}

// {service: payments} and {service: 'pay.*'}: equal, or a whole match of an expression.
Status read_matchers(const YamlNode& map, std::string_view key, model::MatchType type, model::Matchers& out) {
  const YamlNode node = map.get(key);
  if (node.is_null()) return {};
  if (!node.is_map()) return fail(node.error(std::string(key) + " must be a map of labels"));
  for (const YamlNode::Entry& entry : node.entries()) {
    SENTINEL_ASSIGN(std::string value, entry.value.string());
    SENTINEL_ASSIGN(model::Matcher matcher,
                    placed(entry.value, model::Matcher::make(type, entry.name(), std::move(value))));
    out.push_back(std::move(matcher));
  }
  return {};
}

using Policies = std::map<std::string, Policy, std::less<>>;

Result<std::string> read_policy(const YamlNode& node, const Policies& policies) {
  SENTINEL_ASSIGN(std::string id, node.string());
  if (id == "none") return "";
  if (!policies.contains(id)) return fail(node.error("policy \"" + id + "\" is not defined"));
  return id;
}

}  // namespace

Result<Channels> read_channels(const YamlNode& root) {
  const std::string file = root.position().file;
  SENTINEL_ASSIGN(const receivers::Globals globals,
                  receivers::read_globals(root.get("global"), file.substr(0, file.rfind('/') + 1)));
  const YamlNode node = root.get("channels");
  if (!node.is_null() && !node.is_map()) return fail(node.error("channels must be a map of names"));
  Channels out;
  for (const YamlNode::Entry& entry : node.entries()) {
    const std::string name = entry.name();
    if (name.find('/') != std::string::npos || name.empty())
      return fail(entry.key.error("a channel's name has no slash and is not empty"));
    if (!entry.value.is_map()) return fail(entry.value.error("a channel is a map with a field \"kind\""));
    SENTINEL_ASSIGN(receivers::Integration channel, read_channel(entry.value, name, globals));
    out.emplace(name, std::move(channel));
  }
  return out;
}

Result<std::vector<Subscription>> read_calendars(const YamlNode& schedule, const std::string& id) {
  std::vector<Subscription> out;
  std::set<std::string> seen;
  SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(schedule, "calendars", kCalendarsMax));
  for (const YamlNode& item : items) {
    SENTINEL_TRY(item.expect_keys("calendar", {"id", "url", "every"}));
    Subscription s;
    s.schedule = id;
    SENTINEL_ASSIGN(s.id, read_id(item, "calendar", seen));
    SENTINEL_ASSIGN(const YamlNode url, item.require("calendar", "url"));
    SENTINEL_ASSIGN(s.url, url.string());
    SENTINEL_TRY(receivers::check_url(url, s.url));
    SENTINEL_ASSIGN(s.every, item.duration_or("every", std::chrono::minutes(15)));
    if (s.every < kCalendarEveryMin) return fail(item.get("every").error("expected at least 1s"));
    out.push_back(std::move(s));
  }
  return out;
}

Result<Routing> read_routing(const YamlNode& root, const Policies& policies) {
  Routing out;
  SENTINEL_ASSIGN(out.page_for, read_severities(root, "page_for", out.page_for));
  SENTINEL_ASSIGN(out.urgent_for, read_severities(root, "urgent_for", out.urgent_for));
  SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(root, "routes", kRoutesMax));
  for (const YamlNode& item : items) {
    SENTINEL_TRY(item.expect_keys("route", {"match", "match_re", "severities", "policy"}));
    Route route;
    SENTINEL_TRY(read_matchers(item, "match", model::MatchType::kEqual, route.match));
    SENTINEL_TRY(read_matchers(item, "match_re", model::MatchType::kRegexp, route.match));
    SENTINEL_ASSIGN(route.severities, read_severities(item, "severities", {}));
    SENTINEL_ASSIGN(const YamlNode policy, item.require("route", "policy"));
    SENTINEL_ASSIGN(route.policy, read_policy(policy, policies));
    out.routes.push_back(std::move(route));
  }
  if (root.has("default_policy")) {
    SENTINEL_ASSIGN(out.default_policy, read_policy(root.get("default_policy"), policies));
  } else if (policies.contains("default")) {
    out.default_policy = "default";
  }
  return out;
}

std::string Routing::policy_of(model::Severity severity, const model::Labels& labels) const {
  if (!page_for.contains(severity)) return "";
  for (const Route& route : routes) {
    if (!route.severities.empty() && !route.severities.contains(severity)) continue;
    if (model::matches_all(route.match, labels)) return route.policy;
  }
  return default_policy;
}

Status check_reachable(const Config& config) {
  std::string missing;
  const auto add = [&missing](const std::string& text) { missing += (missing.empty() ? "" : "; ") + text; };
  for (const auto& [id, user] : config.users) {
    for (const auto& [channel, address] : user.contacts) {
      if (!config.channels.contains(channel))
        add("user \"" + id + "\" has a contact \"" + channel + "\" that is not under channels");
    }
  }
  for (const auto& [id, policy] : config.policies) {
    for (const Level& level : policy.levels) {
      for (const std::string& channel : level.channels) {
        if (!config.channels.contains(channel))
          add("level \"" + level.id + "\" of policy \"" + id + "\" tells by \"" + channel +
              "\", which is not under channels");
      }
    }
  }
  return missing.empty() ? Status() : fail(ErrorCode::kInvalidArgument, missing);
}

}  // namespace sentinel::oncall
