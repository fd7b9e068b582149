#include "alerting/config.h"

#include <algorithm>
#include <tuple>

#include "alerting/config_receivers.h"
#include "alerting/limits.h"
#include "alerting/matcher_parser.h"
#include "base/strings.h"

namespace sentinel::alerting {
namespace {

using model::Matcher;
using model::Matchers;
using model::MatchType;
using text::YamlNode;

// An error of a text inside the file, at the place of that text.
tl::unexpected<Error> fail_inside(const YamlNode& node, const Error& error) {
  return fail(Error(error.code(), error.message(), node.position()));
}

Status append(Matchers& out, Result<Matcher> matcher, const YamlNode& node) {
  if (!matcher) return fail_inside(node, matcher.error());
  out.push_back(std::move(*matcher));
  return {};
}

Status append_map(Matchers& out, const YamlNode& node, MatchType type, std::string_view what) {
  if (node.is_null()) return {};
  if (!node.is_map()) return fail(node.error(std::string(what) + " must be a map of label name to value"));
  for (const YamlNode::Entry& entry : node.entries()) {
    const std::string name = entry.name();
    if (!model::is_legacy_label_name(name)) return fail(entry.key.error("\"" + name + "\" is not a label name"));
    if (entry.value.is_null() && type == MatchType::kRegexp) {
      return fail(entry.key.error("label \"" + name + "\" in " + std::string(what) + " needs a regular expression"));
    }
    SENTINEL_ASSIGN(std::string value, entry.value.is_null() ? Result<std::string>("") : entry.value.string());
    SENTINEL_TRY(append(out, Matcher::make(type, name, std::move(value)), entry.value));
  }
  return {};
}

Status append_list(Matchers& out, const YamlNode& node, std::string_view what) {
  if (node.is_null()) return {};
  if (!node.is_list())
    return fail(node.error(std::string(what) + " must be a list of matchers such as 'severity=\"page\"'"));
  for (const YamlNode& item : node.items()) {
    SENTINEL_ASSIGN(const std::string written, item.string());
    Result<Matchers> parsed = parse_matchers(written);
    if (!parsed) return fail_inside(item, parsed.error());
    out.insert(out.end(), parsed->begin(), parsed->end());
  }
  if (out.size() > kMatchersMax) return fail(node.error("more than " + std::to_string(kMatchersMax) + " matchers"));
  return {};
}

// <prefix>match, <prefix>match_re and <prefix>matchers together, in Alertmanager's order.
Result<Matchers> read_matchers(const YamlNode& node, const std::string& prefix) {
  Matchers out;
  SENTINEL_TRY(append_map(out, node.get(prefix + "match"), MatchType::kEqual, prefix + "match"));
  SENTINEL_TRY(append_map(out, node.get(prefix + "match_re"), MatchType::kRegexp, prefix + "match_re"));
  SENTINEL_TRY(append_list(out, node.get(prefix + "matchers"), prefix + "matchers"));
  std::sort(out.begin(), out.end(), [](const Matcher& a, const Matcher& b) {
    return std::tuple(a.name(), a.value(), a.type()) < std::tuple(b.name(), b.value(), b.type());
  });
  return out;
}

std::string matchers_text(const Matchers& matchers) {
  std::string out = "{";
  for (const Matcher& m : matchers) out += (out.size() > 1 ? "," : "") + m.to_string();
  return out + "}";
}

class RouteReader {
 public:
  Result<Route> root(const YamlNode& node) {
    for (const char* key : {"match", "match_re", "matchers"}) {
      if (!node.get(key).is_null()) return fail(node.get(key).error("the root route must not have any matchers"));
    }
    for (const char* key : {"mute_time_intervals", "active_time_intervals"}) {
      if (node.get(key).size() > 0)
        return fail(node.get(key).error(std::string("the root route must not have ") + key));
    }
    SENTINEL_ASSIGN(const bool continues, read_continue(node));
    if (continues) return fail(node.get("continue").error("the root route cannot have \"continue\""));
    SENTINEL_ASSIGN(const std::string receiver, node.string_or("receiver", ""));
    if (receiver.empty()) return fail(node.error("the root route needs a field \"receiver\", the default receiver"));
    return read(node, Route{}, 0);
  }

 private:
  Result<Route> read(const YamlNode& node, const Route& parent, size_t depth) {
    SENTINEL_TRY(node.expect_keys(
        "route", {"receiver", "group_by", "continue", "matchers", "match", "match_re", "group_wait", "group_interval",
                  "repeat_interval", "mute_time_intervals", "active_time_intervals", "routes", "labels"}));
    if (depth >= kRouteDepthMax) return fail(node.error("routes nested deeper than " + std::to_string(kRouteDepthMax)));
    if (++count_ > kRoutesMax) return fail(node.error("more than " + std::to_string(kRoutesMax) + " routes"));
    Route route;
    SENTINEL_TRY(labels(node.get("labels"), parent, route));
    SENTINEL_ASSIGN(route.receiver, node.string_or("receiver", ""));
    if (route.receiver.empty()) route.receiver = parent.receiver;
    SENTINEL_TRY(timing(node, parent, route));
    SENTINEL_TRY(grouping(node, parent, route));
    SENTINEL_ASSIGN(route.continues, read_continue(node));
    SENTINEL_ASSIGN(route.matchers, read_matchers(node, ""));
    SENTINEL_ASSIGN(route.mute_time_intervals, node.strings_or("mute_time_intervals", {}));
    SENTINEL_ASSIGN(route.active_time_intervals, node.strings_or("active_time_intervals", {}));
    route.key = (depth == 0 ? "" : parent.key + "/") + matchers_text(route.matchers);
    route.id = unique(route.key + " > " + route.receiver);
    const YamlNode children = node.get("routes");
    if (!children.is_null() && !children.is_list()) return fail(children.error("routes must be a list"));
    for (const YamlNode& child : children.items()) {
      SENTINEL_ASSIGN(Route sub, read(child, route, depth + 1));
      route.routes.push_back(std::move(sub));
    }
    return route;
  }

  static Result<bool> read_continue(const YamlNode& node) {
    const YamlNode value = node.get("continue");
    return value.is_null() ? Result<bool>(false) : receivers::read_bool(value);
  }

  // What a route does not say itself it has from its parent, name by name.
  static Status labels(const YamlNode& node, const Route& parent, Route& route) {
    route.labels = parent.labels;
    if (node.is_null()) return {};
    if (!node.is_map()) return fail(node.error("labels must be a map of label name to value"));
    for (const YamlNode::Entry& entry : node.entries()) {
      const std::string name = entry.name();
      if (name.empty() || !is_valid_utf8(name)) return fail(entry.key.error("\"" + name + "\" is not a label name"));
      SENTINEL_ASSIGN(const std::string value, entry.value.is_null() ? Result<std::string>("") : entry.value.string());
      route.labels.set(name, value);
    }
    return {};
  }

  static Status timing(const YamlNode& node, const Route& parent, Route& route) {
    const auto get = [&](std::string_view key, Micros fallback) {
      return node.duration_or(key, std::chrono::floor<Millis>(fallback));
    };
    SENTINEL_ASSIGN(route.group_wait, get("group_wait", parent.group_wait));
    SENTINEL_ASSIGN(route.group_interval, get("group_interval", parent.group_interval));
    SENTINEL_ASSIGN(route.repeat_interval, get("repeat_interval", parent.repeat_interval));
    if (route.group_interval.count() == 0)
      return fail(node.get("group_interval").error("group_interval cannot be zero"));
    if (route.repeat_interval.count() == 0)
      return fail(node.get("repeat_interval").error("repeat_interval cannot be zero"));
    return {};
  }

  static Status grouping(const YamlNode& node, const Route& parent, Route& route) {
    const YamlNode list = node.get("group_by");
    if (list.is_null()) {
      route.group_by = parent.group_by;
      route.group_by_all = parent.group_by_all;
      return {};
    }
    SENTINEL_ASSIGN(const std::vector<std::string> names, list.strings());
    for (const std::string& name : names) {
      if (name == "...") {
        route.group_by_all = true;
        continue;
      }
      if (name.empty() || !is_valid_utf8(name)) return fail(list.error("\"" + name + "\" is not a label name"));
      if (std::find(route.group_by.begin(), route.group_by.end(), name) != route.group_by.end()) {
        return fail(list.error("label \"" + name + "\" is twice in group_by"));
      }
      route.group_by.push_back(name);
    }
    if (route.group_by_all && !route.group_by.empty()) {
      return fail(list.error("group_by cannot have '...' together with other labels"));
    }
    std::sort(route.group_by.begin(), route.group_by.end());
    return {};
  }

  std::string unique(const std::string& id) {
    const int used = ++used_ids_[id];
    return used == 1 ? id : id + " #" + std::to_string(used);
  }

  size_t count_ = 0;
  std::map<std::string, int> used_ids_;
};

Result<std::map<std::string, NamedTimeIntervals, std::less<>>> read_time_intervals(const YamlNode& document) {
  std::map<std::string, NamedTimeIntervals, std::less<>> out;
  for (const char* key : {"mute_time_intervals", "time_intervals"}) {
    const YamlNode list = document.get(key);
    if (!list.is_null() && !list.is_list()) return fail(list.error(std::string(key) + " must be a list"));
    for (const YamlNode& item : list.items()) {
      SENTINEL_TRY(item.expect_keys("time interval", {"name", "time_intervals"}));
      NamedTimeIntervals named;
      SENTINEL_ASSIGN(named.name, item.string_or("name", ""));
      if (named.name.empty()) return fail(item.error("a time interval needs a field \"name\""));
      const YamlNode entries = item.get("time_intervals");
      if (!entries.is_null() && !entries.is_list()) return fail(entries.error("time_intervals must be a list"));
      for (const YamlNode& entry : entries.items()) {
        SENTINEL_ASSIGN(TimeInterval interval, TimeInterval::parse(entry));
        named.intervals.push_back(std::move(interval));
      }
      if (!out.emplace(named.name, named).second) {
        return fail(item.error("time interval \"" + named.name + "\" is not unique"));
      }
    }
  }
  return out;
}

Result<std::vector<InhibitRule>> read_inhibit_rules(const YamlNode& list) {
  std::vector<InhibitRule> out;
  if (!list.is_null() && !list.is_list()) return fail(list.error("inhibit_rules must be a list"));
  for (const YamlNode& item : list.items()) {
    SENTINEL_TRY(item.expect_keys("inhibit rule", {"name", "source_match", "source_match_re", "source_matchers",
                                                   "target_match", "target_match_re", "target_matchers", "equal"}));
    InhibitRule rule;
    SENTINEL_ASSIGN(rule.name, item.string_or("name", ""));
    SENTINEL_ASSIGN(rule.source, read_matchers(item, "source_"));
    SENTINEL_ASSIGN(rule.target, read_matchers(item, "target_"));
    SENTINEL_ASSIGN(rule.equal, item.strings_or("equal", {}));
    out.push_back(std::move(rule));
  }
  return out;
}

// Names that routes use must exist. The walk follows the file so that the error has its position.
Status check_names(const Config& config, const YamlNode& node) {
  const YamlNode receiver = node.get("receiver");
  if (!receiver.is_null()) {
    SENTINEL_ASSIGN(const std::string name, receiver.string());
    if (!name.empty() && config.find_receiver(name) == nullptr) {
      return fail(receiver.error("undefined receiver \"" + name + "\" used in a route"));
    }
  }
  for (const char* key : {"mute_time_intervals", "active_time_intervals"}) {
    for (const YamlNode& item : node.get(key).items()) {
      SENTINEL_ASSIGN(const std::string name, item.string());
      if (!config.time_intervals.contains(name)) {
        return fail(item.error("undefined time interval \"" + name + "\" used in a route"));
      }
    }
  }
  for (const YamlNode& child : node.get("routes").items()) SENTINEL_TRY(check_names(config, child));
  return {};
}

// With its slash; "" for the current one.
std::string folder_of(std::string_view file) { return std::string(file.substr(0, file.rfind('/') + 1)); }

std::string relative_to(std::string_view file, const std::string& path) {
  return path.starts_with('/') ? path : folder_of(file) + path;
}

Status read_global(const YamlNode& global, Config& config) {
  if (!global.is_null() && !global.is_map()) return fail(global.error("global must be a map"));
  SENTINEL_ASSIGN(config.resolve_timeout, global.duration_or("resolve_timeout", std::chrono::minutes(5)));
  return {};
}

}  // namespace

model::Labels Route::group_labels(const model::Labels& of) const { return group_by_all ? of : of.keep(group_by); }

std::vector<const Route*> match_routes(const Route& root, const model::Labels& labels) {
  if (!model::matches_all(root.matchers, labels)) return {};
  std::vector<const Route*> all;
  for (const Route& child : root.routes) {
    const std::vector<const Route*> matches = match_routes(child, labels);
    all.insert(all.end(), matches.begin(), matches.end());
    if (!matches.empty() && !child.continues) break;
  }
  if (all.empty()) all.push_back(&root);
  return all;
}

const receivers::ReceiverConfig* Config::find_receiver(std::string_view name) const {
  const auto it = std::find_if(receivers.begin(), receivers.end(), [name](const auto& r) { return r.name == name; });
  return it == receivers.end() ? nullptr : &*it;
}

Result<Config> parse_config(std::string_view text, std::string_view file) {
  text::YamlLimits limits;
  limits.bytes_max = kConfigBytesMax;
  SENTINEL_ASSIGN(const YamlNode document, text::parse_yaml(text, file, limits));
  SENTINEL_TRY(document.expect_keys("the configuration", {"global", "route", "inhibit_rules", "receivers", "templates",
                                                          "mute_time_intervals", "time_intervals", "tracing"}));
  Config config;
  config.text = text;
  SENTINEL_TRY(read_global(document.get("global"), config));
  SENTINEL_ASSIGN(const receivers::Globals globals, receivers::read_globals(document.get("global"), folder_of(file)));
  SENTINEL_ASSIGN(config.receivers, parse_receivers(document.get("receivers"), globals));
  SENTINEL_ASSIGN(config.time_intervals, read_time_intervals(document));
  SENTINEL_ASSIGN(config.inhibit_rules, read_inhibit_rules(document.get("inhibit_rules")));
  const YamlNode route = document.get("route");
  if (route.is_null()) {
    return fail(Error(ErrorCode::kInvalidArgument,
                      "the configuration needs a field \"route\", the root of the routing tree",
                      Position{std::string(file), 1, 1}));
  }
  if (!route.is_map()) return fail(route.error("route must be a map"));
  SENTINEL_ASSIGN(config.route, RouteReader().root(route));
  SENTINEL_TRY(check_names(config, route));
  SENTINEL_ASSIGN(const std::vector<std::string> globs, document.strings_or("templates", {}));
  if (globs.size() > kTemplateFilesMax) return fail(document.get("templates").error("too many template patterns"));
  for (const std::string& glob : globs) config.template_globs.push_back(relative_to(file, glob));
  return config;
}

}  // namespace sentinel::alerting
