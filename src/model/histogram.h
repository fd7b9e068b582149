#pragma once
// A native histogram with floating-point counts: exponential buckets (schema -4..8) or custom bounds (schema -53), as in
// Prometheus. A value type; arithmetic follows Prometheus's rules for zero buckets, resolution and counter resets.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sentinel::model {

enum class CounterResetHint : uint8_t { kUnknown, kReset, kNotReset, kGauge };

inline constexpr int32_t kCustomBucketsSchema = -53;
inline constexpr int32_t kExponentialSchemaMin = -4;
inline constexpr int32_t kExponentialSchemaMax = 8;

// The listed buckets of one sign: indexes ascending, one count each. A listed bucket may be empty.
struct HistogramBuckets {
  std::vector<int32_t> index;
  std::vector<double> count;
  size_t size() const { return index.size(); }
  bool empty() const { return index.empty(); }
  void push(int32_t i, double c) {
    index.push_back(i);
    count.push_back(c);
  }
};

struct HistogramBucket {
  double lower = 0;
  double upper = 0;
  bool lower_inclusive = false;
  bool upper_inclusive = false;
  double count = 0;
  // How much of the bucket lies below `v` (a value inside), linearly or on a logarithmic scale.
  double fraction_below(double v, bool linear) const;
};

// What happened while two histograms were combined.
struct HistogramMerge {
  bool compatible = true;               // false: exponential with custom buckets; the receiver is unchanged
  bool counter_reset_collision = false; // "reset" met "not reset"
  bool bounds_reconciled = false;       // custom bounds differed and were intersected
};

struct FloatHistogram {
  CounterResetHint hint = CounterResetHint::kUnknown;
  int32_t schema = 0;
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;  // the stale NaN marks the end of the series
  HistogramBuckets positive;
  HistogramBuckets negative;
  std::vector<double> custom_values;  // upper bounds, ascending, without +Inf; schema -53 only

  bool uses_custom_buckets() const { return schema == kCustomBucketsSchema; }

  FloatHistogram& mul(double factor);
  FloatHistogram& div(double divisor);
  HistogramMerge add(const FloatHistogram& other) { return combine(other, false); }
  HistogramMerge sub(const FloatHistogram& other) { return combine(other, true); }
  // Kahan summation: `compensation` (null at first) holds what rounding lost, in the receiver's layout.
  HistogramMerge kahan_add(const FloatHistogram& other, std::unique_ptr<FloatHistogram>& compensation);

  // Drops listed buckets that are empty.
  FloatHistogram& compact();
  // Whether a counter was reset between `previous` and this one.
  bool detect_reset(const FloatHistogram& previous) const;
  // Bit by bit; the hint does not count.
  bool equals(const FloatHistogram& other) const;
  // REQUIRES: exponential, target <= schema.
  FloatHistogram copy_to_schema(int32_t target) const;
  bool has_overflow() const;
  // Keeps the observations below (`upper`) or above `at`.
  FloatHistogram& trim(double at, bool upper);

  HistogramBucket zero_bucket() const;
  HistogramBucket positive_bucket(size_t i) const { return bucket(positive, i, true); }
  HistogramBucket negative_bucket(size_t i) const { return bucket(negative, i, false); }
  // All listed buckets from the lowest to the highest, the zero bucket when it has observations.
  std::vector<HistogramBucket> all_buckets() const;

  // What one histogram counts for where float samples count one.
  uint64_t size_in_samples() const;

 private:
  HistogramMerge combine(const FloatHistogram& other, bool subtract);
  HistogramBucket bucket(const HistogramBuckets& side, size_t i, bool is_positive) const;
  bool adjust_hint(const FloatHistogram& other);
  // The count the zero bucket would have with a larger threshold, and the threshold that is really possible.
  std::pair<double, double> zero_count_for(double threshold, const FloatHistogram* compensation, double* lost) const;
  void empty_buckets_in_zero_bucket(FloatHistogram* compensation);
  double reconcile_zero_buckets(const FloatHistogram& other, FloatHistogram* compensation, double* other_lost);
};

using HistogramPtr = std::shared_ptr<const FloatHistogram>;

struct HistogramSample {
  int64_t t_ms = 0;
  HistogramPtr h;
};

// Upper bound of bucket `index`.
double histogram_bound(int32_t index, int32_t schema, const std::vector<double>& custom_values);

// Neumaier's step: adds `increment` to sum, keeping in `lost` what rounding dropped.
void kahan_inc(double increment, double& sum, double& lost);

}  // namespace sentinel::model
