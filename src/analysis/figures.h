#pragma once
// Figures over scored rows; the same definitions as the scorer that ships with the data.

#include <map>
#include <string>
#include <vector>

#include "analysis/analyzer.h"
#include "analysis/rows.h"

namespace sentinel::analysis {

struct Scored {
  double score = 0;
  int label = 0;
  std::string slice;
};

double auc(std::vector<double> positives, const std::vector<double>& negatives);  // ties count half
// The score that `share` of the negatives lie at or above.
double threshold_at(std::vector<double> negatives, double share);
double calibration_error(const std::vector<Scored>& rows, int bins = 10);  // expected, equal-width bins

struct Pooled {
  double precision = 0, recall = 0, f1 = 0, false_positive_rate = 0, auc = 0;
};
Pooled pooled(const std::vector<Scored>& rows, double threshold);
struct SliceFigures {
  size_t positives = 0, negatives = 0;
  double recall = 0, auc_against_all = 0, auc_inside = 0, false_positive_rate = 0;
};
std::map<std::string, SliceFigures> by_slice(const std::vector<Scored>& rows, double threshold);

struct SpanFigures {
  size_t found = 0, expected = 0, wrong = 0;
  double precision() const {
    return found + wrong ? static_cast<double>(found) / static_cast<double>(found + wrong) : 1;
  }
  double recall() const { return expected ? static_cast<double>(found) / static_cast<double>(expected) : 1; }
  double f1() const { return precision() + recall() > 0 ? 2 * precision() * recall() / (precision() + recall()) : 0; }
};
struct KindFigures {
  size_t rows = 0, with_false_positive = 0;
  double share() const { return rows ? static_cast<double>(with_false_positive) / static_cast<double>(rows) : 0; }
};
// Found is a span of the same type that overlaps the right one; of what was found and fits none, each is wrong.
struct SpanReport {
  SpanFigures all;
  std::map<std::string, SpanFigures> by_type;
  std::map<std::string, KindFigures> by_kind;
  void add(const Row& row, const std::vector<Span>& found);
};
SpanReport evaluate_spans(const PiiDetector& detector, const std::vector<Row>& rows);

}  // namespace sentinel::analysis
