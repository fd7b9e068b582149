// What instances copy from each other, and the wait for the one that notifies first, on a virtual clock.

#include <gtest/gtest.h>

#include "alerting/cluster.h"
#include "alerting/test_world.h"

namespace sentinel::alerting {
namespace {

constexpr const char* kConfig = R"(
route: {receiver: team, group_by: [alertname], group_wait: 1s, group_interval: 10s, repeat_interval: 1h}
receivers: [{name: team, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]
)";

model::Alert alert(const char* name) {
  model::Alert a;
  a.labels = {{"alertname", name}};
  return a;
}

TEST(ClusterState, the_second_instance_is_silent_when_the_first_has_told) {
  World first(kConfig), second(kConfig);
  int changes = 0;
  first.alerting->on_replicate([&changes] { ++changes; });
  second.alerting->set_peer_wait(std::chrono::seconds(15));
  for (World* w : {&first, &second}) {
    ASSERT_TRUE(w->alerting->put({alert("A")}));
    w->scheduler.run_for(std::chrono::seconds(2));
  }
  EXPECT_EQ(first.sender.sent.size(), 1u);
  EXPECT_EQ(second.sender.sent.size(), 0u) << "it waits";
  EXPECT_GT(changes, 0);
  const auto merged = second.alerting->merge_replica(first.alerting->take_replica_changes());
  ASSERT_TRUE(merged) << merged.error().to_string();
  EXPECT_EQ(*merged, 1u);
  second.scheduler.run_for(std::chrono::minutes(2));
  EXPECT_EQ(second.sender.sent.size(), 0u) << "it has heard";
  second.restart();
  second.scheduler.run_for(std::chrono::minutes(2));
  EXPECT_EQ(second.sender.sent.size(), 0u) << "and remembers";
}

TEST(ClusterState, an_acknowledgement_at_one_instance_holds_at_the_other_and_ends_there_too) {
  World first(kConfig), second(kConfig);
  first.alerting->on_replicate([] {});
  model::Alert a = alert("A");
  a.ends_at = first.start() + std::chrono::hours(100);
  for (World* w : {&first, &second}) {
    ASSERT_TRUE(w->alerting->put({a}));
    w->scheduler.run_for(std::chrono::seconds(2));
    ASSERT_EQ(w->sender.sent.size(), 1u);
  }
  const AlertSelection which{{a.fingerprint()}};
  const AlertAction action{{"ada", "page", "10.0.0.1:5"}, "on it", first.start() + std::chrono::hours(50)};
  ASSERT_TRUE(first.alerting->acknowledge(which, action));
  const auto copied = decode_replica(encode_replica(first.alerting->take_replica_changes()));
  ASSERT_TRUE(copied) << copied.error().to_string();
  ASSERT_EQ(copied->acknowledgements.size(), 1u);
  ASSERT_TRUE(second.alerting->merge_replica(*copied));
  second.restart();
  second.scheduler.run_for(std::chrono::hours(3));
  EXPECT_EQ(second.sender.sent.size(), 1u) << "somebody is on it";
  const std::vector<Acknowledgement> there = second.alerting->acknowledgements();
  ASSERT_EQ(there.size(), 1u);
  EXPECT_EQ(there[0].by.name, "ada");
  EXPECT_EQ(there[0].until, action.until);
  ASSERT_TRUE(first.alerting->unacknowledge(which, action));
  first.scheduler.run_for(std::chrono::seconds(1));
  const auto taken_back = second.alerting->merge_replica(first.alerting->replica_state());
  ASSERT_TRUE(taken_back);
  second.scheduler.run_for(std::chrono::hours(2));
  EXPECT_EQ(second.sender.sent.size(), 3u) << "reminders go on";
  EXPECT_TRUE(second.alerting->acknowledgements().empty());
}

TEST(ClusterState, the_second_instance_tells_when_it_hears_nothing) {
  World w(kConfig);
  w.alerting->set_peer_wait(std::chrono::seconds(15));
  ASSERT_TRUE(w.alerting->put({alert("A")}));
  w.scheduler.run_for(std::chrono::milliseconds(15'900));
  EXPECT_EQ(w.sender.sent.size(), 0u);
  w.scheduler.run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(w.sender.sent.size(), 1u);
}

TEST(ClusterState, when_the_first_is_gone_the_second_does_not_wait_any_more) {
  World w(kConfig);
  w.alerting->set_peer_wait(std::chrono::seconds(15));
  ASSERT_TRUE(w.alerting->put({alert("A")}));
  w.scheduler.run_for(std::chrono::seconds(5));
  w.alerting->set_peer_wait(Micros(0));
  w.scheduler.run_for(std::chrono::milliseconds(1));
  EXPECT_EQ(w.sender.sent.size(), 1u) << "it was due four seconds ago";
}

TEST(ClusterState, before_it_has_settled_nothing_is_told) {
  World w(kConfig);
  w.alerting->set_peer_wait(std::nullopt);
  ASSERT_TRUE(w.alerting->put({alert("A")}));
  w.scheduler.run_for(std::chrono::minutes(1));
  EXPECT_EQ(w.sender.sent.size(), 0u);
  w.alerting->set_peer_wait(Micros(0));
  w.scheduler.run_for(std::chrono::milliseconds(1));
  EXPECT_EQ(w.sender.sent.size(), 1u);
}

TEST(ClusterState, the_newer_silence_wins_and_survives_its_json) {
  World first(kConfig), second(kConfig);
  first.alerting->on_replicate([] {});
  Silence s;
  s.matcher_sets = {{model::Matcher::equal("alertname", "A")},
                    {*model::Matcher::make(model::MatchType::kNotRegexp, "x", "y|z"), model::Matcher::equal("q", "1")}};
  s.starts_at = first.scheduler.now();
  s.ends_at = s.starts_at + std::chrono::hours(1);
  s.created_by = "me";
  s.comment = "\"quoted\"";
  s.annotations = {{"ticket", "T-1"}};
  const auto id = first.alerting->set_silence(s);
  ASSERT_TRUE(id) << id.error().to_string();
  const auto decoded = decode_replica(encode_replica(first.alerting->take_replica_changes()));
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_EQ(*second.alerting->merge_replica(*decoded), 1u);
  EXPECT_EQ(*second.alerting->merge_replica(*decoded), 0u) << "it has it already";
  const auto copied = second.alerting->silence(*id);
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->matcher_sets, s.matcher_sets);
  EXPECT_EQ(copied->comment, s.comment);
  EXPECT_EQ(copied->annotations, s.annotations);

  first.scheduler.run_for(std::chrono::minutes(1));
  ASSERT_TRUE(first.alerting->expire_silence(*id));
  EXPECT_EQ(*second.alerting->merge_replica(first.alerting->replica_state()), 1u);
  second.scheduler.run_for(std::chrono::minutes(1));
  EXPECT_EQ(second.alerting->silence(*id)->state(second.scheduler.now()), SilenceState::kExpired);
  EXPECT_EQ(*second.alerting->merge_replica(*decoded), 0u) << "old news change nothing";
}

TEST(ClusterState, a_recurring_silence_is_made_by_every_instance_and_is_one) {
  World first(kConfig), second(kConfig), late(kConfig);
  first.alerting->on_replicate([] {});
  RecurringSilence r;
  r.schedule_text = "[{times: [{start_time: '01:00', end_time: '02:00'}]}]";
  r.instance.matcher_sets = {{model::Matcher::equal("alertname", "A")}};
  r.instance.created_by = "me";
  r.instance.comment = "backups";
  const auto added = first.alerting->add_recurring_silence(r);
  ASSERT_TRUE(added) << added.error().to_string();
  const auto decoded = decode_replica(encode_replica(first.alerting->take_replica_changes()));
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_EQ(*second.alerting->merge_replica(*decoded), 2u) << "the schedule and its first silence";
  EXPECT_EQ(*second.alerting->merge_replica(*decoded), 0u);
  ASSERT_EQ(second.alerting->recurring_silences().size(), 1u);
  EXPECT_EQ(second.alerting->recurring_silences()[0].schedule_text, r.schedule_text);

  // Days later, without a word between them, both have the same silences.
  const auto ids = [](World& w) {
    std::vector<std::string> out;
    for (const Silence& s : w.alerting->silences()) out.push_back(s.id);
    std::sort(out.begin(), out.end());
    return out;
  };
  for (World* w : {&first, &second}) w->scheduler.run_for(std::chrono::hours(50));
  EXPECT_EQ(ids(first).size(), 4u) << "the last is to come";
  EXPECT_EQ(ids(first), ids(second));
  EXPECT_EQ(*second.alerting->merge_replica(first.alerting->replica_state()), 0u) << "nothing to copy";

  // What somebody ends stays ended, also where the silence is made later.
  const std::string next = [&] {
    for (const Silence& s : first.alerting->silences())
      if (s.state(first.scheduler.now()) == SilenceState::kPending) return s.id;
    return std::string();
  }();
  first.scheduler.run_for(std::chrono::hours(1));
  ASSERT_TRUE(first.alerting->expire_silence(next));
  late.scheduler.run_for(std::chrono::hours(51));
  EXPECT_GE(*late.alerting->merge_replica(first.alerting->replica_state()), 4u);
  late.restart();
  EXPECT_EQ(*second.alerting->merge_replica(first.alerting->replica_state()), 1u);
  for (World* w : {&second, &late}) {
    w->scheduler.run_for(std::chrono::hours(1));
    EXPECT_EQ(w->alerting->silence(next)->state(w->scheduler.now()), SilenceState::kExpired);
  }

  // Removed is removed, whoever says it last, and forgotten after a while.
  ASSERT_TRUE(second.alerting->remove_recurring_silence(added->id));
  EXPECT_FALSE(second.alerting->remove_recurring_silence(added->id));
  EXPECT_GE(*first.alerting->merge_replica(second.alerting->replica_state()), 1u);
  EXPECT_TRUE(first.alerting->recurring_silences().empty());
  EXPECT_EQ(*second.alerting->merge_replica(*decoded), 0u) << "old news bring nothing back";
  EXPECT_TRUE(second.alerting->recurring_silences().empty());
  const size_t before = ids(first).size();
  first.scheduler.run_for(std::chrono::hours(100));
  EXPECT_LE(ids(first).size(), before) << "it makes no more of them";
  second.restart(std::chrono::hours(24 * 30));
  second.scheduler.run_for(std::chrono::hours(1));
  EXPECT_TRUE(second.alerting->replica_state().recurring.empty());
}

TEST(ClusterState, messages_of_other_instances_are_read_or_refused) {
  Cluster::Message m;
  m.name = "a";
  m.address = ":1";
  m.full = true;
  m.peers = {"127.0.0.1:2"};
  m.state.log.push_back({"{}:{}", "team/webhook/0", Told{time_from_ms(5), {1, 2}, {3}, {}}, time_from_ms(9)});
  const auto again = Cluster::decode(Cluster::encode(m));
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(Cluster::encode(*again), Cluster::encode(m));
  for (const char* bad : {"", "[]", "{}", R"({"name":""})", R"({"name":"a","address":1})"})
    EXPECT_FALSE(Cluster::decode(bad)) << bad;
}

}  // namespace
}  // namespace sentinel::alerting
