#pragma once
// For tests: random configurations and random things that happen to alerting, drawn beforehand from a seed, so that the
// same scenario can be run again with a crash elsewhere.

#include <string>
#include <utility>
#include <vector>

#include "alerting/reference.h"
#include "base/random.h"

namespace sentinel::alerting::reference {

enum class Act {
  kFire,
  kEnd,
  kSilence,
  kUnsilence,
  kRecurring,
  kAcknowledge,
  kUnacknowledge,
  kReload,
  kRestart,
  kReceiver,
  kWait,
};

struct Step {
  Act act = Act::kWait;
  Micros after{0};  // the step before
  LabelMap labels;
  std::optional<Micros> lasts;      // of an alert (none: resolve_timeout), a silence, an acknowledgement, a restart
  std::optional<Micros> started{};  // so long ago
  Muting silence{};
  Window window{};
  size_t which = 0;  // silence, configuration or receiver
  int times = 0;
  bool flag = false;
};

struct Scenario {
  std::vector<Settings> settings;  // the first is the one to start with
  std::vector<Step> steps;
};

class ScenarioMaker {
 public:
  explicit ScenarioMaker(uint64_t seed) : random_(seed) {}

  // `faults`: receivers that fail too.
  Scenario make(size_t steps, bool faults) {
    Scenario s;
    s.settings.push_back(settings());
    s.settings.push_back(with_other_timers(s.settings.front()));
    s.settings.push_back(settings());
    for (size_t i = 0; i < steps; ++i) s.steps.push_back(step(i, faults));
    return s;
  }

 private:
  template <class T>
  T one_of(std::vector<T> list) {
    return list[random_.below(list.size())];
  }
  static Micros seconds(int64_t s) { return std::chrono::seconds(s); }

  Conditions conditions(size_t count_max) {
    Conditions out;
    for (size_t i = 0; i <= random_.below(count_max); ++i) {
      const auto name = one_of<std::string>({"alertname", "severity", "team", "zone"});
      const std::map<std::string, std::vector<std::string>> values = {{"alertname", {"A", "B", "A|B", "B|C"}},
                                                                      {"severity", {"page", "warn", "page|warn"}},
                                                                      {"team", {"x", "y", "x|z"}},
                                                                      {"zone", {"1", "2", "1|3"}}};
      const std::string value = one_of(values.at(name));
      const bool several = value.find('|') != std::string::npos || random_.chance(0.2);
      if (std::any_of(out.begin(), out.end(), [&](const Condition& c) { return c.name == name; })) continue;
      out.push_back({name, several ? one_of<std::string>({"=~", "!~"}) : one_of<std::string>({"=", "=", "!="}), value});
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
  }

  void timers(Node& node) {
    node.wait = seconds(one_of<int64_t>({0, 5, 10, 30}));
    node.interval = seconds(one_of<int64_t>({10, 30, 60, 300}));
    node.repeat = seconds(one_of<int64_t>({120, 600, 3600, 14'400}));
  }

  std::optional<Window> window(double probability) {
    if (!random_.chance(probability)) return std::nullopt;
    const int from = static_cast<int>(random_.below(25));
    return Window{from, from + 2 + static_cast<int>(random_.below(15))};
  }

  Node node(size_t depth) {
    Node out;
    if (depth > 0) out.conditions = conditions(2);
    out.receiver = one_of<std::string>({"one", "two", "mute-ends"});
    out.group_by = one_of<std::vector<std::string>>({{}, {"alertname"}, {"alertname", "team"}, {"severity"}, {"..."}});
    out.continues = depth > 0 && random_.chance(0.5);
    timers(out);
    if (depth > 0) {
      out.muted = window(0.15);
      out.active = window(0.1);
    }
    if (depth == 2) return out;
    for (size_t i = 0; i < random_.below(depth == 0 ? 4 : 3); ++i) {
      Node child = node(depth + 1);
      const auto text = [](const Node& n) {
        std::string all;
        for (const Condition& c : n.conditions) all += c.text() + ",";
        return all;
      };
      // Two siblings with the same matchers would share what is known of their groups.
      if (std::none_of(out.children.begin(), out.children.end(),
                       [&](const Node& sibling) { return text(sibling) == text(child); }))
        out.children.push_back(std::move(child));
    }
    return out;
  }

  Settings settings() {
    Settings s;
    s.root = node(0);
    s.receivers = {{"one", {true}}, {"two", {true, false}}, {"mute-ends", {false}}};
    for (size_t i = 0; i < random_.below(3); ++i) {
      Inhibition rule;
      rule.source = random_.chance(0.5) ? Conditions{{"severity", "=", "page"}} : conditions(2);
      rule.target = random_.chance(0.5) ? Conditions{{"severity", "=", "warn"}} : conditions(2);
      rule.equal = one_of<std::vector<std::string>>({{}, {"alertname"}, {"alertname", "team"}, {"zone"}});
      s.inhibitions.push_back(std::move(rule));
    }
    s.resolve_timeout = seconds(one_of<int64_t>({60, 300}));
    return s;
  }

  Settings with_other_timers(Settings s) {
    const auto change = [&](auto& self, Node& node) -> void {
      timers(node);
      for (Node& child : node.children) self(self, child);
    };
    change(change, s.root);
    return s;
  }

  LabelMap labels() {
    LabelMap out = {{"alertname", one_of<std::string>({"A", "B", "C"})}};
    if (random_.chance(0.8)) out["severity"] = one_of<std::string>({"page", "warn"});
    if (random_.chance(0.6)) out["team"] = one_of<std::string>({"x", "y", "z"});
    if (random_.chance(0.4)) out["zone"] = one_of<std::string>({"1", "2"});
    return out;
  }

  // Alerts come again and end, so most steps are about those that came before.
  LabelMap known_or_new() {
    if (!known_.empty() && random_.chance(0.7)) return known_[random_.below(known_.size())];
    known_.push_back(labels());
    return known_.back();
  }

  // A part of a second of its own for each kind of time, so that no two things are due at the same instant.
  Step step(size_t i, bool faults) {
    Step s;
    const int64_t whole =
        random_.chance(0.5) ? static_cast<int64_t>(random_.below(8)) : static_cast<int64_t>(random_.below(70));
    s.after = seconds(whole) + Millis(1) * (i == 0 ? 1 : 0) + Micros(1009);
    const uint64_t draw = random_.below(faults ? 26 : 23);
    if (draw < 8) {
      s.act = Act::kFire;
      s.labels = known_or_new();
      if (random_.chance(0.8)) s.lasts = seconds(one_of<int64_t>({20, 75, 240, 3600})) + Millis(137);
      if (random_.chance(0.2)) s.started = seconds(static_cast<int64_t>(random_.below(60))) + Millis(61);
    } else if (draw < 12) {
      s.act = Act::kEnd;
      s.labels = known_or_new();
    } else if (draw < 14) {
      silence(s);
    } else if (draw < 15) {
      s.act = Act::kUnsilence;
      s.which = random_.below(8);
    } else if (draw < 16) {
      s.act = Act::kRecurring;
      s.silence.sets = {conditions(2)};
      s.window = *window(1);
    } else if (draw < 18) {
      s.act = draw < 17 || random_.chance(0.5) ? Act::kAcknowledge : Act::kUnacknowledge;
      s.labels = known_or_new();
      if (random_.chance(0.3)) s.lasts = seconds(200) + Millis(311);
    } else if (draw < 19) {
      s.act = Act::kReload;
      s.which = random_.below(3);
    } else if (draw < 21) {
      s.act = Act::kRestart;
      s.lasts = random_.chance(0.5) ? Micros(0) : seconds(static_cast<int64_t>(random_.below(400)));
    } else if (draw >= 23) {
      s.act = Act::kReceiver;
      s.which = random_.below(4);
      s.times = static_cast<int>(random_.below(10));
      s.flag = random_.chance(0.5);
    }
    return s;
  }

  void silence(Step& s) {
    s.act = Act::kSilence;
    s.silence.sets = {conditions(2)};
    if (random_.chance(0.3)) s.silence.sets.push_back(conditions(1));
    s.lasts = seconds(one_of<int64_t>({40, 150, 900, 36'000})) + Millis(251);
    if (random_.chance(0.3)) s.started = -(seconds(static_cast<int64_t>(1 + random_.below(90))) + Millis(17));
    if (random_.chance(0.25)) s.silence.quiet = seconds(one_of<int64_t>({30, 90})) + Millis(0);
  }

  Random random_;
  std::vector<LabelMap> known_;
};

// ---- the same as alertmanager.yml ----

inline std::string yaml_list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + ("'" + item + "'");
  return "[" + out + "]";
}
inline std::string yaml_conditions(const Conditions& conditions) {
  std::vector<std::string> out;
  for (const Condition& c : conditions) out.push_back(c.text());
  return yaml_list(out);
}
inline std::string yaml_seconds(Micros m) { return std::to_string(m / std::chrono::seconds(1)) + "s"; }
inline std::string window_name(const Window& w) {
  return "from" + std::to_string(w.from) + "to" + std::to_string(w.to);
}
inline std::string yaml_window(const Window& w) {
  const auto clock = [](int minutes) {
    std::string text =
        std::to_string(100 + minutes / 60).substr(1) + ":" + std::to_string(100 + minutes % 60).substr(1);
    return text;
  };
  return "[{times: [{start_time: '" + clock(w.from) + "', end_time: '" + clock(w.to) + "'}]}]";
}

inline std::string yaml_route(const Node& n, std::map<std::string, Window>& windows) {
  std::string out = "{receiver: " + n.receiver + ", group_by: " + yaml_list(n.group_by) +
                    ", group_wait: " + yaml_seconds(n.wait) + ", group_interval: " + yaml_seconds(n.interval) +
                    ", repeat_interval: " + yaml_seconds(n.repeat);
  if (!n.conditions.empty()) out += ", matchers: " + yaml_conditions(n.conditions);
  if (n.continues) out += ", continue: true";
  for (const auto& [name, window] : {std::pair{"mute", n.muted}, std::pair{"active", n.active}}) {
    if (!window) continue;
    windows[window_name(*window)] = *window;
    out += std::string(", ") + name + "_time_intervals: [" + window_name(*window) + "]";
  }
  if (!n.children.empty()) {
    out += ", routes: [";
    for (size_t i = 0; i < n.children.size(); ++i)
      out += (i == 0 ? "\n  " : ",\n  ") + yaml_route(n.children[i], windows);
    out += "]";
  }
  return out + "}";
}

inline std::string yaml(const Settings& s) {
  std::map<std::string, Window> windows;
  std::string out = "global: {resolve_timeout: " + yaml_seconds(s.resolve_timeout) + "}\nroute:\n  " +
                    yaml_route(s.root, windows) + "\nreceivers:\n";
  for (const auto& [name, webhooks] : s.receivers) {
    out += "- name: " + name + "\n  webhook_configs:\n";
    for (const bool of_ends : webhooks)
      out += std::string("  - {url: 'http://127.0.0.1:1/', send_resolved: ") + (of_ends ? "true" : "false") + "}\n";
  }
  if (!windows.empty()) out += "time_intervals:\n";
  for (const auto& [name, w] : windows) out += "- {name: " + name + ", time_intervals: " + yaml_window(w) + "}\n";
  if (!s.inhibitions.empty()) out += "inhibit_rules:\n";
  for (const Inhibition& rule : s.inhibitions) {
    out += "- {source_matchers: " + yaml_conditions(rule.source) +
           ", target_matchers: " + yaml_conditions(rule.target) + ", equal: " + yaml_list(rule.equal) + "}\n";
  }
  return out;
}

}  // namespace sentinel::alerting::reference
