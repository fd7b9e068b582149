#pragma once
// Rows made from small grammars of our own: ordinary requests full of trigger words (the commonest false alarms of an
// injection detector), the attack grammar in the main languages beside harmless twins, and plain threats. A fifth of
// each, by hash, is dev.

#include <vector>

#include "analysis/train/dataset.h"

namespace sentinel::analysis::train {

// Slices: trigger_words (SAFE), other_languages (SAFE and PROMPT_INJECTION).
std::vector<Row> generated_injection_rows();
// Slice threats (TOXIC), with the sentences that only quote the same verbs as SAFE.
std::vector<Row> generated_toxicity_rows();

}  // namespace sentinel::analysis::train
