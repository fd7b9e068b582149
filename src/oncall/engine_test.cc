// What scripts do not show: the metrics, the listener, callers' transactions, a disk that refuses, races.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "oncall/coverage_metrics.h"
#include "oncall/test_schedules.h"
#include "oncall/test_world.h"
#include "state/refusing_disk.h"

namespace sentinel::oncall {
namespace {

using std::chrono::days;
using std::chrono::minutes;

constexpr const char* kConfig = R"(
users: [{id: ada, contacts: {sms: a}}, {id: bob, contacts: {sms: b}}]
policies: [{id: p, levels: [{notify: [{user: ada}], timeout: 5m}, {notify: [{user: bob}], timeout: 5m}]}]
last_resort: [{user: bob}]
)";

double value(const MetricRegistry& metrics, std::string_view name) {
  const auto families = metrics.collect();
  for (const MetricFamily& f : families) {
    if (f.name == name && !f.points.empty()) return f.points.front().value;
  }
  return -1;
}

TEST(Escalations, pages_and_exhausted_ones_are_counted) {
  World world(kConfig, FakeClock().now());
  ASSERT_TRUE(world.escalations->trigger({"k", "p", "t", true}));
  EXPECT_EQ(value(world.metrics, "sentinel_oncall_pages_total"), 1);
  world.scheduler.run_for(minutes(30));
  EXPECT_EQ(value(world.metrics, "sentinel_oncall_pages_total"), 3);
  EXPECT_EQ(value(world.metrics, "sentinel_oncall_exhausted_total"), 1);
  EXPECT_EQ(value(world.metrics, "sentinel_oncall_nobody_total"), 0);
}

TEST(Escalations, a_callers_transaction_that_fails_pages_nobody) {
  World world(kConfig, FakeClock().now());
  const Status failed = world.database->write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(world.escalations->trigger_in(tx, {"k", "p", "t", true}));
    return fail(ErrorCode::kUnavailable, "the incident could not be stored");
  });
  EXPECT_FALSE(failed);
  world.escalations->rolled_back();
  world.scheduler.run_for(minutes(30));
  EXPECT_TRUE(world.outbox().empty());
  ASSERT_TRUE(
      world.database->write([&](state::Tx& tx) { return world.escalations->trigger_in(tx, {"k", "p", "t", true}); }));
  world.escalations->committed();
  EXPECT_EQ(value(world.metrics, "sentinel_oncall_pages_total"), 1);
  world.scheduler.run_for(minutes(6));
  EXPECT_EQ(world.outbox().size(), 2u) << "its timer runs";
}

// E4: whoever comes second is told so; the end stays the end.
TEST(Escalations, an_acknowledgement_that_meets_a_resolve_never_reopens) {
  for (const bool acknowledged_first : {true, false}) {
    World world(kConfig, FakeClock().now());
    ASSERT_TRUE(world.escalations->trigger({"k", "p", "t", true}));
    if (acknowledged_first) ASSERT_TRUE(world.escalations->acknowledge("k", "ada"));
    ASSERT_TRUE(world.escalations->resolve("k", "rule"));
    if (!acknowledged_first) {
      const Status late = world.escalations->acknowledge("k", "ada");
      ASSERT_FALSE(late);
      EXPECT_EQ(late.error().code(), ErrorCode::kConflict);
    }
    world.scheduler.run_for(days(120));
    const auto all = world.escalations->list(true, 10).value();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].state, EscalationState::kResolved);
    EXPECT_EQ(world.outbox().size(), 1u);
  }
}

// Pages go on when the disk does not; what people do is refused rather than forgotten.
TEST(Escalations, a_full_disk_does_not_stop_pages) {
  World world(kConfig, FakeClock().now());
  ASSERT_TRUE(world.escalations->trigger({"before", "p", "t", true}));
  {
    const state::RefusingDisk refusing;
    const auto written = world.escalations->trigger({"k", "p", "t", true});
    ASSERT_TRUE(written) << written.error().to_string();
    EXPECT_EQ(*written, state::Written::kMemoryOnly);
    EXPECT_FALSE(world.escalations->acknowledge("k", "ada"));
    world.scheduler.run_for(minutes(6));
    EXPECT_EQ(world.outbox().size(), 4u);
  }
  world.database->tend();
  ASSERT_TRUE(world.escalations->acknowledge("k", "ada"));
  world.restart();
  EXPECT_EQ(world.outbox().size(), 4u);
  EXPECT_EQ(world.escalations->list(false, 10).value().size(), 2u);
}

class Refusing final : public EscalationListener {
 public:
  Status on_escalation(state::Tx&, const std::vector<EscalationEvent>& events) override {
    for (const EscalationEvent& e : events) kinds += e.kind + " ";
    return refuse ? fail(ErrorCode::kUnavailable, "no") : Status();
  }
  bool refuse = false;
  std::string kinds;
};

TEST(Escalations, the_listener_hears_in_the_same_transaction) {
  World world(kConfig, FakeClock().now());
  Refusing listener;
  auto made = Escalations::open(world.scheduler, *world.database, world.metrics, &listener, World::read(kConfig));
  ASSERT_TRUE(made);
  listener.refuse = true;
  EXPECT_FALSE((*made)->trigger({"k", "p", "t", true}));
  EXPECT_TRUE(world.outbox().empty()) << "neither happened";
  listener.refuse = false;
  listener.kinds.clear();
  EXPECT_TRUE((*made)->trigger({"k", "p", "t", true}));
  EXPECT_EQ(listener.kinds, "triggered paged ");
}

// E7: the address that fails holds up neither another person nor another address of the same one.
TEST(Escalations, each_address_has_a_row_of_its_own_in_the_outbox) {
  World world(R"(
users: [{id: ada, contacts: {sms: a, push: p}}, {id: bob, contacts: {sms: b}}]
policies: [{id: p, levels: [{notify: [{user: ada}, {user: bob}], timeout: 5m}]}]
)",
              FakeClock().now());
  ASSERT_TRUE(world.escalations->trigger({"k", "p", "t", true}));
  std::set<std::string> receivers;
  const auto pages = world.outbox();
  for (const state::OutboxMessage& m : pages) {
    receivers.insert(m.receiver);
    EXPECT_EQ(m.order_key, "");
  }
  EXPECT_EQ(receivers, (std::set<std::string>{"ada/push", "ada/sms", "bob/sms"}));
}

// N1, N2, N4: what piled up while a provider was down is one message an address, and none when it is over.
TEST(Escalations, of_pages_that_piled_up_only_the_newest_to_an_address_is_wanted) {
  World world(R"(
users:
- {id: ada, contacts: {sms: a, push: p}, rules: {default: [{by: push}, {after: 1m, by: sms}, {after: 2m, by: push}]}}
- {id: bob, contacts: {sms: b}}
policies: [{id: p, repeat: 2, levels: [{notify: [{user: ada}], timeout: 5m}, {notify: [{user: bob}], timeout: 5m}]}]
)",
              FakeClock().now());
  ASSERT_TRUE(world.escalations->trigger({"k", "p", "t", true}));
  world.scheduler.run_for(minutes(23));
  const auto pages = world.outbox();
  EXPECT_EQ(pages.size(), 11u);
  std::vector<std::string> wanted;
  for (const state::OutboxMessage& m : pages) {
    if (world.wanted(m)) wanted.push_back(m.key);
  }
  EXPECT_EQ(wanted, (std::vector<std::string>{"page/k/1/4/bob/sms/0", "page/k/1/5/ada/sms/60000000",
                                              "page/k/1/5/ada/push/120000000"}));
  ASSERT_TRUE(world.escalations->acknowledge("k", "bob"));
  for (const state::OutboxMessage& m : pages) EXPECT_FALSE(world.wanted(m)) << m.key;
}

TEST(CoverageMetrics, gaps_ahead_are_series_and_a_removed_schedule_has_none) {
  const auto config = World::read(R"(
users: [{id: ada}, {id: bob}]
schedules:
- id: s
  layers:
  - {start: '2026-01-05 00:00', every: day, participants: [ada, null]}
  - {start: '2026-01-05 00:00', every: week, participants: [bob], priority: 1, restrictions: [{days: [mon], from: '00:00', to: '01:00'}]}
policies: [{id: p, levels: [{notify: [{schedule: s}]}]}]
)");
  MetricRegistry metrics;
  publish_coverage(*config, at("2026-01-05T00:00:00Z"), days(4), metrics);
  EXPECT_EQ(value(metrics, "sentinel_oncall_gap_seconds"), 2 * 86400);
  EXPECT_EQ(value(metrics, "sentinel_oncall_empty_shift_seconds"), 2 * 86400);
  EXPECT_EQ(value(metrics, "sentinel_oncall_overlap_seconds"), 3600);
  EXPECT_EQ(value(metrics, "sentinel_oncall_never_serve"), 0);
  EXPECT_EQ(value(metrics, "sentinel_oncall_uncovered_seconds"), 2 * 86400);
  Config with_a_user = *config;
  with_a_user.policies.at("p").levels[0].recipients.push_back({Recipient::Kind::kUser, "bob", {}});
  publish_coverage(with_a_user, at("2026-01-05T00:00:00Z"), days(4), metrics);
  EXPECT_EQ(value(metrics, "sentinel_oncall_uncovered_seconds"), 0);
  publish_coverage(Config(), at("2026-01-05T00:00:00Z"), days(4), metrics, config.get());
  EXPECT_EQ(value(metrics, "sentinel_oncall_gap_seconds"), 0);
}

// A person who leaves leaves everything; who is on call stays (S11).
TEST(Config, removing_a_user_leaves_nothing_that_names_him) {
  Config config = *World::read(R"(
users: [{id: ada, contacts: {sms: a}}, {id: bob, contacts: {sms: b}}, {id: cy, contacts: {sms: c}}]
teams: [{id: t, members: [ada, bob]}]
schedules: [{id: s, layers: [{start: '2026-01-05 00:00', every: week, participants: [ada, bob, cy]}]}]
policies: [{id: p, levels: [{notify: [{user: ada}, {round_robin: [ada, bob]}, {schedule: s}]}], last_resort: [{user: ada}]}]
last_resort: [{user: ada}, {team: t}]
)");
  remove_user(config, "ada", at("2026-01-20T00:00:00Z"));
  EXPECT_FALSE(config.users.contains("ada"));
  EXPECT_EQ(config.teams.at("t").members, std::vector<std::string>{"bob"});
  EXPECT_EQ(on_call(config.schedules.at("s"), "2026-01-20T00:00:00Z"), "cy");
  const Policy& policy = config.policies.at("p");
  ASSERT_EQ(policy.levels[0].recipients.size(), 2u);
  EXPECT_EQ(policy.levels[0].recipients[0].users, std::vector<std::string>{"bob"});
  EXPECT_TRUE(policy.last_resort.empty());
  EXPECT_EQ(config.last_resort.size(), 1u);
}

}  // namespace
}  // namespace sentinel::oncall
