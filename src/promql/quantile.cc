#include "promql/quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "promql/stable_sort.h"

namespace sentinel::promql {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

// Values closer than `tolerance` times their sum.
bool almost_equal(double a, double b, double tolerance) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  constexpr double kMinNormal = std::numeric_limits<double>::min();
  const double sum = std::abs(a) + std::abs(b);
  const double diff = std::abs(a - b);
  if (a == 0 || b == 0 || sum < kMinNormal) return diff < tolerance * kMinNormal;
  return diff / std::min(sum, std::numeric_limits<double>::max()) < tolerance;
}

// Ascending bounds, equal bounds added up.
void sort_and_coalesce(std::vector<ClassicBucket>& buckets) {
  sort_stably(buckets, [](const ClassicBucket& a, const ClassicBucket& b) { return a.upper_bound < b.upper_bound; });
  size_t last = 0;
  for (size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper_bound == buckets[last].upper_bound) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
}

// Cumulative counts must not fall; differences of rounding are ignored silently, others are reported.
void make_monotonic(std::vector<ClassicBucket>& buckets, BucketQuantile& result) {
  constexpr double kTolerance = 1e-12;
  result.min_bucket = kInf;
  result.max_bucket = -kInf;
  double previous = buckets[0].count;
  for (size_t i = 1; i < buckets.size(); ++i) {
    const double current = buckets[i].count;
    if (current == previous) continue;
    if (almost_equal(previous, current, kTolerance)) {
      buckets[i].count = previous;
    } else if (current < previous) {
      buckets[i].count = previous;
      result.forced_monotonic = true;
      result.min_bucket = std::min(result.min_bucket, buckets[i].upper_bound);
      result.max_bucket = std::max(result.max_bucket, buckets[i].upper_bound);
      result.max_diff = std::max(result.max_diff, previous - current);
    } else {
      previous = current;
    }
  }
}

// With observations of one sign only, the zero bucket ends at zero.
void narrow_zero_bucket(model::HistogramBucket& bucket, const model::FloatHistogram& h) {
  if (h.negative.empty() && !h.positive.empty()) {
    bucket.lower = 0;
  } else if (h.positive.empty() && !h.negative.empty()) {
    bucket.upper = 0;
  }
}

// Two ranks in a cumulative distribution; set as the buckets go by.
class RankPair {
 public:
  RankPair(double lower, double upper) : lower_(lower), upper_(upper) {}

  // `interpolate(v)` is the rank of a value inside the bucket.
  template <class Fn>
  bool bucket(double bucket_lower, double bucket_upper, double rank_before, const Fn& interpolate) {
    set(lower_rank_, lower_, bucket_lower, bucket_upper, rank_before, interpolate, true);
    set(upper_rank_, upper_, bucket_lower, bucket_upper, rank_before, interpolate, true);
    if (done()) return true;
    set(lower_rank_, lower_, bucket_lower, bucket_upper, rank_before, interpolate, false);
    set(upper_rank_, upper_, bucket_lower, bucket_upper, rank_before, interpolate, false);
    return done();
  }
  // Difference of the ranks, neither beyond `count`.
  double difference(double count) const {
    const auto capped = [&](const std::optional<double>& rank) { return !rank || *rank > count ? count : *rank; };
    return capped(upper_rank_) - capped(lower_rank_);
  }

 private:
  bool done() const { return lower_rank_ && upper_rank_; }
  template <class Fn>
  static void set(std::optional<double>& rank, double v, double bucket_lower, double bucket_upper, double rank_before,
                  const Fn& interpolate, bool at_boundary) {
    if (rank) return;
    if (at_boundary) {
      if (bucket_lower >= v) rank = rank_before;
    } else if (bucket_lower < v && bucket_upper > v) {
      rank = interpolate(v);
    }
  }

  const double lower_;
  const double upper_;
  std::optional<double> lower_rank_;
  std::optional<double> upper_rank_;
};

}  // namespace

double quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  std::sort(values.begin(), values.end(), [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
  const auto n = static_cast<double>(values.size());
  const double rank = q * (n - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(n - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return values[static_cast<size_t>(lower)] * (1 - weight) + values[static_cast<size_t>(upper)] * weight;
}

BucketQuantile bucket_quantile(double q, std::vector<ClassicBucket>& buckets) {
  BucketQuantile result;
  result.value = kNan;
  if (std::isnan(q)) return result;
  if (q < 0 || q > 1) {
    result.value = q < 0 ? -kInf : kInf;
    return result;
  }
  const auto by_bound = [](const ClassicBucket& a, const ClassicBucket& b) { return a.upper_bound < b.upper_bound; };
  if (std::max_element(buckets.begin(), buckets.end(), by_bound)->upper_bound != kInf) return result;
  sort_and_coalesce(buckets);
  make_monotonic(buckets, result);
  const size_t n = buckets.size();
  if (n < 2 || buckets[n - 1].count == 0) return result;
  double rank = q * buckets[n - 1].count;
  const auto found = std::partition_point(buckets.begin(), buckets.end() - 1,
                                          [&](const ClassicBucket& b) { return !(b.count >= rank); });
  const auto b = static_cast<size_t>(found - buckets.begin());
  if (b == n - 1) {
    result.value = buckets[n - 2].upper_bound;
  } else if (b == 0 && buckets[0].upper_bound <= 0) {
    result.value = buckets[0].upper_bound;
  } else {
    double start = 0;
    double count = buckets[b].count;
    if (b > 0) {
      start = buckets[b - 1].upper_bound;
      count -= buckets[b - 1].count;
      rank -= buckets[b - 1].count;
    }
    result.value = start + (buckets[b].upper_bound - start) * (rank / count);
  }
  return result;
}

double bucket_fraction(double lower, double upper, std::vector<ClassicBucket>& buckets) {
  sort_and_coalesce(buckets);
  if (buckets.back().upper_bound != kInf) return kNan;
  const double count = buckets.back().count;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  RankPair ranks(lower, upper);
  double rank = 0;
  double bucket_lower = buckets[0].upper_bound <= 0 ? -kInf : 0;
  for (const ClassicBucket& b : buckets) {
    const auto interpolate = [&](double v) {
      if (bucket_lower == -kInf) return b.count;
      return rank + (b.count - rank) * (v - bucket_lower) / (b.upper_bound - bucket_lower);
    };
    if (ranks.bucket(bucket_lower, b.upper_bound, rank, interpolate)) break;
    rank = b.count;
    bucket_lower = b.upper_bound;
  }
  return ranks.difference(count) / count;
}

double histogram_quantile(double q, const model::FloatHistogram& h, std::string_view metric, Annotations& annotations,
                          PosRange pos) {
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (h.count == 0 || std::isnan(q)) return kNan;
  // Counting from the nearer end loses less; NaN observations are in no bucket, so then from the lower end.
  const bool forward = std::isnan(h.sum) || q < 0.5;
  std::vector<model::HistogramBucket> buckets = h.all_buckets();
  if (!forward) std::reverse(buckets.begin(), buckets.end());
  double rank = (forward ? q : 1 - q) * h.count;
  model::HistogramBucket bucket;
  double count = 0;
  size_t next = 0;
  while (next < buckets.size()) {
    bucket = buckets[next++];
    if (bucket.count == 0) continue;
    count += bucket.count;
    if (count >= rank) break;
  }
  if (!h.uses_custom_buckets()) {
    if (bucket.lower < 0 && bucket.upper > 0) narrow_zero_bucket(bucket, h);
  } else if (bucket.lower == -kInf) {
    if (bucket.upper <= 0) return bucket.upper;
    bucket.lower = 0;
  } else if (bucket.upper == kInf) {
    return bucket.lower;
  }
  count = std::min(count, h.count);
  if (count < rank) {
    if (!std::isnan(h.sum)) return bucket.upper;
    annotations.info(anno::with_metric("input to histogram_quantile has NaN observations, result is NaN", metric), pos);
    return kNan;
  }
  rank = forward ? rank - (count - bucket.count) : count - rank;
  if (std::isnan(h.sum)) {
    const double in_bucket = bucket.count;
    for (; next < buckets.size(); ++next) count += buckets[next].count;
    if (count < h.count) {
      annotations.info(anno::with_metric("input to histogram_quantile has NaN observations, result is skewed higher", metric), pos);
    }
    bucket.count = in_bucket;
  }
  const double fraction = rank / bucket.count;
  if (h.uses_custom_buckets() || (bucket.lower <= 0 && bucket.upper >= 0)) {
    return bucket.lower + (bucket.upper - bucket.lower) * fraction;
  }
  const double log_lower = std::log2(std::abs(bucket.lower));
  const double log_upper = std::log2(std::abs(bucket.upper));
  if (bucket.lower > 0) return std::exp2(log_lower + (log_upper - log_lower) * fraction);
  return -std::exp2(log_upper + (log_lower - log_upper) * (1 - fraction));
}

double histogram_fraction(double lower, double upper, const model::FloatHistogram& h, std::string_view metric,
                          Annotations& annotations, PosRange pos) {
  if (h.count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  RankPair ranks(lower, upper);
  double rank = 0;
  double count = 0;
  bool done = false;
  for (model::HistogramBucket b : h.all_buckets()) {
    count += b.count;
    if (done) continue;  // only the total is of interest now
    const bool zero = b.lower <= 0 && b.upper >= 0;
    if (zero) narrow_zero_bucket(b, h);
    const bool linear = h.uses_custom_buckets() || zero;
    const auto interpolate = [&](double v) {
      if (linear && b.lower == -kInf) return b.count;
      return rank + b.count * b.fraction_below(v, linear);
    };
    done = ranks.bucket(b.lower, b.upper, rank, interpolate);
    if (!done) rank += b.count;
  }
  if (!std::isnan(h.sum)) {
    count = h.count;
  } else if (count < h.count) {
    annotations.info(
        anno::with_metric("input to histogram_fraction has NaN observations, which are excluded from all fractions", metric), pos);
  }
  return ranks.difference(count) / h.count;
}

double histogram_variance(const model::FloatHistogram& h) {
  const double mean = h.sum / h.count;
  double variance = 0;
  double lost = 0;
  for (const model::HistogramBucket& b : h.all_buckets()) {
    if (b.count == 0) continue;
    double value = 0;
    if (h.uses_custom_buckets()) {
      value = (b.upper + b.lower) / 2.0;
    } else if (b.lower > 0 || b.upper < 0) {
      value = std::sqrt(b.upper * b.lower);
      if (b.upper < 0) value = -value;
    }
    const double delta = value - mean;
    model::kahan_inc(b.count * delta * delta, variance, lost);
  }
  return (variance + lost) / h.count;
}

}  // namespace sentinel::promql
