#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "runbook/library.h"
#include "runbook/runs.h"

namespace sentinel::runbook {
namespace {

constexpr std::string_view kDrift = R"(
id: llm-drift
title: Answers have drifted
alert_rule_id: LLMDriftDetected
estimated_time: 15 min
prerequisites: [access to the gateway configuration]
steps:
  - step_id: look
    description: Open the diagnosis
  - step_id: pin
    description: Pin the previous model version
    action: set targets[0].model
)";

Result<std::shared_ptr<const Library>> parse(std::vector<SourceFile> files) { return Library::parse(files); }

TEST(Runbook, IsMatchedByItsIdThenByRuleThenByLabels) {
  const auto library =
      parse({{"a.yml", std::string(kDrift)},
             {"b.yml", "id: by-label\ntitle: T\nmatch: {category: llm}\nsteps: [{step_id: a, description: b}]\n"},
             {"c.md", "# Provider down\n\n## Mitigation\n1. Fail over\n2. Tell the team\n"}})
          .value();
  const auto match = [&](model::Labels labels, model::Labels annotations) {
    const Runbook* book = library->match(labels, annotations);
    return book == nullptr ? std::string() : book->id;
  };
  EXPECT_EQ(match({{"alertname", "LLMDriftDetected"}}, {}), "llm-drift");
  EXPECT_EQ(match({{"alertname", "Other"}, {"category", "llm"}}, {}), "by-label");
  EXPECT_EQ(match({{"alertname", "LLMDriftDetected"}}, {{"runbook", "c"}}), "c");
  EXPECT_EQ(match({{"alertname", "Other"}}, {{"runbook", "missing"}}), "");
}

TEST(Runbook, MarkdownStepsAreItsNumberedItems) {
  const auto book =
      parse_markdown_runbook(
          "# Provider down\ntext\n## Symptoms\n1. not a step\n## Mitigation\n1. Fail over\n2. Tell the team\n",
          "dir/provider-down.md")
          .value();
  EXPECT_EQ(book.id, "provider-down");
  EXPECT_EQ(book.title, "Provider down");
  ASSERT_EQ(book.steps.size(), 2u);
  EXPECT_EQ(book.steps[1].description, "Tell the team");
}

TEST(Runbook, WrongFilesSayWhereAndWhatWasExpected) {
  struct Case {
    const char* text;
    const char* error;
  };
  for (const Case& c :
       {Case{"id: a\ntitle: t\nstep: []\n", "x.yml:3:1: unknown field \"step\" in runbook; did you mean \"steps\"?"},
        Case{"id: a\ntitle: t\n", "x.yml:1:1: runbook needs a field \"steps\""},
        Case{"id: a\ntitle: t\nsteps: []\n", "x.yml:3:8: steps must be a list with at least one step"},
        Case{"id: a\ntitle: t\nsteps: [{step_id: x, description: d}, {step_id: x, description: d}]\n",
             "x.yml:3:39: step_id \"x\" is used twice"}}) {
    const auto book = parse_yaml_runbook(c.text, "x.yml");
    ASSERT_FALSE(book) << c.text;
    EXPECT_EQ(book.error().to_string(), c.error);
  }
  EXPECT_FALSE(parse({{"a.yml", std::string(kDrift)}, {"b.yml", std::string(kDrift)}})) << "ids are unique";
}

class RunsTest : public testing::Test {
 protected:
  RunsTest() : path_(testing::TempDir() + "/runs-" + std::to_string(getpid()) + ".db") {
    std::filesystem::remove(path_);
    open();
  }
  ~RunsTest() override {
    runs_.reset();
    database_.reset();
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path_ + suffix);
  }
  void open() {
    runs_.reset();
    database_.reset();
    database_ = state::open_sqlite(path_, metrics_).value();
    ASSERT_TRUE(Runs::migrate(*database_));
    runs_ = std::make_unique<Runs>(scheduler_, *database_,
                                   [this](state::Tx&, std::string_view, std::string_view text, std::string_view,
                                          std::string_view, std::string_view) -> Status {
                                     timeline_.emplace_back(text);
                                     return {};
                                   });
  }

  const std::string path_;
  SimScheduler scheduler_;
  MetricRegistry metrics_;
  std::vector<std::string> timeline_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<Runs> runs_;
};

TEST_F(RunsTest, TicksSurviveARestartAndAreOnTheTimeline) {
  const Runbook book = parse_yaml_runbook(kDrift, "x.yml").value();
  ASSERT_TRUE(runs_->attach("I1", book));
  EXPECT_EQ(runs_->get("I1").value()->next_step()->step_id, "look");
  ASSERT_TRUE(runs_->set_step("I1", "look", StepState::kDone, "new version", "ada", "page"));
  open();
  const auto run = runs_->get("I1").value();
  ASSERT_TRUE(run);
  EXPECT_EQ(run->next_step()->step_id, "pin");
  EXPECT_EQ(run->progress.at("look").note, "new version");
  EXPECT_EQ(timeline_, (std::vector<std::string>{"runbook attached: Answers have drifted",
                                                 "runbook step 1 done: Open the diagnosis (new version)"}));
}

TEST_F(RunsTest, AFailedStepStopsTheRun) {
  const Runbook book = parse_yaml_runbook(kDrift, "x.yml").value();
  ASSERT_TRUE(runs_->attach("I1", book));
  const auto run = runs_->set_step("I1", "look", StepState::kFailed, "", "ada", "page");
  ASSERT_TRUE(run);
  EXPECT_EQ(run->next_step(), nullptr);
}

TEST_F(RunsTest, AttachingTwiceKeepsTheFirstAndUnknownStepsAreNotFound) {
  const Runbook book = parse_yaml_runbook(kDrift, "x.yml").value();
  ASSERT_TRUE(runs_->attach("I1", book));
  ASSERT_TRUE(runs_->set_step("I1", "look", StepState::kDone, "", "ada", "page"));
  const auto again = runs_->attach("I1", book);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->progress.at("look").state, StepState::kDone);
  EXPECT_EQ(runs_->set_step("I1", "nope", StepState::kDone, "", "ada", "page").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(runs_->set_step("I2", "look", StepState::kDone, "", "ada", "page").error().code(), ErrorCode::kNotFound);
}

TEST_F(RunsTest, AnotherRunbookTakesThePlaceOfOneThatNobodyHasBegun) {
  const Runbook first = parse_yaml_runbook(kDrift, "x.yml").value();
  Runbook second = first;
  second.id = "other";
  second.title = "Calls fail";
  second.steps = {{"fail-over", "Fail over", "", "", "", ""}};
  ASSERT_TRUE(runs_->attach("I1", first));
  const auto run = runs_->attach("I1", second);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->runbook.id, "other");
  ASSERT_NE(run->next_step(), nullptr);
  EXPECT_EQ(run->next_step()->step_id, "fail-over");
  EXPECT_EQ(run->runbook.steps.size(), 1u);
  EXPECT_EQ(timeline_.back(), "runbook attached: Calls fail");

  ASSERT_TRUE(runs_->set_step("I1", "fail-over", StepState::kDone, "", "ada", "page"));
  ASSERT_TRUE(runs_->set_step("I1", "fail-over", StepState::kTodo, "not yet", "ada", "page"));
  EXPECT_EQ(runs_->attach("I1", first)->runbook.id, "other") << "a step taken back was worked on";
}

}  // namespace
}  // namespace sentinel::runbook
