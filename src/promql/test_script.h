#pragma once
// Runs scripts in Prometheus's test language (promqltest): load, clear, eval instant|range, expect lines.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "promql/engine.h"

namespace sentinel::promql {

struct ScriptCase {
  int line = 0;  // of the eval command, from 1
  std::string query;
  bool native_histograms = false;  // reads native histograms or expects some
  bool passed = false;
  std::string failure;  // why not
};

// The options under which Prometheus runs its own scripts: every experimental switch on, at most 10,000 samples.
EngineOptions script_engine_options();

// An error when the script itself is malformed (with its line); what the queries answer is in the cases. An instant query
// is also evaluated as the middle step of a range query and, where its result does not depend on the evaluation time, with
// @ at other times.
Result<std::vector<ScriptCase>> run_script(std::string_view script, const EngineOptions& options);

// a and b differ by less than their sum times `epsilon`; NaN equals NaN, a stale marker only another.
bool almost_equal(double a, double b, double epsilon);

}  // namespace sentinel::promql
