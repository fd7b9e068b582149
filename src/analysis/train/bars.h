#pragma once
// What the detectors are held to, measured: the table of docs/analysis.md.

#include <string>
#include <vector>

#include "analysis/heads.h"
#include "analysis/train/tasks.h"

namespace sentinel::analysis::train {

struct Bar {
  std::string subject;  // "injection"
  std::string what;     // "recall, mean of the sources"
  double bound = 0;
  bool at_least = true;  // otherwise: at most
  double value = 0;
  bool met() const { return at_least ? value >= bound : value <= bound; }
};

// Takes about half a minute: drift is tried on many references.
Result<std::vector<Bar>> measure_bars(const HeadModel& model, const Corpus& corpus);
std::string to_markdown(const std::vector<Bar>& bars);

// Attacks of the dev split that are found as they are, and that are still found when hidden by each trick.
struct HiddenRecall {
  const char* trick;
  double kept = 0;          // share of the attacks
  double false_alarms = 0;  // share of harmless texts, hidden the same way, that are flagged
};
std::vector<HiddenRecall> hidden_recall(const HeadModel& model, const Corpus& corpus);

}  // namespace sentinel::analysis::train
