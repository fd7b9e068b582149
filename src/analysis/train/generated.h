#pragma once
// Rows made from small grammars of our own: ordinary requests full of trigger words (the commonest false alarms of an
// injection detector), the attack grammar in the main languages beside harmless twins, plain threats, and everyday
// questions beside harmful ones of the same form, pages of help and manuals. A fifth of each is dev: of the questions
// whole patterns, else by hash.

#include <vector>

#include "analysis/rows.h"

namespace sentinel::analysis::train {

inline constexpr const char* kEverydaySlice = "everyday";
inline constexpr const char* kHelpPagesSlice = "help_pages";

// Slices: trigger_words (SAFE), other_languages (SAFE and PROMPT_INJECTION), pretexts (PROMPT_INJECTION).
std::vector<Row> generated_injection_rows();
// Harmless requests (everyday) and documents (help_pages); for the injection file, whose benign rows teach every head.
std::vector<Row> generated_everyday_rows();
std::vector<Row> generated_risky_rows();  // requests for harm in the same form
std::vector<Row> generated_toxicity_rows();

}  // namespace sentinel::analysis::train
