#pragma once
// alertmanager.yml, read and checked. Immutable once parsed; copies share nothing mutable.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/time_interval.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/labels.h"
#include "receivers/config.h"

namespace sentinel::alerting {

// A node of the routing tree. What a route does not say itself has been taken from its parent.
struct Route {
  model::Matchers matchers;  // sorted by name
  std::string receiver;
  std::vector<std::string> group_by;  // sorted
  bool group_by_all = false;          // group_by: ['...']
  bool continues = false;
  Micros group_wait = std::chrono::seconds(30);
  Micros group_interval = std::chrono::minutes(5);
  Micros repeat_interval = std::chrono::hours(4);
  std::vector<std::string> mute_time_intervals;    // not inherited
  std::vector<std::string> active_time_intervals;  // not inherited
  model::Labels labels;                            // with the parent's; values are templates
  std::vector<Route> routes;
  // Alertmanager's Route.Key(): the matchers on the way down, "{}/{a=\"b\"}". Two siblings can share it.
  std::string key;
  // Unique in the tree and, as long as the tree is not edited around it, stable across reloads.
  std::string id;

  // The labels an alert's group has here.
  model::Labels group_labels(const model::Labels& of) const;
};

// The deepest routes that match, in order; more than one only through `continue`. Never empty: the root matches all.
std::vector<const Route*> match_routes(const Route& root, const model::Labels& labels);

struct InhibitRule {
  std::string name;
  model::Matchers source;
  model::Matchers target;
  std::vector<std::string> equal;
};

struct Config {
  Route route;
  std::vector<receivers::ReceiverConfig> receivers;
  std::vector<InhibitRule> inhibit_rules;
  std::map<std::string, NamedTimeIntervals, std::less<>> time_intervals;
  std::vector<std::string> template_globs;  // relative ones are relative to the file's folder
  Micros resolve_timeout = std::chrono::minutes(5);
  std::string text;  // as read, for the status page

  const receivers::ReceiverConfig* find_receiver(std::string_view name) const;
};

// `file` names the source in errors, and its folder is what relative template paths start from.
// kInvalidArgument with file, line, column and what was expected.
Result<Config> parse_config(std::string_view text, std::string_view file);

}  // namespace sentinel::alerting
