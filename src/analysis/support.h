#pragma once
// Is each sentence of an answer backed by the document it was given? Word, pair and n-gram containment weighted by
// rarity, and hard mismatches: numbers, names, negation. Says "supported", never "true".

#include <memory>
#include <vector>

#include "analysis/analyzer.h"
#include "analysis/heads.h"

namespace sentinel::analysis {

std::unique_ptr<SupportDetector> make_support_detector(const HeadModel& model);

// The inputs of the second stage for an answer (empty when there is no document or no answer); used by training.
std::vector<float> support_inputs(const HeadModel& model, std::string_view document, std::string_view question,
                                  std::string_view answer);

}  // namespace sentinel::analysis
