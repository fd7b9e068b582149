#pragma once
// For tests: who has to be told what and when, written on its own and as naively as possible. It scans lists where
// production has indexes, keeps everything in memory where production has rows, and shares no code with it: the rules
// are read off Alertmanager's documentation (grouping, timers, deduplication, inhibition, silences) and our README
// (acknowledgements, silences that end when it is quiet, restarts). A receiver always takes what it is sent.

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"

namespace sentinel::alerting::reference {

using LabelMap = std::map<std::string, std::string>;

inline std::string value_of(const LabelMap& labels, const std::string& name) {
  const auto it = labels.find(name);
  return it == labels.end() ? "" : it->second;
}

// The values of =~ and !~ are alternatives separated by '|'.
struct Condition {
  std::string name;
  std::string op;  // = != =~ !~
  std::string value;
  std::string text() const { return name + op + '"' + value + '"'; }
  bool holds(const LabelMap& labels) const {
    const std::string actual = value_of(labels, name);
    if (op == "=") return actual == value;
    if (op == "!=") return actual != value;
    bool any = false;
    for (size_t from = 0; from <= value.size();) {
      const size_t end = std::min(value.find('|', from), value.size());
      any = any || value.substr(from, end - from) == actual;
      from = end + 1;
    }
    return any == (op == "=~");
  }
};
using Conditions = std::vector<Condition>;

inline bool hold_all(const Conditions& conditions, const LabelMap& labels) {
  return std::all_of(conditions.begin(), conditions.end(), [&](const Condition& c) { return c.holds(labels); });
}

struct Window {  // minutes of the day, UTC
  int from = 0;
  int to = 0;
  bool contains(TimePoint t) const {
    const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(t.time_since_epoch()).count() % (24 * 60);
    return minutes >= from && minutes < to;
  }
};

struct Node {
  Conditions conditions;
  std::string receiver;
  std::vector<std::string> group_by;  // sorted; "..." is all
  bool continues = false;
  Micros wait{0}, interval{0}, repeat{0};
  std::optional<Window> muted;
  std::optional<Window> active;
  std::vector<Node> children;
};

struct Inhibition {
  Conditions source;
  Conditions target;
  std::vector<std::string> equal;
};

struct Settings {
  Node root;
  std::map<std::string, std::vector<bool>> receivers;  // their webhooks: whether they are told of ends
  std::vector<Inhibition> inhibitions;
  Micros resolve_timeout = std::chrono::minutes(5);
};

struct Muting {  // a silence
  std::string id;
  std::vector<Conditions> sets;
  TimePoint from;
  TimePoint to;
  std::optional<Micros> quiet;  // ends when nothing it matches has fired that long
  bool matches(const LabelMap& labels) const {
    return std::any_of(sets.begin(), sets.end(), [&](const Conditions& c) { return hold_all(c, labels); });
  }
};

struct News {  // one due notification
  TimePoint at;
  std::string integration;
  std::string group;  // its labels
  std::set<std::string> firing;
  std::set<std::string> resolved;
  auto operator<=>(const News&) const = default;
  std::string text() const {
    std::string out = format_rfc3339(at) + " " + integration + " " + group;
    for (const std::string& f : firing) out += " +" + f;
    for (const std::string& r : resolved) out += " -" + r;
    return out;
  }
};

inline std::string text_of(const LabelMap& labels) {
  std::string out;
  for (const auto& [name, value] : labels) out += (out.empty() ? "" : ",") + name + "=" + value;
  return "{" + out + "}";
}

struct Place {  // where an alert belongs
  const Node* node = nullptr;
  std::string path;  // the conditions on the way down
  std::string receiver;
  LabelMap labels;
  // As Alertmanager writes the key of a group.
  std::string key() const {
    std::string out = path + ":{";
    for (const auto& [name, value] : labels) out += (out.back() == '{' ? "" : ", ") + name + "=\"" + value + '"';
    return out + "}";
  }
  bool is(const Place& o) const { return std::tie(path, receiver, labels) == std::tie(o.path, o.receiver, o.labels); }
};

class Model {
 public:
  struct Alert {
    LabelMap labels;
    TimePoint starts, ends, updated;
    TimePoint stored_end;  // without what a restart has granted
    bool timed_out = false;
    bool firing = true;
    bool acknowledged = false;
    std::optional<TimePoint> acknowledged_until;
  };

  Model(Settings settings, TimePoint now) : settings_(std::move(settings)), now_(now) {}

  const std::vector<News>& news() const { return news_; }
  const std::map<std::string, Alert>& alerts() const { return alerts_; }
  TimePoint now() const { return now_; }

  // Lets time pass. What is due is done in order; ends come before flushes of the same instant.
  void advance(TimePoint to) {
    while (true) {
      std::optional<TimePoint> next;
      const auto consider = [&](TimePoint t) { next = next ? std::min(*next, t) : t; };
      for (const auto& [key, a] : alerts_)
        if (a.firing) consider(a.ends);
      for (const Group& g : groups_) consider(g.next);
      for (const Muting& m : mutings_)
        if (const auto end = quiet_end(m)) consider(*end);
      if (!next || *next > to) break;
      now_ = std::max(now_, *next);
      work();
    }
    now_ = to;
  }

  // Nobody was here until `to`.
  void restart(TimePoint to) {
    now_ = to;
    for (auto& [key, a] : alerts_) {
      if (a.firing) a.ends = a.stored_end <= now_ ? now_ + std::chrono::minutes(2) : a.stored_end;
    }
    advance(now_);
  }

  void put(const LabelMap& labels, std::optional<TimePoint> starts, std::optional<TimePoint> ends) {
    advance(now_);
    const std::string key = text_of(labels);
    const auto old = alerts_.find(key);
    Alert a;
    a.labels = labels;
    a.starts = starts.value_or(ends.value_or(now_));
    a.ends = ends.value_or(now_ + settings_.resolve_timeout);
    a.updated = now_;
    a.timed_out = !ends;
    if (old != alerts_.end()) {
      const Alert& o = old->second;
      a.acknowledged = o.acknowledged;
      a.acknowledged_until = o.acknowledged_until;
      const bool overlap = (a.ends > o.starts && a.ends < o.ends) || (a.starts > o.starts && a.starts < o.ends);
      if (overlap) {
        a.starts = std::min(a.starts, o.starts);
        if (a.ends <= now_) {
          if (o.ends <= now_ && o.ends > a.ends) a.ends = o.ends;
        } else if (o.ends > a.ends && !o.timed_out) {
          a.ends = o.ends;
        }
      }
    }
    a.stored_end = a.ends;
    a.firing = a.ends > now_;
    if (old == alerts_.end() && !a.firing) return;
    if (old != alerts_.end() && old->second.firing && !a.firing) ended(a);
    alerts_[key] = a;
    if (a.firing) join(a, key);
    advance(now_);
  }

  void mute(Muting m) {
    advance(now_);
    mutings_.push_back(std::move(m));
    advance(now_);
  }
  void unmute(const std::string& id) {
    for (Muting& m : mutings_) {
      if (m.id != id || m.to <= now_) continue;
      m.from = std::min(m.from, now_);
      m.to = now_;
    }
  }
  bool fires(const std::string& key) const { return alerts_.contains(key) && alerts_.at(key).firing; }
  void acknowledge(const std::string& key, std::optional<TimePoint> until) {
    alerts_.at(key).acknowledged = true;
    alerts_.at(key).acknowledged_until = until;
  }
  void unacknowledge(const std::string& key) { alerts_.at(key).acknowledged = false; }

  void reload(Settings settings) {
    advance(now_);
    settings_ = std::move(settings);
    const std::vector<Group> before = std::exchange(groups_, {});
    for (const auto& [key, a] : alerts_) {
      const std::vector<Place> places = places_of(a.labels);
      const auto was_in = [&](const Place& p) {
        return std::any_of(before.begin(), before.end(),
                           [&](const Group& g) { return g.place.is(p) && g.members.contains(key); });
      };
      const bool known = std::any_of(places.begin(), places.end(), was_in);
      for (const Place& p : places) {
        if (!a.firing && known && !was_in(p)) continue;
        Group* g = find(p);
        if (g == nullptr) {
          groups_.push_back({p, now_, now_ + p.node->wait, false, {}, {}});
          g = &groups_.back();
          for (const Group& old : before) {
            if (!old.place.is(p)) continue;
            g->created = old.created;
            g->flushed = old.flushed;
            g->next = old.flushed ? now_ : std::min(old.next, std::max(old.created + p.node->wait, now_));
          }
        }
        if (!g->flushed && a.starts + p.node->wait < now_) g->next = std::min(g->next, now_);
        g->members.insert(key);
      }
    }
    advance(now_);
  }

  // Whether anything keeps this alert from being told now.
  bool inhibited(const LabelMap& labels) const {
    for (const Inhibition& rule : settings_.inhibitions) {
      if (!hold_all(rule.target, labels)) continue;
      for (const auto& [key, source] : alerts_) {
        if (source.ends <= now_ || !hold_all(rule.source, source.labels)) continue;
        if (hold_all(rule.source, labels) && hold_all(rule.target, source.labels)) continue;  // both are both
        if (std::all_of(rule.equal.begin(), rule.equal.end(),
                        [&](const auto& n) { return value_of(labels, n) == value_of(source.labels, n); }))
          return true;
      }
    }
    return false;
  }
  bool silenced(const LabelMap& labels) const {
    return std::any_of(mutings_.begin(), mutings_.end(),
                       [&](const Muting& m) { return m.from <= now_ && now_ < m.to && m.matches(labels); });
  }
  static bool off(const Node& node, TimePoint now) {
    return (node.muted && node.muted->contains(now)) || (node.active && !node.active->contains(now));
  }

  std::vector<Place> places_of(const LabelMap& labels) const {
    std::vector<Place> out;
    descend(settings_.root, "{}", labels, out);
    return out;
  }
  const Settings& settings() const { return settings_; }

 private:
  struct Group {
    Place place;
    TimePoint created, next;
    bool flushed = false;
    std::set<std::string> members;
    std::optional<TimePoint> emptied;
  };
  struct Heard {
    TimePoint at;
    std::set<std::string> firing, resolved;
  };

  static void descend(const Node& node, const std::string& path, const LabelMap& labels, std::vector<Place>& out) {
    bool deeper = false;
    for (const Node& child : node.children) {
      if (!hold_all(child.conditions, labels)) continue;
      deeper = true;
      std::string text;
      for (const Condition& c : child.conditions) text += (text.empty() ? "" : ",") + c.text();
      descend(child, path + "/{" + text + "}", labels, out);
      if (!child.continues) break;
    }
    if (deeper) return;
    Place place{&node, path, node.receiver, {}};
    for (const auto& [name, value] : labels) {
      const auto& by = node.group_by;
      if (by == std::vector<std::string>{"..."} || std::find(by.begin(), by.end(), name) != by.end())
        place.labels[name] = value;
    }
    out.push_back(std::move(place));
  }

  Group* find(const Place& place) {
    for (Group& g : groups_)
      if (g.place.is(place)) return &g;
    return nullptr;
  }

  void ended(Alert& a) {
    a.acknowledged = false;
    ends_.emplace_back(now_, a.labels);
  }

  void join(const Alert& a, const std::string& key) {
    for (const Place& place : places_of(a.labels)) {
      Group* g = find(place);
      if (g == nullptr) {
        groups_.push_back({place, now_, now_ + place.node->wait, false, {}, {}});
        g = &groups_.back();
      } else if (g->emptied && *g->emptied + std::chrono::seconds(30) <= now_) {
        *g = {place, now_, now_ + place.node->wait, false, {}, {}};
      }
      g->emptied.reset();
      if (!g->flushed && a.starts + place.node->wait < now_) g->next = std::min(g->next, now_);
      g->members.insert(key);
    }
  }

  std::optional<TimePoint> quiet_end(const Muting& m) const {
    if (!m.quiet || m.to <= now_) return std::nullopt;
    TimePoint since = m.from;
    for (const auto& [at, labels] : ends_)
      if (m.matches(labels)) since = std::max(since, at);
    for (const auto& [key, a] : alerts_)
      if (a.firing && m.matches(a.labels)) return std::nullopt;
    const TimePoint end = since + *m.quiet;
    return end < m.to ? std::optional(end) : std::nullopt;
  }

  void work() {
    for (auto& [key, a] : alerts_) {
      if (!a.firing || a.ends > now_) continue;
      a.firing = false;
      ended(a);
    }
    for (Group& g : groups_)
      if (g.next <= now_ && !g.members.empty()) judge(g);
    std::vector<Group> kept;
    for (Group& g : groups_) {
      if (g.next <= now_ && g.members.empty()) continue;
      if (g.next <= now_) flushed(g);
      kept.push_back(g);
    }
    groups_ = std::move(kept);
    std::erase_if(alerts_, [&](const auto& entry) {
      return std::none_of(groups_.begin(), groups_.end(),
                          [&](const Group& g) { return g.members.contains(entry.first); });
    });
    for (Muting& m : mutings_)
      if (const auto end = quiet_end(m); end && *end <= now_) m.to = now_;
  }

  void judge(const Group& g) {
    if (off(*g.place.node, now_)) return;
    std::set<std::string> firing, resolved;
    for (const std::string& key : g.members) {
      const Alert& a = alerts_.at(key);
      if (!inhibited(a.labels) && !silenced(a.labels)) (a.ends <= now_ ? resolved : firing).insert(key);
    }
    if (firing.empty() && resolved.empty()) return;
    const std::vector<bool>& webhooks = settings_.receivers.at(g.place.receiver);
    for (size_t i = 0; i < webhooks.size(); ++i) tell(g, i, webhooks[i], firing, resolved);
  }

  static bool within(const std::set<std::string>& part, const std::set<std::string>& whole) {
    return std::all_of(part.begin(), part.end(), [&](const auto& p) { return whole.contains(p); });
  }

  void tell(const Group& g, size_t i, bool of_ends, const std::set<std::string>& firing,
            const std::set<std::string>& resolved) {
    const std::string integration = g.place.receiver + "/webhook/" + std::to_string(i);
    std::optional<Heard>& heard = heard_[{g.place.key(), integration}];
    bool news = false;
    bool reminder = false;
    if (!heard) {
      news = !firing.empty();
    } else if (!within(firing, heard->firing)) {
      news = true;
    } else if (firing.empty()) {
      news = !heard->firing.empty();
    } else if (of_ends && !within(resolved, heard->resolved)) {
      news = true;
    } else {
      reminder = heard->at + g.place.node->repeat < now_;
    }
    const bool known = std::all_of(firing.begin(), firing.end(), [&](const std::string& key) {
      const Alert& a = alerts_.at(key);
      return a.acknowledged && (!a.acknowledged_until || now_ < *a.acknowledged_until);
    });
    if (!news && (!reminder || known)) return;
    heard = Heard{now_, firing, resolved};
    if (firing.empty() && !of_ends) return;
    news_.push_back({now_, integration, text_of(g.place.labels), firing, of_ends ? resolved : std::set<std::string>()});
  }

  void flushed(Group& g) {
    g.flushed = true;
    g.next = now_ + g.place.node->interval;
    std::erase_if(g.members, [&](const std::string& key) { return alerts_.at(key).ends <= now_; });
    if (g.members.empty()) g.emptied = now_;
  }

  Settings settings_;
  TimePoint now_;
  std::map<std::string, Alert> alerts_;
  std::vector<Group> groups_;
  std::vector<Muting> mutings_;
  std::vector<std::pair<TimePoint, LabelMap>> ends_;
  std::map<std::pair<std::string, std::string>, std::optional<Heard>> heard_;
  std::vector<News> news_;
};

}  // namespace sentinel::alerting::reference
