#pragma once
// Gaps ahead as series: a hole in next week's rota should page before it is somebody's night.

#include "base/metrics.h"
#include "oncall/config.h"

namespace sentinel::oncall {

// When no level of the policy has anybody. Times at which levels are closed are not looked at: they wait, or others
// are told.
std::vector<Span> uncovered(const Config& config, const Policy& policy, const Span& range);

// Sets sentinel_oncall_uncovered_seconds{policy}, and sentinel_oncall_{gap,empty_shift,overlap}_seconds and
// sentinel_oncall_never_serve{schedule} for [now, now + ahead). A schedule or policy that is gone since the last call
// must be passed in `before` to be set to 0.
void publish_coverage(const Config& config, TimePoint now, Micros ahead, MetricRegistry& metrics,
                      const Config* before = nullptr);

}  // namespace sentinel::oncall
