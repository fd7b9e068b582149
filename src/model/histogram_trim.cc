// The trim operators `</` and `>/` on histograms: which part of each bucket stays, and what its sum is estimated at.
#include <cmath>
#include <limits>
#include <utility>

#include "model/histogram.h"

namespace sentinel::model {
namespace {

// What stays of a bucket, and the value its observations are taken to have.
struct Kept {
  double count;
  double midpoint;
};

double zero_if_infinite(double v) { return std::isinf(v) ? 0 : v; }

double midpoint(double lower, double upper, bool positive, bool linear) {
  if (std::isinf(lower)) {
    if (std::isinf(upper)) return 0;
    return upper > 0 ? upper / 2 : upper;
  }
  if (std::isinf(upper)) return lower;
  if (linear) return (lower + upper) / 2;
  const double geometric = std::sqrt(std::abs(lower * upper));
  return positive ? geometric : -geometric;
}

// Buckets that reach to an infinity: nothing is known of where their observations lie.
Kept cut_unbounded(bool upper_trim, const HistogramBucket& b, double at) {
  if (std::isinf(b.lower) && b.lower < 0) {
    const bool finite_positive = b.upper > 0 && !std::isinf(b.upper);
    if (upper_trim) {
      if (at >= b.upper) return {b.count, 0};
      if (at > 0 && finite_positive) return {b.count * at / b.upper, at / 2};
      if (b.upper <= 0) return {b.count, at};
      return {0, zero_if_infinite(b.upper)};
    }
    if (at <= b.lower) return {b.count, 0};
    if (at >= 0 && b.upper > at && !std::isinf(b.upper)) return {b.count * (1 - at / b.upper), (at + b.upper) / 2};
    return {0, zero_if_infinite(b.upper)};
  }
  if (upper_trim) return {0, zero_if_infinite(b.lower)};
  if (at >= b.lower) return {b.count, at};
  return {0, zero_if_infinite(b.lower)};
}

Kept cut(const HistogramBucket& b, double at, bool upper_trim, bool positive, bool custom) {
  if (std::isinf(b.lower) || std::isinf(b.upper)) return cut_unbounded(upper_trim, b, at);
  double below = b.count;
  if (at <= b.lower) {
    below = 0;
  } else if (at < b.upper) {
    below = b.count * b.fraction_below(at, custom);
  }
  if (upper_trim) return {below, midpoint(b.lower, at, positive, custom)};
  return {b.count - below, midpoint(at, b.upper, positive, custom)};
}

Kept cut_zero_bucket(const HistogramBucket& zero, double at, bool has_negative, bool has_positive, bool upper_trim) {
  const double upper = has_negative && !has_positive ? 0 : zero.upper;
  const double lower = has_positive && !has_negative ? 0 : zero.lower;
  const Kept all{zero.count, (lower + upper) / 2};
  if (at <= lower) return upper_trim ? Kept{0, 0} : all;
  if (at >= upper) return upper_trim ? all : Kept{0, 0};
  if (upper_trim) return {zero.count * ((at - lower) / (upper - lower)), (lower + at) / 2};
  return {zero.count * ((upper - at) / (upper - lower)), (at + upper) / 2};
}

}  // namespace

FloatHistogram& FloatHistogram::trim(double at, bool upper) {
  double new_count = 0;
  double new_sum = 0;
  bool trimmed = false;
  const bool custom = uses_custom_buckets();
  const auto trim_side = [&](HistogramBuckets& side, bool is_positive) {
    bool any = false;
    for (size_t i = 0; i < side.size(); ++i) {
      const HistogramBucket b = bucket(side, i, is_positive);
      if (b.count == 0) continue;
      any = true;
      const bool whole = upper ? b.upper <= at : b.lower >= at;
      const bool part = upper ? b.lower < at : b.upper > at;
      if (!whole && !part) {
        side.count[i] = 0;
        trimmed = true;
        continue;
      }
      const Kept kept = whole ? Kept{b.count, midpoint(b.lower, b.upper, is_positive, custom)}
                              : cut(b, at, upper, is_positive, custom);
      new_count += kept.count;
      new_sum += kept.midpoint * kept.count;
      if (side.count[i] != kept.count) {
        side.count[i] = kept.count;
        trimmed = true;
      }
    }
    return any;
  };
  const bool has_positive = trim_side(positive, true);
  const bool has_negative = trim_side(negative, false);
  if (zero_count > 0) {
    const Kept kept = cut_zero_bucket(zero_bucket(), at, has_negative, has_positive, upper);
    trimmed = trimmed || zero_count != kept.count;
    zero_count = kept.count;
    new_sum += kept.midpoint * kept.count;
    new_count += kept.count;
  }
  if (!trimmed) return *this;
  count = new_count;
  sum = new_sum;
  return compact();
}

}  // namespace sentinel::model
