#include "ingest/feedback.h"

#include <unistd.h>

#include <cmath>
#include <map>
#include <memory>

#include <gtest/gtest.h>

#include "base/file.h"

namespace sentinel::ingest {
namespace {

// Knows calls by id, as llm_events does.
class KnownCalls final : public events::EventStore {
 public:
  Status append(const std::vector<model::Interaction>&) override { return {}; }
  Result<events::SqlResult> query(std::string_view, const events::SqlLimits&) override { return events::SqlResult{}; }
  Result<events::SqlResult> query(std::string_view, const std::vector<events::Cell>& params,
                                  const events::SqlLimits&) override {
    events::SqlResult out;
    const std::string id = std::get<std::string>(params.at(0));
    if (!id.starts_with("call") && !id.starts_with("test")) return out;
    out.rows.push_back({std::string("shop"), std::string("prod"), std::string("/qa"), std::string("gpt"),
                        std::string("gpt-1"), std::monostate{}, id.starts_with("test")});
    return out;
  }
  Status maintain() override { return {}; }
  events::StoreStats stats() const override { return {}; }
};

class FeedbackTest : public testing::Test {
 protected:
  FeedbackTest() : dir_(testing::TempDir() + "/feedback-" + std::to_string(getpid())) {
    EXPECT_TRUE(posix_env().make_dirs(dir_));
    open();
  }
  ~FeedbackTest() override {
    desk_.reset();
    database_.reset();
    (void)posix_env().remove_tree(dir_);
  }
  void open() {
    desk_.reset();
    database_.reset();
    metrics_ = std::make_unique<MetricRegistry>();
    auto database = state::open_sqlite(dir_ + "/state.db", *metrics_);
    ASSERT_TRUE(database) << database.error().to_string();
    database_ = std::move(*database);
    ASSERT_TRUE(FeedbackDesk::migrate(*database_));
    desk_ = std::make_unique<FeedbackDesk>(*database_, calls_, *metrics_, clock_);
  }
  Feedback rate(const std::string& id, double rating) {
    return desk_->record({id, rating, {}, false, "ada", "api"}).value_or(Feedback{});
  }
  Feedback label(const std::string& id, AnswerLabel label) {
    return desk_->record({id, {}, label, false, "ada", "api"}).value_or(Feedback{});
  }
  // The sum of a family's points whose labels have `value` in any place; -1 when there is no such point.
  double series(std::string_view name, std::string_view value = "") const {
    double sum = -1;
    for (const MetricFamily& family : metrics_->collect()) {
      if (family.name != name) continue;
      for (const MetricPoint& point : family.points) {
        const bool has = value.empty() || std::any_of(point.labels.begin(), point.labels.end(),
                                                      [&](const auto& l) { return l.second == value; });
        if (has) sum = std::max(sum, 0.0) + point.value;
      }
    }
    return sum;
  }

  const std::string dir_;
  FakeClock clock_;
  KnownCalls calls_;
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<FeedbackDesk> desk_;
};

TEST_F(FeedbackTest, PartsAreToldOneByOneAndAddUp) {
  rate("call-1", 1);
  label("call-1", AnswerLabel::kCorrect);
  const auto all = desk_->record({"call-1", {}, {}, true, "ada", "api"});
  ASSERT_TRUE(all) << all.error().to_string();
  EXPECT_EQ(all->rating, 1.0);
  EXPECT_EQ(all->label, AnswerLabel::kCorrect);
  EXPECT_EQ(all->converted_at, clock_.now());
  EXPECT_EQ(series("llm_feedback_total"), 3);
  EXPECT_EQ(series("llm_feedback_total", "positive"), 1);
  EXPECT_EQ(series("llm_feedback_total", "gpt-1"), 3);
  EXPECT_EQ(series("conversions_total"), 1);
}

TEST_F(FeedbackTest, TheSameAgainCountsOnceAndAnotherWordReplaces) {
  rate("call-1", 1);
  rate("call-1", 1);
  EXPECT_EQ(series("llm_feedback_total"), 1);
  EXPECT_EQ(rate("call-1", 0).rating, 0.0);
  EXPECT_EQ(series("llm_feedback_total", "negative"), 1);
  const TimePoint first = clock_.now();
  ASSERT_TRUE(desk_->record({"call-1", {}, {}, true, "", ""}));
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(desk_->record({"call-1", {}, {}, true, "", ""}).value().converted_at, first);
  EXPECT_EQ(series("conversions_total"), 1);
}

TEST_F(FeedbackTest, WhatMakesNoSenseIsRefused) {
  struct Case {
    FeedbackRequest request;
    ErrorCode code;
  };
  const Case cases[] = {
      {{"unknown", 1.0, {}, false, "", ""}, ErrorCode::kNotFound},
      {{"call-1", {}, {}, false, "", ""}, ErrorCode::kInvalidArgument},
      {{"call-1", 1.5, {}, false, "", ""}, ErrorCode::kInvalidArgument},
      {{"call-1", std::nan(""), {}, false, "", ""}, ErrorCode::kInvalidArgument},
      {{"", 1.0, {}, false, "", ""}, ErrorCode::kInvalidArgument},
      {{std::string(300, 'c'), 1.0, {}, false, "", ""}, ErrorCode::kInvalidArgument},
  };
  for (const Case& c : cases) {
    const auto result = desk_->record(c.request);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), c.code) << result.error().to_string();
  }
  EXPECT_EQ(series("llm_feedback_total"), -1);
}

TEST_F(FeedbackTest, MeansComeFromTenAnswersOnAndLiveThroughARestart) {
  for (int i = 0; i < 9; ++i) rate("call-" + std::to_string(i), i < 6 ? 1 : 0);
  ASSERT_TRUE(desk_->refresh());
  EXPECT_EQ(series("user_satisfaction_score"), -1) << "nine say too little";
  rate("call-9", 0);
  rate("test-1", 1);  // marked as a test: kept, in no series
  ASSERT_TRUE(desk_->refresh());
  EXPECT_DOUBLE_EQ(series("user_satisfaction_score"), 0.6);
  EXPECT_EQ(series("llm_feedback_total"), 10);
  open();
  ASSERT_TRUE(desk_->refresh());
  EXPECT_DOUBLE_EQ(series("user_satisfaction_score"), 0.6);
  rate("call-9", 1);  // replaces
  ASSERT_TRUE(desk_->refresh());
  EXPECT_DOUBLE_EQ(series("user_satisfaction_score"), 0.7);
}

TEST_F(FeedbackTest, AccuracyIsTheLastDayAgainstTheWeekBefore) {
  for (int i = 0; i < 20; ++i) label("call-old-" + std::to_string(i), AnswerLabel::kCorrect);
  clock_.advance(std::chrono::hours(30));
  for (int i = 0; i < 10; ++i)
    label("call-new-" + std::to_string(i), i < 7 ? AnswerLabel::kCorrect : AnswerLabel::kIrrelevant);
  ASSERT_TRUE(desk_->refresh());
  EXPECT_DOUBLE_EQ(series("model_accuracy_current"), 0.7);
  EXPECT_DOUBLE_EQ(series("model_accuracy_baseline"), 1.0);
  // A day of silence: nothing is current, all of it is baseline. Nobody has to say anything for that.
  clock_.advance(std::chrono::hours(25));
  ASSERT_TRUE(desk_->refresh());
  EXPECT_TRUE(std::isnan(series("model_accuracy_current")));
  EXPECT_DOUBLE_EQ(series("model_accuracy_baseline"), 0.9);
}

TEST_F(FeedbackTest, OldFeedbackIsForgottenAndItsMeansEnd) {
  for (int i = 0; i < 10; ++i) rate("call-" + std::to_string(i), 1);
  ASSERT_TRUE(desk_->refresh());
  EXPECT_EQ(series("user_satisfaction_score"), 1);
  clock_.advance(std::chrono::hours(48));
  ASSERT_TRUE(desk_->prune(clock_.now() - std::chrono::hours(24)));
  ASSERT_TRUE(desk_->refresh());
  EXPECT_TRUE(std::isnan(series("user_satisfaction_score")));
}

}  // namespace
}  // namespace sentinel::ingest
