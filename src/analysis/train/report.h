#pragma once
// The figures of docs/analysis.md as Markdown: by source, by type of finding, by disguise. Never a row.

#include <string>
#include <vector>

#include "analysis/heads.h"
#include "analysis/train/leave_out.h"
#include "analysis/train/tasks.h"

namespace sentinel::analysis::train {

// Each detector on the dev split, source by source.
Result<std::string> figures_markdown(const HeadModel& model, const Corpus& corpus);
std::string unseen_markdown(const std::vector<UnseenSource>& sources);

}  // namespace sentinel::analysis::train
