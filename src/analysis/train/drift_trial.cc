#include "analysis/train/drift_trial.h"

#include <algorithm>

#include "analysis/embedding.h"
#include "analysis/normalize.h"
#include "base/random.h"
#include "base/strings.h"

namespace sentinel::analysis::train {
namespace {

void add_side(const HeadModel& model, std::string_view text, std::vector<float>& sample) {
  const std::string folded = fold(text);
  const std::vector<float> topic = embed_doc(model, FeatureDoc(drift_text(folded)));
  const std::array<float, kStyleSize> style = style_of(text, FeatureDoc(folded), false);
  sample.insert(sample.end(), topic.begin(), topic.end());
  sample.insert(sample.end(), style.begin(), style.end());
}

std::vector<float> sample_of(const HeadModel& model, std::string_view text) {
  size_t middle = text.find(' ', text.size() / 2);
  if (middle == std::string_view::npos) middle = text.size();
  std::vector<float> sample;
  sample.reserve(kDriftSize);
  add_side(model, text.substr(0, middle), sample);
  add_side(model, text.substr(middle), sample);
  return sample;
}

void shuffle(std::vector<const std::vector<float>*>& values, Random& random) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

}  // namespace

DriftTrial run_drift_trial(const HeadModel& model, const Corpus& corpus, std::string_view other,
                           const DriftTrialOptions& options) {
  std::vector<std::vector<float>> calm;
  std::vector<std::vector<float>> changed;
  for (const Row& row : corpus.injection) {
    if (row.label != 0 || row.id.starts_with("gen-")) continue;
    if (row.slice == other) changed.push_back(sample_of(model, row.text));
    if (row.slice == "gpt_tool" || row.slice == "gpt_code" || row.slice == "self-instruct-seeds")
      calm.push_back(sample_of(model, row.text));
  }
  DriftTrial out;
  Random random(options.seed);
  std::vector<const std::vector<float>*> order;
  for (const auto& sample : calm) order.push_back(&sample);
  for (size_t trial = 0; trial < options.trials; ++trial) {
    shuffle(order, random);
    std::vector<std::vector<float>> learnt;
    size_t at = 0;
    while (at < options.settings.reference_size) learnt.push_back(*order[at++]);
    const DriftReference reference = DriftReference::learn(learnt, options.settings, options.seed + trial);
    const auto calls = static_cast<double>(options.settings.window);
    double slow = 0;
    const auto window_value = [&](double share) {
      std::vector<double> mean(kDriftSize, 0);
      for (uint64_t i = 0; i < options.settings.window; ++i) {
        const bool change = static_cast<double>(i) < share * calls;
        const std::vector<float>& sample = change ? changed[random.below(changed.size())] : *order[at++];
        for (size_t k = 0; k < kDriftSize; ++k) mean[k] += static_cast<double>(sample[k]) / calls;
      }
      return DriftReference::largest(reference.measure(mean, calls));
    };
    const size_t keep = at + options.settings.window;  // for the window with a change
    if (keep > order.size()) return out;
    ++out.changed_windows;
    out.changed_alarms += window_value(options.changed_share) > reference.threshold();
    while (at + options.settings.window <= order.size()) {
      const double value = window_value(0);
      ++out.calm_windows;
      out.calm_alarms += value > reference.threshold();
      slow = reference.slow_sum(slow, value);
      if (slow <= reference.slow_limit()) continue;
      ++out.calm_slow_alarms;
      slow = 0;
    }
  }
  return out;
}

}  // namespace sentinel::analysis::train
