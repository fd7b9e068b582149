#include "analysis/figures.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace sentinel::analysis {

double auc(std::vector<double> positives, const std::vector<double>& negatives) {
  if (positives.empty() || negatives.empty()) return 0;
  std::vector<double> sorted = negatives;
  std::sort(sorted.begin(), sorted.end());
  double wins = 0;
  for (double p : positives) {
    const auto low = std::lower_bound(sorted.begin(), sorted.end(), p);
    const auto high = std::upper_bound(low, sorted.end(), p);
    wins += static_cast<double>(low - sorted.begin()) + 0.5 * static_cast<double>(high - low);
  }
  return wins / (static_cast<double>(positives.size()) * static_cast<double>(negatives.size()));
}

double threshold_at(std::vector<double> negatives, double share) {
  if (negatives.empty()) return 0.5;
  std::sort(negatives.begin(), negatives.end());
  const auto at = static_cast<size_t>((1.0 - share) * static_cast<double>(negatives.size()));
  return negatives[std::min(at, negatives.size() - 1)];
}

double calibration_error(const std::vector<Scored>& rows, int bins) {
  std::vector<double> sum(static_cast<size_t>(bins), 0), hits(static_cast<size_t>(bins), 0),
      count(static_cast<size_t>(bins), 0);
  for (const Scored& row : rows) {
    const auto bin = static_cast<size_t>(std::min(bins - 1, static_cast<int>(row.score * bins)));
    sum[bin] += row.score;
    hits[bin] += row.label;
    count[bin] += 1;
  }
  double error = 0;
  for (size_t b = 0; b < sum.size(); ++b) error += std::fabs(sum[b] - hits[b]);
  return rows.empty() ? 0 : error / static_cast<double>(rows.size());
}

Pooled pooled(const std::vector<Scored>& rows, double threshold) {
  std::vector<double> positives, negatives;
  double tp = 0;
  double fp = 0;
  for (const Scored& row : rows) {
    (row.label ? positives : negatives).push_back(row.score);
    (row.label ? tp : fp) += row.score > threshold;
  }
  Pooled out;
  out.precision = tp / std::max(1.0, tp + fp);
  out.recall = tp / std::max(1.0, static_cast<double>(positives.size()));
  out.f1 = 2 * out.precision * out.recall / std::max(1e-9, out.precision + out.recall);
  out.false_positive_rate = fp / std::max(1.0, static_cast<double>(negatives.size()));
  out.auc = auc(positives, negatives);
  return out;
}

std::map<std::string, SliceFigures> by_slice(const std::vector<Scored>& rows, double threshold) {
  std::vector<double> all_negatives;
  std::map<std::string, std::vector<double>> positives, negatives;
  for (const Scored& row : rows) {
    (row.label ? positives : negatives)[row.slice].push_back(row.score);
    if (!row.label) all_negatives.push_back(row.score);
  }
  std::map<std::string, SliceFigures> out;
  const auto above = [&](const std::vector<double>& v) {
    return static_cast<double>(std::count_if(v.begin(), v.end(), [&](double s) { return s > threshold; })) /
           static_cast<double>(v.size());
  };
  for (const auto& [slice, values] : positives) {
    out[slice].positives = values.size();
    out[slice].recall = above(values);
    out[slice].auc_against_all = auc(values, all_negatives);
    if (negatives.contains(slice)) out[slice].auc_inside = auc(values, negatives[slice]);
  }
  for (const auto& [slice, values] : negatives) {
    out[slice].negatives = values.size();
    out[slice].false_positive_rate = above(values);
  }
  return out;
}

void SpanReport::add(const Row& row, const std::vector<Span>& found) {
  const auto base = [](const std::string& type) { return type.substr(0, type.find(':')); };
  std::set<size_t> used;
  for (const Span& want : row.spans) {
    const std::string type = base(want.type);
    bool hit = false;
    for (size_t i = 0; i < found.size(); ++i) {
      if (base(found[i].type) == type && found[i].begin < want.end && want.begin < found[i].end) {
        used.insert(i);
        hit = true;
      }
    }
    all.expected += 1;
    by_type[type].expected += 1;
    all.found += hit;
    by_type[type].found += hit;
  }
  for (size_t i = 0; i < found.size(); ++i) {
    if (used.contains(i)) continue;
    all.wrong += 1;
    by_type[base(found[i].type)].wrong += 1;
  }
  KindFigures& kind = by_kind[row.kind];
  kind.rows += 1;
  kind.with_false_positive += used.size() < found.size();
}

SpanReport evaluate_spans(const PiiDetector& detector, const std::vector<Row>& rows) {
  SpanReport report;
  for (const Row& row : rows) report.add(row, detector.find(row.text));
  return report;
}

}  // namespace sentinel::analysis
