#include "analysis/train/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/pii.h"
#include "analysis/train/bars.h"

namespace sentinel::analysis::train {
namespace {

constexpr std::string_view kTaskNames[kTaskCount] = {"injection", "toxicity", "risky", "support"};

std::string share_or_dash(bool there, double value) { return there ? fmt::format("{:.3f}", value) : "–"; }

std::string source_table(const std::vector<Scored>& rows, double threshold) {
  std::string out =
      "| Source | Bad | Recall | AUC, against all good | within the source | Good | Flagged |\n"
      "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n";
  for (const auto& [slice, f] : by_slice(rows, threshold)) {
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", slice, f.positives,
                       share_or_dash(f.positives > 0, f.recall), share_or_dash(f.positives > 0, f.auc_against_all),
                       share_or_dash(f.positives > 0 && f.negatives > 0, f.auc_inside), f.negatives,
                       share_or_dash(f.negatives > 0, f.false_positive_rate));
  }
  return out;
}

std::string task_section(const HeadModel& model, const Corpus& corpus, Task task) {
  const double threshold = static_cast<double>(model.stage(task).threshold);
  const std::vector<Scored> rows = score_dev(model, corpus, task);
  const Pooled all = pooled(rows, threshold);
  std::string out = fmt::format(
      "### {}\n\nThreshold {:.4f}; all rows: precision {:.3f}, recall {:.3f}, F1 {:.3f}, false positives {:.2f} %, AUC "
      "{:.4f}, calibration error {:.3f}.\n\n{}\n",
      kTaskNames[task], threshold, all.precision, all.recall, all.f1, 100 * all.false_positive_rate, all.auc,
      calibration_error(rows), source_table(rows, threshold));
  if (task == kSupportTask) return out;
  const std::vector<Scored> generated = score_dev(model, corpus, task, DevRows::kGenerated);
  return out + "Rows of our own grammars (their patterns are known to the training, so these are easy):\n\n" +
         source_table(generated, threshold) + "\n";
}

std::string hidden_section(const HeadModel& model, const Corpus& corpus) {
  std::string out =
      "### Hidden attacks\n\nAttacks found as they are, hidden in each way: still found; and harmless texts hidden the "
      "same way: flagged.\n\n| Disguise | Still found | Harmless flagged |\n| --- | ---: | ---: |\n";
  for (const HiddenRecall& hidden : hidden_recall(model, corpus))
    out += fmt::format("| {} | {:.3f} | {:.3f} |\n", hidden.trick, hidden.kept, hidden.false_alarms);
  return out + "\n";
}

Result<std::string> personal_data_section(const Corpus& corpus) {
  std::unique_ptr<PiiDetector> detector;
  SENTINEL_ASSIGN(detector, make_pii_detector());
  std::vector<Row> dev;
  std::copy_if(corpus.pii.begin(), corpus.pii.end(), std::back_inserter(dev), [](const Row& row) { return row.dev; });
  const SpanReport report = evaluate_spans(*detector, dev);
  std::string out = fmt::format(
      "### Personal data and secrets\n\nAll types: precision {:.3f}, recall {:.3f}, F1 {:.3f}.\n\n"
      "| Type | Spans | Recall | Precision |\n| --- | ---: | ---: | ---: |\n",
      report.all.precision(), report.all.recall(), report.all.f1());
  for (const auto& [type, f] : report.by_type)
    out += fmt::format("| {} | {} | {} | {:.3f} |\n", type, f.expected, share_or_dash(f.expected > 0, f.recall()),
                       f.precision());
  out += "\n| Rows of kind | Rows | With a false positive |\n| --- | ---: | ---: |\n";
  for (const auto& [kind, f] : report.by_kind) out += fmt::format("| {} | {} | {:.3f} |\n", kind, f.rows, f.share());
  return out + "\n";
}

}  // namespace

Result<std::string> figures_markdown(const HeadModel& model, const Corpus& corpus) {
  std::string out = task_section(model, corpus, kInjectionTask) + hidden_section(model, corpus);
  for (const Task task : {kToxicityTask, kRiskyTask, kSupportTask}) out += task_section(model, corpus, task);
  SENTINEL_ASSIGN(const std::string personal, personal_data_section(corpus));
  return out + personal;
}

std::string unseen_markdown(const std::vector<UnseenSource>& sources) {
  std::string out =
      "### Sources the training has not seen\n\nFor each source, a model trained without it; all rows of the source "
      "are scored.\n\n| Detector | Source left out | Bad | Recall | AUC | Good flagged |\n"
      "| --- | --- | ---: | ---: | ---: | ---: |\n";
  for (const UnseenSource& s : sources) {
    out += fmt::format("| {} | {} | {} | {:.3f} | {:.3f} | {} |\n", kTaskNames[s.task], s.source, s.figures.positives,
                       s.figures.recall, s.figures.auc_against_all,
                       share_or_dash(s.figures.negatives > 0, s.figures.false_positive_rate));
  }
  out += "\n";
  for (const Task task : {kInjectionTask, kToxicityTask, kRiskyTask}) {
    const bool any = std::any_of(sources.begin(), sources.end(), [&](const auto& s) { return s.task == task; });
    if (any)
      out += fmt::format("- {}: recall, mean of the unseen sources: {:.3f}\n", kTaskNames[task],
                         macro_recall(sources, task));
  }
  return out;
}

}  // namespace sentinel::analysis::train
