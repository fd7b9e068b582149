#include "incident/analytics.h"

#include <algorithm>
#include <cmath>

namespace sentinel::incident {
namespace {

DurationStats stats(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  double sum = 0;
  for (const double s : seconds) sum += s;
  return {seconds.size(), quantile(seconds, 0.5), quantile(seconds, 0.9), sum / static_cast<double>(seconds.size())};
}

double seconds_between(TimePoint from, TimePoint to) { return std::chrono::duration<double>(to - from).count(); }

}  // namespace

double quantile(const std::vector<double>& sorted, double q) {
  const double rank = q * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(std::floor(rank));
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (rank - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

Analytics analyze(const std::vector<IncidentRecord>& records) {
  Analytics out;
  std::vector<double> detect, acknowledge, resolve;
  for (const IncidentRecord& record : records) {
    const model::Incident& i = record.incident;
    if (i.test_mode) continue;
    ++out.incidents;
    ++out.by_severity[i.severity];
    if (i.impact_started_at) detect.push_back(std::max(0.0, seconds_between(*i.impact_started_at, i.detected_at)));
    if (i.acknowledged_at)
      acknowledge.push_back(seconds_between(i.created_at, *i.acknowledged_at));
    else
      ++out.unacknowledged;
    if (i.resolved_at)
      resolve.push_back(seconds_between(i.created_at, *i.resolved_at));
    else
      ++out.open;
  }
  out.time_to_detect = stats(std::move(detect));
  out.time_to_acknowledge = stats(std::move(acknowledge));
  out.time_to_resolve = stats(std::move(resolve));
  return out;
}

std::vector<AnalyticsPeriod> analyze_over_time(const std::vector<IncidentRecord>& records, TimePoint from, TimePoint to,
                                               Micros step) {
  std::vector<std::vector<IncidentRecord>> parts(static_cast<size_t>((to - from + step - Micros(1)) / step));
  for (const IncidentRecord& record : records) {
    const TimePoint at = record.incident.created_at;
    if (at >= from && at < to) parts[static_cast<size_t>((at - from) / step)].push_back(record);
  }
  std::vector<AnalyticsPeriod> out;
  for (size_t i = 0; i < parts.size(); ++i) out.push_back({from + static_cast<int64_t>(i) * step, analyze(parts[i])});
  return out;
}

Micros usual_period(Micros span) {
  if (span <= std::chrono::days(2)) return std::chrono::hours(1);
  if (span <= std::chrono::weeks(6)) return std::chrono::days(1);
  return std::chrono::weeks(1);
}

}  // namespace sentinel::incident
