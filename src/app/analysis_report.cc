#include "app/analysis_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace sentinel::app {
namespace json = boost::json;
namespace {

using analysis::BatchTask;

double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto at = std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(at), values.end());
  return values[at];
}

double share(size_t part, size_t all) { return all ? static_cast<double>(part) / static_cast<double>(all) : 0; }

}  // namespace

void AnalysisReport::add(const analysis::Row& row, const analysis::BatchResult& result, double scoring_us) {
  const bool pii = task_ == BatchTask::kPii;
  const bool flagged = pii ? !result.spans.empty() : result.risk.value_or(0) > threshold_;
  ++rows_;
  flagged_ += flagged;
  bytes_ += row.text.size() + row.context.size() + row.question.size() + row.answer.size();
  row_us_.push_back(scoring_us);
  labelled_rows_ += row.labelled;
  if (const std::string& slice = row.slice.empty() ? row.kind : row.slice; !slice.empty()) {
    ++slices_[slice].rows;
    slices_[slice].flagged += flagged;
  }
  if (pii) {
    for (const analysis::Span& span : result.spans) ++types_[span.type.substr(0, span.type.find(':'))];
    if (row.labelled) spans_.add(row, result.spans);
    return;
  }
  undecided_ += !result.risk;
  const double risk = result.risk.value_or(kUndecided);
  scores_.push_back(risk);
  if (row.labelled) labelled_.push_back({risk, row.label, row.slice});
}

std::string AnalysisReport::to_text() {
  std::string out = fmt::format(
      "{} rows in {:.2f} s: {:.0f} rows/s, {:.1f} MB/s; a row takes {:.0f} us (p50), {:.0f} us (p99)\n", rows_,
      seconds_, static_cast<double>(rows_) / std::max(seconds_, 1e-6),
      static_cast<double>(bytes_) / 1e6 / std::max(seconds_, 1e-6), quantile(row_us_, 0.5), quantile(row_us_, 0.99));
  if (task_ == BatchTask::kPii) {
    out += fmt::format("{} rows ({:.1f} %) hold personal data or secrets\n", flagged_, 100 * share(flagged_, rows_));
    for (const auto& [type, count] : types_) out += fmt::format("  {:<16} {:>7}\n", type, count);
  } else {
    out += fmt::format("{} rows ({:.1f} %) above the threshold of {:.4f}; risk p50 {:.4f}, p90 {:.4f}, p99 {:.4f}\n",
                       flagged_, 100 * share(flagged_, rows_), threshold_, quantile(scores_, 0.5),
                       quantile(scores_, 0.9), quantile(scores_, 0.99));
  }
  if (undecided_ > 0)
    out +=
        fmt::format("{} rows could not be judged (no document, or no claim); written as {}\n", undecided_, kUndecided);
  for (const auto& [slice, s] : slices_)
    out += fmt::format("  {:<28} {:>7} rows, {:>6.2f} % flagged\n", slice, s.rows, 100 * share(s.flagged, s.rows));
  if (labelled_rows_ == 0) return out;
  if (task_ == BatchTask::kPii) {
    const analysis::SpanFigures& f = spans_.all;
    return out + fmt::format("against the {} labelled rows: precision {:.3f}, recall {:.3f}, F1 {:.3f}\n",
                             labelled_rows_, f.precision(), f.recall(), f.f1());
  }
  const analysis::Pooled f = analysis::pooled(labelled_, threshold_);
  return out + fmt::format(
                   "against the {} labelled rows: precision {:.3f}, recall {:.3f}, F1 {:.3f}, false positives "
                   "{:.2f} %, AUC {:.4f}, calibration error {:.3f}\n",
                   labelled_rows_, f.precision, f.recall, f.f1, 100 * f.false_positive_rate, f.auc,
                   analysis::calibration_error(labelled_));
}

json::object AnalysisReport::to_json() {
  json::object slices;
  for (const auto& [name, s] : slices_) slices[name] = json::object{{"rows", s.rows}, {"flagged", s.flagged}};
  json::object out{{"task", analysis::kBatchTaskNames[static_cast<size_t>(task_)]},
                   {"rows", rows_},
                   {"flagged", flagged_},
                   {"undecided", undecided_},
                   {"seconds", seconds_},
                   {"bytes", bytes_},
                   {"row_us", {{"p50", quantile(row_us_, 0.5)}, {"p99", quantile(row_us_, 0.99)}}},
                   {"slices", std::move(slices)}};
  if (task_ == BatchTask::kPii) {
    json::object types;
    for (const auto& [type, count] : types_) types[type] = count;
    out["types"] = std::move(types);
  } else {
    out["threshold"] = threshold_;
    out["risk"] = {{"p50", quantile(scores_, 0.5)}, {"p90", quantile(scores_, 0.9)}, {"p99", quantile(scores_, 0.99)}};
  }
  if (labelled_rows_ == 0) return out;
  if (task_ == BatchTask::kPii) {
    const analysis::SpanFigures& f = spans_.all;
    out["labelled"] = {{"rows", labelled_rows_}, {"precision", f.precision()}, {"recall", f.recall()}, {"f1", f.f1()}};
  } else {
    const analysis::Pooled f = analysis::pooled(labelled_, threshold_);
    out["labelled"] = {{"rows", labelled_rows_},
                       {"precision", f.precision},
                       {"recall", f.recall},
                       {"f1", f.f1},
                       {"false_positive_rate", f.false_positive_rate},
                       {"auc", f.auc},
                       {"calibration_error", analysis::calibration_error(labelled_)}};
  }
  return out;
}

}  // namespace sentinel::app
