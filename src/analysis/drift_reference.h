#pragma once
// What the calls of one route were like, frozen, and how far a window of later calls lies from it. Prompts and answers
// are measured apart: their subject (hashed embeddings), form, length, language, and how often the answer refuses.
//
// Each measure is a T² or a distance of centres, scaled by what the reference does against itself: random parts of it
// are compared with the rest (a bootstrap), which gives each measure its calm value and its 99 % quantile, and the
// largest of all measures the threshold that calm windows pass at the stated rate. No fixed number from a paper
// decides.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/features.h"
#include "base/random.h"

namespace sentinel::analysis {

inline constexpr size_t kStyleSize = 11;
inline constexpr size_t kSideSize = kEmbeddingSize + kStyleSize;  // one text: its embedding, then its style
inline constexpr size_t kDriftSize = 2 * kSideSize;               // a call: its prompt, then its answer

// The text whose words are compared: folded, every digit a 0, so that order numbers and amounts are no subject.
std::string drift_text(std::string_view folded);
// Length, refusal, language and form of one text as it was written.
std::array<float, kStyleSize> style_of(std::string_view text, const FeatureDoc& doc, bool refusal);

enum DriftMeasure : uint8_t {
  kPromptTopic,
  kPromptCentre,
  kPromptForm,
  kPromptLength,
  kPromptLanguage,
  kAnswerTopic,   // T² over the embedding: what the texts are about
  kAnswerCentre,  // distance of the two centres, by the scatter of single calls
  kAnswerForm,    // T² over the style
  kAnswerLength,
  kAnswerLanguage,
  kAnswerRefusal,
  kDriftMeasures
};
std::string_view drift_measure_name(DriftMeasure measure);  // "prompt_topic"
using DriftValues = std::array<double, kDriftMeasures>;

struct DriftSettings {
  uint64_t reference_size = 60;           // calls a reference is learnt from, ≥ 8
  uint64_t window = 30;                   // calls of a window, 4..kDriftWindowMax
  double false_alarm_rate = 0.01;         // share of calm windows that raise an alarm, of all measures together
  uint64_t adopt_after_calm_windows = 0;  // then a new reference is learnt from the latest calls; 0: never by itself
};

// Immutable once learnt. Thread-safe.
class DriftReference {
 public:
  // REQUIRES: at least 8 samples of kDriftSize. The same samples and seed give the same bits.
  static DriftReference learn(const std::vector<std::vector<float>>& samples, const DriftSettings& settings,
                              uint64_t seed);

  // Of the mean of `calls` samples: 0 is the calm median, 1 the 99 % quantile of calm windows.
  DriftValues measure(const std::vector<double>& window_mean, double calls) const;
  static double largest(const DriftValues& values);
  double threshold() const { return threshold_; }  // of the largest

  // The sequential test for slow drift (CUSUM, E. Page 1954, of the largest value of each window): the sum grows by
  // what a window lies above the allowance, never below 0; above the limit is an alarm.
  double slow_sum(double sum, double largest_value) const;
  double slow_limit() const { return slow_limit_; }

  // How far one call lies from the reference, per dimension in units of its variance: for picking examples.
  double distance(const std::vector<float>& sample) const;

 private:
  friend class DriftCodec;
  struct Scale {
    double calm = 1;   // median of the statistic when nothing has changed
    double alarm = 2;  // its 99 % quantile
    double excess(double statistic) const;
  };
  void calibrate_slow(const std::vector<double>& calm, double rate, Random& random);
  double statistic(DriftMeasure measure, const std::vector<double>& mean, const std::vector<double>& variance,
                   const std::vector<double>& window, double spread) const;

  std::vector<double> mean_;
  std::vector<double> variance_;
  double calls_ = 0;
  std::array<Scale, kDriftMeasures> scales_{};
  double threshold_ = 1;
  double slow_allowance_ = 0;
  double slow_limit_ = 1;
};

}  // namespace sentinel::analysis
