#pragma once
// When the present trouble began, from counts of calls over time. Pure functions.

#include <cstddef>
#include <optional>
#include <vector>

namespace sentinel::incident {

// Calls within one step of time.
struct CallCounts {
  double calls = 0;
  double failing = 0;
};

// The step with which the stretch of failing calls begins that an alert at step `alert` is about. Time is cut into
// stretches of one failing share each, as many as the counts bear out (maximum likelihood, penalized); the answer is
// the last rise at or before the alert, and what leads up to it without a calm between. An earlier trouble that calm
// separates is another one. Where the share never changes, it is the first step with a failing call.
// nullopt: no call fails at or after that step. REQUIRES: alert < steps.size().
std::optional<size_t> onset_step(const std::vector<CallCounts>& steps, size_t alert);

}  // namespace sentinel::incident
