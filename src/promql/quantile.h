#pragma once
// Quantiles of plain values, classic buckets and native histograms.

#include <string_view>
#include <vector>

#include "promql/annotations.h"
#include "promql/ast.h"
#include "model/histogram.h"

namespace sentinel::promql {

// Of unsorted values (sorted in place), NaN first; NaN for none.
double quantile(double q, std::vector<double>& values);

struct ClassicBucket {
  double upper_bound = 0;
  double count = 0;  // cumulative
};

struct BucketQuantile {
  double value = 0;
  bool forced_monotonic = false;
  double min_bucket = 0;
  double max_bucket = 0;
  double max_diff = 0;
};
// REQUIRES: at least one bucket. Sorts and repairs `buckets` in place.
BucketQuantile bucket_quantile(double q, std::vector<ClassicBucket>& buckets);
double bucket_fraction(double lower, double upper, std::vector<ClassicBucket>& buckets);

double histogram_quantile(double q, const model::FloatHistogram& h, std::string_view metric, Annotations& annotations,
                          PosRange pos);
double histogram_fraction(double lower, double upper, const model::FloatHistogram& h, std::string_view metric,
                          Annotations& annotations, PosRange pos);
double histogram_variance(const model::FloatHistogram& h);

}  // namespace sentinel::promql
