#include "incident/diagnosis_runner.h"

#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

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
    Options desk;
    desk.deadlines.by_severity.clear();  // only what the runner waits for is pending
    service_ = std::make_unique<Service>(scheduler_, *database_, metrics_, desk);
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

  enum class Trouble { kNone, kFails, kSlow };
  // Every other call is in trouble, and made by the model version `culprit`.
  void calls_for(int seconds, Trouble trouble = Trouble::kNone, const std::string& culprit = "v1") {
    std::vector<model::Interaction> calls;
    for (int s = 0; s < seconds; ++s) {
      model::Interaction i;
      i.request_id = "r" + std::to_string(++id_);
      i.timestamp_us = to_us(scheduler_.now() + std::chrono::seconds(s));
      i.service = "shop";
      i.model_version = s % 2 == 0 ? culprit : "v1";
      i.latency_ms = s % 2 == 0 && trouble == Trouble::kSlow ? 5000 : 300;
      if (s % 2 == 0 && trouble == Trouble::kFails) i.status = model::InteractionStatus::kError;
      calls.push_back(std::move(i));
    }
    EXPECT_TRUE(store_->append(calls));
    scheduler_.run_for(std::chrono::seconds(seconds));
  }
  void alert(AlertChange::Kind kind, const char* name, const char* severity, const char* failing_calls) {
    AlertChange c;
    c.kind = kind;
    c.at = scheduler_.now();
    c.alert.labels = {{"alertname", name}, {"service", "shop"}, {"severity", severity}};
    c.alert.annotations = {{"summary", name}, {"failing_calls", failing_calls}};
    c.alert.starts_at = c.alert.updated_at = scheduler_.now();
    ASSERT_TRUE(database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, {c}); }));
    scheduler_.run_ready();
  }
  IncidentDetail incident(const char* id) { return service_->get(id).value(); }

  const std::string dir_;
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

}  // namespace
}  // namespace sentinel::incident
