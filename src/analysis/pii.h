#pragma once
// Personal data and secrets in one Vectorscan pass plus checks.

#include <memory>

#include "analysis/analyzer.h"
#include "base/result.h"

namespace sentinel::analysis {

// The first of a process compiles the patterns (0.3 s); those made while it lives share them. The detector is
// thread-safe. Fails with kInternal when the processor lacks what Vectorscan needs. Without `known_makers` keys are
// found by keyword and randomness only: what remains for makers not in our list.
Result<std::unique_ptr<PiiDetector>> make_pii_detector(bool known_makers = true);

// Distinct types of `spans` in order of first appearance, SECRET:<rule> shortened to SECRET.
std::vector<std::string> pii_types(const std::vector<Span>& spans);

}  // namespace sentinel::analysis
