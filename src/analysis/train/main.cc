// sentinel_train DATA_DIR WEIGHTS_FILE [--seed N]   trains and writes the weights, then prints the figures
// sentinel_train DATA_DIR --evaluate WEIGHTS_FILE   prints the figures of existing weights
// sentinel_train DATA_DIR --leave-one-out [TASK]    for each source: trained without it, recall on it (writes nothing)
// sentinel_train DATA_DIR --bars WEIGHTS_FILE       the table of what the detectors are held to; fails when one is
// missed Only figures are printed, never rows.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "analysis/pii.h"
#include "analysis/train/bars.h"
#include "analysis/train/tasks.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/strings.h"

namespace {

using namespace sentinel;
using namespace sentinel::analysis;
using namespace sentinel::analysis::train;

void print_task(const HeadModel& model, const Corpus& corpus, Task task, const char* name) {
  const std::vector<Scored> rows = score_dev(model, corpus, task);
  const double threshold = model.stage(task).threshold;
  const Pooled all = pooled(rows, threshold);
  std::printf("%s: threshold %.4f  P %.3f R %.3f F1 %.3f FPR %.4f AUC %.4f  calibration error %.3f\n", name, threshold,
              all.precision, all.recall, all.f1, all.false_positive_rate, all.auc, calibration_error(rows));
  double recall = 0;
  int sources = 0;
  for (const auto& [slice, f] : by_slice(rows, threshold)) {
    std::printf("  %-24s n+ %4zu n- %4zu", slice.c_str(), f.positives, f.negatives);
    if (f.positives) std::printf("  recall %.3f AUC %.3f", f.recall, f.auc_against_all);
    if (f.positives && f.negatives) std::printf(" (inside %.3f)", f.auc_inside);
    if (f.negatives) std::printf("  FPR %.4f", f.false_positive_rate);
    std::printf("\n");
    if (f.positives) {
      recall += f.recall;
      ++sources;
    }
  }
  std::printf("  macro recall %.3f\n", recall / std::max(1, sources));
}

int evaluate(const HeadModel& model, const Corpus& corpus) {
  print_task(model, corpus, kInjectionTask, "injection");
  print_task(model, corpus, kToxicityTask, "toxicity");
  print_task(model, corpus, kRiskyTask, "risky");
  print_task(model, corpus, kSupportTask, "support");
  for (Task task : {kInjectionTask, kToxicityTask, kRiskyTask}) {
    for (const auto& [slice, f] :
         by_slice(score_dev(model, corpus, task, DevRows::kGenerated), model.stage(task).threshold)) {
      std::printf("generated %-18s n+ %4zu recall %.3f  n- %4zu FPR %.4f\n", slice.c_str(), f.positives, f.recall,
                  f.negatives, f.false_positive_rate);
    }
  }
  const auto detector = make_pii_detector();
  if (!detector) {
    std::fprintf(stderr, "%s\n", detector.error().to_string().c_str());
    return 1;
  }
  for (bool dev : {false, true}) {
    std::vector<Row> rows;
    for (const Row& row : corpus.pii) {
      if (row.dev == dev) rows.push_back(row);
    }
    const SpanReport report = evaluate_spans(**detector, rows);
    std::printf("pii %s: P %.3f R %.3f F1 %.3f\n", dev ? "dev" : "train", report.all.precision(), report.all.recall(),
                report.all.f1());
    for (const auto& [type, f] : report.by_type)
      std::printf("  %-16s n %4zu recall %.3f precision %.3f\n", type.c_str(), f.expected, f.recall(), f.precision());
    for (const auto& [kind, figures] : report.by_kind)
      std::printf("  rows with a false positive: %-24s %.3f\n", kind.c_str(), figures.share());
  }
  return 0;
}

int print_bars(const HeadModel& model, const Corpus& corpus) {
  const Result<std::vector<Bar>> bars = measure_bars(model, corpus);
  if (!bars) {
    std::fprintf(stderr, "%s\n", bars.error().to_string().c_str());
    return 1;
  }
  const auto met = std::count_if(bars->begin(), bars->end(), [](const Bar& bar) { return bar.met(); });
  std::printf("%s\n%zu of %zu bars met\n", to_markdown(*bars).c_str(), static_cast<size_t>(met), bars->size());
  return static_cast<size_t>(met) == bars->size() ? 0 : 1;
}

// What to expect of a source the training has never seen.
int leave_one_out(const Corpus& corpus, uint64_t seed, std::string_view only) {
  const std::pair<Task, std::vector<Row> Corpus::*> tasks[] = {
      {kInjectionTask, &Corpus::injection}, {kToxicityTask, &Corpus::toxicity}, {kRiskyTask, &Corpus::risky}};
  for (const auto& [task, rows] : tasks) {
    if (!only.empty() && only != std::to_string(task)) continue;
    std::set<std::string> sources;
    for (const Row& row : corpus.*rows) {
      if (row.label) sources.insert(row.slice);
    }
    double recall = 0;
    for (const std::string& source : sources) {
      Corpus without = corpus;
      std::erase_if(without.*rows, [&](const Row& row) { return !row.dev && row.slice == source; });
      const HeadModel model = train::train(without, seed);
      // All rows of the source are unseen now; its dev rows alone would be few.
      for (Row& row : without.*rows) row.dev = row.dev && row.slice != source;
      for (const Row& row : corpus.*rows) {
        if (row.slice == source) {
          (without.*rows).push_back(row);
          (without.*rows).back().dev = true;
        }
      }
      const std::vector<Scored> scored = score_dev(model, without, task);
      SliceFigures figures = by_slice(scored, model.stage(task).threshold)[source];
      std::printf("task %d without %-24s n+ %5zu recall %.3f AUC %.3f FPR %.3f (all %.4f)\n", task, source.c_str(),
                  figures.positives, figures.recall, figures.auc_against_all, figures.false_positive_rate,
                  pooled(scored, model.stage(task).threshold).false_positive_rate);
      recall += figures.recall;
    }
    std::printf("task %d macro recall on unseen sources %.3f\n", task, recall / static_cast<double>(sources.size()));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: sentinel_train DATA_DIR WEIGHTS_FILE [--seed N]\n       sentinel_train DATA_DIR --evaluate "
                 "WEIGHTS_FILE\n"
                 "       sentinel_train DATA_DIR --bars WEIGHTS_FILE\n"
                 "       sentinel_train DATA_DIR --leave-one-out [0|1|2]\n");
    return 2;
  }
  const Result<Corpus> corpus = read_corpus(argv[1]);
  if (!corpus) {
    std::fprintf(stderr, "%s\n", corpus.error().to_string().c_str());
    return 1;
  }
  if (std::string(argv[2]) == "--leave-one-out") return leave_one_out(*corpus, 1, argc > 3 ? argv[3] : "");
  const bool bars = std::string(argv[2]) == "--bars";
  if ((bars || std::string(argv[2]) == "--evaluate") && argc == 4) {
    const Result<std::string> bytes = posix_env().read_file(argv[3]);
    const Result<HeadModel> model = HeadModel::parse(bytes.value_or(""));
    if (!model) {
      std::fprintf(stderr, "%s: %s\n", argv[3], model.error().to_string().c_str());
      return 1;
    }
    return bars ? print_bars(*model, *corpus) : evaluate(*model, *corpus);
  }
  const uint64_t seed =
      argc == 5 && std::string(argv[3]) == "--seed" ? static_cast<uint64_t>(parse_int(argv[4]).value_or(1)) : 1;
  const HeadModel model = train::train(*corpus, seed);
  const std::string bytes = model.serialize();
  if (const Status written = posix_env().write_file_atomic(argv[2], bytes); !written) {
    std::fprintf(stderr, "%s\n", written.error().to_string().c_str());
    return 1;
  }
  std::printf("%s: %zu bytes, sha256 %s, seed %llu\n", argv[2], bytes.size(), hex_encode(sha256(bytes)).c_str(),
              static_cast<unsigned long long>(seed));
  return evaluate(model, *corpus);
}
