#include "incident/diagnosis_runner.h"

#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "incident/casework.h"
#include "incident/same_cause.h"

namespace sentinel::incident {
namespace {

using alerting::AlertChange;

// A desk, an event store and a runner that works at once; calls are one a second, stored up to the clock.
class DiagnosisRunnerTest : public testing::Test {
 protected:
  DiagnosisRunnerTest()
      : dir_(testing::TempDir() + "/runner-" + testing::UnitTest::GetInstance()->current_test_info()->name() +
             std::to_string(getpid())) {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
    events::EmbeddedOptions options;
    options.dir = dir_ + "/events";
    store_ = events::open_embedded(scheduler_.clock(), metrics_, options).value();
    database_ = state::open_sqlite(dir_ + "/state.db", metrics_).value();
    EXPECT_TRUE(Service::migrate(*database_));
    desk_.deadlines.by_severity.clear();  // only what the runner waits for is pending
    service_ = std::make_unique<Service>(scheduler_, *database_, metrics_, desk_);
    changes_ = std::make_unique<ChangeLog>(*database_);
    runner_ = std::make_unique<DiagnosisRunner>(scheduler_, *service_, *changes_, *store_,
                                                [](const std::function<void()>& job) { job(); });
    service_->on_change([this](const IncidentRecord& record, bool created) {
      if (created) runner_->watch(record.incident.id);
    });
    service_->on_lead_change([this](const IncidentDetail& d) { runner_->watch(d.record.incident.id); });
  }
  ~DiagnosisRunnerTest() override {
    runner_.reset();
    service_.reset();
    database_.reset();
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  enum class Trouble { kNone, kFails, kSlow, kBoth };
  // Every other call is in trouble, and made by the model version `culprit`.
  void calls_for(int seconds, Trouble trouble = Trouble::kNone, const std::string& culprit = "v1") {
    std::vector<model::Interaction> calls;
    for (int s = 0; s < seconds; ++s) {
      model::Interaction i;
      i.request_id = "r" + std::to_string(++id_);
      i.timestamp_us = to_us(scheduler_.now() + std::chrono::seconds(s));
      i.service = "shop";
      i.model_version = s % 2 == 0 ? culprit : "v1";
      const bool troubled = s % 2 == 0 && trouble != Trouble::kNone;
      i.latency_ms = troubled && trouble != Trouble::kFails ? 5000 : 300;
      if (troubled && trouble != Trouble::kSlow) i.status = model::InteractionStatus::kError;
      calls.push_back(std::move(i));
    }
    EXPECT_TRUE(store_->append(calls));
    scheduler_.run_for(std::chrono::seconds(seconds));
  }
  void alert(AlertChange::Kind kind, const char* name, const char* severity, const char* failing_calls,
             const char* category = "") {
    AlertChange c;
    c.kind = kind;
    c.at = scheduler_.now();
    c.alert.labels = {{"alertname", name}, {"service", "shop"}, {"severity", severity}, {"category", category}};
    c.alert.annotations = {{"summary", name}, {"failing_calls", failing_calls}};
    c.alert.starts_at = c.alert.updated_at = scheduler_.now();
    ASSERT_TRUE(database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, {c}); }));
    scheduler_.run_ready();
  }
  IncidentDetail incident(const char* id) { return service_->get(id).value(); }

  // Slow and failing calls of one version, and an incident for each. What the newer one's timeline says of the pair.
  std::vector<std::string> two_of_one_problem(GroupByDiagnosis option) {
    desk_.group_by_diagnosis = option;
    service_->set_options(desk_);
    calls_for(120);
    calls_for(20, Trouble::kBoth, "broken-version");
    alert(AlertChange::Kind::kFired, "Slow", "SEV2", "latency_ms > 1500", "latency");
    alert(AlertChange::Kind::kFired, "Errors", "SEV2", "status = 'error'", "errors");
    return said("2");
  }
  std::vector<std::string> said(const char* id) {
    std::vector<std::string> out;
    const IncidentDetail detail = incident(id);
    for (const auto& entry : detail.timeline) {
      if (entry.kind == "same_cause") out.push_back(entry.text);
    }
    return out;
  }
  std::vector<std::string> links(const char* id) {
    std::vector<std::string> out;
    const Case known = Casework(*service_).get(id).value();
    for (const Link& link : known.links) out.push_back(link.relation + " INC-" + std::to_string(link.number));
    return out;
  }

  const std::string dir_;
  Options desk_;
  SimScheduler scheduler_;
  MetricRegistry metrics_;
  int id_ = 0;
  std::unique_ptr<events::EventStore> store_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<ChangeLog> changes_;
  std::unique_ptr<DiagnosisRunner> runner_;
};

TEST_F(DiagnosisRunnerTest, AMoreSevereAlertThatJoinsIsDiagnosedByItsOwnFailingCalls) {
  calls_for(120);
  const TimePoint slow_from = scheduler_.now();
  calls_for(20, Trouble::kSlow, "slow-version");
  alert(AlertChange::Kind::kFired, "Slow", "SEV2", "latency_ms > 1500");
  EXPECT_EQ(incident("1").diagnosis->failing_condition, "latency_ms > 1500");
  EXPECT_NE(incident("1").record.headline.why.find("slow-version"), std::string::npos);
  calls_for(20, Trouble::kFails, "broken-version");
  alert(AlertChange::Kind::kFired, "Errors", "SEV1", "status = 'error'");
  const IncidentDetail d = incident("1");
  EXPECT_EQ(d.record.incident.title, "Errors");
  EXPECT_EQ(d.diagnosis->failing_condition, "status = 'error'");
  EXPECT_NE(d.record.headline.why.find("broken-version"), std::string::npos) << d.record.headline.why;
  EXPECT_EQ(d.record.incident.impact_started_at, slow_from);
}

TEST_F(DiagnosisRunnerTest, TheOnsetIsNoEarlierThanTheEndOfTheIncidentBefore) {
  calls_for(120);
  calls_for(20, Trouble::kFails, "broken-version");
  alert(AlertChange::Kind::kFired, "Errors", "SEV2", "status = 'error'");
  calls_for(20, Trouble::kFails, "broken-version");
  // Ended while calls go on failing, as a rule may whose limit is higher.
  alert(AlertChange::Kind::kResolved, "Errors", "SEV2", "status = 'error'");
  ASSERT_EQ(incident("1").record.incident.status, model::IncidentStatus::kResolved);
  const TimePoint ended = scheduler_.now();
  calls_for(20, Trouble::kFails, "other-version");
  alert(AlertChange::Kind::kFired, "Errors", "SEV2", "status = 'error'");
  const IncidentDetail d = incident("2");
  ASSERT_TRUE(d.record.incident.impact_started_at);
  EXPECT_GE(*d.record.incident.impact_started_at, ended);
  EXPECT_NE(d.record.headline.why.find("other-version"), std::string::npos) << d.record.headline.why;
}

TEST_F(DiagnosisRunnerTest, NothingEndedWhenAnIncidentWasMerged) {
  desk_.group_by_diagnosis = GroupByDiagnosis::kOff;
  service_->set_options(desk_);
  calls_for(120);
  const TimePoint failing_from = scheduler_.now();
  calls_for(20, Trouble::kFails, "broken-version");
  alert(AlertChange::Kind::kFired, "Errors", "SEV2", "status = 'error'", "one");
  alert(AlertChange::Kind::kFired, "MoreErrors", "SEV2", "status = 'error'", "two");
  calls_for(20, Trouble::kFails, "broken-version");
  ASSERT_TRUE(service_->merge("2", "1", {"ada", "page"}));
  calls_for(20, Trouble::kFails, "broken-version");
  alert(AlertChange::Kind::kFired, "StillErrors", "SEV2", "status = 'error'", "three");
  EXPECT_EQ(incident("3").record.incident.impact_started_at, failing_from);
}

TEST_F(DiagnosisRunnerTest, WhatWasDoneShortlyBeforeIsNamedWhenItConcernsTheIncident) {
  const auto done = [&](const char* subject, const char* text, model::Labels labels) {
    ChangeEvent e;
    e.at = scheduler_.now();
    e.kind = ChangeKind::kDeploy;
    e.subject = subject;
    e.text = text;
    e.labels = std::move(labels);
    ASSERT_TRUE(changes_->add(std::move(e), "", {"ci", "api"}));
  };
  done("shop", "v1", {{"service", "shop"}});
  calls_for(2500);
  done("shop", "v2", {{"service", "shop"}});
  calls_for(20);
  done("search", "v9", {{"service", "search"}});
  calls_for(20);
  calls_for(20, Trouble::kFails);  // whoever answers: nothing sets them apart
  alert(AlertChange::Kind::kFired, "Errors", "SEV2", "status = 'error'");
  const IncidentDetail d = incident("1");
  ASSERT_EQ(d.diagnosis->changes.size(), 1u);  // the first is too long ago, the other is about another service
  EXPECT_EQ(d.diagnosis->changes[0].kind, "deploy");
  EXPECT_EQ(d.record.headline.why,
            "Nothing sets the 10 failing calls apart from 1810 others: the cause is likely common to all calls. "
            "Before it: " +
                d.diagnosis->changes[0].sentence + ".");
  EXPECT_TRUE(d.diagnosis->changes[0].sentence.starts_with("deploy of shop (v2) at "))
      << d.diagnosis->changes[0].sentence;
  EXPECT_TRUE(d.diagnosis->changes[0].sentence.ends_with(", 40 s before the first failing call"))
      << d.diagnosis->changes[0].sentence;
}

TEST_F(DiagnosisRunnerTest, LooksAgainWhileItLastsAndNotAfter) {
  calls_for(120);
  calls_for(10, Trouble::kFails, "broken-version");
  alert(AlertChange::Kind::kFired, "Errors", "SEV2", "status = 'error'");
  const uint64_t first = incident("1").diagnosis->failing;
  calls_for(12, Trouble::kFails, "broken-version");
  const uint64_t second = incident("1").diagnosis->failing;
  EXPECT_GT(second, first);
  alert(AlertChange::Kind::kResolved, "Errors", "SEV2", "status = 'error'");
  calls_for(700, Trouble::kFails, "broken-version");
  EXPECT_EQ(incident("1").diagnosis->failing, second);
  EXPECT_EQ(scheduler_.pending(), 0u);
}

using Texts = std::vector<std::string>;

TEST_F(DiagnosisRunnerTest, TwoIncidentsOfOneCauseAreLinkedOnceWithTheReason) {
  EXPECT_EQ(
      two_of_one_problem(GroupByDiagnosis::kSuggest),
      Texts{"may be the same as INC-1: both are about model_version=broken-version, 10 of 10 failing calls are of "
            "both, begun 0s apart"});
  EXPECT_EQ(said("1").size(), 1u);
  EXPECT_EQ(links("1"), Texts{"related INC-2"});
  EXPECT_EQ(incident("2").record.incident.status, model::IncidentStatus::kOpen);
  const int64_t version = incident("2").record.incident.version;
  // A person says that they are not, and the next looks leave it so.
  ASSERT_TRUE(Casework(*service_).unlink("2", "related", "1", {"ada", "page"}));
  calls_for(60, Trouble::kBoth, "broken-version");
  EXPECT_GT(incident("2").record.incident.version, version) << "it was diagnosed again";
  EXPECT_EQ(said("2").size(), 1u);
  EXPECT_EQ(links("1"), Texts());
}

TEST_F(DiagnosisRunnerTest, TheNewerOneIsMergedWhereThatIsAskedForAndASplitUndoesIt) {
  EXPECT_EQ(two_of_one_problem(GroupByDiagnosis::kMerge).size(), 1u);
  EXPECT_EQ(said("1").front().substr(0, 19), "the same as INC-2: ");
  EXPECT_EQ(incident("2").record.incident.status, model::IncidentStatus::kResolved);
  EXPECT_EQ(incident("2").record.incident.resolution, "Merged into INC-1.");
  const IncidentDetail one = incident("1");
  ASSERT_EQ(one.alerts.size(), 2u);
  EXPECT_NE(one.record.headline.what_failed.find("Errors"), std::string::npos);
  const auto errors = std::find_if(one.alerts.begin(), one.alerts.end(),
                                   [](const IncidentAlert& a) { return a.alert.name() == "Errors"; });
  ASSERT_TRUE(Casework(*service_).split("1", {{errors->alert.fingerprint_hex()}, "", {}}, {"ada", "page"}));
  scheduler_.run_ready();
  calls_for(60, Trouble::kBoth, "broken-version");
  ASSERT_TRUE(incident("3").diagnosis);
  EXPECT_EQ(incident("3").diagnosis->findings.front().value, "broken-version");
  EXPECT_EQ(incident("3").record.incident.status, model::IncidentStatus::kOpen) << "a person has taken it out";
  EXPECT_EQ(said("3"), Texts());
}

TEST_F(DiagnosisRunnerTest, WhomSomebodyIsOnIsNotMergedButTold) {
  desk_.group_by_diagnosis = GroupByDiagnosis::kMerge;
  service_->set_options(desk_);
  calls_for(120);
  calls_for(20, Trouble::kBoth, "broken-version");
  service_->on_change(nullptr);  // no diagnosis yet
  alert(AlertChange::Kind::kFired, "Slow", "SEV2", "latency_ms > 1500", "latency");
  alert(AlertChange::Kind::kFired, "Errors", "SEV2", "status = 'error'", "errors");
  ASSERT_TRUE(service_->acknowledge("2", "", {"ada", "page"}));
  for (const char* id : {"1", "2"}) runner_->diagnose_now(incident(id).record.incident.id, nullptr);
  scheduler_.run_ready();
  EXPECT_EQ(incident("2").record.incident.status, model::IncidentStatus::kAcknowledged);
  EXPECT_EQ(links("2"), Texts{"related INC-1"});
}

TEST_F(DiagnosisRunnerTest, OtherCallsAnotherTimeOrSwitchedOffAreNotTheSame) {
  EXPECT_EQ(two_of_one_problem(GroupByDiagnosis::kOff), Texts());
  // The same version, but calls that are slow do not fail and those that fail are not slow.
  desk_.group_by_diagnosis = GroupByDiagnosis::kMerge;
  service_->set_options(desk_);
  for (const char* id : {"1", "2"}) ASSERT_TRUE(service_->resolve(id, {}, {"ada", "page"}));
  calls_for(300);
  calls_for(20, Trouble::kSlow, "other-version");
  calls_for(20, Trouble::kFails, "other-version");
  alert(AlertChange::Kind::kFired, "Slow2", "SEV2", "latency_ms > 1500", "latency");
  alert(AlertChange::Kind::kFired, "Errors2", "SEV2", "status = 'error'", "errors");
  ASSERT_EQ(incident("3").diagnosis->findings.front().value, "other-version");
  ASSERT_EQ(incident("4").diagnosis->findings.front().value, "other-version");
  EXPECT_EQ(said("4"), Texts()) << "other calls";
  // As large an overlap as can be, and long after.
  const FailingOverlap all{100, 100, 100};
  IncidentDetail late = incident("4");
  late.diagnosis->onset = *incident("3").diagnosis->onset + std::chrono::minutes(6);
  ASSERT_TRUE(service_->set_diagnosis("4", *late.diagnosis));
  ASSERT_TRUE(service_->group_by_diagnosis("4", "3", all));
  EXPECT_EQ(said("4"), Texts()) << "another time";
  late.diagnosis->onset = *incident("3").diagnosis->onset + std::chrono::minutes(4);
  ASSERT_TRUE(service_->set_diagnosis("4", *late.diagnosis));
  ASSERT_TRUE(service_->group_by_diagnosis("4", "3", {100, 100, 49}));
  EXPECT_EQ(said("4"), Texts()) << "other calls for the most part";
  ASSERT_TRUE(service_->group_by_diagnosis("4", "3", all));
  EXPECT_EQ(said("4").size(), 1u);
}

}  // namespace
}  // namespace sentinel::incident
