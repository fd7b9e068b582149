// The process dies at every write of an escalation's life, before or after the write is on disk: no page is missed, and
// what is sent twice carries the same key.

#include <gtest/gtest.h>

#include <set>

#include "oncall/test_world.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kConfig = R"(
users:
- {id: ada, contacts: {push: a1, sms: a2}, rules: {default: [{by: push}, {after: 2m, by: sms}, {after: 9m, by: push}]}}
- {id: bob, contacts: {sms: b1}}
- {id: cy, contacts: {sms: c1}}
schedules:
- {id: s, layers: [{start: '2026-01-01 00:00', every: '1 hour', participants: [ada, bob]}]}
policies:
- id: p
  repeat: 1
  acknowledge_timeout: 20m
  levels:
  - {id: one, notify: [{schedule: s}], timeout: 3m}
  - {id: two, notify: [{round_robin: [bob, cy, ada]}], timeout: 5m, when: {restrictions: [{from: '00:10', to: '00:00'}], outside: wait}}
last_resort: [{user: cy}]
maintenance: [{id: m, from: '2026-01-01T00:45:00Z', duration: 5m}]
)";

// What the world does, retried by whoever asked until it is answered.
struct Act {
  seconds at;
  enum class Kind { kTrigger, kAcknowledge, kResolve, kEscalate } kind;
  std::string key;
};
const std::vector<Act>& acts() {
  using Kind = Act::Kind;
  // None falls on an instant at which a timer is due, so that a process that is back late meets the same order.
  static const std::vector<Act> all = {
      {seconds(60), Kind::kTrigger, "k1"},      {seconds(240), Kind::kTrigger, "k2"},
      {seconds(390), Kind::kAcknowledge, "k1"}, {seconds(750), Kind::kEscalate, "k2"},
      {seconds(1200), Kind::kResolve, "k2"},    {seconds(1800), Kind::kTrigger, "k2"},
      {seconds(2820), Kind::kTrigger, "k3"},    {seconds(3510), Kind::kAcknowledge, "k2"},
      {seconds(4200), Kind::kResolve, "k1"},
  };
  return all;
}

class Life {
 public:
  explicit Life(state::Crash crash, Micros down) : world_(std::string(kConfig), FakeClock().now()), down_(down) {
    world_.crash = crash;
  }

  int64_t run() {
    size_t next = 0;
    for (TimePoint t = world_.start(); t <= world_.start() + minutes(100); t += seconds(30)) {
      if (t < world_.scheduler.now()) continue;
      world_.scheduler.run_until(t);
      revive();
      for (; next < acts().size() && world_.start() + acts()[next].at <= t; ++next) insist(acts()[next]);
      deliver();
    }
    return world_.crash.writes;
  }

  std::vector<std::string> sent;
  std::set<std::string> sent_keys() const { return {sent.begin(), sent.end()}; }
  World& world() { return world_; }

 private:
  void revive() {
    while (world_.crash.dead) world_.restart(std::exchange(down_, Micros(0)));
    world_.scheduler.run_ready();
    if (world_.crash.dead) revive();
  }
  void insist(const Act& act) {
    for (int i = 0; i < 3; ++i) {
      Status s;
      Escalations& e = *world_.escalations;
      if (act.kind == Act::Kind::kTrigger) {
        if (const auto r = e.trigger({act.key, "p", act.key, true}); !r) s = fail(r.error());
      } else if (act.kind == Act::Kind::kResolve) {
        if (const auto r = e.resolve(act.key, "x"); !r) s = fail(r.error());
      } else if (act.kind == Act::Kind::kAcknowledge) {
        s = e.acknowledge(act.key, "x");
      } else {
        // Asked twice it would go two levels up; whoever asks looks first.
        const size_t told = told_levels(act.key);
        s = e.escalate(act.key, "x");
        if (!s && world_.crash.dead) {
          revive();
          if (told_levels(act.key) > told) return;
          continue;
        }
      }
      if (s || !world_.crash.dead) {
        EXPECT_TRUE(s || s.error().code() == ErrorCode::kConflict) << s.error().to_string();
        return;
      }
      revive();
    }
  }
  size_t told_levels(const std::string& key) {
    size_t count = 0;
    const auto events = world_.escalations->events(key, 1000).value();
    for (const EscalationEvent& e : events) count += e.kind == "escalated" ? 1 : 0;
    return count;
  }
  // Sends what is wanted, then notes so: between the two it can die, and sends again.
  void deliver() {
    for (const state::OutboxMessage& m : world_.outbox()) {
      if (m.status != state::OutboxStatus::kPending) continue;
      if (world_.wanted(m)) sent.push_back(m.key);
      const Status noted = world_.database->write(
          [&](state::Tx& tx) { return state::Outbox::delivered(tx, m.id, world_.scheduler.now()); });
      if (!noted) return revive();
    }
  }

  World world_;
  Micros down_;
};

TEST(OncallCrash, at_every_write_no_page_is_missed_and_repeats_carry_their_key) {
  Life whole({}, Micros(0));
  const int64_t writes = whole.run();
  ASSERT_GT(writes, 40);
  ASSERT_GT(whole.sent.size(), 15u);
  ASSERT_EQ(whole.sent.size(), whole.sent_keys().size());
  for (int64_t at = 1; at <= writes; ++at) {
    for (const bool after : {false, true}) {
      // Back a second later: what is due then is due at another instant, and must carry the same keys.
      Life life({.at = at, .after = after}, seconds(1));
      life.run();
      ASSERT_EQ(life.sent_keys(), whole.sent_keys()) << "write " << at << (after ? " after" : " before");
      ASSERT_LE(life.sent.size(), whole.sent.size() + 1) << "write " << at;
    }
  }
}

// Down for so long that timers pass: the first level of everything is told all the same, and the ends are the same.
TEST(OncallCrash, and_down_for_a_while_afterwards) {
  Life whole({}, Micros(0));
  const int64_t writes = whole.run();
  for (int64_t at = 1; at <= writes; ++at) {
    Life life({.at = at, .after = at % 2 == 0}, minutes(7));
    life.run();
    std::set<std::string> told;
    const auto pages = life.world().outbox();
    for (const state::OutboxMessage& m : pages) {
      const auto page = text::parse_json_object(m.payload).value();
      told.insert(text::json_string(page, "escalation").value());
    }
    ASSERT_EQ(told, (std::set<std::string>{"k1", "k2", "k3"})) << "write " << at;
    const auto all = life.world().escalations->list(true, 10).value();
    for (const Escalation& e : all) {
      if (e.key == "k1") ASSERT_EQ(e.state, EscalationState::kResolved) << at;
      if (e.key != "k1") ASSERT_NE(e.state, EscalationState::kResolved) << at;
      ASSERT_TRUE(e.due_at || e.state == EscalationState::kExhausted || e.state == EscalationState::kResolved) << at;
    }
  }
}

}  // namespace
}  // namespace sentinel::oncall
