#pragma once
// How well a value, or two values together, tell failing calls from the others. Pure functions of counts.

#include <cstdint>

namespace sentinel::incident {

struct CallTotals {
  uint64_t failing = 0;
  uint64_t baseline = 0;
};

// The chance of shares as different as these, were a call's failing independent of what is counted: Fisher's exact
// test, twice the tail on the side of the difference, at most 1. Right for three failing calls as for a million.
// REQUIRES: part is a part of all.
double chance_of_difference(CallTotals part, CallTotals all);

// How many bits it tells of whether a call fails, were failing and other calls equally many (Jensen-Shannon
// divergence): 1 when all failing calls have it and no other. Unlike the mere difference of the shares it takes a value
// that others hardly ever have (a great lift) over one that is common on both sides.
double separation(double failing_share, double baseline_share);
double separation(CallTotals part, CallTotals all);

// How much more two values say together than each of them alone: within the calls that have the one, the bits that the
// other still tells, the smaller of both. 0 where one of them adds nothing, where the difference is chance with more
// than `chance_max`, or where the two together leave many of the failing calls of the better one out.
struct TwoValues {
  CallTotals first, second, both, all;
};
double more_together(const TwoValues& counts, double chance_max);

}  // namespace sentinel::incident
