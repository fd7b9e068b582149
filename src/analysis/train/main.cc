// sentinel_train DATA WEIGHTS [--seed N]        trains and writes the weights
// sentinel_train DATA --bars WEIGHTS            the table of what the detectors are held to; fails when one is missed
// sentinel_train DATA --figures WEIGHTS         the figures by source
// sentinel_train DATA --leave-one-out [0|1|2]   for each source of a task: a model trained without it, recall on it
// Markdown on standard output, figures only, never rows; progress on standard error.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "analysis/train/bars.h"
#include "analysis/train/leave_out.h"
#include "analysis/train/report.h"
#include "analysis/train/tasks.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/strings.h"

namespace {

using namespace sentinel;
using namespace sentinel::analysis;
using namespace sentinel::analysis::train;

int failed(const Error& error) {
  std::fprintf(stderr, "sentinel_train: %s\n", error.to_string().c_str());
  return 1;
}

Result<HeadModel> read_model(const char* path) {
  SENTINEL_ASSIGN(const std::string bytes, posix_env().read_file(path));
  return HeadModel::parse(bytes);
}

int print_bars(const HeadModel& model, const Corpus& corpus) {
  const Result<std::vector<Bar>> bars = measure_bars(model, corpus);
  if (!bars) return failed(bars.error());
  const auto met =
      static_cast<size_t>(std::count_if(bars->begin(), bars->end(), [](const Bar& bar) { return bar.met(); }));
  std::printf("%s\n%zu of %zu bars met\n", to_markdown(*bars).c_str(), met, bars->size());
  return met == bars->size() ? 0 : 1;
}

int print_figures(const HeadModel& model, const Corpus& corpus) {
  const Result<std::string> figures = figures_markdown(model, corpus);
  if (!figures) return failed(figures.error());
  std::fputs(figures->c_str(), stdout);
  return 0;
}

int leave_one_out(const Corpus& corpus, std::string_view only) {
  std::optional<Task> task;
  if (!only.empty()) task = static_cast<Task>(std::clamp<int64_t>(parse_int(only).value_or(0), 0, kRiskyTask));
  const std::vector<UnseenSource> sources = leave_sources_out(corpus, 1, task, [](const UnseenSource& s) {
    std::fprintf(stderr, "    without %s: recall %.3f, AUC %.3f\n", s.source.c_str(), s.figures.recall,
                 s.figures.auc_against_all);
  });
  std::fputs(unseen_markdown(sources).c_str(), stdout);
  return 0;
}

int write_weights(const Corpus& corpus, const char* path, uint64_t seed) {
  const std::string bytes = train::train(corpus, seed).serialize();
  if (const Status written = posix_env().write_file_atomic(path, bytes); !written) return failed(written.error());
  std::printf("%s: %zu bytes, sha256 %s, seed %llu\n", path, bytes.size(), hex_encode(sha256(bytes)).c_str(),
              static_cast<unsigned long long>(seed));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[2] : "";
  const bool judges = mode == "--bars" || mode == "--figures";
  if (mode.empty() || (judges && argc != 4)) {
    std::fprintf(stderr,
                 "usage: sentinel_train DATA_DIR WEIGHTS_FILE [--seed N]\n"
                 "       sentinel_train DATA_DIR --bars|--figures WEIGHTS_FILE\n"
                 "       sentinel_train DATA_DIR --leave-one-out [0|1|2]\n");
    return 2;
  }
  const Result<Corpus> corpus = read_corpus(argv[1]);
  if (!corpus) return failed(corpus.error());
  if (mode == "--leave-one-out") return leave_one_out(*corpus, argc > 3 ? argv[3] : "");
  if (judges) {
    const Result<HeadModel> model = read_model(argv[3]);
    if (!model) return failed(model.error());
    return mode == "--bars" ? print_bars(*model, *corpus) : print_figures(*model, *corpus);
  }
  const bool seeded = argc == 5 && std::string(argv[3]) == "--seed";
  return write_weights(*corpus, argv[2], seeded ? static_cast<uint64_t>(parse_int(argv[4]).value_or(1)) : 1);
}
