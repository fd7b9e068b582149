#pragma once
// MTTD, MTTA and MTTR from the recorded status changes, never assumed. Incidents of test traffic are left out.
//   MTTD = detected_at - impact_started_at      (where diagnosis found an onset)
//   MTTA = acknowledged_at - created_at         (explicit acknowledgements by people only)
//   MTTR = resolved_at - created_at
// What has not happened yet is censored: counted beside, not averaged in.

#include <map>
#include <optional>
#include <vector>

#include "incident/service.h"

namespace sentinel::incident {

// By linear interpolation between the closest ranks (quantile_cont). REQUIRES: sorted, not empty, 0 <= q <= 1.
double quantile(const std::vector<double>& sorted, double q);

struct DurationStats {
  uint64_t count = 0;
  double p50_s = 0;
  double p90_s = 0;
  double mean_s = 0;
};

struct Analytics {
  uint64_t incidents = 0;
  std::map<model::Severity, uint64_t> by_severity;
  DurationStats time_to_detect;
  DurationStats time_to_acknowledge;
  DurationStats time_to_resolve;
  uint64_t open = 0;
  uint64_t unacknowledged = 0;  // resolved or not, never acknowledged by a person
};

Analytics analyze(const std::vector<IncidentRecord>& records);

// How these change: of the incidents created in each period of `step` from `from` on; the last one may be shorter.
struct AnalyticsPeriod {
  TimePoint start;
  Analytics figures;
};
// REQUIRES: from < to, step > 0.
std::vector<AnalyticsPeriod> analyze_over_time(const std::vector<IncidentRecord>& records, TimePoint from, TimePoint to,
                                               Micros step);
// Of a span: an hour up to two days, a day up to six weeks, else a week.
Micros usual_period(Micros span);

}  // namespace sentinel::incident
