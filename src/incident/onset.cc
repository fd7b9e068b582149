#include "incident/onset.h"

#include <algorithm>
#include <cmath>

namespace sentinel::incident {
namespace {

// Added to the log of the calls (BIC's price of a change and its level) for one more stretch: chance alone finds
// changes where many places are tried.
constexpr double kStretchPenalty = 2;
// How far a stretch must rise above calm, of the rise to the trouble's level, to be part of the trouble.
constexpr double kPartOfTrouble = 0.25;
// A rise too weak to make stretches must still beat chance: so much log likelihood.
constexpr double kWeakGainMin = 4;

double log_likelihood(const CallCounts& c) {
  if (c.calls <= 0 || c.failing <= 0 || c.failing >= c.calls) return 0;
  const double p = c.failing / c.calls;
  return c.failing * std::log(p) + (c.calls - c.failing) * std::log(1 - p);
}

double share(const CallCounts& c) { return c.calls > 0 ? c.failing / c.calls : 0; }

CallCounts operator-(const CallCounts& a, const CallCounts& b) { return {a.calls - b.calls, a.failing - b.failing}; }

struct Stretch {
  size_t begin = 0;
  CallCounts counts;
};

// sums[i]: the counts of all steps before i.
std::vector<CallCounts> running_sums(const std::vector<CallCounts>& steps) {
  std::vector<CallCounts> sums(steps.size() + 1);
  for (size_t i = 0; i < steps.size(); ++i)
    sums[i + 1] = {sums[i].calls + steps[i].calls, sums[i].failing + steps[i].failing};
  return sums;
}

// Optimal partitioning: the best cut of the steps before j is the best cut before some i and one stretch from i to j.
std::vector<Stretch> stretches(const std::vector<CallCounts>& sums) {
  const double penalty = std::log(std::max(2.0, sums.back().calls)) + kStretchPenalty;
  std::vector<double> best(sums.size(), 0);
  std::vector<size_t> from(sums.size(), 0);
  for (size_t j = 1; j < sums.size(); ++j) {
    best[j] = -HUGE_VAL;
    for (size_t i = 0; i < j; ++i) {
      const double value = best[i] + log_likelihood(sums[j] - sums[i]) - penalty;
      if (value <= best[j]) continue;
      best[j] = value;
      from[j] = i;
    }
  }
  std::vector<Stretch> out;
  for (size_t j = sums.size() - 1; j > 0; j = from[j]) out.push_back({from[j], sums[j] - sums[from[j]]});
  std::reverse(out.begin(), out.end());
  return out;
}

// For a rise too weak for the penalty: the one split that explains the counts best. 0: none.
size_t best_rise(const std::vector<CallCounts>& sums, size_t alert) {
  double best_gain = kWeakGainMin;
  size_t best = 0;
  for (size_t i = 1; i <= alert; ++i) {
    const CallCounts right = sums.back() - sums[i];
    const double gain = log_likelihood(sums[i]) + log_likelihood(right) - log_likelihood(sums.back());
    if (share(right) <= share(sums[i]) || gain <= best_gain) continue;
    best_gain = gain;
    best = i;
  }
  return best;
}

size_t last_rise(const std::vector<Stretch>& all, size_t alert) {
  size_t known = all.size();
  while (known > 1 && all[known - 1].begin > alert) --known;
  double calm = 1;
  for (size_t i = 0; i < known; ++i) calm = std::min(calm, share(all[i].counts));
  size_t rise = known - 1;
  while (rise > 0 && share(all[rise].counts) <= share(all[rise - 1].counts)) --rise;
  const double part = calm + kPartOfTrouble * (share(all[rise].counts) - calm);
  while (rise > 0 && share(all[rise - 1].counts) > part) --rise;
  return all[rise].begin;
}

}  // namespace

std::optional<size_t> onset_step(const std::vector<CallCounts>& steps, size_t alert) {
  const std::vector<CallCounts> sums = running_sums(steps);
  const std::vector<Stretch> all = stretches(sums);
  const size_t begin = all.size() == 1 ? best_rise(sums, alert) : last_rise(all, alert);
  for (size_t i = begin; i < steps.size(); ++i) {
    if (steps[i].failing > 0) return i;
  }
  return std::nullopt;
}

}  // namespace sentinel::incident
