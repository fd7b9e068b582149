#pragma once
// The `analysis` section of sentinel.yml.

#include "analysis/drift_reference.h"
#include "analysis/policy.h"
#include "app/judge_config.h"
#include "text/yaml.h"

namespace sentinel::app {

struct AnalysisConfig {
  analysis::DriftSettings drift;  // put in force at the start
  analysis::Policies policies;    // these also by a reload
  std::vector<JudgeConfig> judges;
};

// A null node gives the defaults. Errors have positions.
Result<AnalysisConfig> parse_analysis(const text::YamlNode& node);

}  // namespace sentinel::app
