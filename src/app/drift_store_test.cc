#include "app/drift_store.h"

#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "base/metrics.h"
#include "state/kv.h"

namespace sentinel::app {
namespace {

using analysis::Analyzer;
using Documents = std::map<std::string, std::string>;

class DriftStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sentinel_drift_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    database_ = state::open_sqlite(dir_ + "/state.db", metrics_).value();
    ASSERT_TRUE(state::KeyValue::migrate(*database_));
  }
  void TearDown() override {
    database_.reset();
    (void)posix_env().remove_tree(dir_);
  }

  static std::unique_ptr<Analyzer> analyzer() {
    analysis::AnalyzerOptions options;
    options.drift = {.reference_size = 8, .window = 4};
    return Analyzer::open(options).value();
  }
  static void call(Analyzer& analyzer, const std::string& endpoint, int count) {
    for (int i = 0; i < count; ++i) {
      model::Interaction one;
      one.endpoint = endpoint;
      one.request_type = "chat";
      one.model = "m";
      one.prompt = "Question " + std::to_string(i);
      one.response = "Order " + std::to_string(i * 37) + " was received and will be sent soon.";
      one.tokens_input = 10;
      one.tokens_output = 10;
      analyzer.analyze(one);
    }
  }
  void save(DriftStore& store, Analyzer& from) {
    ASSERT_TRUE(database_->write([&](state::Tx& tx) { return store.save(tx, from, TimePoint{}); }));
    from.drift_saved();
  }
  void load(DriftStore& store, Analyzer& into) {
    ASSERT_TRUE(database_->read([&](state::Tx& tx) { return store.load(tx, into); }));
  }
  Documents kept() {
    Documents out;
    EXPECT_TRUE(database_->read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(const auto rows, state::KeyValue::list(tx, "analysis/drift", 1000));
      out = {rows.begin(), rows.end()};
      return {};
    }));
    return out;
  }

  MetricRegistry metrics_;
  std::string dir_;
  std::unique_ptr<state::Database> database_;
};

TEST_F(DriftStoreTest, EachReferenceHasADocumentAndOnlyThoseThatChangedAreWritten) {
  const auto before = analyzer();
  DriftStore store;
  const std::string long_name = "/" + std::string(600, 'x');
  call(*before, "/a", 9);
  call(*before, long_name, 9);
  save(store, *before);
  const Documents first = kept();
  ASSERT_EQ(first.size(), 2U);
  call(*before, "/a", 1);
  save(store, *before);
  size_t same = 0;
  for (const auto& [place, json] : kept()) same += first.at(place) == json;
  EXPECT_EQ(same, 1U);

  const auto after = analyzer();
  DriftStore again;
  load(again, *after);
  EXPECT_EQ(after->frozen_references(), 2U);
  EXPECT_EQ(after->reset_drift({.endpoint = "/a", .model = "", .prompt_template = ""}), 1U);
  save(again, *after);
  EXPECT_EQ(kept().size(), 1U);
}

TEST_F(DriftStoreTest, OneDocumentOfAllIsReadAndReplaced) {
  const auto before = analyzer();
  call(*before, "/a", 9);
  call(*before, "/b", 9);
  const auto parts = before->drift_changes();
  ASSERT_EQ(parts.size(), 2U);
  const size_t list = parts[1].json.find('[') + 1;
  const std::string all = parts[0].json.substr(0, parts[0].json.size() - 2) + "," + parts[1].json.substr(list);
  ASSERT_TRUE(
      database_->write([&](state::Tx& tx) { return state::KeyValue::put(tx, "analysis/drift", all, TimePoint{}); }));
  const auto after = analyzer();
  DriftStore store;
  load(store, *after);
  EXPECT_EQ(after->frozen_references(), 2U);
  save(store, *after);
  EXPECT_EQ(kept().size(), 2U);
  EXPECT_FALSE(kept().contains("analysis/drift"));
}

TEST_F(DriftStoreTest, WhatCannotBeReadIsLearntAnewAndGoes) {
  ASSERT_TRUE(database_->write(
      [&](state::Tx& tx) { return state::KeyValue::put(tx, "analysis/drift/00", "{\"format\":1}", TimePoint{}); }));
  const auto fresh = analyzer();
  DriftStore store;
  load(store, *fresh);
  EXPECT_EQ(fresh->frozen_references(), 0U);
  call(*fresh, "/a", 9);
  save(store, *fresh);
  EXPECT_EQ(kept().size(), 1U);
  EXPECT_FALSE(kept().contains("analysis/drift/00"));
}

}  // namespace
}  // namespace sentinel::app
