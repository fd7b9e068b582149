#include "analysis/train/leave_out.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

namespace sentinel::analysis::train {
namespace {

std::vector<Row> Corpus::* rows_of(Task task) {
  return task == kInjectionTask ? &Corpus::injection : task == kToxicityTask ? &Corpus::toxicity : &Corpus::risky;
}

SliceFigures unseen(const Corpus& corpus, Task task, const std::string& source, uint64_t seed) {
  const auto rows = rows_of(task);
  Corpus without = corpus;
  std::erase_if(without.*rows, [&](const Row& row) { return !row.dev && row.slice == source; });
  const HeadModel model = train(without, seed);
  // All rows of the source are unseen now; its dev rows alone would be few.
  std::erase_if(without.*rows, [&](const Row& row) { return row.slice == source; });
  for (const Row& row : corpus.*rows) {
    if (row.slice != source) continue;
    (without.*rows).push_back(row);
    (without.*rows).back().dev = true;
  }
  // Rows of a grammar of our own are scored by themselves.
  const bool generated = std::all_of((corpus.*rows).begin(), (corpus.*rows).end(),
                                     [&](const Row& row) { return row.slice != source || row.id.starts_with("gen-"); });
  const std::vector<Scored> scored =
      score_dev(model, without, task, generated ? DevRows::kGenerated : DevRows::kCollected);
  return by_slice(scored, static_cast<double>(model.stage(task).threshold))[source];
}

}  // namespace

std::vector<UnseenSource> leave_sources_out(const Corpus& corpus, uint64_t seed, std::optional<Task> only,
                                            const std::function<void(const UnseenSource&)>& trained) {
  std::vector<UnseenSource> out;
  for (const Task task : {kInjectionTask, kToxicityTask, kRiskyTask}) {
    if (only && *only != task) continue;
    std::set<std::string> sources;
    for (const Row& row : corpus.*rows_of(task)) {
      if (row.label == 1 && !row.id.starts_with("gen-")) sources.insert(row.slice);
    }
    for (const std::string& source : sources) out.push_back({task, source, {}});
  }
  std::atomic<size_t> next{0};
  std::mutex telling;
  const auto work = [&] {
    for (size_t i = next++; i < out.size(); i = next++) {
      out[i].figures = unseen(corpus, out[i].task, out[i].source, seed);
      const std::lock_guard guard(telling);
      trained(out[i]);
    }
  };
  std::vector<std::thread> crew;
  for (unsigned i = 1; i < std::max(1U, std::thread::hardware_concurrency()); ++i) crew.emplace_back(work);
  work();
  for (std::thread& thread : crew) thread.join();
  return out;
}

double macro_recall(const std::vector<UnseenSource>& sources, Task task) {
  double recall = 0;
  double count = 0;
  for (const UnseenSource& source : sources) {
    if (source.task != task) continue;
    recall += source.figures.recall;
    count += 1;
  }
  return recall / std::max(1.0, count);
}

}  // namespace sentinel::analysis::train
