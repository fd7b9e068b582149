#pragma once
// Injection, toxicity and risky-request risk of one text, from one normalisation and one hashing pass.

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "analysis/analyzer.h"
#include "analysis/heads.h"

namespace sentinel::analysis {

// Probabilities of the second stages; index by Task.
struct TextAssessment {
  TaskRisks risk{};
  Normalized normalized;
  HeadScores scores;
};
TextAssessment assess(const HeadModel& model, std::string_view text);

// A probability moved so that the task's threshold becomes 0.5: what operators see and rules compare with 0.5.
double centered_risk(const SecondStage& stage, double probability);

TextRisk injection_risk(const HeadModel& model, const TextAssessment& assessment);
TextRisk safety_risk(const HeadModel& model, const TextAssessment& assessment);

std::unique_ptr<InjectionDetector> make_injection_detector(const HeadModel& model);
std::unique_ptr<SafetyDetector> make_safety_detector(const HeadModel& model);

}  // namespace sentinel::analysis
