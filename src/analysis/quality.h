#pragma once
// What can be said of an answer without a judge: is it about the question, a refusal, cut off, stuck in a loop, empty.

#include <string_view>

#include "analysis/features.h"
#include "analysis/heads.h"

namespace sentinel::analysis {

// How much the answer is about the question, 0..1: a normal answer lies above 0.5, one on another subject below 0.35.
// Shared words count by rarity, inflected forms by their stem. Answers too short to judge ("Paris", "yes") get 0.6.
// Takes folded texts and their features.
double semantic_similarity(const HeadModel& model, std::string_view question, const FeatureDoc& question_doc,
                           std::string_view answer, const FeatureDoc& answer_doc);
// Its two parts, for calibration: weighted share of the question's words found in the answer, and embedding cosine.
struct Overlap {
  double containment = 0;
  double cosine = 0;
};
Overlap topical_overlap(const HeadModel& model, std::string_view question, const FeatureDoc& question_doc,
                        std::string_view answer, const FeatureDoc& answer_doc);

bool is_refusal(std::string_view folded_answer);
bool is_truncated(std::string_view answer, std::string_view finish_reason);
// It begins as a JSON object or a list of them, in a fence or not, and does not parse.
bool is_broken_json(std::string_view answer);
// The letters that four fifths of a text are written in: "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Indic",
// "Chinese or Japanese", "Korean"; "" for short and mixed texts.
std::string_view script_of(std::string_view text);
// The share of word 4-grams that repeat an earlier one, 0..1; 0 for texts under 20 words.
double repetition(const FeatureDoc& doc);
bool is_blank(std::string_view text);  // nothing but space and invisible characters

}  // namespace sentinel::analysis
