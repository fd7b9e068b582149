#pragma once
// What to expect of a source that the training has never seen: for each source of attacks, a model trained without it.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/train/tasks.h"

namespace sentinel::analysis::train {

struct UnseenSource {
  Task task = kInjectionTask;
  std::string source;
  SliceFigures figures;  // of all its rows, at the threshold of the model that has not seen it
};

// Injection, toxicity and risky requests, or one of them. Trains a model a source, on all cores: minutes.
// `trained` is told of each, from any thread, one at a time.
std::vector<UnseenSource> leave_sources_out(const Corpus& corpus, uint64_t seed, std::optional<Task> only,
                                            const std::function<void(const UnseenSource&)>& trained);
double macro_recall(const std::vector<UnseenSource>& sources, Task task);

}  // namespace sentinel::analysis::train
