#include "oncall/coverage_metrics.h"

#include <chrono>

namespace sentinel::oncall {
namespace {

double seconds_of(const std::vector<Span>& spans) {
  Micros sum{0};
  for (const Span& s : spans) sum += s.end - s.start;
  return std::chrono::duration<double>(sum).count();
}

void set(MetricRegistry& metrics, const std::string& schedule, const Coverage& c) {
  const MetricLabels labels = {{"schedule", schedule}};
  std::vector<Span> empty;
  for (const Shift& s : c.final.empty_shifts) empty.push_back(s.span);
  metrics.gauge("sentinel_oncall_gap_seconds", "Time ahead in which nobody is on call.", labels)
      .set(seconds_of(c.final.gaps));
  metrics.gauge("sentinel_oncall_empty_shift_seconds", "Time ahead of turns that nobody holds.", labels)
      .set(seconds_of(join_spans(empty)));
  metrics.gauge("sentinel_oncall_overlap_seconds", "Time ahead in which more than one person is on call.", labels)
      .set(seconds_of(c.final.overlaps));
  metrics.gauge("sentinel_oncall_never_serve", "Participants without a minute ahead.", labels)
      .set(static_cast<double>(c.never_serve.size()));
}

// Whether a recipient of this level can be told at any time, or else when: appends to `covered`.
void cover(const Config& config, const Level& level, const Span& range, std::vector<Span>& covered_spans) {
  for (const Recipient& r : level.recipients) {
    if (r.kind != Recipient::Kind::kSchedule) {
      covered_spans.push_back(range);
      continue;
    }
    const auto schedule = config.schedules.find(r.id);
    if (schedule == config.schedules.end()) continue;
    for (const Span& s : covered(final_schedule(schedule->second, range).shifts)) covered_spans.push_back(s);
  }
}

void set_uncovered(MetricRegistry& metrics, const std::string& policy, double seconds) {
  metrics
      .gauge("sentinel_oncall_uncovered_seconds", "Time ahead in which no level of the policy has anybody.",
             {{"policy", policy}})
      .set(seconds);
}

}  // namespace

std::vector<Span> uncovered(const Config& config, const Policy& policy, const Span& range) {
  std::vector<Span> spans;
  for (const Level& level : policy.levels) cover(config, level, range, spans);
  return subtract(range, join_spans(std::move(spans)));
}

void publish_coverage(const Config& config, TimePoint now, Micros ahead, MetricRegistry& metrics,
                      const Config* before) {
  for (const auto& [id, schedule] : config.schedules) set(metrics, id, coverage(schedule, now, ahead));
  for (const auto& [id, policy] : config.policies)
    set_uncovered(metrics, id, seconds_of(uncovered(config, policy, {now, now + ahead})));
  if (before == nullptr) return;
  for (const auto& [id, policy] : before->policies) {
    if (!config.policies.contains(id)) set_uncovered(metrics, id, 0);
  }
  for (const auto& [id, schedule] : before->schedules) {
    if (!config.schedules.contains(id)) set(metrics, id, {});
  }
}

}  // namespace sentinel::oncall
