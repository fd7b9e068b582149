#include "alerting/alerting.h"

#include <gtest/gtest.h>

#include "alerting/test_world.h"

namespace sentinel::alerting {
namespace {

constexpr const char* kConfig = R"(
route: {receiver: team, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers:
- name: team
  webhook_configs: [{url: 'http://127.0.0.1:1/'}]
)";

model::Alert alert(std::string_view name, std::string_view i = "") {
  model::Alert a;
  a.labels = {{"alertname", name}, {"i", i}};
  return a;
}

TEST(Alerting, listeners_hear_of_each_change_once_in_its_transaction) {
  World w(kConfig);
  model::Alert a = alert("A");
  ASSERT_TRUE(w.alerting->put({a}));
  ASSERT_TRUE(w.alerting->put({a}));  // sent again: no change
  a.annotations = {{"summary", "worse"}};
  ASSERT_TRUE(w.alerting->put({a}));
  w.scheduler.run_for(std::chrono::minutes(4));
  a.ends_at = w.scheduler.now();
  ASSERT_TRUE(w.alerting->put({a}));
  ASSERT_TRUE(w.alerting->put({a}));
  ASSERT_EQ(w.listener.all.size(), 3u);
  EXPECT_EQ(w.listener.all[0].kind, AlertChange::Kind::kFired);
  EXPECT_EQ(w.listener.all[0].receivers, std::vector<std::string>{"team"});
  EXPECT_EQ(w.listener.all[1].kind, AlertChange::Kind::kUpdated);
  EXPECT_EQ(w.listener.all[2].kind, AlertChange::Kind::kResolved);
  EXPECT_EQ(w.listener.all[2].at, w.scheduler.now());
  EXPECT_EQ(w.listener.all[2].alert.starts_at, w.start());
}

TEST(Alerting, one_that_goes_on_costs_no_history_and_lives_as_long_as_it_is_sent) {
  World w(kConfig);
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(w.alerting->put({alert("A")}));
    w.scheduler.run_for(std::chrono::minutes(4));
    if (i == 4) w.restart();
    AlertQuery query;
    query.matchers = {model::Matcher::equal("alertname", "A")};
    ASSERT_EQ(w.alerting->alerts(query).size(), 1u) << i;
    ASSERT_EQ(w.alerting->groups(query).size(), 1u) << i;
  }
  EXPECT_EQ(w.sender.sent.size(), 1u);
  EXPECT_EQ(w.alerting->history({})->size(), 1u);
  w.scheduler.run_for(std::chrono::minutes(5));
  EXPECT_EQ(w.sender.sent.size(), 2u) << "it was sent no more";
}

TEST(Alerting, a_list_is_sorted_by_places_and_only_what_is_shown_is_judged) {
  World w(kConfig);
  model::Alert worst = alert("A", "1");
  worst.labels.set("severity", "critical");
  model::Alert over = alert("B");
  over.starts_at = w.scheduler.now() - std::chrono::minutes(2);
  over.ends_at = w.scheduler.now() - std::chrono::minutes(1);
  ASSERT_TRUE(w.alerting->put({worst, alert("A", "2"), over}));
  const std::vector<AlertPlace> places = w.alerting->places();
  ASSERT_EQ(places.size(), 2u) << "what has ended is not listed";
  for (const AlertPlace& p : places) {
    EXPECT_EQ(p.severity, p.fingerprint == worst.fingerprint() ? model::Severity::kSev1 : model::Severity::kSev3);
    EXPECT_EQ(p.starts_at, w.start());
  }
  const auto views = w.alerting->views({alert("A", "2").fingerprint(), over.fingerprint(), 7, worst.fingerprint()});
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[0].alert.labels.get("i"), "2");
  EXPECT_EQ(views[1].receivers, std::vector<std::string>{"team"});
  w.scheduler.run_for(std::chrono::hours(1));
  EXPECT_TRUE(w.alerting->places().empty());
}

TEST(Alerting, one_that_fires_longer_than_history_is_kept_keeps_its_text) {
  World w(kConfig);
  model::Alert lasting = alert("A");
  lasting.annotations = {{"summary", "for months"}};
  lasting.generator_url = "http://prometheus/graph";
  lasting.ends_at = w.start() + std::chrono::days(365);
  model::Alert other = alert("B");
  ASSERT_TRUE(w.alerting->put({lasting, other}));
  w.scheduler.run_for(std::chrono::minutes(1));
  other.ends_at = w.scheduler.now();
  ASSERT_TRUE(w.alerting->put({other}));
  ASSERT_EQ(w.alerting->history({})->size(), 3u);

  w.restart(kEventRetention);
  w.scheduler.run_for(2 * kMaintenanceInterval);
  w.restart();
  const auto there = w.alerting->alerts({});
  ASSERT_EQ(there.size(), 1u);
  EXPECT_EQ(there[0].alert.annotations.get("summary"), "for months");
  EXPECT_EQ(there[0].alert.generator_url, lasting.generator_url);
  const auto history = w.alerting->history({});
  ASSERT_TRUE(history);
  ASSERT_EQ(history->size(), 1u) << "what is told of nobody is gone";
  EXPECT_EQ(history->front().alert.name(), "A");

  lasting.ends_at = w.scheduler.now();
  ASSERT_TRUE(w.alerting->put({lasting}));
  w.scheduler.run_for(std::chrono::minutes(10));
  w.restart(kEventRetention);
  w.scheduler.run_for(2 * kMaintenanceInterval);
  EXPECT_TRUE(w.alerting->history({})->empty());
}

// Sent again as ended, in other words: nobody is told, but that is what it says from then on.
TEST(Alerting, one_that_is_described_anew_after_its_end_keeps_that_over_a_restart) {
  World w(kConfig);
  model::Alert a = alert("A");
  ASSERT_TRUE(w.alerting->put({a}));
  w.scheduler.run_for(std::chrono::seconds(15));
  a.ends_at = w.scheduler.now();
  ASSERT_TRUE(w.alerting->put({a}));
  a.annotations = {{"summary", "it was the disk"}};
  ASSERT_TRUE(w.alerting->put({a}));
  ASSERT_EQ(w.alerting->history({})->size(), 2u);
  w.restart();
  w.scheduler.run_for(std::chrono::minutes(1));
  ASSERT_EQ(w.sender.sent.size(), 2u);
  EXPECT_EQ(w.sender.sent[1].notification.alerts.at(0).alert.annotations.get("summary"), "it was the disk");
}

TEST(Alerting, what_a_listener_refuses_has_not_happened) {
  World w(kConfig);
  w.listener.refuse = true;
  EXPECT_FALSE(w.alerting->put({alert("A")}));
  EXPECT_TRUE(w.alerting->alerts({}).empty());
  EXPECT_TRUE(w.alerting->history({})->empty());
  w.scheduler.run_for(std::chrono::minutes(1));
  EXPECT_TRUE(w.sender.sent.empty());
  w.listener.refuse = false;
  EXPECT_TRUE(w.alerting->put({alert("A")}));
  w.scheduler.run_for(std::chrono::minutes(1));
  EXPECT_EQ(w.sender.sent.size(), 1u);
}

TEST(Alerting, the_end_of_an_alert_that_cannot_be_written_is_tried_again) {
  World w(kConfig);
  ASSERT_TRUE(w.alerting->put({alert("A")}));
  w.listener.refuse = true;
  w.scheduler.run_for(std::chrono::minutes(6));
  EXPECT_EQ(w.listener.all.size(), 1u);
  w.listener.refuse = false;
  w.scheduler.run_for(std::chrono::minutes(2));
  ASSERT_EQ(w.listener.all.size(), 2u);
  EXPECT_EQ(w.listener.all[1].kind, AlertChange::Kind::kResolved);
  EXPECT_EQ(w.sender.sent.size(), 2u);
}

TEST(Alerting, while_the_disk_refuses_people_are_told_all_the_same_and_once) {
  World w(kConfig);
  ASSERT_TRUE(w.alerting->put({alert("Before")}));
  w.refuse_disk(true);
  w.scheduler.run_for(std::chrono::seconds(30));
  ASSERT_EQ(w.sender.sent.size(), 1u) << "its group was due while nothing could be written";
  const Status taken = w.alerting->put({alert("During")});
  ASSERT_FALSE(taken) << "nobody is told that it is stored";
  EXPECT_EQ(taken.error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(w.alerting->put({alert("During")})) << "and so it is sent again";
  w.sender.failing["team/webhook/0"] = {receivers::SendResult::Kind::kRetry, 3};
  w.scheduler.run_for(std::chrono::minutes(2));
  ASSERT_EQ(w.sender.sent.size(), 5u) << "three tries failed, then it was told; the others are not told twice";
  for (size_t i = 2; i < 5; ++i) EXPECT_EQ(w.sender.sent[i].key, w.sender.sent[1].key);
  EXPECT_EQ(w.sender.sent[4].result, receivers::SendResult::Kind::kDelivered);

  w.refuse_disk(false);
  EXPECT_TRUE(w.alerting->put({alert("During")}));
  w.restart();
  w.scheduler.run_for(std::chrono::minutes(2));
  EXPECT_EQ(w.sender.sent.size(), 5u) << "what was told is on disk now";
  EXPECT_EQ(w.outbox(state::OutboxStatus::kDelivered).size(), 2u);
  EXPECT_EQ(w.outbox(state::OutboxStatus::kDelivered).at(0).key, w.sender.sent[4].key);
  EXPECT_EQ(w.alerting->history({})->size(), 2u);
  EXPECT_EQ(w.listener.all.size(), 2u);
}

TEST(Alerting, a_lane_goes_on_when_the_end_of_a_message_cannot_be_written) {
  World w(kConfig);
  ASSERT_TRUE(w.alerting->put({alert("A")}));
  ASSERT_TRUE(w.alerting->put({alert("B")}));
  w.refuse_disk(true);
  w.scheduler.run_for(std::chrono::seconds(20));
  EXPECT_EQ(w.sender.sent.size(), 2u) << "one integration, two groups: the second waits for the end of the first";
  w.refuse_disk(false);
  w.restart();
  EXPECT_TRUE(w.outbox(state::OutboxStatus::kPending).empty());
}

TEST(Alerting, a_reload_that_cannot_be_written_leaves_the_routes_as_they_are) {
  World w(kConfig);
  ASSERT_TRUE(w.alerting->put({alert("A")}));
  w.refuse_disk(true);
  EXPECT_FALSE(w.reload("route: {receiver: other}\nreceivers: [{name: other}]\n"));
  w.scheduler.run_for(std::chrono::seconds(20));
  EXPECT_EQ(w.sender.sent.size(), 1u);
  w.refuse_disk(false);
}

TEST(Alerting, bad_alerts_are_told_and_the_good_ones_beside_them_stored) {
  World w(kConfig);
  const Status s = w.alerting->put({alert("A"), model::Alert{}, alert("B")});
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(w.alerting->alerts({}).size(), 2u);
}

TEST(Alerting, an_alert_twice_in_one_batch_is_merged) {
  World w(kConfig);
  model::Alert early = alert("A");
  early.starts_at = w.start() - std::chrono::minutes(1);
  early.ends_at = w.start() + std::chrono::hours(1);
  model::Alert late = alert("A");
  late.ends_at = w.start() + std::chrono::minutes(30);
  ASSERT_TRUE(w.alerting->put({early, late}));
  ASSERT_EQ(w.alerting->alerts({}).size(), 1u);
  const model::Alert merged = w.alerting->alerts({})[0].alert;
  EXPECT_EQ(merged.starts_at, early.starts_at);
  EXPECT_EQ(merged.ends_at, early.ends_at);  // the sender promised more before
  EXPECT_EQ(w.listener.all.size(), 1u);
}

TEST(Alerting, a_crash_after_sending_sends_the_same_key_again) {
  World w(kConfig);
  model::Alert a = alert("A");
  a.ends_at = w.start() + std::chrono::hours(24);
  ASSERT_TRUE(w.alerting->put({a}));
  w.sender.lost = true;
  w.scheduler.run_for(std::chrono::seconds(11));
  ASSERT_EQ(w.sender.sent.size(), 1u);
  w.sender.lost = false;
  w.restart();
  w.scheduler.run_for(std::chrono::seconds(1));
  ASSERT_EQ(w.sender.sent.size(), 2u);
  EXPECT_EQ(w.sender.sent[0].key, w.sender.sent[1].key);
  w.restart();
  w.scheduler.run_for(std::chrono::minutes(10));
  EXPECT_EQ(w.sender.sent.size(), 2u);
}

TEST(Alerting, a_message_that_expired_while_down_is_replaced_by_the_present) {
  World w(kConfig);
  model::Alert a = alert("A");
  a.ends_at = w.start() + std::chrono::hours(24);
  ASSERT_TRUE(w.alerting->put({a}));
  w.sender.lost = true;
  w.scheduler.run_for(std::chrono::seconds(11));
  w.sender.lost = false;
  w.restart(std::chrono::hours(1));
  w.scheduler.run_for(std::chrono::seconds(1));
  ASSERT_EQ(w.sender.sent.size(), 2u);
  EXPECT_EQ(w.sender.sent[0].key, w.sender.sent[1].key) << "the same news, so the same key";
  EXPECT_GT(w.sender.sent[1].notification.created_at, w.sender.sent[0].notification.created_at);
}

TEST(Alerting, retry_after_is_honoured) {
  World w(kConfig);
  w.sender.failing["team/webhook/0"] = {receivers::SendResult::Kind::kRetry, 1};
  w.sender.retry_after = std::chrono::seconds(20);
  ASSERT_TRUE(w.alerting->put({alert("A")}));
  w.scheduler.run_for(std::chrono::seconds(29));
  EXPECT_EQ(w.sender.sent.size(), 1u);
  w.scheduler.run_for(std::chrono::seconds(2));
  EXPECT_EQ(w.sender.sent.size(), 2u);
}

TEST(Alerting, a_group_that_fires_again_is_news_with_another_key) {
  World w(kConfig);
  for (int round = 0; round < 2; ++round) {
    model::Alert a = alert("A");
    ASSERT_TRUE(w.alerting->put({a}));
    w.scheduler.run_for(std::chrono::minutes(2));
    a.ends_at = w.scheduler.now();
    ASSERT_TRUE(w.alerting->put({a}));
    w.scheduler.run_for(std::chrono::minutes(5));
  }
  ASSERT_EQ(w.sender.sent.size(), 4u);
  EXPECT_NE(w.sender.sent[0].key, w.sender.sent[2].key);
  EXPECT_NE(w.sender.sent[1].key, w.sender.sent[3].key);
}

TEST(Alerting, queries_filter) {
  World w(kConfig);
  ASSERT_TRUE(w.alerting->put({alert("A", "1"), alert("A", "2"), alert("B")}));
  Silence s;
  s.matcher_sets = {{model::Matcher::equal("alertname", "B")}};
  s.starts_at = w.start();
  s.ends_at = w.start() + std::chrono::hours(1);
  const auto id = w.alerting->set_silence(s);
  ASSERT_TRUE(id);
  AlertQuery query;
  EXPECT_EQ(w.alerting->alerts(query).size(), 3u);
  EXPECT_EQ(w.alerting->groups(query).size(), 2u);
  EXPECT_EQ(w.alerting->groups(query)[0].group_key, R"({}:{alertname="A"})");
  query.silenced = false;
  EXPECT_EQ(w.alerting->alerts(query).size(), 2u);
  EXPECT_EQ(w.alerting->groups(query).size(), 1u);
  query = {};
  query.active = false;
  ASSERT_EQ(w.alerting->alerts(query).size(), 1u);
  EXPECT_EQ(w.alerting->alerts(query)[0].silenced_by, std::vector<std::string>{*id});
  query = {};
  query.matchers = {model::Matcher::equal("i", "2")};
  EXPECT_EQ(w.alerting->alerts(query).size(), 1u);
  query = {};
  query.receiver_matchers = {model::Matcher::equal("receiver", "other")};
  EXPECT_TRUE(w.alerting->alerts(query).empty());
  EXPECT_TRUE(w.alerting->groups(query).empty());

  HistoryQuery history;
  history.matchers = {model::Matcher::equal("alertname", "A")};
  EXPECT_EQ(w.alerting->history(history)->size(), 2u);
  history.limit = 1;
  const auto newest = w.alerting->history(history);
  ASSERT_EQ(newest->size(), 1u);
  history.before_id = newest->front().id;
  EXPECT_EQ(w.alerting->history(history)->size(), 1u);
  history = {};
  history.to = w.start();
  EXPECT_TRUE(w.alerting->history(history)->empty());
}

Silence silence_of(std::string_view name, TimePoint from, Micros length) {
  Silence s;
  s.matcher_sets = {{model::Matcher::equal("alertname", std::string(name))}};
  s.starts_at = from;
  s.ends_at = from + length;
  s.comment = "c";
  return s;
}

TEST(Silences, change_as_alertmanagers_do_and_survive) {
  World w(kConfig);
  const Micros hour = std::chrono::hours(1);
  Silence s = silence_of("A", w.start(), hour);
  s.id = w.alerting->set_silence(s).value();
  s.comment = "longer";
  s.ends_at += hour;
  EXPECT_EQ(w.alerting->set_silence(s).value(), s.id) << "an active one may get another end";
  w.restart();
  ASSERT_TRUE(w.alerting->silence(s.id));
  EXPECT_EQ(w.alerting->silence(s.id)->comment, "longer");
  s.matcher_sets = {{model::Matcher::equal("alertname", "B")}};
  const std::string other = w.alerting->set_silence(s).value();
  EXPECT_NE(other, s.id) << "other matchers make another silence";
  EXPECT_EQ(w.alerting->silence(s.id)->state(w.start()), SilenceState::kExpired);
  EXPECT_TRUE(w.alerting->expire_silence(other));
  EXPECT_EQ(w.alerting->expire_silence(other).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(w.alerting->expire_silence("none").error().code(), ErrorCode::kNotFound);
  s.id = "none";
  EXPECT_EQ(w.alerting->set_silence(s).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(w.alerting->silences().size(), 2u);
}

TEST(Silences, a_preview_says_what_would_be_muted_and_changes_nothing) {
  World w(kConfig);
  ASSERT_TRUE(w.alerting->put({alert("A", "1"), alert("A", "2"), alert("B", "1")}));
  const auto equal = [](const char* name, const char* value) { return model::Matcher::equal(name, value); };
  SilencePreview preview = w.alerting->preview_silence({{equal("i", "1")}});
  EXPECT_EQ(preview.alerts.size(), 2u);
  ASSERT_EQ(preview.groups_silent.size(), 1u) << "of A one alert stays";
  EXPECT_EQ(preview.groups_silent[0].labels.get("alertname"), "B");
  preview = w.alerting->preview_silence({{equal("alertname", "A")}, {equal("i", "1"), equal("alertname", "B")}});
  EXPECT_EQ(preview.alerts.size(), 3u) << "any set is enough";
  EXPECT_EQ(preview.groups_silent.size(), 2u);
  EXPECT_TRUE(w.alerting->silences().empty());
  HistoryQuery query;
  query.any_of = {{equal("i", "2")}, {equal("alertname", "B")}};
  query.kind = AlertChange::Kind::kFired;
  EXPECT_EQ(w.alerting->history(query)->size(), 2u);
  query.kind = AlertChange::Kind::kResolved;
  EXPECT_EQ(w.alerting->history(query)->size(), 0u);
}

TEST(Silences, bad_ones_are_refused) {
  World w(kConfig);
  const Micros hour = std::chrono::hours(1);
  Silence s = silence_of("A", w.start(), -hour);
  EXPECT_FALSE(w.alerting->set_silence(s));
  s = silence_of("A", w.start() - 2 * hour, hour);
  EXPECT_FALSE(w.alerting->set_silence(s));
  s = silence_of("A", w.start(), hour);
  s.matcher_sets.clear();
  EXPECT_FALSE(w.alerting->set_silence(s));
  s.matcher_sets = {{model::Matcher::make(model::MatchType::kRegexp, "x", ".*").value()}};
  EXPECT_FALSE(w.alerting->set_silence(s));
}

TEST(Silences, old_ones_are_forgotten) {
  World w(kConfig);
  ASSERT_TRUE(w.alerting->set_silence(silence_of("A", w.start(), std::chrono::hours(1))));
  w.scheduler.run_for(std::chrono::hours(120));
  EXPECT_EQ(w.alerting->silences().size(), 1u);
  w.scheduler.run_for(std::chrono::hours(2));
  EXPECT_TRUE(w.alerting->silences().empty());
}

TEST(Alerting, counts_agree_with_what_is_shown) {
  World w(std::string(kConfig) + R"(
inhibit_rules:
- {source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [i]}
)");
  std::vector<model::Alert> alerts;
  for (const char* i : {"1", "2", "3"}) {
    for (const char* severity : {"critical", "warning"}) {
      alerts.push_back(alert("A", i));
      alerts.back().labels.set("severity", severity);
    }
  }
  alerts.erase(alerts.begin());  // nothing inhibits the warning of "1"
  ASSERT_TRUE(w.alerting->put(alerts));
  Silence silence;
  silence.matcher_sets = {{model::Matcher::equal("i", "3")}, {model::Matcher::equal("i", "nothing")}};
  silence.starts_at = w.start();
  silence.ends_at = w.start() + std::chrono::hours(1);
  ASSERT_TRUE(w.alerting->set_silence(silence));
  silence.starts_at = w.start() + std::chrono::minutes(30);
  silence.matcher_sets = {{model::Matcher::equal("i", "1")}};
  ASSERT_TRUE(w.alerting->set_silence(silence));

  const auto check = [&](size_t active, size_t suppressed, size_t groups) {
    const Counts counts = w.alerting->counts();
    size_t shown = 0;
    for (const AlertView& view : w.alerting->alerts({})) shown += view.state == AlertVisibility::kSuppressed;
    EXPECT_EQ(counts.suppressed, shown);
    EXPECT_EQ(counts.suppressed, suppressed);
    EXPECT_EQ(counts.active, active);
    EXPECT_EQ(counts.silences_active, 1u);
    EXPECT_EQ(counts.silences_pending, 1u);
    EXPECT_EQ(counts.groups, groups);
    EXPECT_EQ(counts.receivers, 1u);
    EXPECT_EQ(counts.integrations, 1u);
  };
  check(2, 3, 1);  // both of "3" are silenced, the warning of "2" is inhibited
  w.restart();
  check(2, 3, 1);
  w.scheduler.run_for(std::chrono::minutes(4));
  ASSERT_TRUE(w.alerting->put(alerts));
  w.scheduler.run_for(std::chrono::minutes(10));  // nobody sends them any more
  check(0, 0, 0);
}

}  // namespace
}  // namespace sentinel::alerting
