#pragma once
// For tests: a scenario, done to alerting and to the reference at once.

#include <algorithm>
#include <string>
#include <vector>

#include "alerting/scenario.h"
#include "alerting/test_world.h"
#include "base/strings.h"

namespace sentinel::alerting::reference {

// SENTINEL_SEEDS=5000 for a long run.
inline uint64_t seed_end(int64_t usual) {
  const char* wanted = ::getenv("SENTINEL_SEEDS");
  return 1 + static_cast<uint64_t>(wanted == nullptr ? usual : parse_int(wanted).value_or(usual));
}

inline model::Labels labels_of(const LabelMap& labels) {
  model::Labels out;
  for (const auto& [name, value] : labels) out.set(name, value);
  return out;
}

inline LabelMap map_of(const model::Labels& labels) {
  LabelMap out;
  for (const model::Label& label : labels) out[label.name] = label.value;
  return out;
}

inline std::vector<model::Matchers> matchers_of(const std::vector<Conditions>& sets) {
  using model::MatchType;
  const std::map<std::string, MatchType> types = {{"=", MatchType::kEqual},
                                                  {"!=", MatchType::kNotEqual},
                                                  {"=~", MatchType::kRegexp},
                                                  {"!~", MatchType::kNotRegexp}};
  std::vector<model::Matchers> out;
  for (const Conditions& set : sets) {
    out.emplace_back();
    for (const Condition& c : set) {
      auto matcher = model::Matcher::make(types.at(c.op), c.name, c.value);
      EXPECT_TRUE(matcher);
      out.back().push_back(std::move(*matcher));
    }
  }
  return out;
}

inline News news_of(const Sent& sent) {
  News n{sent.notification.created_at, sent.integration, text_of(map_of(sent.notification.group_labels)), {}, {}};
  for (const receivers::NotifiedAlert& a : sent.notification.alerts)
    (a.resolved ? n.resolved : n.firing).insert(text_of(map_of(a.alert.labels)));
  return n;
}

// For whoever has to find out why.
inline std::string step_text(const Step& s, TimePoint now) {
  static const char* const kNames[] = {"fire",          "end",    "silence", "unsilence", "recurring", "acknowledge",
                                       "unacknowledge", "reload", "restart", "receiver",  "wait"};
  std::string out = format_rfc3339(now) + " " + kNames[static_cast<size_t>(s.act)] + " " + text_of(s.labels);
  for (const Conditions& c : s.silence.sets) out += " " + yaml_conditions(c);
  if (s.started) out += " started " + std::to_string(s.started->count() / 1000) + " ms ago";
  if (s.lasts) out += " for " + std::to_string(s.lasts->count() / 1000) + " ms";
  return out + " " + std::to_string(s.which) + " " + std::to_string(s.times) + (s.flag ? " flag" : "") + "\n";
}

class Play {
 public:
  explicit Play(const Scenario& scenario)
      : scenario_(scenario),
        world_(yaml(scenario.settings.front())),
        model_(scenario.settings.front(), world_.scheduler.now()) {}

  void step(const Step& s) {
    pass(s.after);
    const TimePoint now = world_.scheduler.now();
    story_ += step_text(s, now);
    switch (s.act) {
      case Act::kFire:
      case Act::kEnd: {
        const bool ends = s.act == Act::kEnd;
        model::Alert a;
        a.labels = labels_of(s.labels);
        std::optional<TimePoint> starts, until;
        if (s.started) starts = a.starts_at = now - *s.started;
        if (ends) until = a.ends_at = now;
        if (!ends && s.lasts) until = a.ends_at = now + *s.lasts;
        // Prometheus sends the start with the end; without one it would be the end.
        if (until && !starts) {
          const auto known = model_.alerts().find(text_of(s.labels));
          starts = a.starts_at = known == model_.alerts().end() ? now : known->second.starts;
        }
        ASSERT_TRUE(world_.alerting->put({a}));
        model_.put(s.labels, starts, until);
        break;
      }
      case Act::kSilence: silence(s, now); break;
      case Act::kUnsilence: unsilence(s, now); break;
      case Act::kRecurring: recurring(s, now); break;
      case Act::kAcknowledge:
      case Act::kUnacknowledge: acknowledge(s, now); break;
      case Act::kReload:
        ASSERT_TRUE(world_.reload(yaml(scenario_.settings[s.which])));
        model_.reload(scenario_.settings[s.which]);
        break;
      case Act::kRestart:
        world_.restart(*s.lasts);
        model_.restart(now + *s.lasts);
        break;
      case Act::kReceiver:
      case Act::kWait: break;
    }
    world_.scheduler.run_ready();
    compare();
  }

  void pass(Micros time) {
    world_.scheduler.run_for(time);
    model_.advance(world_.scheduler.now());
    compare();
  }

  bool differs() const { return !difference_.empty() || ::testing::Test::HasFatalFailure(); }
  const std::string& difference() const { return difference_; }

 private:
  void silence(const Step& s, TimePoint now) {
    Silence silence;
    silence.matcher_sets = matchers_of(s.silence.sets);
    silence.starts_at = now - s.started.value_or(Micros(0));
    silence.ends_at = silence.starts_at + *s.lasts;
    if (s.silence.quiet) silence.annotations.set("until_resolved", yaml_seconds(*s.silence.quiet));
    const auto id = world_.alerting->set_silence(silence);
    if (!id) return;  // it would silence what has none of its labels
    ids_.push_back(*id);
    model_.mute({*id, s.silence.sets, silence.starts_at, silence.ends_at, s.silence.quiet});
  }

  void unsilence(const Step& s, TimePoint) {
    if (ids_.empty()) return;
    const std::string& id = ids_[s.which % ids_.size()];
    (void)world_.alerting->expire_silence(id);  // it may have ended
    model_.unmute(id);
  }

  void recurring(const Step& s, TimePoint now) {
    RecurringSilence r;
    r.instance.matcher_sets = matchers_of(s.silence.sets);
    r.instance.starts_at = now;
    r.instance.created_by = "me";
    r.schedule_text = yaml_window(s.window);
    if (!world_.alerting->add_recurring_silence(r)) return;
    const TimePoint day = std::chrono::floor<std::chrono::days>(now);
    for (int i = 0; i < 2; ++i) {
      const TimePoint from = day + std::chrono::hours(24 * i) + std::chrono::minutes(s.window.from);
      const TimePoint to = day + std::chrono::hours(24 * i) + std::chrono::minutes(s.window.to);
      if (to > now) model_.mute({"", s.silence.sets, std::max(from, now), to, std::nullopt});
    }
  }

  void acknowledge(const Step& s, TimePoint now) {
    const std::string key = text_of(s.labels);
    const AlertSelection which{{labels_fingerprint(s.labels)}, {}};
    AlertAction action{{"me", "test", ""}, "", {}};
    if (s.act == Act::kAcknowledge) {
      if (s.lasts) action.until = now + *s.lasts;
      const auto done = world_.alerting->acknowledge(which, action);
      ASSERT_EQ(done.has_value(), model_.fires(key)) << key;
      if (done) model_.acknowledge(key, action.until);
    } else {
      if (world_.alerting->unacknowledge(which, action)) model_.unacknowledge(key);
    }
  }
  static uint64_t labels_fingerprint(const LabelMap& labels) { return model::label_fingerprint(labels_of(labels)); }

  // The order within one instant is not anybody's business.
  void compare() {
    if (differs()) return;
    std::vector<News> due = model_.news();
    std::vector<News> told;
    for (const Sent& sent : world_.sender.sent) told.push_back(news_of(sent));
    std::sort(due.begin(), due.end());
    std::sort(told.begin(), told.end());
    if (due == told) return;
    std::vector<News> missing, extra;
    std::set_difference(due.begin(), due.end(), told.begin(), told.end(), std::back_inserter(missing));
    std::set_difference(told.begin(), told.end(), due.begin(), due.end(), std::back_inserter(extra));
    difference_ = "at " + format_rfc3339(world_.scheduler.now()) + "\n";
    difference_ = story_ + difference_;
    for (const News& n : missing) difference_ += "due, not told:  " + n.text() + "\n";
    for (const News& n : extra) difference_ += "told, not due:  " + n.text() + "\n";
  }

  const Scenario& scenario_;
  World world_;
  Model model_;
  std::vector<std::string> ids_;
  std::string difference_;
  std::string story_;
};

}  // namespace sentinel::alerting::reference
