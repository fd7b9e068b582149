// The shipped weights against the development data, when it is there. Floors lie a little under what was measured, so
// that a change which costs accuracy fails here. Prints figures only.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "analysis/pii.h"
#include "analysis/train/bars.h"
#include "analysis/train/tasks.h"

namespace sentinel::analysis::train {
namespace {

class DevData : public testing::Test {
 protected:
  void SetUp() override {
    const char* elsewhere = std::getenv("SENTINEL_SHARED_DIR");  // for a work tree that lies deeper
    const std::string directory = std::string(elsewhere ? elsewhere : SENTINEL_SHARED_DIR) + "/data/analysis";
    if (!std::filesystem::exists(directory + "/injection.jsonl.gz")) GTEST_SKIP() << "no development data";
    static const Corpus kCorpus = read_corpus(directory).value();
    corpus_ = &kCorpus;
  }
  const HeadModel& model_ = HeadModel::embedded();
  const Corpus* corpus_ = nullptr;
};

TEST_F(DevData, Injection) {
  const double threshold = model_.stage(kInjectionTask).threshold;
  const std::vector<Scored> rows = score_dev(model_, *corpus_, kInjectionTask);
  const Pooled all = pooled(rows, threshold);
  EXPECT_GE(all.f1, 0.94);
  EXPECT_GE(all.auc, 0.99);
  EXPECT_LE(all.false_positive_rate, 0.011);
  EXPECT_LE(calibration_error(rows), 0.03);
  std::map<std::string, SliceFigures> slices = by_slice(rows, threshold);
  double recall = 0;
  int sources = 0;
  for (const auto& [slice, figures] : slices) {
    if (figures.positives == 0) continue;
    recall += figures.recall;
    ++sources;
  }
  EXPECT_GE(recall / sources, 0.82);
  EXPECT_LE(slices["awesome"].false_positive_rate, 0.02);
  EXPECT_LE(slices["gpt_role"].false_positive_rate, 0.02);
  EXPECT_LE(slices["benign_documents"].false_positive_rate, 0.015);
  std::printf("injection: F1 %.3f AUC %.4f FPR %.4f macro recall %.3f\n", all.f1, all.auc, all.false_positive_rate,
              recall / sources);
}

TEST_F(DevData, GeneratedTriggerWordsAndLanguages) {
  std::map<std::string, SliceFigures> slices = by_slice(
      score_dev(model_, *corpus_, kInjectionTask, DevRows::kGenerated), model_.stage(kInjectionTask).threshold);
  EXPECT_LE(slices["trigger_words"].false_positive_rate, 0.02);
  EXPECT_LE(slices["other_languages"].false_positive_rate, 0.02);
  EXPECT_GE(slices["other_languages"].recall, 0.95);
}

// Patterns the training has not seen: the form "How do I ...?" must not decide, what is asked must.
TEST_F(DevData, GeneratedEverydayAndHarmfulQuestions) {
  for (const Task task : {kInjectionTask, kRiskyTask}) {
    std::map<std::string, SliceFigures> slices =
        by_slice(score_dev(model_, *corpus_, task, DevRows::kGenerated), model_.stage(task).threshold);
    const SliceFigures& everyday = slices[task == kInjectionTask ? "everyday" : "benign_prompts"];
    ASSERT_GT(everyday.negatives, 200U);
    EXPECT_LE(everyday.false_positive_rate, task == kRiskyTask ? 0.03 : 0.01) << "task " << task;
    if (task == kInjectionTask) {  // pages of help are full of imperatives, addressed to people
      ASSERT_GT(slices["help_pages"].negatives, 100U);
      EXPECT_LE(slices["help_pages"].false_positive_rate, 0.01);
    }
    if (task == kRiskyTask) EXPECT_GE(slices["harmful_questions"].recall, 0.6);
  }
}

// The benign twin: hiding a text must not make it an attack.
TEST_F(DevData, HiddenAttacksKeepMostOfThePlainRecall) {
  for (const HiddenRecall& hidden : hidden_recall(model_, *corpus_)) {
    EXPECT_GE(hidden.kept, 0.90) << hidden.trick;
    EXPECT_LE(hidden.false_alarms, 0.05) << hidden.trick;
  }
}

TEST_F(DevData, Toxicity) {
  const double threshold = model_.stage(kToxicityTask).threshold;
  const std::vector<Scored> rows = score_dev(model_, *corpus_, kToxicityTask);
  for (const auto& [slice, figures] : by_slice(rows, threshold)) {
    if (figures.positives == 0) {
      EXPECT_LE(figures.false_positive_rate, 0.005) << slice;
      continue;
    }
    std::printf("toxicity %-24s AUC %.3f, inside the slice %.3f\n", slice.c_str(), figures.auc_against_all,
                figures.auc_inside);
    EXPECT_GE(figures.auc_against_all, 0.92) << slice;
    EXPECT_GE(figures.auc_inside, 0.86) << slice;
  }
  EXPECT_LE(calibration_error(rows), 0.03);
}

TEST_F(DevData, Risky) {
  const std::vector<Scored> rows = score_dev(model_, *corpus_, kRiskyTask);
  const Pooled all = pooled(rows, model_.stage(kRiskyTask).threshold);
  std::printf("risky: recall %.3f FPR %.4f AUC %.4f\n", all.recall, all.false_positive_rate, all.auc);
  EXPECT_GE(all.recall, 0.87);
  EXPECT_GE(all.auc, 0.985);
  EXPECT_LE(calibration_error(rows), 0.04);
}

TEST_F(DevData, Support) {
  const std::vector<Scored> rows = score_dev(model_, *corpus_, kSupportTask);
  std::map<std::string, SliceFigures> slices = by_slice(rows, 0.5);
  for (const auto& [slice, figures] : slices)
    std::printf("support %-20s AUC %.3f\n", slice.c_str(), figures.auc_against_all);
  for (const char* slice : {"edit_num", "edit_neg", "edit_ent_out"})
    EXPECT_GE(slices[slice].auc_against_all, 0.97) << slice;
  EXPECT_GE(slices["edit_ent_in"].auc_against_all, 0.95);
  // Answers of equal length, and real conversations: within their own source too, where length and style are the same.
  EXPECT_GE(slices["halueval_qa_lenctrl"].auc_against_all, 0.96);
  EXPECT_GE(slices["halueval_qa_lenctrl"].auc_inside, 0.96);
  for (const char* slice : {"begin_wow", "begin_cmu"}) {
    EXPECT_GE(slices[slice].auc_against_all, 0.96) << slice;
    EXPECT_GE(slices[slice].auc_inside, 0.94) << slice;
  }
  EXPECT_LE(calibration_error(rows), 0.05);
}

TEST_F(DevData, PersonalDataAndSecrets) {
  std::vector<Row> rows;
  for (const Row& row : corpus_->pii) {
    if (row.dev) rows.push_back(row);
  }
  const SpanReport known = evaluate_spans(*make_pii_detector().value(), rows);
  SpanReport unknown = evaluate_spans(*make_pii_detector(false).value(), rows);
  std::printf("pii: F1 %.3f; keys of makers without a pattern: recall %.3f precision %.3f\n", known.all.f1(),
              unknown.by_type["SECRET"].recall(), unknown.by_type["SECRET"].precision());
  EXPECT_GE(known.all.f1(), 0.99);
  EXPECT_GE(unknown.by_type["SECRET"].recall(), 0.90);
  EXPECT_GE(unknown.by_type["SECRET"].precision(), 0.95);
  for (const auto& [kind, figures] : known.by_kind) EXPECT_LE(figures.share(), 0.02) << kind;
}

}  // namespace
}  // namespace sentinel::analysis::train
