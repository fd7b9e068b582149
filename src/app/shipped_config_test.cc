// What config/ tells people and the diagnosis to ask can be asked: conditions of failing calls and SQL of runbooks run
// on llm_events, PromQL parses, and each rule's runbook is in the library.
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "app/builtin_files.h"
#include "detection/rule_file.h"
#include "events/event_store.h"
#include "promql/engine.h"
#include "runbook/library.h"

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

TEST_F(ShippedConfig, WhatRunbooksTellPeopleToAskCanBeAsked) {
  const auto library = shipped_runbooks();
  ASSERT_TRUE(library);
  size_t sql = 0, promql = 0;
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
        EXPECT_TRUE(parsed) << query << "\n" << parsed.error().to_string();
      }
    }
  }
  EXPECT_GT(sql, 20U);
  EXPECT_GT(promql, 20U);
}

}  // namespace
}  // namespace sentinel::app
