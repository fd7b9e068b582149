#include "incident/contrast.h"

#include <algorithm>
#include <cmath>

namespace sentinel::incident {
namespace {

constexpr double kNegligible = 1e-17;  // of the sum, where a tail may be cut off
constexpr double kCoveredMin = 0.7;    // of the failing calls of the better of two values, that must have both
constexpr double kAddedMin = 0.05;     // bits that each of two values must add to the other

double entropy_bits(double p) { return p <= 0 || p >= 1 ? 0 : -p * std::log2(p) - (1 - p) * std::log2(1 - p); }

double log_choose(double n, double k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); }

double share(uint64_t part, uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

// Of `drawn` calls out of `total`, of which `marked` are marked, at least `hits` are marked.
double upper_tail(double total, double marked, double drawn, double hits) {
  double term =
      std::exp(log_choose(marked, hits) + log_choose(total - marked, drawn - hits) - log_choose(total, drawn));
  double sum = 0;
  const double last = std::min(marked, drawn);
  for (double k = hits; k <= last; ++k) {
    sum += term;
    if (term < sum * kNegligible) break;
    term *= (marked - k) * (drawn - k) / ((k + 1) * (total - marked - drawn + k + 1));
  }
  return std::min(1.0, sum);
}

}  // namespace

double chance_of_difference(CallTotals part, CallTotals all) {
  if (all.failing == 0 || all.baseline == 0) return 1;
  // The side that has more than its share: the calls with the value, or those without.
  const bool over = share(part.failing, all.failing) >= share(part.baseline, all.baseline);
  const uint64_t failing = over ? part.failing : all.failing - part.failing;
  const uint64_t baseline = over ? part.baseline : all.baseline - part.baseline;
  const double tail =
      upper_tail(static_cast<double>(all.failing + all.baseline), static_cast<double>(failing + baseline),
                 static_cast<double>(all.failing), static_cast<double>(failing));
  return std::min(1.0, 2 * tail);
}

double separation(double failing_share, double baseline_share) {
  return entropy_bits((failing_share + baseline_share) / 2) -
         (entropy_bits(failing_share) + entropy_bits(baseline_share)) / 2;
}

double separation(CallTotals part, CallTotals all) {
  return separation(share(part.failing, all.failing), share(part.baseline, all.baseline));
}

double more_together(const TwoValues& c, double chance_max) {
  const CallTotals& better = separation(c.first, c.all) >= separation(c.second, c.all) ? c.first : c.second;
  if (share(c.both.failing, better.failing) < kCoveredMin) return 0;
  const auto adds = [&](CallTotals within) {
    const bool over = share(c.both.failing, within.failing) > share(c.both.baseline, within.baseline);
    if (!over || chance_of_difference(c.both, within) >= chance_max) return 0.0;
    const double bits = separation(c.both, within);
    return bits >= kAddedMin ? bits : 0;
  };
  return std::min(adds(c.first), adds(c.second));
}

}  // namespace sentinel::incident
