// The life of executions on a virtual clock: approval, conflicts, retries, limits, crashes at every write.

#include "automation/executions.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "state/crashing_database.h"

namespace sentinel::automation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using State = ExecutionState;

constexpr std::string_view kCatalogue = R"(
automations:
- id: restart
  argv: [/bin/true, --hard]
  parameters: {service: {pattern: '[a-z-]+', from_label: service}}
  rollback: start
- {id: start, argv: [/bin/true], parameters: {service: {pattern: '[a-z-]+'}}}
- id: flush
  argv: [/bin/true]
  idempotent: true
  retries: 2
  retry_after: 10s
- {id: failover, argv: [/bin/true], approval: {role: lead, within: 10m}}
- id: mend
  argv: [/bin/true]
  triggers: [{match: {alertname: Down, severity: critical}, at_most: 2, per: 1h}]
)";

const Who kAda{"ada", "page", "10.0.0.1", {"responder"}};
const Who kBob{"bob", "api", "10.0.0.2", {"responder", "lead"}};

std::shared_ptr<const Catalogue> catalogue(std::string_view text = kCatalogue) {
  auto parsed = Catalogue::parse(text, "automations.yml");
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().to_string());
  return parsed.value_or(nullptr);
}

class World {
 public:
  World() {
    std::filesystem::create_directories(dir_);
    open();
  }
  ~World() {
    close();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    auto opened =
        state::open_sqlite(dir_ + "/state.db", metrics, {.busy_timeout = Millis(1), .retry_interval = Millis(0)});
    ASSERT_TRUE(opened) << opened.error().to_string();
    database = std::make_unique<state::CrashingDatabase>(std::move(*opened), crash);
    crash.dead = false;
    ASSERT_TRUE(Executions::migrate(*database));
    auto made = Executions::open(
        scheduler, *database, metrics, catalogue(), {.enabled = true},
        [this](state::Tx&, const Execution& e) {
          told.push_back(e.automation_id + " " + std::string(execution_state_name(e.state)));
          return Status();
        },
        [this](Command command, std::shared_ptr<std::atomic<bool>> cancel, Executions::Done done) {
          runs.push_back({std::move(command), std::move(cancel), std::move(done)});
        },
        [this](const std::string& incident) { return !over.contains(incident); });
    ASSERT_TRUE(made) << made.error().to_string();
    executions = std::move(*made);
  }
  void close() {
    executions.reset();
    database.reset();
    runs.clear();  // programs die with us
  }
  void restart(Micros down = Micros(0)) {
    close();
    crash.at = -1;
    scheduler.fake_clock().advance(down);
    open();
    scheduler.run_ready();
  }
  Result<Execution> ask(const std::string& automation, const Who& who = kAda, const std::string& incident = "INC-1") {
    Request request;
    request.incident_id = incident;
    request.step_id = "step";
    request.automation_id = automation;
    request.alert_labels = {{"alertname", "Down"}, {"service", "shop"}};
    return executions->request(request, who);
  }
  Execution at(const std::string& id) { return executions->get(id).value_or(Execution{}); }
  void end_run(size_t i, int exit_code, const std::string& output = "") {
    Outcome outcome;
    outcome.exit_code = exit_code;
    outcome.output = output;
    outcome.output_bytes = output.size();
    runs.at(i).done(outcome);
  }

  struct Run {
    Command command;
    std::shared_ptr<std::atomic<bool>> cancel;
    Executions::Done done;
  };
  const std::string dir_ = (posix_env().exists("/dev/shm") ? "/dev/shm/" : testing::TempDir()) +
                           std::string("sentinel-automation-") + std::to_string(::getpid());
  MetricRegistry metrics;
  SimScheduler scheduler;
  state::Crash crash;
  std::unique_ptr<state::CrashingDatabase> database;
  std::unique_ptr<Executions> executions;
  std::vector<Run> runs;
  std::vector<std::string> told;
  std::set<std::string> over;  // incidents
};

TEST(Executions, RunsWhatIsAskedForAndTellsIt) {
  World w;
  const auto asked = w.ask("restart");
  ASSERT_TRUE(asked) << asked.error().to_string();
  EXPECT_EQ(asked->state, State::kRunning);
  ASSERT_EQ(w.runs.size(), 1u);
  EXPECT_EQ(w.runs[0].command.argv, (std::vector<std::string>{"/bin/true", "--hard"}));
  EXPECT_EQ(w.runs[0].command.environment.at("SENTINEL_PARAM_SERVICE"), "shop");
  EXPECT_EQ(w.runs[0].command.environment.at("SENTINEL_INCIDENT"), "INC-1");
  w.scheduler.run_for(seconds(3));
  w.end_run(0, 0, "done");
  const Execution done = w.at(asked->id);
  EXPECT_EQ(done.state, State::kSucceeded);
  EXPECT_EQ(done.output, "done");
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_EQ(*done.ended_at - *done.started_at, seconds(3));
  EXPECT_EQ(w.told, (std::vector<std::string>{"restart queued", "restart running", "restart succeeded"}));
}

TEST(Executions, OffMeansOff) {
  World w;
  w.executions->install(catalogue(), {.enabled = false});
  EXPECT_EQ(w.ask("restart").error().code(), ErrorCode::kUnprocessable);
  EXPECT_TRUE(w.executions->on_alert("INC-1", {{"alertname", "Down"}, {"severity", "critical"}})->empty());
  EXPECT_TRUE(w.runs.empty());
}

TEST(Executions, RefusesWhatItDoesNotKnow) {
  World w;
  EXPECT_EQ(w.ask("rm").error().code(), ErrorCode::kNotFound);
  Request request{"INC-1", "", "restart", {{"service", "Robert'); DROP"}}, {}, false};
  EXPECT_EQ(w.executions->request(request, kAda).error().code(), ErrorCode::kInvalidArgument);
  request.parameters = {{"service", "shop"}, {"more", "x"}};
  EXPECT_EQ(w.executions->request(request, kAda).error().code(), ErrorCode::kInvalidArgument);
  request.parameters = {};
  EXPECT_EQ(w.executions->request(request, kAda).error().code(), ErrorCode::kInvalidArgument) << "nobody gave it";
  EXPECT_TRUE(w.executions->list("", 10)->empty());
}

TEST(Executions, ADryRunShowsAndRunsNothing) {
  World w;
  Request request{"INC-1", "step", "failover", {}, {}, true};
  const auto shown = w.executions->request(request, kAda);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->state, State::kSucceeded);
  EXPECT_NE(shown->output.find("\"/bin/true\""), std::string::npos);
  EXPECT_NE(shown->output.find("role lead"), std::string::npos);
  EXPECT_TRUE(w.runs.empty());
}

TEST(Executions, TwoRespondersStartTheSame) {
  World w;
  ASSERT_TRUE(w.ask("restart", kAda));
  const auto second = w.ask("restart", kBob);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
  EXPECT_NE(second.error().message().find("asked for by ada"), std::string::npos) << second.error().message();
  EXPECT_EQ(w.runs.size(), 1u);
  EXPECT_TRUE(w.ask("restart", kBob, "INC-2")) << "another incident";
  w.end_run(0, 1);
  EXPECT_TRUE(w.ask("restart", kBob)) << "the first has ended";
}

TEST(Executions, SomebodyElseMustAgreeInTime) {
  World w;
  const auto asked = w.ask("failover", kBob);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->state, State::kAwaitingApproval);
  EXPECT_EQ(w.executions->approve(asked->id, kBob).error().code(), ErrorCode::kPermissionDenied) << "the one who asked";
  EXPECT_EQ(w.executions->approve(asked->id, kAda).error().code(), ErrorCode::kPermissionDenied) << "not the role";
  w.restart(minutes(2));
  const Who lead{"cy", "page", "", {"lead"}};
  w.scheduler.run_for(minutes(7));
  EXPECT_TRUE(w.runs.empty());
  ASSERT_TRUE(w.executions->approve(asked->id, lead));
  EXPECT_EQ(w.runs.size(), 1u);
  EXPECT_EQ(w.at(asked->id).approved_by, "cy");
  EXPECT_EQ(w.executions->approve(asked->id, lead).error().code(), ErrorCode::kConflict);
  w.end_run(0, 0);

  const auto late = w.ask("failover", kBob);
  w.scheduler.run_for(minutes(10));
  EXPECT_EQ(w.at(late->id).state, State::kExpired);
  EXPECT_EQ(w.executions->approve(late->id, lead).error().code(), ErrorCode::kConflict);
  const auto refused = w.ask("failover", kBob);
  ASSERT_TRUE(w.executions->reject(refused->id, lead, "not now"));
  EXPECT_EQ(w.at(refused->id).reason, "rejected by cy: not now");
  const auto asleep = w.ask("failover", kBob);
  w.restart(minutes(30));
  EXPECT_EQ(w.at(asleep->id).state, State::kExpired) << "the time passed while we were down";
  EXPECT_EQ(w.runs.size(), 0u);
}

TEST(Executions, OnlyWhatIsIdempotentIsTriedAgain) {
  World w;
  const auto once = w.ask("restart");
  w.end_run(0, 1);
  EXPECT_EQ(w.at(once->id).state, State::kFailed);
  EXPECT_EQ(w.at(once->id).reason, "exit code 1");
  const auto often = w.ask("flush");
  std::vector<TimePoint> starts;
  for (int attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_EQ(w.runs.size(), static_cast<size_t>(1 + attempt));
    starts.push_back(w.scheduler.now());
    w.runs.back().done(fail(ErrorCode::kUnavailable, "no sandbox"));
    w.scheduler.run_for(minutes(1));
  }
  EXPECT_EQ(w.at(often->id).state, State::kFailed);
  EXPECT_EQ(w.at(often->id).attempt, 3);
  EXPECT_EQ(w.runs.size(), 4u);
}

TEST(Executions, CanBeCancelledWaitingOrRunning) {
  World w;
  const auto waiting = w.ask("failover");
  ASSERT_TRUE(w.executions->cancel(waiting->id, kBob));
  EXPECT_EQ(w.at(waiting->id).state, State::kCancelled);
  EXPECT_EQ(w.executions->cancel(waiting->id, kBob).error().code(), ErrorCode::kConflict);
  const auto running = w.ask("flush");
  ASSERT_TRUE(w.executions->cancel(running->id, kBob));
  EXPECT_TRUE(w.runs[0].cancel->load());
  EXPECT_EQ(w.at(running->id).state, State::kRunning) << "until its program has ended";
  Outcome outcome;
  outcome.kind = Outcome::Kind::kCancelled;
  w.runs[0].done(outcome);
  EXPECT_EQ(w.at(running->id).state, State::kCancelled);
  EXPECT_EQ(w.at(running->id).reason, "cancelled by bob");
}

TEST(Executions, IsTakenBack) {
  World w;
  const auto asked = w.ask("restart");
  EXPECT_EQ(w.executions->roll_back(asked->id, kAda).error().code(), ErrorCode::kConflict);
  w.end_run(0, 1);
  const auto back = w.executions->roll_back(asked->id, kAda);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->automation_id, "start");
  EXPECT_EQ(back->rollback_of, asked->id);
  EXPECT_EQ(w.runs[1].command.environment.at("SENTINEL_PARAM_SERVICE"), "shop");
  w.end_run(1, 0);
  EXPECT_EQ(w.executions->roll_back(back->id, kAda).error().code(), ErrorCode::kNotFound);
}

TEST(Executions, AnAlertStartsItWithinLimits) {
  World w;
  const model::Labels down = {{"alertname", "Down"}, {"severity", "critical"}};
  EXPECT_TRUE(w.executions->on_alert("INC-1", {{"alertname", "Down"}, {"severity", "warning"}})->empty());
  EXPECT_EQ(w.executions->on_alert("INC-1", down)->size(), 1u);
  EXPECT_TRUE(w.executions->on_alert("INC-1", down)->empty()) << "two alerts two seconds apart";
  w.end_run(0, 0);
  EXPECT_TRUE(w.executions->on_alert("INC-1", down)->empty()) << "once an incident";
  EXPECT_EQ(w.executions->on_alert("INC-2", down)->size(), 1u);
  EXPECT_TRUE(w.executions->on_alert("INC-3", down)->empty()) << "two an hour";
  w.restart();
  w.scheduler.run_for(minutes(61));
  EXPECT_EQ(w.executions->on_alert("INC-3", down)->size(), 1u);
  EXPECT_EQ(w.executions->list("INC-3", 10)->at(0).requested_by.source, "rule");
}

TEST(Executions, WhatNobodyWantsAnyMoreIsNotRun) {
  World w;
  ASSERT_TRUE(w.ask("restart", kAda, "INC-1"));
  ASSERT_TRUE(w.ask("restart", kAda, "INC-2"));
  const auto third = w.ask("restart", kAda, "INC-3");
  EXPECT_EQ(third->state, State::kQueued) << "two run at once";
  w.over.insert("INC-3");
  w.end_run(0, 0);
  EXPECT_EQ(w.at(third->id).state, State::kCancelled);
  const auto fourth = w.ask("restart", kAda, "INC-4");
  const auto fifth = w.ask("restart", kAda, "INC-5");
  EXPECT_EQ(w.at(fifth->id).state, State::kQueued);
  w.restart(minutes(40));
  EXPECT_EQ(w.at(fourth->id).state, State::kLost);
  EXPECT_EQ(w.at(fifth->id).state, State::kExpired) << "it waited too long";
}

TEST(Executions, TheChainShowsWhatWasChanged) {
  World w;
  ASSERT_TRUE(w.ask("restart"));
  w.end_run(0, 0, "secretless");
  ASSERT_TRUE(w.ask("failover"));
  EXPECT_EQ(w.executions->verify_audit().value(), std::nullopt);
  const auto lines = w.executions->audit(0, 100).value();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].actor, "ada");
  EXPECT_EQ(lines[0].action, "requested");
  EXPECT_EQ(lines[2].action, "ended");
  ASSERT_TRUE(w.database->write(
      [&](state::Tx& tx) { return tx.exec("UPDATE automation_audit SET actor = 'eve' WHERE id = ?", {lines[1].id}); }));
  EXPECT_EQ(w.executions->verify_audit().value(), lines[1].id);
  ASSERT_TRUE(w.database->write(
      [&](state::Tx& tx) { return tx.exec("DELETE FROM automation_audit WHERE id = ?", {lines[1].id}); }));
  EXPECT_EQ(w.executions->verify_audit().value(), lines[2].id);
}

// The process dies at each write of a life, before or after it is on disk. Whoever asked asks again until he is
// answered. Nothing runs for ever, and what is not idempotent never runs twice for one request.
TEST(Executions, ACrashAtEveryWrite) {
  for (const bool after : {false, true}) {
    for (int64_t crash_at = 1; crash_at < 40; ++crash_at) {
      World w;
      w.crash = {};
      w.crash.at = crash_at;
      w.crash.after = after;
      std::map<std::string, std::set<std::string>> started;  // automation to the executions that ran
      size_t collected = 0;
      bool crashed = false;
      std::map<std::string, std::string> ids;
      const auto tick = [&] {
        for (; collected < w.runs.size(); ++collected) {
          const auto& environment = w.runs[collected].command.environment;
          const std::string id = environment.at("SENTINEL_EXECUTION");
          if (!w.crash.dead && w.at(id).automation_id == "restart")
            EXPECT_TRUE(started["restart"].insert(id).second) << "it ran twice; crash at " << crash_at;
        }
        if (w.crash.dead) {
          crashed = true;
          collected = 0;
          w.restart(seconds(5));
        }
      };
      const auto insist = [&](const std::string& automation) {
        for (int i = 0; i < 5 && !ids.contains(automation); ++i) {
          if (const auto asked = w.ask(automation)) ids[automation] = asked->id;
          tick();
          const auto all = w.executions->list("INC-1", 100).value();
          for (const Execution& e : all) {
            if (e.automation_id == automation) ids[automation] = e.id;
          }
        }
      };
      insist("restart");
      insist("flush");
      insist("failover");
      for (int i = 0; i < 5 && w.at(ids["failover"]).state == State::kAwaitingApproval; ++i) {
        (void)w.executions->approve(ids["failover"], kBob);
        tick();
      }
      for (int step = 0; step < 60; ++step) {
        w.scheduler.run_for(seconds(30));
        tick();
        for (size_t i = 0; i < w.runs.size() && !w.crash.dead; ++i) {
          if (w.runs[i].done) std::exchange(w.runs[i].done, nullptr)(Outcome{});
        }
        tick();
      }
      for (const auto& [automation, id] : ids) {
        const Execution e = w.at(id);
        EXPECT_TRUE(has_ended(e.state)) << automation << " " << execution_state_name(e.state) << ", crash at "
                                        << crash_at;
      }
      EXPECT_EQ(w.at(ids["flush"]).state, State::kSucceeded)
          << "crash at " << crash_at << (after ? " after" : " before");
      const State once = w.at(ids["restart"]).state;
      EXPECT_TRUE(once == State::kSucceeded || once == State::kLost) << execution_state_name(once);
      EXPECT_EQ(w.executions->verify_audit().value(), std::nullopt);
      if (crashed) continue;
      EXPECT_GT(crash_at, 8) << "every write was met";
      break;
    }
  }
}

}  // namespace
}  // namespace sentinel::automation
