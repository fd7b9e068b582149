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

namespace {

// Whoever has a contact by a test channel has no other one: a real page must not take it for a way to a person.
Status check_test_users(const YamlNode& root, const Config& config) {
  for (const auto& [id, user] : config.users) {
    const auto tests = std::count_if(user.contacts.begin(), user.contacts.end(),
                                     [&](const auto& c) { return config.test_channels.contains(c.first); });
    if (tests != 0 && tests != static_cast<int64_t>(user.contacts.size()))
      return fail(root.get("users").error("user \"" + id +
                                          "\" has contacts by test channels and by others: a page for a person " +
                                          "never goes by a test channel, so that needs a user of its own"));
  }
  return {};
}

bool is_test_user(const Config& config, const Recipient& r) {
  const auto user = config.users.find(r.id);
  return r.kind == Recipient::Kind::kUser && user != config.users.end() && !user->second.contacts.empty() &&
         config.test_channels.contains(user->second.contacts.begin()->first);
}

Status check_test_policy(const YamlNode& node, const Config& config, const Policy& policy) {
  std::vector<Level> levels = policy.levels;
  levels.push_back({"last_resort", policy.last_resort, {}, {}, std::nullopt});
  for (const Level& level : levels) {
    for (const Recipient& r : level.recipients) {
      if (!is_test_user(config, r))
        return fail(node.error("level \"" + level.id + "\" of policy \"" + policy.id +
                               "\" tells others than users whose channels are marked `test: true`"));
    }
  }
  return policy.levels.empty() ? Status(fail(node.error("policy \"" + policy.id + "\" has no level"))) : Status();
}

}  // namespace

Status read_synthetic(const YamlNode& root, Config& config) {
  const YamlNode channels = root.get("channels");
  for (const YamlNode::Entry& entry : channels.entries()) {
    SENTINEL_ASSIGN(const bool test, entry.value.boolean_or("test", false));
    if (test) config.test_channels.insert(entry.name());
  }
  SENTINEL_TRY(check_test_users(root, config));
  const YamlNode node = root.get("synthetic_page");
  if (node.is_null()) return {};
  SENTINEL_TRY(node.expect_keys("synthetic_page", {"every", "within", "policy"}));
  SyntheticPage out;
  SENTINEL_ASSIGN(out.every, node.duration_or("every", std::chrono::hours(6)));
  SENTINEL_ASSIGN(out.within, node.duration_or("within", std::chrono::minutes(1)));
  if (out.within <= Micros(0) || out.every <= 2 * out.within)
    return fail(node.error("`every` is longer than twice `within`, which is above 0"));
  SENTINEL_ASSIGN(const YamlNode policy, node.require("synthetic_page", "policy"));
  SENTINEL_ASSIGN(out.policy, policy.string());
  const auto known = config.policies.find(out.policy);
  if (known == config.policies.end()) return fail(policy.error("policy \"" + out.policy + "\" is not defined"));
  SENTINEL_TRY(check_test_policy(policy, config, known->second));
  // The general last resort must not be told of a test.
  if (known->second.last_resort.empty()) known->second.last_resort = known->second.levels.front().recipients;
  if (config.last_resort.empty())
    return fail(node.error("whoever is told when a synthetic page does not arrive is the last_resort: there is none"));
  Policy missing;
  missing.id = kSyntheticPolicy;
  missing.name = "synthetic page missing";
  missing.levels.push_back({"L1", config.last_resort, {}, std::chrono::minutes(5), std::nullopt});
  missing.repeats = 3;
  if (config.policies.contains(missing.id))
    return fail(root.get("policies").error("the policy \"" + missing.id + "\" is ours"));
  config.policies.emplace(missing.id, missing);
  Route route;
  route.match.push_back(model::Matcher::equal(std::string(model::kAlertNameLabel), std::string(kSyntheticMissing)));
  route.policy = missing.id;
  config.routing.routes.insert(config.routing.routes.begin(), std::move(route));
  config.synthetic_page = std::move(out);
  return {};
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
