#pragma once
// Injection, toxicity and risky-request risk of one text, from one normalisation and one hashing pass.

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "analysis/analyzer.h"
#include "analysis/heads.h"
#include "analysis/policy.h"

namespace sentinel::analysis {

// Probabilities of the second stages; index by Task.
struct TextAssessment {
  TaskRisks risk{};
  Normalized normalized;
  HeadScores scores;
};
TextAssessment assess(const HeadModel& model, std::string_view text);

// A calibrated probability stretched on both sides of `threshold` so that it becomes 0.5, and 0 and 1 stay: rules and
// people compare with 0.5 on every route. With the shipped thresholds it stays calibrated (measured among the bars).
double centered_risk(double threshold, double probability);

// The risk, centred on the threshold (absent: the shipped one); above it also what it is and why. What is harmful in a
// text, and what is a request for harm, have categories of their own.
TextRisk injection_risk(const HeadModel& model, const TextAssessment& assessment,
                        std::optional<double> threshold = std::nullopt);
TextRisk toxicity_risk(const HeadModel& model, const TextAssessment& assessment,
                       std::optional<double> threshold = std::nullopt);
TextRisk risky_risk(const HeadModel& model, const TextAssessment& assessment,
                    std::optional<double> threshold = std::nullopt);
// The worse of the last two, with the categories of both.
TextRisk safety_risk(const HeadModel& model, const TextAssessment& assessment);

std::unique_ptr<InjectionDetector> make_injection_detector(const HeadModel& model);
std::unique_ptr<SafetyDetector> make_safety_detector(const HeadModel& model);

}  // namespace sentinel::analysis
