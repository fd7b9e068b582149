#include "incident/service.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/strings.h"
#include "incident/analytics.h"
#include "incident/postmortem.h"

namespace sentinel::incident {
namespace {

using alerting::AlertChange;
using model::IncidentStatus;
using model::Severity;

const Actor kAda{"ada", "page"};

// A desk over a database of its own; `restart()` opens the same file again, as after a kill.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() : dir_(testing::TempDir() + "/incident-" + secure_random_name()) {
    std::filesystem::create_directories(dir_);
    restart();
  }
  ~ServiceTest() override {
    service_.reset();
    database_.reset();
    std::filesystem::remove_all(dir_);
  }

  static std::string secure_random_name() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    return std::string(info->name()) + "-" + std::to_string(getpid());
  }

  void restart(Options options = {}) {
    service_.reset();
    database_.reset();
    database_ = state::open_sqlite(dir_ + "/state.db", metrics_).value();
    ASSERT_TRUE(Service::migrate(*database_));
    service_ = std::make_unique<Service>(scheduler_, *database_, metrics_, std::move(options));
  }

  AlertChange change(AlertChange::Kind kind, model::Labels labels,
                     model::Labels annotations = {{"summary", "it broke"}}) {
    AlertChange c;
    c.kind = kind;
    c.at = scheduler_.now();
    c.alert.labels = std::move(labels);
    c.alert.annotations = std::move(annotations);
    c.alert.starts_at = scheduler_.now() - std::chrono::seconds(5);
    c.alert.ends_at =
        kind == AlertChange::Kind::kResolved ? scheduler_.now() : scheduler_.now() + std::chrono::minutes(4);
    c.alert.updated_at = scheduler_.now();
    return c;
  }
  void deliver(const AlertChange& c) {
    ASSERT_TRUE(database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, {c}); }));
    scheduler_.run_ready();
  }
  void fire(const model::Labels& labels) { deliver(change(AlertChange::Kind::kFired, labels)); }
  void end(const model::Labels& labels) { deliver(change(AlertChange::Kind::kResolved, labels)); }
  std::vector<IncidentRecord> all() { return service_->list({}).value(); }
  std::vector<std::string> kinds(std::string_view id) {
    std::vector<std::string> out;
    const auto detail = service_->get(id).value();
    for (const auto& entry : detail.timeline) out.push_back(entry.kind);
    return out;
  }

  const model::Labels drift_{{"alertname", "LLMDriftDetected"}, {"service", "shop"}, {"severity", "SEV2"}};
  const std::string dir_;
  SimScheduler scheduler_;
  MetricRegistry metrics_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, AnAlertOpensAnIncidentWithItsSeverityAndTimeline) {
  fire(drift_);
  const auto records = all();
  ASSERT_EQ(records.size(), 1u);
  const model::Incident& i = records[0].incident;
  EXPECT_EQ(i.number, 1);
  EXPECT_EQ(i.title, "it broke");
  EXPECT_EQ(i.status, IncidentStatus::kOpen);
  EXPECT_EQ(i.severity, Severity::kSev2);
  EXPECT_EQ(i.assignee, "on-call");
  EXPECT_EQ(i.channel, "#incident-2026-01-01");
  EXPECT_EQ(kinds("INC-1"), (std::vector<std::string>{"created", "alert_firing"}));
}

TEST_F(ServiceTest, AlertsOfTheSameGroupJoinTheOpenIncidentAndOthersOpenTheirOwn) {
  fire(drift_);
  fire(drift_.with("model", "sim-large"));
  EXPECT_EQ(all().size(), 1u);
  EXPECT_EQ(service_->get("1")->alerts.size(), 2u);
  fire(drift_.with("service", "search"));
  EXPECT_EQ(all().size(), 2u);
  EXPECT_EQ(all()[0].incident.channel, "#incident-2026-01-01-2");
}

TEST_F(ServiceTest, AStormOfOneRuleIsOneEntryOfTheTimelineAndReadsEachAlertOnce) {
  int told = 0;
  service_->on_change([&](const IncidentRecord&, bool) { ++told; });
  const auto batch = [&](AlertChange::Kind kind, int from, int to) {
    std::vector<AlertChange> out;
    for (int i = from; i < to; ++i) out.push_back(change(kind, drift_.with("n", std::to_string(i))));
    return out;
  };
  const auto deliver_all = [&](const std::vector<AlertChange>& changes) {
    ASSERT_TRUE(database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, changes); }));
    scheduler_.run_ready();
  };
  deliver_all(batch(AlertChange::Kind::kFired, 0, 19));
  EXPECT_EQ(kinds("1").size(), 20u);  // created, and each alert
  EXPECT_EQ(told, 1);
  for (int from = 1000; from < 11000; from += 1000) deliver_all(batch(AlertChange::Kind::kFired, from, from + 1000));
  EXPECT_EQ(told, 11);
  const auto detail = service_->get("1").value();
  EXPECT_EQ(detail.alerts.size(), 10019u);
  ASSERT_EQ(detail.timeline.size(), 30u);
  EXPECT_EQ(detail.timeline.back().text, "LLMDriftDetected is firing for 1000 alerts, such as: it broke");
  EXPECT_NE(detail.timeline.back().data_json.find("\"alerts\":1000"), std::string::npos);
  deliver_all(batch(AlertChange::Kind::kResolved, 0, 19));
  for (int from = 1000; from < 11000; from += 1000) deliver_all(batch(AlertChange::Kind::kResolved, from, from + 1000));
  scheduler_.run_ready();
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kResolved);
  EXPECT_EQ(kinds("1").size(), 30u + 19u + 10u + 1u);
}

TEST_F(ServiceTest, AnIncidentThatWasCalmAtTheStopIsResolvedAfterTheStart) {
  Options calm;
  calm.auto_resolve_after = std::chrono::minutes(5);
  restart(calm);
  fire(drift_);
  end(drift_);
  fire(drift_.with("service", "search"));
  restart(calm);
  scheduler_.run_for(std::chrono::minutes(6));
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kResolved);
  EXPECT_EQ(service_->get("2")->record.incident.status, IncidentStatus::kOpen);
}

TEST_F(ServiceTest, WhatAPersonReopenedStaysOpenAfterAStart) {
  fire(drift_);
  end(drift_);
  scheduler_.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(service_->reopen("1", "not yet", kAda));
  restart();
  scheduler_.run_for(std::chrono::minutes(6));
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kOpen);
}

TEST_F(ServiceTest, AJoiningAlertOfAHigherSeverityRaisesTheIncident) {
  fire(drift_);
  fire(drift_.with("model", "m").with("severity", "critical"));
  EXPECT_EQ(all()[0].incident.severity, Severity::kSev1);
}

// One problem shows in several ways; what is noticed first is seldom the most telling.
TEST_F(ServiceTest, TheIncidentIsCalledAfterItsMostSevereAlertAndTellsOfTheOthers) {
  const auto fires = [&](const char* name, const char* severity, const char* summary, const char* more = "") {
    scheduler_.run_for(std::chrono::seconds(1));
    deliver(change(
        AlertChange::Kind::kFired, {{"alertname", name}, {"service", "shop"}, {"severity", severity}, {"model", more}},
        {{"summary", summary}, {"description", std::string(summary) + "!"}, {"action", std::string("fix ") + name}}));
  };
  fires("Late_ncy%", "SEV3", "answers are slow");
  EXPECT_EQ(all()[0].headline.what_failed, "answers are slow!");
  fires("Late_ncy%", "SEV3", "answers are slow", "other-model");
  EXPECT_EQ(all()[0].headline.what_failed, "answers are slow!") << "the same rule is named once";
  fires("Late-ncy%", "SEV3", "answers do not fit");
  EXPECT_EQ(all()[0].incident.title, "answers are slow") << "as severe as what was first: it keeps its name";
  EXPECT_EQ(all()[0].headline.what_failed, "answers are slow! Also: answers do not fit.");
  fires("Drift", "SEV2", "answers have drifted");
  EXPECT_EQ(all()[0].incident.title, "answers have drifted");
  EXPECT_EQ(all()[0].headline.what_failed, "answers have drifted! Also: answers are slow; answers do not fit.");
  EXPECT_EQ(all()[0].headline.next_step, "fix Drift");
  fires("Cost", "SEV3", "cost is up");
  fires("Tokens", "SEV3", "tokens are up");
  EXPECT_EQ(all()[0].headline.what_failed,
            "answers have drifted! Also: answers are slow; answers do not fit; cost is up; and 1 more.");
  ASSERT_EQ(all().size(), 1u);

  std::vector<model::TimelineEntry> titles = service_->get("INC-1")->timeline;
  std::erase_if(titles, [](const auto& entry) { return entry.kind != "title"; });
  ASSERT_EQ(titles.size(), 1u);
  EXPECT_EQ(titles[0].text, "called after Drift, which is more severe: answers have drifted");
  EXPECT_EQ(titles[0].data_json, R"({"from":"answers are slow","to":"answers have drifted"})");
}

// What is read of the index alone is what a look at every alert says.
TEST_F(ServiceTest, ASummaryOfManyAlertsSaysWhatEachOfThemSays) {
  const auto joins = [&](const char* name, const char* n, const char* severity, const char* failing) {
    scheduler_.run_for(std::chrono::seconds(1));
    deliver(change(AlertChange::Kind::kFired,
                   {{"alertname", name}, {"n", n}, {"service", "shop"}, {"severity", severity}},
                   {{"summary", std::string(name) + " of " + n}, {"failing_calls", failing}}));
  };
  joins("Slow", "1", "SEV3", "latency_ms > 5000");
  joins("Errors", "1", "SEV2", "status = 'error'");
  joins("Errors", "2", "SEV2", "status = 'error'");
  joins("Odd", "1", "SEV4", "");
  joins("Worse", "1", "SEV2", "status = 'error' AND model = 'x'");
  const auto alerts = service_->get("1")->alerts;
  ASSERT_EQ(alerts.size(), 4u) << "SEV4 opens and joins nothing";
  const auto check = [&] {
    const AlertsSummary s = service_->alerts_summary("1").value();
    std::map<std::string, TimePoint> since;
    for (const IncidentAlert& entry : alerts) {
      const std::string words(entry.alert.annotations.get("failing_calls"));
      const auto known = since.try_emplace(words, entry.alert.starts_at).first;
      known->second = std::min(known->second, entry.alert.starts_at);
    }
    EXPECT_EQ(s.failing_since, since);
    EXPECT_EQ(s.lead->annotations.get("summary"), "Errors of 1") << "the first of the most severe gave the title";
    EXPECT_TRUE(s.firing);
    EXPECT_EQ(s.last_change, alerts.back().alert.updated_at);
    EXPECT_EQ(service_->get("1", 0)->lead->labels, s.lead->labels);
  };
  check();
  EXPECT_EQ(all().front().headline.what_failed, "Errors of 1 Also: Slow of 1; Worse of 1.");
  // Rows of an older version have these words in their documents alone.
  ASSERT_TRUE(database_->write([](state::Tx& tx) {
    return tx.exec("UPDATE incident_alerts SET severity = 0, title = '', failing_calls = ''");
  }));
  EXPECT_FALSE(service_->alerts_summary("1")->failing_since.contains("status = 'error'"));
  restart();
  check();
}

TEST_F(ServiceTest, AnAlertKnowsTheOpenIncidentItFiresIn) {
  fire(drift_);
  const model::Labels other{{"alertname", "Other"}, {"service", "mail"}, {"severity", "SEV2"}};
  fire(other);
  const auto hex = [](const model::Labels& labels) { return model::Alert{.labels = labels}.fingerprint_hex(); };
  using Numbers = std::map<std::string, int64_t>;
  const std::vector<std::string> asked{hex(drift_), hex(other), "0000000000000000"};
  EXPECT_EQ(service_->numbers_of(asked).value(), (Numbers{{hex(drift_), 1}, {hex(other), 2}}));
  end(other);
  ASSERT_TRUE(
      service_->merge("1", service_->create({"by hand", Severity::kSev2, {}, "", ""}, kAda)->incident.id, kAda));
  EXPECT_EQ(service_->numbers_of(asked).value(), (Numbers{{hex(drift_), 3}}));
}

TEST_F(ServiceTest, ANoteWithAMarkIsTakenOnce) {
  fire(drift_);
  ASSERT_TRUE(service_->add_note("1", "the cache is cold", {"grace", "jira"}, 0, "jira/10"));
  const int64_t version = all().front().incident.version;
  ASSERT_TRUE(service_->add_note("1", "the cache is cold", {"grace", "jira"}, 0, "jira/10"));
  EXPECT_EQ(all().front().incident.version, version);
  ASSERT_TRUE(service_->add_note("1", "so is mine", {"grace", "jira"}, 0, "jira/1"));
  ASSERT_TRUE(service_->add_note("1", "so is mine", {"grace", "jira"}, 0, "jira/100"));
  restart();
  ASSERT_TRUE(service_->add_note("1", "late", {"grace", "jira"}, 0, "jira/10"));
  const auto notes = kinds("1");
  EXPECT_EQ(std::count(notes.begin(), notes.end(), "note"), 3);
}

TEST_F(ServiceTest, AStepOfARunbookIsNotReplacedByAMoreSevereAlert) {
  deliver(change(AlertChange::Kind::kFired, drift_, {{"summary", "it broke"}, {"action", "look"}}));
  ASSERT_TRUE(service_->set_next_step("INC-1", "book", "step two"));
  deliver(change(AlertChange::Kind::kFired, drift_.with("severity", "SEV1").with("alertname", "Worse"),
                 {{"summary", "it burns"}, {"action", "run"}}));
  EXPECT_EQ(all()[0].incident.title, "it burns");
  EXPECT_EQ(all()[0].headline.next_step, "step two");
}

TEST_F(ServiceTest, WhatTheIncidentIsCalledAfterGivesItsLabelsRunbookAndNextStepToo) {
  std::vector<std::string> leads;
  service_->on_lead_change(
      [&](const IncidentDetail& detail) { leads.emplace_back(detail.lead->labels.get("alertname")); });
  const auto notes = [](const char* summary, const char* action, const char* book) {
    return model::Labels{{"summary", summary}, {"action", action}, {"runbook", book}};
  };
  const model::Labels worse = drift_.with("severity", "SEV1").with("alertname", "Errors");
  deliver(change(AlertChange::Kind::kFired, drift_, notes("it drifts", "look", "drift-book")));
  scheduler_.run_for(std::chrono::seconds(1));
  deliver(change(AlertChange::Kind::kFired, drift_.with("alertname", "Slow"), notes("slow", "wait", "slow-book")));
  EXPECT_EQ(all()[0].incident.labels.get("alertname"), "LLMDriftDetected");
  EXPECT_TRUE(leads.empty());
  deliver(change(AlertChange::Kind::kFired, worse, notes("it burns", "run", "fire-book")));
  const IncidentRecord record = all()[0];
  EXPECT_EQ(record.incident.title, "it burns");
  EXPECT_EQ(record.headline.what_failed, "it burns Also: it drifts; slow.");
  EXPECT_EQ(record.headline.next_step, "run");
  EXPECT_EQ(record.incident.runbook_id, "fire-book");
  EXPECT_EQ(record.incident.labels, worse);
  EXPECT_EQ(leads, std::vector<std::string>{"Errors"});
}

TEST_F(ServiceTest, TheOnsetIsThatOfTheLatestLookAndOfWhatFailedFirst) {
  fire(drift_);
  const TimePoint detected = all()[0].incident.detected_at;
  const auto look = [&](const char* condition, int seconds_before) {
    Diagnosis d;
    d.computed_at = scheduler_.now();
    d.failing_condition = condition;
    d.onset = detected - std::chrono::seconds(seconds_before);
    EXPECT_TRUE(service_->set_diagnosis("1", d));
    return std::chrono::duration_cast<std::chrono::seconds>(detected - *all()[0].incident.impact_started_at).count();
  };
  EXPECT_EQ(look("drift", 300), 300);
  EXPECT_EQ(look("drift", 8), 8) << "seen better now";
  EXPECT_EQ(look("errors", 3), 8) << "another kind of failure, which began later";
  EXPECT_EQ(look("errors", 2), 8);
  EXPECT_EQ(look("errors", 20), 20);
  EXPECT_EQ(look("errors", -5), 20) << "impact did not begin after it was detected";
}

TEST_F(ServiceTest, TitlesAndNotesHaveALimitThatIsSaid) {
  const auto long_title = service_->create({.title = std::string(1001, 'x')}, Actor{"ann", "api"});
  ASSERT_FALSE(long_title);
  EXPECT_EQ(long_title.error().code(), ErrorCode::kTooLarge);
  EXPECT_NE(long_title.error().message().find("at most 1000"), std::string::npos) << long_title.error().message();
  const auto made = service_->create({.title = std::string(1000, 'x')}, Actor{"ann", "api"});
  ASSERT_TRUE(made);
  EXPECT_EQ(service_->add_note(made->incident.id, std::string(70'000, 'x'), Actor{"ann", "api"}).error().code(),
            ErrorCode::kTooLarge);
}

TEST_F(ServiceTest, UnwantedAlertsOpenNothing) {
  fire(drift_.with("severity", "SEV4"));
  fire(drift_.with("test_mode", "true"));
  fire(drift_.with("alertname", "Watchdog"));
  deliver(change(AlertChange::Kind::kUpdated, drift_));
  EXPECT_TRUE(all().empty());
}

TEST_F(ServiceTest, TheIncidentResolvesWithItsLastAlert) {
  const model::Labels second = drift_.with("model", "m");
  fire(drift_);
  fire(second);
  end(drift_);
  EXPECT_EQ(all()[0].incident.status, IncidentStatus::kOpen);
  end(second);
  const model::Incident i = all()[0].incident;
  EXPECT_EQ(i.status, IncidentStatus::kResolved);
  EXPECT_TRUE(i.resolved_at);
  EXPECT_FALSE(i.acknowledged_at) << "Sentinel's own resolve is no acknowledgement";
}

TEST_F(ServiceTest, AnAlertThatFiresAgainWithinTheCalmKeepsTheIncidentOpen) {
  Options options;
  options.auto_resolve_after = std::chrono::seconds(60);
  restart(options);
  fire(drift_);
  end(drift_);
  scheduler_.run_for(std::chrono::seconds(30));
  fire(drift_);
  scheduler_.run_for(std::chrono::minutes(5));
  EXPECT_EQ(all().size(), 1u);
  EXPECT_EQ(all()[0].incident.status, IncidentStatus::kOpen);
}

TEST_F(ServiceTest, AnAcknowledgementThatMeetsAResolveChangesNothing) {
  fire(drift_);
  end(drift_);
  const auto after = service_->acknowledge("INC-1", "", kAda);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->incident.status, IncidentStatus::kResolved);
}

TEST_F(ServiceTest, StatusGoesForwardAndReopensButNotBack) {
  fire(drift_);
  EXPECT_TRUE(service_->set_status("1", IncidentStatus::kIdentified, "found it", kAda));
  const auto back = service_->set_status("1", IncidentStatus::kInvestigating, "", kAda);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code(), ErrorCode::kConflict);
  EXPECT_TRUE(service_->resolve("1", {"a new model", "pinned the old one"}, kAda));
  EXPECT_FALSE(service_->resolve("1", {}, kAda));
  const auto again = service_->reopen("1", "it came back", kAda);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->incident.status, IncidentStatus::kOpen);
  EXPECT_FALSE(again->incident.resolved_at);
  EXPECT_EQ(again->incident.root_cause, "a new model");
}

TEST_F(ServiceTest, AChangeMadeOnAnOlderVersionIsRefused) {
  fire(drift_);
  const int64_t seen = all()[0].incident.version;
  ASSERT_TRUE(service_->acknowledge("1", "", kAda, seen));
  const auto late = service_->assign("1", "bob", {"bob", "cli"}, seen);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::kConflict);
}

TEST_F(ServiceTest, WhatWasDoneSurvivesARestart) {
  fire(drift_);
  ASSERT_TRUE(service_->acknowledge("1", "on it", kAda));
  ASSERT_TRUE(service_->add_note("1", "looks like the new model", kAda));
  const auto before = service_->get("1").value();
  restart();
  const auto after = service_->get("INC-1").value();
  EXPECT_EQ(after.record.incident.version, before.record.incident.version);
  EXPECT_EQ(after.record.incident.acknowledged_at, before.record.incident.acknowledged_at);
  ASSERT_EQ(after.timeline.size(), before.timeline.size());
  EXPECT_EQ(after.timeline.back().text, "looks like the new model");
  end(drift_);
  EXPECT_EQ(all()[0].incident.status, IncidentStatus::kResolved) << "the alert of before the restart still ends it";
}

TEST_F(ServiceTest, MergingResolvesTheOneAndMovesItsAlerts) {
  fire(drift_);
  fire(drift_.with("service", "search"));
  ASSERT_TRUE(service_->merge("2", "1", kAda));
  EXPECT_EQ(service_->get("2")->record.incident.status, IncidentStatus::kResolved);
  EXPECT_EQ(service_->get("1")->alerts.size(), 2u);
  EXPECT_FALSE(service_->merge("1", "1", kAda));
}

TEST_F(ServiceTest, WatchersHearOfChangesAfterTheyAreStored) {
  std::vector<std::string> heard;
  service_->on_change([&](const IncidentRecord& record, bool) {
    heard.emplace_back(model::incident_status_name(record.incident.status));
  });
  fire(drift_);
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  EXPECT_FALSE(heard.empty());
  EXPECT_EQ(heard.back(), "acknowledged");
}

TEST_F(ServiceTest, FiltersAndPagesOfTheList) {
  for (const char* service : {"a", "b", "c"}) fire(drift_.with("service", service));
  ASSERT_TRUE(service_->resolve("2", {}, kAda));
  EXPECT_EQ(service_->list({.statuses = {IncidentStatus::kOpen}})->size(), 2u);
  EXPECT_EQ(service_->list({.severities = {Severity::kSev1}})->size(), 0u);
  EXPECT_EQ(service_->list({.text = "IT BROKE"})->size(), 3u);
  const auto page = service_->list({.limit = 1, .before_number = 3}).value();
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].incident.number, 2);
}

TEST_F(ServiceTest, UnknownIncidentsAndEmptyInputAreClearErrors) {
  EXPECT_EQ(service_->get("INC-9").error().to_string(), "no incident INC-9");
  EXPECT_EQ(service_->add_note("INC-9", "x", kAda).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(service_->create({.title = "  "}, kAda).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(ServiceTest, AnalyticsComeFromTheRecordedChanges) {
  fire(drift_);
  scheduler_.run_for(std::chrono::seconds(120));
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  scheduler_.run_for(std::chrono::seconds(480));
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  fire(drift_.with("service", "search"));  // never acknowledged, still open
  const Analytics a = analyze(all());
  EXPECT_EQ(a.incidents, 2u);
  EXPECT_EQ(a.open, 1u);
  EXPECT_EQ(a.unacknowledged, 1u);
  EXPECT_DOUBLE_EQ(a.time_to_acknowledge.p50_s, 120);
  EXPECT_DOUBLE_EQ(a.time_to_resolve.mean_s, 600);
  EXPECT_EQ(a.time_to_detect.count, 0u) << "no onset was found, so nothing is assumed";
}

TEST_F(ServiceTest, AnalyticsOverTimeCountEachIncidentInTheHourItBegan) {
  const TimePoint start = scheduler_.now();
  fire(drift_);
  scheduler_.run_for(std::chrono::seconds(120));
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  scheduler_.run_for(std::chrono::hours(2));
  fire(drift_.with("service", "search"));
  const auto periods = analyze_over_time(all(), start, start + std::chrono::minutes(150), std::chrono::hours(1));
  ASSERT_EQ(periods.size(), 3u);
  EXPECT_EQ(periods[0].figures.incidents, 1u);
  EXPECT_DOUBLE_EQ(periods[0].figures.time_to_acknowledge.p50_s, 120);
  EXPECT_EQ(periods[1].figures.incidents, 0u);
  EXPECT_EQ(periods[2].start, start + std::chrono::hours(2));
  EXPECT_EQ(periods[2].figures.open, 1u);
  EXPECT_EQ(usual_period(std::chrono::hours(24)), std::chrono::hours(1));
  EXPECT_EQ(usual_period(std::chrono::days(30)), std::chrono::days(1));
  EXPECT_EQ(usual_period(std::chrono::days(90)), std::chrono::weeks(1));
}

TEST_F(ServiceTest, ThePostmortemTellsTheStoryFromTheTimeline) {
  fire(drift_);
  scheduler_.run_for(std::chrono::seconds(60));
  ASSERT_TRUE(service_->acknowledge("1", "on it", kAda));
  scheduler_.run_for(std::chrono::seconds(540));
  ASSERT_TRUE(service_->resolve("1", {"a | new *model*", "pinned the old one"}, kAda));
  Impact impact;
  impact.calls = 200;
  impact.failing = 50;
  const std::string text = postmortem_markdown({service_->get("1").value(), {}, {}, impact}, scheduler_.now());
  for (const char* part : {"# Postmortem: it broke", "| Severity | SEV2 (P2) |", "acknowledged by ada: on it",
                           "a \\| new \\*model\\*", "50 of 200 calls failed (25.0 %)", "Time to acknowledge: 1 min",
                           "Time to resolve: 10 min", "pinned the old one"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find("Nobody acknowledged"), std::string::npos);
}

}  // namespace
}  // namespace sentinel::incident
