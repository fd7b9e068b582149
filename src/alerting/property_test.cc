// Random alert streams, silences, receiver failures, reloads, a disk that refuses and crashes at any moment, against a
// model that knows what everybody must have been told:
//  - safety: whoever was last told "firing" of an alert that has ended is told so, and whoever was not told of an alert
//    that fires is told, once receivers work and time passes (at least once, never a silent miss);
//  - what is silenced for good is never told;
//  - one key, one content: a key never carries other news, and the same news tried again (after a failure or a crash,
//  with
//    no alert of the group having fired or ended in between) has the same key.

#include <gtest/gtest.h>

#include <algorithm>

#include "alerting/test_world.h"
#include "base/random.h"
#include "base/strings.h"

namespace sentinel::alerting {
namespace {

constexpr const char* kFirst = R"(
route:
  receiver: team
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1000h
  routes:
  - {matchers: ['alertname=~"A|B"'], receiver: both, continue: true}
receivers:
- name: team
  webhook_configs: [{url: 'http://127.0.0.1:1/'}]
- name: both
  webhook_configs: [{url: 'http://127.0.0.1:1/'}, {url: 'http://127.0.0.1:2/'}]
)";
// The same routes with other timers.
constexpr const char* kSecond = R"(
route:
  receiver: team
  group_by: [alertname]
  group_wait: 20s
  group_interval: 30s
  repeat_interval: 1000h
  routes:
  - {matchers: ['alertname=~"A|B"'], receiver: both, continue: true}
receivers:
- name: team
  webhook_configs: [{url: 'http://127.0.0.1:1/'}]
- name: both
  webhook_configs: [{url: 'http://127.0.0.1:1/'}, {url: 'http://127.0.0.1:2/'}]
)";

const char* const kNames[] = {"A", "B", "C", "Quiet"};
const std::vector<std::string> kIntegrations = {"both/webhook/0", "both/webhook/1", "team/webhook/0"};

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed), world_(kFirst) {
    Silence s;
    s.matcher_sets = {{model::Matcher::equal("alertname", "Quiet")}};
    s.starts_at = world_.start();
    s.ends_at = world_.start() + std::chrono::hours(10'000);
    EXPECT_TRUE(world_.alerting->set_silence(s));
  }

  void run() {
    for (int step = 0; step < 120 && !::testing::Test::HasFatalFailure(); ++step) one();
    settle();
    check();
  }

 private:
  void one() {
    if (random_.chance(0.05)) return without_disk();
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2: return put(true);
      case 3:
      case 4: return put(false);
      case 5: {
        using Kind = receivers::SendResult::Kind;
        world_.sender.failing[kIntegrations[random_.below(3)]] = {random_.chance(0.7) ? Kind::kRetry : Kind::kFailed,
                                                                  static_cast<int>(random_.below(12))};
        return;
      }
      case 6: {
        // The process dies after sending, before it can note the answer.
        world_.sender.lost = true;
        world_.scheduler.run_for(Millis(random_.below(30'000)));
        world_.sender.lost = false;
        return world_.restart(Millis(random_.below(120'000)));
      }
      case 7: return world_.restart();
      case 8: {
        ASSERT_TRUE(world_.reload(random_.chance(0.5) ? kFirst : kSecond));
        return;
      }
      default: return world_.scheduler.run_for(Millis(random_.below(90'000)));
    }
  }

  // The state database cannot be written for a while: nobody may notice but who asks whether it is stored.
  void without_disk() {
    world_.refuse_disk(true);
    for (int i = 0; i < 4; ++i) {
      if (random_.chance(0.6)) put(random_.chance(0.6), false);
      world_.scheduler.run_for(Millis(random_.below(60'000)));
    }
    world_.refuse_disk(false);
    world_.database->tend();
    ASSERT_FALSE(world_.database->health().memory_only);
  }

  void put(bool firing, bool durable = true) {
    model::Alert a;
    a.labels = {{"alertname", kNames[random_.below(4)]}, {"i", std::to_string(random_.below(3))}};
    const TimePoint now = world_.scheduler.now();
    const bool was_firing = firing_.contains(a.labels);
    if (firing) {
      a.ends_at = now + std::chrono::hours(5'000);
      if (!firing_.contains(a.labels)) firing_[a.labels] = now;
    } else {
      a.starts_at = firing_.contains(a.labels) ? firing_[a.labels] : now;
      a.ends_at = now;
      firing_.erase(a.labels);
    }
    if (firing != was_firing) changes_[std::string(a.name())].push_back(now);
    const Status s = world_.alerting->put({a});
    if (durable) {
      ASSERT_TRUE(s);
    } else if (!s) {
      ASSERT_EQ(s.error().code(), ErrorCode::kUnavailable) << s.error().to_string();
    }
  }

  bool changed_between(const Sent& a, const Sent& b) const {
    const std::vector<TimePoint>& times = changes_.at(std::string(a.notification.group_labels.get("alertname")));
    return std::any_of(times.begin(), times.end(),
                       [&](TimePoint t) { return t >= a.notification.created_at && t <= b.notification.created_at; });
  }

  void settle() {
    world_.sender.failing.clear();
    world_.scheduler.run_for(std::chrono::minutes(30));
    settled_at_ = world_.sender.sent.size();
    world_.scheduler.run_for(std::chrono::hours(2));
  }

  static std::string content(const Sent& s) {
    std::string out;
    for (const receivers::NotifiedAlert& a : s.notification.alerts) {
      out += a.alert.labels.to_string() + (a.resolved ? "-" : "+");
    }
    return out;
  }

  void check() {
    EXPECT_EQ(world_.sender.sent.size(), settled_at_) << "nothing more to say once all is told";
    std::map<std::string, std::map<model::Labels, bool>> told;  // integration → alert → told that it fires
    std::map<std::string, std::string> content_of_key;
    std::map<std::pair<std::string, std::string>, Sent> last_tried;  // by integration and group
    for (const Sent& s : world_.sender.sent) {
      const auto [it, fresh] = content_of_key.emplace(s.key, content(s));
      EXPECT_TRUE(fresh || it->second == content(s)) << "a key with other news";
      const auto [last, first] = last_tried.try_emplace({s.integration, s.notification.group_key}, s);
      if (!first && content(last->second) == content(s) && !changed_between(last->second, s)) {
        EXPECT_EQ(last->second.key, s.key)
            << "the same news twice with another key: " << s.integration << " " << content(s);
      }
      last->second = s;
      if (s.result != receivers::SendResult::Kind::kDelivered) continue;
      for (const receivers::NotifiedAlert& a : s.notification.alerts) {
        EXPECT_NE(a.alert.name(), "Quiet");
        told[s.integration][a.alert.labels] = !a.resolved;
      }
    }
    for (const std::string& integration : kIntegrations) {
      for (const auto& [labels, since] : firing_) {
        const bool routed =
            integration.starts_with("both") == (labels.get("alertname") == "A" || labels.get("alertname") == "B");
        if (labels.get("alertname") == "Quiet" || !routed) continue;
        EXPECT_TRUE(told[integration][labels])
            << integration << " was not told that " << labels.to_string() << " fires";
      }
      for (const auto& [labels, firing] : told[integration]) {
        EXPECT_EQ(firing, firing_.contains(labels)) << integration << " has an old picture of " << labels.to_string();
      }
    }
  }

  Random random_;
  World world_;
  std::map<model::Labels, TimePoint> firing_;
  std::map<std::string, std::vector<TimePoint>> changes_;  // by alert name
  size_t settled_at_ = 0;
};

class AlertingProperty : public ::testing::TestWithParam<uint64_t> {};

TEST_P(AlertingProperty, everybody_is_told_the_truth_in_the_end) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  RandomRun(GetParam()).run();
}

// SENTINEL_SEEDS=5000 for a long run.
uint64_t seed_end() {
  const char* wanted = ::getenv("SENTINEL_SEEDS");
  return 1 + static_cast<uint64_t>(wanted == nullptr ? 40 : parse_int(wanted).value_or(40));
}

INSTANTIATE_TEST_SUITE_P(Seeds, AlertingProperty, ::testing::Range<uint64_t>(1, seed_end()));

}  // namespace
}  // namespace sentinel::alerting
