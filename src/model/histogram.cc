#include "model/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <tuple>

namespace sentinel::model {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

bool is_exponential(int32_t schema) { return schema >= kExponentialSchemaMin && schema <= kExponentialSchemaMax; }

int32_t target_index(int32_t index, int32_t from, int32_t to) { return ((index - 1) >> (from - to)) + 1; }

double exponential_bound(int32_t index, int32_t schema) {
  constexpr int kOverflowExponent = 1024;
  if (schema < 0) {
    const int exponent = static_cast<int>(static_cast<int64_t>(index) * (int64_t{1} << -schema));
    return exponent == kOverflowExponent ? std::numeric_limits<double>::max() : std::ldexp(1.0, exponent);
  }
  const int32_t per_power = 1 << schema;
  const int32_t fraction = index & (per_power - 1);
  const int exponent = index >> schema;
  if (fraction == 0 && exponent == kOverflowExponent) return std::numeric_limits<double>::max();
  return std::ldexp(std::exp2(static_cast<double>(fraction) / per_power), exponent);
}

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) { return same_bits(x, y); });
}

// Buckets with the compensation that Kahan summation keeps beside them (empty: none).
struct Side {
  HistogramBuckets buckets;
  std::vector<double> lost;
};

// Merges buckets into the coarser schema `to`.
Side reduce(const HistogramBuckets& in, const std::vector<double>& lost, int32_t from, int32_t to) {
  Side out;
  for (size_t i = 0; i < in.size(); ++i) {
    const int32_t index = target_index(in.index[i], from, to);
    if (out.buckets.empty() || out.buckets.index.back() != index) {
      out.buckets.push(index, in.count[i]);
      if (!lost.empty()) out.lost.push_back(lost[i]);
    } else if (lost.empty()) {
      out.buckets.count.back() += in.count[i];
    } else {
      kahan_inc(in.count[i], out.buckets.count.back(), out.lost.back());
      kahan_inc(lost[i], out.buckets.count.back(), out.lost.back());
    }
  }
  return out;
}

// a + b (or a - b) bucket by bucket; buckets of b at its start that lie inside the zero bucket are left out.
// With `kahan`, both sides carry `lost` (b's may be empty).
Side merge(const Side& a, const Side& b, int32_t schema, double threshold, bool subtract, bool kahan) {
  Side out;
  out.buckets.index.reserve(a.buckets.size() + b.buckets.size());
  size_t j = 0;
  while (j < b.buckets.size() && is_exponential(schema) && exponential_bound(b.buckets.index[j], schema) <= threshold) ++j;
  size_t i = 0;
  const double sign = subtract ? -1 : 1;
  while (i < a.buckets.size() || j < b.buckets.size()) {
    const bool take_a = i < a.buckets.size() && (j >= b.buckets.size() || a.buckets.index[i] <= b.buckets.index[j]);
    const bool take_b = j < b.buckets.size() && (i >= a.buckets.size() || b.buckets.index[j] <= a.buckets.index[i]);
    const double b_count = take_b ? sign * b.buckets.count[j] : 0;
    const double b_lost = take_b && !b.lost.empty() ? sign * b.lost[j] : 0;
    if (take_a) {
      double count = a.buckets.count[i];
      double lost = kahan ? a.lost[i] : 0;
      if (take_b && kahan) {
        kahan_inc(b_count, count, lost);
        if (b_lost != 0) kahan_inc(b_lost, count, lost);
      } else if (take_b) {
        count += b_count;
      }
      out.buckets.push(a.buckets.index[i], count);
      if (kahan) out.lost.push_back(lost);
    } else {
      out.buckets.push(b.buckets.index[j], b_count);
      if (kahan) out.lost.push_back(b_lost);
    }
    if (take_a) ++i;
    if (take_b) ++j;
  }
  return out;
}

std::vector<double> intersect(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

// Index among `bounds` (sorted, then +Inf) of the bucket that holds bucket `index` of `from`.
size_t mapped_index(int32_t index, const std::vector<double>& from, const std::vector<double>& bounds) {
  if (index < 0 || static_cast<size_t>(index) >= from.size()) return bounds.size();
  return static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), from[static_cast<size_t>(index)]) - bounds.begin());
}

// Both sides mapped to common custom bounds; empty buckets are left out.
Side merge_custom(const Side& a, const std::vector<double>& bounds_a, const Side& b, const std::vector<double>& bounds_b,
                  const std::vector<double>& bounds, bool subtract) {
  std::vector<double> counts(bounds.size() + 1);
  std::vector<double> lost(bounds.size() + 1);
  for (size_t i = 0; i < a.buckets.size(); ++i) {
    const size_t t = mapped_index(a.buckets.index[i], bounds_a, bounds);
    kahan_inc(a.buckets.count[i], counts[t], lost[t]);
    if (!a.lost.empty()) kahan_inc(a.lost[i], counts[t], lost[t]);
  }
  for (size_t i = 0; i < b.buckets.size(); ++i) {
    const size_t t = mapped_index(b.buckets.index[i], bounds_b, bounds);
    kahan_inc(subtract ? -b.buckets.count[i] : b.buckets.count[i], counts[t], lost[t]);
  }
  Side out;
  for (size_t t = 0; t < counts.size(); ++t) {
    if (counts[t] == 0 && lost[t] == 0) continue;
    out.buckets.push(static_cast<int32_t>(t), counts[t]);
    out.lost.push_back(lost[t]);
  }
  return out;
}

// Drops buckets where count and compensation are zero.
void compact_side(HistogramBuckets& side, std::vector<double>* lost) {
  size_t kept = 0;
  for (size_t i = 0; i < side.size(); ++i) {
    if (side.count[i] == 0 && (lost == nullptr || (*lost)[i] == 0)) continue;
    side.index[kept] = side.index[i];
    side.count[kept] = side.count[i];
    if (lost != nullptr) (*lost)[kept] = (*lost)[i];
    ++kept;
  }
  side.index.resize(kept);
  side.count.resize(kept);
  if (lost != nullptr) lost->resize(kept);
}

// Whether a bucket of `previous` is missing or larger than in `current`.
bool buckets_reset(const HistogramBuckets& current, const HistogramBuckets& previous, int32_t schema, double threshold) {
  size_t p = 0;
  const auto below = [&](int32_t index) {
    return threshold != 0 && is_exponential(schema) && exponential_bound(index, schema) <= threshold;
  };
  while (p < previous.size() && below(previous.index[p])) ++p;
  size_t c = 0;
  while (c < current.size() && below(current.index[c])) ++c;
  for (; p < previous.size(); ++p) {
    while (c < current.size() && current.index[c] < previous.index[p]) ++c;
    const bool present = c < current.size() && current.index[c] == previous.index[p];
    if (present ? current.count[c] < previous.count[p] : previous.count[p] != 0) return true;
  }
  return false;
}

std::vector<double> rolled_up(const FloatHistogram& h, const std::vector<double>& bounds) {
  std::vector<double> counts(bounds.size() + 1);
  for (size_t i = 0; i < h.positive.size(); ++i) {
    counts[mapped_index(h.positive.index[i], h.custom_values, bounds)] += h.positive.count[i];
  }
  return counts;
}

}  // namespace

void kahan_inc(double increment, double& sum, double& lost) {
  const double total = sum + increment;
  if (std::isinf(total)) {
    lost = 0;
  } else if (std::abs(sum) >= std::abs(increment)) {
    lost += (sum - total) + increment;
  } else {
    lost += (increment - total) + sum;
  }
  sum = total;
}

double histogram_bound(int32_t index, int32_t schema, const std::vector<double>& custom_values) {
  if (schema != kCustomBucketsSchema) return exponential_bound(index, schema);
  if (index < 0) return -kInf;
  if (static_cast<size_t>(index) >= custom_values.size()) return kInf;
  return custom_values[static_cast<size_t>(index)];
}

double HistogramBucket::fraction_below(double v, bool linear) const {
  if (linear) return (v - lower) / (upper - lower);
  const double log_lower = std::log2(std::abs(lower));
  const double log_upper = std::log2(std::abs(upper));
  const double log_v = std::log2(std::abs(v));
  if (v > 0) return (log_v - log_lower) / (log_upper - log_lower);
  return 1 - ((log_v - log_upper) / (log_lower - log_upper));
}

FloatHistogram& FloatHistogram::mul(double factor) {
  zero_count *= factor;
  count *= factor;
  sum *= factor;
  for (double& c : positive.count) c *= factor;
  for (double& c : negative.count) c *= factor;
  if (factor < 0) hint = CounterResetHint::kGauge;
  return *this;
}

FloatHistogram& FloatHistogram::div(double divisor) {
  zero_count /= divisor;
  count /= divisor;
  sum /= divisor;
  if (divisor == 0) {
    positive = {};
    negative = {};
    return *this;
  }
  for (double& c : positive.count) c /= divisor;
  for (double& c : negative.count) c /= divisor;
  if (divisor < 0) hint = CounterResetHint::kGauge;
  return *this;
}

bool FloatHistogram::adjust_hint(const FloatHistogram& other) {
  using H = CounterResetHint;
  if (other.hint == hint || hint == H::kGauge) return false;
  if (other.hint == H::kGauge) {
    hint = H::kGauge;
    return false;
  }
  if (hint == H::kUnknown) return false;
  const bool collision = other.hint != H::kUnknown;
  hint = H::kUnknown;
  return collision;
}

HistogramMerge FloatHistogram::combine(const FloatHistogram& other, bool subtract) {
  HistogramMerge result;
  if (uses_custom_buckets() != other.uses_custom_buckets()) {
    result.compatible = false;
    return result;
  }
  result.counter_reset_collision = adjust_hint(other);
  if (!uses_custom_buckets()) {
    const double other_zero = reconcile_zero_buckets(other, nullptr, nullptr);
    zero_count += subtract ? -other_zero : other_zero;
  }
  count += subtract ? -other.count : other.count;
  sum += subtract ? -other.sum : other.sum;
  if (uses_custom_buckets() && custom_values != other.custom_values) {
    result.bounds_reconciled = true;
    std::vector<double> bounds = intersect(custom_values, other.custom_values);
    positive = merge_custom({positive, {}}, custom_values, {other.positive, {}}, other.custom_values, bounds, subtract).buckets;
    custom_values = std::move(bounds);
    return result;
  }
  const int32_t target = std::min(schema, other.schema);
  const auto merged = [&](const HistogramBuckets& mine, const HistogramBuckets& theirs) {
    const Side a = schema == target ? Side{mine, {}} : reduce(mine, {}, schema, target);
    const Side b = other.schema == target ? Side{theirs, {}} : reduce(theirs, {}, other.schema, target);
    return merge(a, b, target, zero_threshold, subtract, false).buckets;
  };
  positive = merged(positive, other.positive);
  if (!uses_custom_buckets()) negative = merged(negative, other.negative);
  schema = target;
  return result;
}

HistogramMerge FloatHistogram::kahan_add(const FloatHistogram& other, std::unique_ptr<FloatHistogram>& compensation) {
  HistogramMerge result;
  if (uses_custom_buckets() != other.uses_custom_buckets()) {
    result.compatible = false;
    return result;
  }
  result.counter_reset_collision = adjust_hint(other);
  if (!compensation) {
    compensation = std::make_unique<FloatHistogram>(*this);
    compensation->mul(0);
    compensation->count = compensation->sum = compensation->zero_count = 0;
    std::fill(compensation->positive.count.begin(), compensation->positive.count.end(), 0.0);
    std::fill(compensation->negative.count.begin(), compensation->negative.count.end(), 0.0);
    compensation->hint = hint;
  }
  FloatHistogram& c = *compensation;
  if (!uses_custom_buckets()) {
    double other_lost = 0;
    const double other_zero = reconcile_zero_buckets(other, &c, &other_lost);
    kahan_inc(other_zero, zero_count, c.zero_count);
    kahan_inc(other_lost, zero_count, c.zero_count);
  }
  kahan_inc(other.count, count, c.count);
  kahan_inc(other.sum, sum, c.sum);
  const auto store = [&](Side side, HistogramBuckets& mine, HistogramBuckets& lost) {
    lost.index = side.buckets.index;
    lost.count = std::move(side.lost);
    mine = std::move(side.buckets);
  };
  if (uses_custom_buckets() && custom_values != other.custom_values) {
    result.bounds_reconciled = true;
    std::vector<double> bounds = intersect(custom_values, other.custom_values);
    store(merge_custom({positive, c.positive.count}, custom_values, {other.positive, {}}, other.custom_values, bounds, false),
          positive, c.positive);
    custom_values = c.custom_values = std::move(bounds);
    return result;
  }
  const int32_t target = std::min(schema, other.schema);
  const auto merged = [&](const HistogramBuckets& mine, const HistogramBuckets& lost, const HistogramBuckets& theirs) {
    const Side a = schema == target ? Side{mine, lost.count} : reduce(mine, lost.count, schema, target);
    const Side b = other.schema == target || theirs.empty()
                       ? Side{theirs, {}}
                       : reduce(theirs, std::vector<double>(theirs.size()), other.schema, target);
    return merge(a, b, target, zero_threshold, false, true);
  };
  store(merged(positive, c.positive, other.positive), positive, c.positive);
  if (!uses_custom_buckets()) store(merged(negative, c.negative, other.negative), negative, c.negative);
  schema = c.schema = target;
  c.zero_threshold = zero_threshold;
  return result;
}

std::pair<double, double> FloatHistogram::zero_count_for(double threshold, const FloatHistogram* compensation,
                                                         double* lost) const {
  double dropped = compensation != nullptr ? compensation->zero_count : 0;
  const auto done = [&](double zero) {
    if (lost != nullptr) *lost = dropped;
    return std::pair{zero, threshold};
  };
  if (threshold == zero_threshold) return done(zero_count);
  while (true) {
    double zero = zero_count;
    for (size_t i = 0; i < positive.size(); ++i) {
      const HistogramBucket b = positive_bucket(i);
      if (b.lower >= threshold) break;
      kahan_inc(b.count, zero, dropped);
      if (compensation != nullptr) kahan_inc(compensation->positive.count[i], zero, dropped);
      if (b.upper > threshold) {
        // The threshold would cut a bucket: widen it when that bucket has observations.
        if (b.count != 0) threshold = b.upper;
        break;
      }
    }
    bool again = false;
    for (size_t i = 0; i < negative.size(); ++i) {
      const HistogramBucket b = negative_bucket(i);
      if (b.upper <= -threshold) break;
      kahan_inc(b.count, zero, dropped);
      if (compensation != nullptr) kahan_inc(compensation->negative.count[i], zero, dropped);
      if (b.lower < -threshold) {
        if (b.count != 0) {
          threshold = -b.lower;
          again = true;
        }
        break;
      }
    }
    if (!again) return done(zero);
  }
}

void FloatHistogram::empty_buckets_in_zero_bucket(FloatHistogram* compensation) {
  for (size_t i = 0; i < positive.size() && positive_bucket(i).lower < zero_threshold; ++i) {
    positive.count[i] = 0;
    if (compensation != nullptr) compensation->positive.count[i] = 0;
  }
  for (size_t i = 0; i < negative.size() && negative_bucket(i).upper > -zero_threshold; ++i) {
    negative.count[i] = 0;
    if (compensation != nullptr) compensation->negative.count[i] = 0;
  }
  compact_side(positive, compensation != nullptr ? &compensation->positive.count : nullptr);
  compact_side(negative, compensation != nullptr ? &compensation->negative.count : nullptr);
  if (compensation == nullptr) return;
  compensation->positive.index = positive.index;
  compensation->negative.index = negative.index;
}

double FloatHistogram::reconcile_zero_buckets(const FloatHistogram& other, FloatHistogram* compensation, double* other_lost) {
  double other_zero = other.zero_count;
  double other_threshold = other.zero_threshold;
  while (other_threshold != zero_threshold) {
    if (zero_threshold > other_threshold) {
      std::tie(other_zero, other_threshold) = other.zero_count_for(zero_threshold, nullptr, other_lost);
    }
    if (other_threshold > zero_threshold) {
      double lost = 0;
      std::tie(zero_count, zero_threshold) = zero_count_for(other_threshold, compensation, &lost);
      if (compensation != nullptr) compensation->zero_count = lost;
      empty_buckets_in_zero_bucket(compensation);
    }
    // NaN thresholds never meet; leave rather than loop.
    if (std::isnan(other_threshold) || std::isnan(zero_threshold)) break;
  }
  return other_zero;
}

FloatHistogram& FloatHistogram::compact() {
  compact_side(positive, nullptr);
  compact_side(negative, nullptr);
  return *this;
}

bool FloatHistogram::detect_reset(const FloatHistogram& previous) const {
  if (hint == CounterResetHint::kReset) return true;
  if (hint == CounterResetHint::kNotReset) return false;
  if (count < previous.count) return true;
  if (uses_custom_buckets()) {
    if (!previous.uses_custom_buckets()) return true;
    if (custom_values != previous.custom_values) {
      const std::vector<double> bounds = intersect(custom_values, previous.custom_values);
      const std::vector<double> now = rolled_up(*this, bounds);
      const std::vector<double> before = rolled_up(previous, bounds);
      for (size_t i = 0; i < now.size(); ++i) {
        if (now[i] < before[i]) return true;
      }
      return false;
    }
  }
  if (schema > previous.schema) return true;
  if (zero_threshold < previous.zero_threshold) return true;
  const auto [previous_zero, possible] = previous.zero_count_for(zero_threshold, nullptr, nullptr);
  if (possible != zero_threshold || zero_count < previous_zero) return true;
  if (schema == previous.schema) {
    return buckets_reset(positive, previous.positive, schema, zero_threshold) ||
           buckets_reset(negative, previous.negative, schema, zero_threshold);
  }
  if (uses_custom_buckets() || previous.uses_custom_buckets()) return true;
  return buckets_reset(positive, reduce(previous.positive, {}, previous.schema, schema).buckets, schema, zero_threshold) ||
         buckets_reset(negative, reduce(previous.negative, {}, previous.schema, schema).buckets, schema, zero_threshold);
}

bool FloatHistogram::equals(const FloatHistogram& other) const {
  return schema == other.schema && same_bits(count, other.count) && same_bits(sum, other.sum) &&
         (!uses_custom_buckets() || custom_values == other.custom_values) && zero_threshold == other.zero_threshold &&
         same_bits(zero_count, other.zero_count) && negative.index == other.negative.index &&
         same_bits(negative.count, other.negative.count) && positive.index == other.positive.index &&
         same_bits(positive.count, other.positive.count);
}

FloatHistogram FloatHistogram::copy_to_schema(int32_t target) const {
  FloatHistogram copy = *this;
  if (target == schema) return copy;
  copy.hint = CounterResetHint::kUnknown;
  copy.schema = target;
  copy.positive = reduce(positive, {}, schema, target).buckets;
  copy.negative = reduce(negative, {}, schema, target).buckets;
  return copy;
}

bool FloatHistogram::has_overflow() const {
  const auto infinite = [](double v) { return std::isinf(v); };
  return infinite(zero_count) || infinite(count) || infinite(sum) ||
         std::any_of(positive.count.begin(), positive.count.end(), infinite) ||
         std::any_of(negative.count.begin(), negative.count.end(), infinite) ||
         std::any_of(custom_values.begin(), custom_values.end(), infinite);
}

HistogramBucket FloatHistogram::zero_bucket() const { return {-zero_threshold, zero_threshold, true, true, zero_count}; }

HistogramBucket FloatHistogram::bucket(const HistogramBuckets& side, size_t i, bool is_positive) const {
  HistogramBucket b;
  b.count = side.count[i];
  const double far = histogram_bound(side.index[i], schema, custom_values);
  const double near = histogram_bound(side.index[i] - 1, schema, custom_values);
  b.upper = is_positive ? far : -near;
  b.lower = is_positive ? near : -far;
  b.lower_inclusive = uses_custom_buckets() ? side.index[i] == 0 : b.lower < 0;
  b.upper_inclusive = uses_custom_buckets() || b.upper > 0;
  return b;
}

std::vector<HistogramBucket> FloatHistogram::all_buckets() const {
  std::vector<HistogramBucket> out;
  out.reserve(positive.size() + negative.size() + 1);
  for (size_t i = negative.size(); i-- > 0;) {
    out.push_back(negative_bucket(i));
    if (out.back().upper < 0 && out.back().upper > -zero_threshold) out.back().upper = -zero_threshold;
  }
  if (zero_count > 0) out.push_back(zero_bucket());
  for (size_t i = 0; i < positive.size(); ++i) {
    out.push_back(positive_bucket(i));
    if (out.back().lower > 0 && out.back().lower < zero_threshold) out.back().lower = zero_threshold;
  }
  return out;
}

uint64_t FloatHistogram::size_in_samples() const {
  constexpr uint64_t kFixedBytes = 176;
  constexpr uint64_t kSampleBytes = 16;
  const uint64_t spans = (positive.empty() ? 0U : 1U) + (negative.empty() ? 0U : 1U);
  return (kFixedBytes + 8 * (spans + positive.size() + negative.size() + custom_values.size())) / kSampleBytes;
}

}  // namespace sentinel::model
