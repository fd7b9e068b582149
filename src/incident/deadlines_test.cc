#include "incident/deadlines.h"

#include "incident/postmortem.h"
#include "incident/test_desk.h"

namespace sentinel::incident {
namespace {

using model::IncidentStatus;
using model::Severity;
using std::chrono::hours;
using std::chrono::minutes;
using Lines = std::vector<std::string>;

const Actor kAda{"ada", "page"};

class DeadlinesTest : public DeskTest {
 protected:
  DeadlinesTest() {
    options_.default_assignee = "bob";
    options_.deadlines.by_severity = {{Severity::kSev1, {minutes(15), minutes(30), hours(48)}},
                                      {Severity::kSev2, {hours(1), std::nullopt, std::nullopt}}};
    options_.auto_resolve_after = minutes(10);
    restart();
  }
  Lines due(std::string_view id) {
    Lines out;
    const Case known = casework_->get(id).value();
    for (const Deadline& d : known.deadlines) {
      const auto left = std::chrono::round<minutes>(d.due_at - scheduler_.now()).count();
      out.push_back(std::string(deadline_name(d.kind)) + (d.missed_at ? " missed" : " in " + std::to_string(left)));
    }
    return out;
  }
  // What was told, without the texts.
  Lines told() {
    Lines out;
    for (const std::string& line : people_.heard()) out.push_back(line.substr(0, line.find(" |")));
    return out;
  }
};

TEST_F(DeadlinesTest, who_has_to_is_reminded_and_then_the_next_level_is_told) {
  declared("down", Severity::kSev1);
  EXPECT_EQ(due("1"), (Lines{"acknowledge in 15", "update in 30"}));
  scheduler_.run_for(minutes(9));
  EXPECT_TRUE(told().empty());
  scheduler_.run_for(minutes(1));
  EXPECT_EQ(told(), (Lines{"bob: [SEV1] INC-1 wants an acknowledgement by 2026-01-01 00:15 UTC"}));
  scheduler_.run_for(minutes(5));
  EXPECT_EQ(told(), (Lines{"next level of INC-1"}));
  EXPECT_EQ(due("1"), (Lines{"acknowledge missed", "update in 15"}));
  scheduler_.run_for(minutes(9));
  EXPECT_TRUE(told().empty()) << "one miss is told once";
  EXPECT_EQ(timeline("1", "deadline"),
            (Lines{"deadline: Bob Fry is reminded: it wants an acknowledgement by 2026-01-01 00:15 UTC",
                   "deadline: nobody has acknowledged within 15 min; the next level is told"}));
}

TEST_F(DeadlinesTest, where_there_is_no_level_those_above_get_a_message) {
  people_.escalates = false;
  declared("slow", Severity::kSev2);
  ASSERT_TRUE(casework_->set_role("1", Role::kCommander, "ada", kAda));
  scheduler_.run_for(hours(2));
  EXPECT_EQ(told(), (Lines{"ada: [SEV2] INC-1 wants an acknowledgement by 2026-01-01 01:00 UTC",
                           "eve: [SEV2] INC-1 nobody has acknowledged within 1 h"}));
}

TEST_F(DeadlinesTest, updates_are_wanted_again_and_again_and_the_review_after_the_end) {
  declared("down", Severity::kSev1);
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  EXPECT_EQ(due("1"), (Lines{"update in 30"}));
  scheduler_.run_for(minutes(20));
  ASSERT_TRUE(casework_->add_update("1", {"half is back", false, "", {}}, kAda));
  EXPECT_EQ(due("1"), (Lines{"update in 30"}));
  scheduler_.run_for(minutes(29));
  EXPECT_EQ(told(), (Lines{"bob: [SEV1] INC-1 wants an update by 2026-01-01 00:50 UTC"}));
  scheduler_.run_for(minutes(32));
  EXPECT_EQ(told(), (Lines{"eve: [SEV1] INC-1 there was no update within 30 min",
                           "bob: [SEV1] INC-1 wants an update by 2026-01-01 01:20 UTC",
                           "eve: [SEV1] INC-1 there was no update within 30 min"}));
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  EXPECT_EQ(due("1"), (Lines{"review in 2880"}));
  EXPECT_FALSE(casework_->review("2", "", kAda));
  scheduler_.run_for(hours(47));
  ASSERT_TRUE(casework_->review("1", "see the wiki", kAda));
  scheduler_.run_for(hours(10));
  EXPECT_TRUE(told().empty());
  EXPECT_EQ(timeline("1", "review"), (Lines{"review: reviewed by ada: see the wiki"}));
  declared("again", Severity::kSev1);
  EXPECT_EQ(casework_->review("2", "", kAda).error().code(), ErrorCode::kConflict);
}

TEST_F(DeadlinesTest, a_restart_changes_nothing_and_what_is_overdue_is_judged_by_what_is_true_now) {
  declared("down", Severity::kSev1);
  declared("late", Severity::kSev1);
  scheduler_.run_for(minutes(12));
  EXPECT_EQ(told().size(), 2u);  // reminders
  restart();
  scheduler_.run_for(minutes(2));
  EXPECT_TRUE(told().empty()) << "nobody is reminded twice";
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  close();  // down over the deadlines of both, and over the reminder of the updates
  scheduler_.run_for(minutes(30));
  restart();
  scheduler_.run_ready();
  EXPECT_EQ(told(), (Lines{"next level of INC-2", "eve: [SEV1] INC-1 there was no update within 30 min",
                           "eve: [SEV1] INC-2 there was no update within 30 min"}))
      << "no reminder of what is missed already, and none for what was acknowledged";
}

TEST_F(DeadlinesTest, another_severity_has_its_own_times_and_none_is_over_before_it_began) {
  declared("slow", Severity::kSev2);
  scheduler_.run_for(minutes(5));
  ASSERT_TRUE(service_->set_severity("1", Severity::kSev1, kAda));
  EXPECT_EQ(due("1"), (Lines{"acknowledge in 10", "update in 30"}));
  declared("slow", Severity::kSev2);
  scheduler_.run_for(minutes(40));
  (void)told();
  ASSERT_TRUE(service_->set_severity("2", Severity::kSev1, kAda));
  EXPECT_EQ(due("2"), (Lines{"acknowledge in 15", "update in 30"}));
  ASSERT_TRUE(service_->set_severity("2", Severity::kSev4, kAda));
  EXPECT_EQ(due("2"), Lines{});
}

TEST_F(DeadlinesTest, reopening_begins_anew_and_a_merged_one_needs_no_review) {
  declared("a", Severity::kSev1);
  declared("b", Severity::kSev1);
  ASSERT_TRUE(service_->merge("2", "1", kAda));
  EXPECT_EQ(due("2"), Lines{});
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  scheduler_.run_for(hours(1));
  ASSERT_TRUE(service_->reopen("1", "", kAda));
  EXPECT_EQ(due("1"), (Lines{"acknowledge in 15", "update in 30"}));
}

// Dies before and after each write of a whole story; what was missed is told at least once, and at most once more with
// the same key.
TEST_F(DeadlinesTest, death_at_any_write_misses_no_deadline) {
  for (int64_t at = 1; at < 40; ++at) {
    for (const bool after : {false, true}) {
      people_.heard();
      const auto made = service_->create({"down", Severity::kSev1, {}, "", ""}, kAda);
      ASSERT_TRUE(made);
      crash_.at = crash_.writes + at;
      crash_.after = after;
      scheduler_.run_for(minutes(12));
      const bool died = crash_.dead;
      if (died) restart();
      scheduler_.run_for(minutes(30));
      if (crash_.dead) restart();
      scheduler_.run_for(minutes(1));
      const std::string name = "INC-" + std::to_string(made->incident.number);
      const Lines lines = told();
      const auto count = std::count(lines.begin(), lines.end(), "next level of " + name);
      EXPECT_GE(count, 1) << at << after;
      EXPECT_EQ(timeline(made->incident.id, "deadline").back().substr(0, 9), "deadline:");
      const Lines entries = timeline(made->incident.id, "deadline");
      EXPECT_EQ(std::count(entries.begin(), entries.end(),
                           "deadline: nobody has acknowledged within 15 min; the next level is told"),
                1)
          << at << after;
      crash_.at = -1;
      ASSERT_TRUE(service_->resolve(made->incident.id, {}, kAda));
      ASSERT_TRUE(casework_->review(made->incident.id, "", kAda));
      if (!died && !after) return;  // past the last write of the story
    }
  }
}

// ---- races ----

// An acknowledgement and the end of the last alert, in either order, with the calm's timer at the same instant, and a
// death at each write: it never is acknowledged once it has resolved, and resolves exactly once.
TEST_F(DeadlinesTest, an_acknowledgement_that_meets_an_auto_resolve_never_unresolves) {
  const model::Labels broken{{"alertname", "Broken"}, {"service", "shop"}, {"severity", "SEV2"}};
  int64_t number = 0;
  for (int offset_s = -2; offset_s <= 2; ++offset_s) {
    for (int64_t at = 0; at <= 3; ++at) {
      for (const bool after : {false, true}) {
        ASSERT_TRUE(fire(broken));
        const std::string id = std::to_string(++number);
        ASSERT_TRUE(end(broken));  // resolves by itself in ten minutes
        if (at > 0) crash_.at = crash_.writes + at;
        crash_.after = after;
        scheduler_.run_for(minutes(10) + std::chrono::seconds(offset_s));
        (void)service_->acknowledge(id, "on it", kAda);
        scheduler_.run_for(std::chrono::seconds(5));
        if (crash_.dead) restart();
        crash_.at = -1;
        scheduler_.run_for(minutes(15));
        (void)service_->acknowledge(id, "late", kAda);
        ASSERT_FALSE(service_->set_status(id, IncidentStatus::kAcknowledged, "", kAda));
        EXPECT_EQ(now(id).status, IncidentStatus::kResolved) << offset_s << " " << at << after;
        const Lines all = timeline(id, "status");
        EXPECT_EQ(std::count(all.begin(), all.end(), "status: resolved by sentinel: all alerts have ended"), 1);
        EXPECT_EQ(all.back(), "status: resolved by sentinel: all alerts have ended");
      }
    }
  }
}

TEST_F(DeadlinesTest, ten_thousand_open_alerts_change_status_within_a_second) {
  const model::Labels broken{{"alertname", "Broken"}, {"service", "shop"}, {"severity", "SEV2"}};
  for (int from = 0; from < 10'000; from += 1'000) {
    std::vector<alerting::AlertChange> batch;
    for (int i = from; i < from + 1'000; ++i)
      batch.push_back(change(alerting::AlertChange::Kind::kFired, broken.with("n", std::to_string(i))));
    ASSERT_TRUE(deliver(batch));
  }
  const auto timed = [](const auto& act) {
    const int64_t started = monotonic_us();
    act();
    return monotonic_us() - started;
  };
  const int64_t shown = timed([&] {
    const auto detail = service_->get("1", 50).value();
    EXPECT_EQ(detail.alerts.size(), 50u);
    EXPECT_EQ(detail.alert_count, 10'000u);
  });
  EXPECT_NE(postmortem_markdown({service_->get("1", 50).value(), {}, {}, std::nullopt}, scheduler_.now())
                .find("- and 9950 more alerts"),
            std::string::npos);
  const int64_t acknowledged = timed([&] { ASSERT_TRUE(service_->acknowledge("1", "", kAda)); });
  declared("the other", Severity::kSev2);
  const int64_t merged = timed([&] { ASSERT_TRUE(service_->merge("1", "2", kAda)); });
  EXPECT_EQ(service_->get("2", 0)->firing_count, 10'000u);
  const int64_t resolved = timed([&] { ASSERT_TRUE(service_->resolve("2", {}, kAda)); });
  EXPECT_LT(acknowledged, 1'000'000);
  EXPECT_LT(resolved, 1'000'000);
  EXPECT_LT(shown, 1'000'000);
  RecordProperty("shown_us", static_cast<int>(shown));
  std::printf("10,000 alerts: shown %lld us, acknowledged %lld us, merged %lld us, resolved %lld us\n",
              static_cast<long long>(shown), static_cast<long long>(acknowledged), static_cast<long long>(merged),
              static_cast<long long>(resolved));
}

}  // namespace
}  // namespace sentinel::incident
