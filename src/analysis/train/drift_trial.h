#pragma once
// Drift on real texts: how often calm traffic raises an alarm, and how often a partial change is found.

#include "analysis/drift.h"
#include "analysis/heads.h"
#include "analysis/train/tasks.h"

namespace sentinel::analysis::train {

struct DriftTrial {
  size_t calm_windows = 0;
  size_t calm_alarms = 0;       // of the window test
  size_t calm_slow_alarms = 0;  // of the sequential test
  size_t changed_windows = 0;   // first windows in which `changed_share` of the calls are of another kind
  size_t changed_alarms = 0;
};

struct DriftTrialOptions {
  DriftSettings settings{.reference_size = 400, .window = 200, .false_alarm_rate = 0.01};
  size_t trials = 150;  // each with another reference
  double changed_share = 0.3;
  uint64_t seed = 1;
};

// Calls are benign texts of the injection data, cut into a prompt and an answer; the change is to texts of `other`.
DriftTrial run_drift_trial(const HeadModel& model, const Corpus& corpus, std::string_view other,
                           const DriftTrialOptions& options);

}  // namespace sentinel::analysis::train
