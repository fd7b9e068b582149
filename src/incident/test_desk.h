#pragma once
// For tests: a desk over a database of its own, which can die at any write; people who are known without a pager.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "base/strings.h"
#include "incident/casework.h"
#include "incident/service.h"
#include "state/crashing_database.h"
#include "state/database.h"

namespace sentinel::incident {

// Ada, Bob and Eve; Bob has no contact that takes messages. Keeps what it is told, as "ada: subject | text".
class KnownPeople final : public Escalator {
 public:
  Status on_incident(state::Tx&, IncidentEvent, IncidentRecord&, const Actor&) override { return {}; }
  Status send(state::Tx&, const IncidentRecord&, const std::vector<Message>& messages) override {
    for (const Message& m : messages) told.push_back(m.user + ": " + m.subject + " | " + m.text);
    return {};
  }
  std::optional<Person> person(std::string_view name) const override {
    for (const Person& p : people) {
      if (iequals(p.id, name) || iequals(p.name, name)) return p;
    }
    return std::nullopt;
  }
  std::vector<Person> team(std::string_view id) const override {
    return id == "sre" ? std::vector<Person>{people[0], people[2]} : std::vector<Person>();
  }
  bool reaches(std::string_view user, std::string_view channel) const override {
    return user != "bob" && (channel.empty() || channel == "email");
  }
  Result<bool> escalate_next(state::Tx&, const IncidentRecord& record) override {
    if (!escalates) return false;
    told.push_back("next level of INC-" + std::to_string(record.incident.number));
    return true;
  }
  Result<std::vector<Person>> superiors(state::Tx&, const IncidentRecord&, const std::vector<std::string>&) override {
    return std::vector<Person>{people[2]};
  }
  std::vector<std::string> heard() { return std::exchange(told, {}); }

  const std::vector<Person> people{{"ada", "Ada Lovelace"}, {"bob", "Bob Fry"}, {"eve", "Eve Ng"}};
  std::vector<std::string> told;
  bool escalates = true;
};

class DeskTest : public testing::Test {
 protected:
  DeskTest()
      : dir_(testing::TempDir() + "/desk-" + testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
             std::to_string(getpid())) {
    std::filesystem::create_directories(dir_);
    restart();
  }
  ~DeskTest() override {
    close();
    std::filesystem::remove_all(dir_);
  }

  void close() {
    casework_.reset();
    service_.reset();
    database_.reset();
  }
  // As after a kill.
  void restart() {
    close();
    crash_ = {};
    database_ =
        std::make_unique<state::CrashingDatabase>(state::open_sqlite(dir_ + "/state.db", metrics_).value(), crash_);
    ASSERT_TRUE(Service::migrate(*database_));
    service_ = std::make_unique<Service>(scheduler_, *database_, metrics_, options_);
    service_->set_escalator(&people_);
    casework_ = std::make_unique<Casework>(*service_);
  }

  alerting::AlertChange change(alerting::AlertChange::Kind kind, model::Labels labels,
                               model::Labels annotations = {{"summary", "it broke"}}) {
    alerting::AlertChange c;
    scheduler_.run_for(std::chrono::milliseconds(1));  // what comes later is later
    c.kind = kind;
    c.at = scheduler_.now();
    c.alert.labels = std::move(labels);
    c.alert.annotations = std::move(annotations);
    c.alert.starts_at = scheduler_.now() - std::chrono::seconds(5);
    c.alert.ends_at =
        kind == alerting::AlertChange::Kind::kResolved ? scheduler_.now() : scheduler_.now() + std::chrono::minutes(4);
    c.alert.updated_at = scheduler_.now();
    return c;
  }
  Status deliver(const std::vector<alerting::AlertChange>& changes) {
    const Status written = database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, changes); });
    scheduler_.run_ready();
    return written;
  }
  Status fire(const model::Labels& labels) { return deliver({change(alerting::AlertChange::Kind::kFired, labels)}); }
  Status end(const model::Labels& labels) { return deliver({change(alerting::AlertChange::Kind::kResolved, labels)}); }
  IncidentRecord declared(std::string title = "it broke", model::Severity severity = model::Severity::kSev2) {
    const auto made = service_->create({std::move(title), severity, {}, "", ""}, {"ada", "page"});
    EXPECT_TRUE(made) << made.error().to_string();
    return made.value();
  }
  model::Incident now(std::string_view id) { return service_->get(id, 0)->record.incident; }
  // "kind: text" of the timeline.
  std::vector<std::string> timeline(std::string_view id, std::string_view kind = "") {
    std::vector<std::string> out;
    const auto detail = service_->get(id).value();
    for (const auto& e : detail.timeline) {
      if (kind.empty() || e.kind == kind) out.push_back(e.kind + ": " + e.text);
    }
    return out;
  }

  const std::string dir_;
  SimScheduler scheduler_;
  MetricRegistry metrics_;
  Options options_;
  state::Crash crash_;
  KnownPeople people_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Casework> casework_;
};

}  // namespace sentinel::incident
