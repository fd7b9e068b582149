// Random scenarios with receivers that fail, and a process that dies: at every write of a run, before it is on disk and
// after. Against the reference, which says at any moment what is muted and who has to be told:
//  - nothing that is silenced, inhibited, muted or not routed there is told;
//  - what fires and what has ended is told within its bound, whatever died in between; an end follows what was told;
//  - a key has one content; the same content is told again with the same key only, or as the reminder that is due.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "alerting/scenario.h"
#include "alerting/scenario_run.h"
#include "base/random.h"
#include "base/strings.h"

namespace sentinel::alerting::reference {
namespace {

constexpr Micros kSlice = std::chrono::seconds(5);
// The slowest group, its wait, the time that a start grants to alerts whose sender may have missed it, and a delivery.
constexpr Micros kBound = std::chrono::seconds(300 + 30 + 120 + 30);

class Survival {
 public:
  Survival(const Scenario& scenario, uint64_t seed, Crash crash)
      : scenario_(scenario),
        random_(seed),
        world_(yaml(scenario.settings.front())),
        model_(scenario.settings.front(), world_.scheduler.now()) {
    world_.crash.at = crash.at;
    world_.crash.after = crash.after;
    world_.sender.on_sent = [this](const Sent& sent) { heard(sent); };
  }

  // Returns the number of writes.
  int64_t run() {
    for (const Step& s : scenario_.steps) {
      pass(s.after);
      act(s);
      look();
      if (!problem_.empty()) break;
    }
    world_.sender.failing.clear();
    if (problem_.empty()) pass(kBound + std::chrono::minutes(2));
    if (problem_.empty()) check_keys();
    return world_.crash.writes;
  }
  const std::string& problem() const { return problem_; }

 private:
  using Key = std::pair<std::string, std::string>;  // integration, group key
  // Either: it has ended where its end was not to be told, so it may be told when it comes again, or not.
  enum class Heard { kFires, kEnded, kEither };

  TimePoint now() const { return world_.scheduler.now(); }
  void complain(const std::string& what) {
    if (problem_.empty()) problem_ = story_ + format_rfc3339(now()) + " " + what;
  }

  void pass(Micros time) {
    const TimePoint end = now() + time;
    while (now() < end && problem_.empty()) {
      world_.scheduler.run_until(std::min(end, now() + kSlice));
      model_.advance(now());
      revive();
      look();
    }
  }

  bool revive() {
    if (!world_.crash.dead) return false;
    const Micros down = random_.chance(0.5) ? Micros(0) : Micros(std::chrono::seconds(random_.below(90)));
    story_ += format_rfc3339(now()) + " died at write " + std::to_string(world_.crash.writes) + ", back in " +
              std::to_string(down.count() / 1'000'000) + " s\n";
    world_.crash.at = -1;
    restart(down);
    return true;
  }

  // Nobody can be told while nothing runs.
  void restart(Micros down) {
    world_.restart(down);
    model_.restart(now());
    for (auto& [what, since] : due_) since += down;
  }

  // Whoever asks and hears nothing asks again.
  template <class Do>
  void insist(Do ask) {
    unsure_ = true;
    ask();
    if (revive()) ask();
    unsure_ = false;
  }

  void act(const Step& s) {
    story_ += step_text(s, now());
    switch (s.act) {
      case Act::kFire:
      case Act::kEnd: return put(s);
      case Act::kSilence: return silence(s);
      case Act::kUnsilence: return unsilence(s);
      case Act::kReload: {
        insist([&] { (void)world_.reload(yaml(scenario_.settings[s.which])); });
        reloads_.push_back(now());
        model_.reload(scenario_.settings[s.which]);
        return;
      }
      case Act::kRestart: restart(*s.lasts); return;
      case Act::kReceiver: {
        const std::vector<std::string> all = {"one/webhook/0", "two/webhook/0", "two/webhook/1", "mute-ends/webhook/0"};
        using Kind = receivers::SendResult::Kind;
        // Half of those that say no have taken it.
        world_.sender.failing[all[s.which]] = {s.flag ? Kind::kRetry : Kind::kFailed, s.times};
        arrives_[all[s.which]] = s.times % 2 == 0;
        return;
      }
      default: return;
    }
  }

  void put(const Step& s) {
    model::Alert a;
    a.labels = labels_of(s.labels);
    const auto known = model_.alerts().find(text_of(s.labels));
    a.starts_at = known == model_.alerts().end() ? now() : known->second.starts;
    const TimePoint ended = now();
    insist([&] {
      a.ends_at = s.act == Act::kEnd ? ended : now() + s.lasts.value_or(std::chrono::minutes(5));
      model_.put(s.labels, a.starts_at, a.ends_at);
      (void)world_.alerting->put({a});
    });
  }

  void silence(const Step& s) {
    Silence silence;
    silence.matcher_sets = matchers_of(s.silence.sets);
    silence.starts_at = now() - s.started.value_or(Micros(0));
    silence.ends_at = silence.starts_at + *s.lasts;
    std::string id;
    insist([&] {
      for (const Silence& there : world_.alerting->silences()) {  // it was made before
        if (there.starts_at == silence.starts_at && there.matcher_sets == silence.matcher_sets) id = there.id;
      }
      if (!id.empty()) return;
      if (const auto made = world_.alerting->set_silence(silence)) id = *made;
    });
    if (id.empty()) return;
    ids_.push_back(id);
    model_.mute({id, s.silence.sets, silence.starts_at, silence.ends_at, std::nullopt});
  }

  void unsilence(const Step& s) {
    if (ids_.empty()) return;
    const std::string id = ids_[s.which % ids_.size()];
    model_.unmute(id);
    insist([&] { (void)world_.alerting->expire_silence(id); });
  }

  static std::string receiver_of(const std::string& integration) {
    return integration.substr(0, integration.find('/'));
  }
  bool told_of_ends(const std::string& integration) const {
    return model_.settings().receivers.at(receiver_of(integration)).at(static_cast<size_t>(integration.back() - '0'));
  }
  bool healthy(const std::string& integration) const {
    const auto it = world_.sender.failing.find(integration);
    return it == world_.sender.failing.end() || it->second.second == 0;
  }

  // Where the alert belongs, if that is this group.
  const Node* place(const LabelMap& labels, const Key& key) const {
    for (const Place& p : model_.places_of(labels)) {
      if (p.key() == key.second && p.receiver == receiver_of(key.first)) return p.node;
    }
    return nullptr;
  }
  bool audible(const LabelMap& labels, const Node& node) const {
    return !Model::off(node, now()) && !model_.silenced(labels) && !model_.inhibited(labels);
  }

  void heard(const Sent& sent) {
    model_.advance(now());
    const bool arrived = sent.result == receivers::SendResult::Kind::kDelivered || arrives_[sent.integration];
    const Key key{sent.integration, sent.notification.group_key};
    for (const receivers::NotifiedAlert& a : sent.notification.alerts) {
      const LabelMap labels = map_of(a.alert.labels);
      if (arrived) told_[key][text_of(labels)] = {labels, a.resolved ? Heard::kEnded : Heard::kFires};
      if (a.resolved || unsure_ || sent.notification.created_at != now()) continue;
      const Node* node = place(labels, key);
      if (node == nullptr || !audible(labels, *node)) complain("told what is muted: " + news_of(sent).text());
    }
  }

  void look() {
    std::map<std::tuple<Key, std::string, std::string>, TimePoint> due;
    const auto is_due = [&](const Key& key, const std::string& alert, const char* what) {
      const auto since = due_.find({key, alert, what});
      due[{key, alert, what}] = since == due_.end() ? now() : since->second;
      if (now() - due[{key, alert, what}] > kBound)
        complain(std::string(what) + " is not told: " + key.first + " " + key.second + " " + alert);
    };
    for (const auto& [text, alert] : model_.alerts()) {
      if (alert.firing != std::exchange(fired_[text], alert.firing)) changes_[text].push_back(now());
      if (!alert.firing) continue;
      for (const Place& p : model_.places_of(alert.labels)) {
        if (!audible(alert.labels, *p.node)) continue;
        for (size_t i = 0; i < model_.settings().receivers.at(p.receiver).size(); ++i) {
          const Key key{p.receiver + "/webhook/" + std::to_string(i), p.key()};
          if (healthy(key.first) && !knows(key, text)) is_due(key, text, "what fires");
        }
      }
    }
    for (auto& [text, firing] : fired_) {
      if (firing && !model_.fires(text)) {
        firing = false;
        changes_[text].push_back(now());
      }
    }
    for (auto& [key, alerts] : told_) {
      for (auto& [text, entry] : alerts) {
        auto& [labels, heard] = entry;
        if (heard != Heard::kFires || model_.fires(text)) continue;
        const Node* node = place(labels, key);
        // Whoever could not be told when it was due, as with Alertmanager, is not told later.
        if (node == nullptr || !audible(labels, *node) || !told_of_ends(key.first)) {
          heard = Heard::kEither;
        } else if (healthy(key.first)) {
          is_due(key, text, "an end");
        }
      }
    }
    due_ = std::move(due);
  }

  bool knows(const Key& key, const std::string& alert) const {
    const auto group = told_.find(key);
    if (group == told_.end()) return false;
    const auto it = group->second.find(alert);
    return it != group->second.end() && it->second.second != Heard::kEnded;
  }

  void check_keys() {
    std::map<std::string, std::string> contents;
    std::map<Key, Sent> last;
    for (const Sent& sent : world_.sender.sent) {
      News news = news_of(sent);
      news.at = {};
      const auto [it, fresh] = contents.emplace(sent.key, news.text());
      if (it->second != news.text()) complain("a key with other news: " + news.text());
      const Key key{sent.integration, sent.notification.group_key};
      if (const auto before = last.find(key); before != last.end()) {
        News old = news_of(before->second);
        old.at = {};
        if (old == news && sent.key != before->second.key && !changed(news, before->second, sent) &&
            sent.notification.created_at - before->second.notification.created_at < std::chrono::seconds(120))
          complain("told twice with another key at " + format_rfc3339(sent.at) + ": " + news.text());
      }
      last.insert_or_assign(key, sent);
    }
  }

  bool changed(const News& news, const Sent& a, const Sent& b) const {
    const auto between = [&](TimePoint t) {
      return t >= a.notification.created_at - kSlice && t <= b.notification.created_at + kSlice;
    };
    if (std::any_of(reloads_.begin(), reloads_.end(), between)) return true;
    for (const auto& [text, times] : changes_) {
      // An end that a receiver does not hear of is news for the log all the same.
      if (!news.group.empty() && std::any_of(times.begin(), times.end(), between)) return true;
    }
    return false;
  }

  const Scenario& scenario_;
  Random random_;
  World world_;
  Model model_;
  std::vector<std::string> ids_;
  std::map<std::string, bool> arrives_;  // what a receiver refuses has arrived all the same
  bool unsure_ = false;                  // something has been asked for and not been answered
  std::map<Key, std::map<std::string, std::pair<LabelMap, Heard>>> told_;
  std::map<std::tuple<Key, std::string, std::string>, TimePoint> due_;  // since when it could have been told
  std::map<std::string, bool> fired_;
  std::map<std::string, std::vector<TimePoint>> changes_;
  std::vector<TimePoint> reloads_;
  std::string problem_;
  std::string story_;
};

Scenario scenario_of(uint64_t seed) { return ScenarioMaker(seed + 1'000'000).make(24, true); }

class AlertingCrash : public ::testing::TestWithParam<uint64_t> {};

TEST_P(AlertingCrash, a_crash_at_some_write_loses_and_repeats_nothing) {
  const Scenario scenario = scenario_of(GetParam());
  SCOPED_TRACE("seed " + std::to_string(GetParam()) + "\n" + yaml(scenario.settings.front()));
  Survival whole(scenario, GetParam(), {});
  const int64_t writes = whole.run();
  ASSERT_EQ(whole.problem(), "") << "without a crash";
  Random random(GetParam());
  for (int i = 0; i < 2; ++i) {
    const Crash crash{1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(writes) + 1)), random.chance(0.5)};
    Survival run(scenario, GetParam(), crash);
    run.run();
    ASSERT_EQ(run.problem(), "") << "write " << crash.at << (crash.after ? " after" : " before");
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, AlertingCrash, ::testing::Range<uint64_t>(1, seed_end(30)));

class AlertingEveryWrite : public ::testing::TestWithParam<uint64_t> {};

TEST_P(AlertingEveryWrite, a_crash_there_loses_and_repeats_nothing) {
  const Scenario scenario = scenario_of(GetParam());
  SCOPED_TRACE("seed " + std::to_string(GetParam()) + "\n" + yaml(scenario.settings.front()));
  const int64_t writes = Survival(scenario, GetParam(), {}).run();
  for (int64_t at = 1; at <= writes; ++at) {
    for (const bool after : {false, true}) {
      Survival run(scenario, GetParam(), {at, after});
      run.run();
      ASSERT_EQ(run.problem(), "") << "write " << at << (after ? " after" : " before");
    }
  }
}
// All writes of a few scenarios: a hundredth of a long run's.
INSTANTIATE_TEST_SUITE_P(Seeds, AlertingEveryWrite, ::testing::Range<uint64_t>(5000, 5000 + seed_end(200) / 100));

}  // namespace
}  // namespace sentinel::alerting::reference
