#pragma once
// The training recipe: which rows teach which head, cross-fitting, second stages and thresholds.

#include <map>
#include <string>
#include <vector>

#include "analysis/figures.h"
#include "analysis/heads.h"
#include "analysis/rows.h"

namespace sentinel::analysis::train {

struct Corpus {
  std::vector<Row> injection;
  std::vector<Row> toxicity;
  std::vector<Row> risky;
  std::vector<Row> groundedness;
  std::vector<Row> pii;
};
Result<Corpus> read_corpus(const std::string& directory);

// Trains on the rows of split train; thresholds are set at 1 % false positives on the benign dev rows.
HeadModel train(const Corpus& corpus, uint64_t seed);

// The dev rows of a task as the model scores them; benign LLM prompts are added to toxicity and risky, as the data
// says. Generated rows are easy, since train and dev share their grammar: they are left out, or scored alone.
enum class DevRows { kCollected, kGenerated };
std::vector<Scored> score_dev(const HeadModel& model, const Corpus& corpus, Task task,
                              DevRows which = DevRows::kCollected);

inline constexpr const char* kBenignSlice = "benign_prompts";

}  // namespace sentinel::analysis::train
