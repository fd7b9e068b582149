// What config/ tells people and the diagnosis to ask can be asked: conditions of failing calls and SQL of runbooks run
// on llm_events, PromQL on a store of series, each rule has its runbook, and each runbook can be walked to its end.
#include <unistd.h>

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "app/builtin_files.h"
#include "base/scheduler.h"
#include "detection/rule_file.h"
#include "events/event_store.h"
#include "promql/engine.h"
#include "runbook/library.h"
#include "runbook/runs.h"
#include "state/database.h"
#include "tsdb/store.h"

namespace sentinel::app {
namespace {

std::vector<ConfigText> shipped(const std::string& folder) {
  auto files = read_config_dir(posix_env(), "builtin:" + folder);
  EXPECT_TRUE(files);
  return files ? *files : std::vector<ConfigText>{};
}

std::shared_ptr<const runbook::Library> shipped_runbooks() {
  std::vector<runbook::SourceFile> sources;
  for (const ConfigText& book : shipped("runbooks")) sources.push_back({book.path, book.text});
  auto library = runbook::Library::parse(sources);
  EXPECT_TRUE(library) << library.error().to_string();
  return library ? *library : nullptr;
}

// What stands between `begin` and the next `end`, each time.
std::vector<std::string> quoted(std::string_view text, std::string_view begin, char end) {
  std::vector<std::string> out;
  for (size_t at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at + 1)) {
    const size_t from = at + begin.size();
    out.emplace_back(text.substr(from, text.find(end, from) - from));
  }
  return out;
}

class ShippedConfig : public ::testing::Test {
 protected:
  ShippedConfig() : dir_(testing::TempDir() + "/shipped-config-" + std::to_string(getpid())) {
    events::EmbeddedOptions options;
    options.dir = dir_;
    store_ = events::open_embedded(clock_, metrics_, options).value();
    model::Interaction call;
    call.request_id = "r";
    call.timestamp_us = to_us(clock_.now());
    EXPECT_TRUE(store_->append({call}));
  }
  ~ShippedConfig() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }
  void expect_runs(const std::string& sql) {
    const auto result = store_->query(sql, events::SqlLimits{});
    EXPECT_TRUE(result) << sql << "\n" << result.error().to_string();
  }

  const std::string dir_;
  SystemClock clock_;
  MetricRegistry metrics_;
  std::unique_ptr<events::EventStore> store_;
};

TEST_F(ShippedConfig, ConditionsOfFailingCallsRunAndRunbooksAreThere) {
  const auto library = shipped_runbooks();
  ASSERT_TRUE(library);
  size_t conditions = 0;
  for (const ConfigText& file : shipped("rules")) {
    const auto rules = detection::parse_rule_file(file.text, file.path);
    ASSERT_TRUE(rules) << rules.error().to_string();
    for (const detection::RuleGroupSpec& group : rules->groups) {
      for (const detection::RuleSpec& rule : group.rules) {
        for (const auto& [name, value] : rule.annotations) {
          if (name == "runbook") EXPECT_NE(library->find(value), nullptr) << rule.name() << ": " << value;
          if (name != "failing_calls") continue;
          ++conditions;
          expect_runs("SELECT count(*) FROM llm_events WHERE (" + value + ")");
        }
      }
    }
  }
  EXPECT_GT(conditions, 20U);
}

// By the labels and annotations that its alert will have, as an incident finds it.
TEST_F(ShippedConfig, EachRuleThatAlertsHasARunbook) {
  const auto library = shipped_runbooks();
  ASSERT_TRUE(library);
  std::set<std::string> used;
  size_t alerts = 0;
  for (const ConfigText& file : shipped("rules")) {
    const auto rules = detection::parse_rule_file(file.text, file.path);
    ASSERT_TRUE(rules) << rules.error().to_string();
    for (const detection::RuleGroupSpec& group : rules->groups) {
      for (const detection::RuleSpec& rule : group.rules) {
        if (rule.alert.empty()) continue;
        ++alerts;
        std::vector<model::Label> labels{{"alertname", rule.alert}};
        for (const auto& [name, value] : rule.labels) labels.push_back({name, value});
        std::vector<model::Label> annotations;
        for (const auto& [name, value] : rule.annotations) annotations.push_back({name, value});
        const runbook::Runbook* book =
            library->match(model::Labels(std::move(labels)), model::Labels(std::move(annotations)));
        ASSERT_NE(book, nullptr) << rule.alert << " of " << file.path << " has no runbook";
        used.insert(book->id);
      }
    }
  }
  EXPECT_GT(alerts, 40U);
  for (const runbook::Runbook& book : library->all())
    EXPECT_TRUE(used.contains(book.id)) << book.id << " is of no rule";
}

// As responders do: attached to an incident, one step after the other; a failed one stops it, and it goes on from
// there.
TEST_F(ShippedConfig, EachRunbookIsWalkedToItsEnd) {
  const auto library = shipped_runbooks();
  ASSERT_TRUE(library);
  SimScheduler scheduler;
  const auto database = state::open_sqlite(dir_ + "/state.db", metrics_);
  ASSERT_TRUE(database);
  ASSERT_TRUE(runbook::Runs::migrate(**database));
  std::vector<std::string> told;
  runbook::Runs runs(scheduler, **database,
                     [&](state::Tx&, std::string_view id, std::string_view text, std::string_view, std::string_view,
                         std::string_view) -> Status {
                       told.push_back(std::string(id) + ": " + std::string(text));
                       return {};
                     });
  for (const runbook::Runbook& book : library->all()) {
    SCOPED_TRACE(book.id);
    EXPECT_FALSE(book.title.empty());
    EXPECT_FALSE(book.description.empty());
    ASSERT_FALSE(book.steps.empty());
    ASSERT_TRUE(runs.attach(book.id, book));
    for (const runbook::Step& step : book.steps) {
      EXPECT_FALSE(step.description.empty()) << step.step_id;
      EXPECT_FALSE(step.action.empty()) << step.step_id << " says nothing to do";
      EXPECT_FALSE(step.expected_result.empty()) << step.step_id << " does not say how to see that it worked";
      EXPECT_TRUE(step.automation_script.empty()) << step.step_id << " needs an automation that is not shipped";
      const auto at = runs.get(book.id);
      ASSERT_TRUE(at && *at && (*at)->next_step() != nullptr) << step.step_id;
      EXPECT_EQ((*at)->next_step()->step_id, step.step_id);
      const auto failed = runs.set_step(book.id, step.step_id, runbook::StepState::kFailed, "no", "ada", "test");
      ASSERT_TRUE(failed);
      EXPECT_EQ(failed->next_step(), nullptr) << "a failed step stops the run";
      ASSERT_TRUE(runs.set_step(book.id, step.step_id, runbook::StepState::kDone, "", "ada", "test"));
    }
    EXPECT_EQ((*runs.get(book.id))->next_step(), nullptr) << "it is done";
    EXPECT_GE(told.size(), 2 * book.steps.size());
    told.clear();
  }
}

TEST_F(ShippedConfig, WhatRunbooksTellPeopleToAskCanBeAsked) {
  const auto library = shipped_runbooks();
  ASSERT_TRUE(library);
  size_t sql = 0, promql = 0;
  tsdb::StoreOptions options;
  options.dir = dir_ + "/series";
  const auto series = tsdb::Store::open(posix_env(), clock_, metrics_, options);
  ASSERT_TRUE(series);
  const promql::Engine engine(**series, promql::EngineOptions{});
  for (const runbook::Runbook& book : library->all()) {
    for (const runbook::Step& step : book.steps) {
      SCOPED_TRACE(book.id + ", " + step.step_id);
      const std::string text = step.action + "\n" + step.troubleshooting;
      for (const std::string& query : quoted(text, "sentinel sql \"", '"')) {
        ++sql;
        expect_runs(query);
      }
      for (const std::string& query : quoted(text, "sentinel query '", '\'')) {
        ++promql;
        const auto parsed = promql::parse(query);
        ASSERT_TRUE(parsed) << query << "\n" << parsed.error().to_string();
        const auto answer = engine.instant(**parsed, to_us(clock_.now()) / 1000);
        EXPECT_TRUE(answer) << query << "\n" << answer.error().to_string();
      }
    }
  }
  EXPECT_GT(sql, 20U);
  EXPECT_GT(promql, 20U);
}

}  // namespace
}  // namespace sentinel::app
