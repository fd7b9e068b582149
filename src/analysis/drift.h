#pragma once
// Have the answers of one route × model × prompt template changed their subject or style? A reference is frozen from
// the first calls and never adapts by itself; the last calls are compared with it by a T² statistic over hashed
// embeddings and style measures, scaled by what the reference does against itself (a bootstrap), so that no fixed
// number from a paper decides.
//
// The key leaves out the model version on purpose: a new version that writes differently must show as drift.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/embedding.h"
#include "base/result.h"

namespace sentinel::analysis {

inline constexpr size_t kStyleSize = 10;
// The text whose words are compared: folded, every digit a 0, so that order numbers and amounts are no subject.
std::string drift_text(std::string_view folded_answer);
// Length, refusal, language and form of one answer.
std::array<float, kStyleSize> style_of(std::string_view answer, const FeatureDoc& doc, bool refusal);

struct DriftScore {
  bool baseline_ready = false;
  double similarity = 1;  // 1 − drift; 1 while the reference is still being collected
};

// One owner, one thread. State is bounded by kDriftKeysMax.
class DriftTracker {
 public:
  // REQUIRES: window ≤ kDriftWindowMax, reference ≥ 8.
  DriftTracker(uint64_t reference_size, uint64_t window);

  // No value when the table of keys is full.
  std::optional<DriftScore> observe(std::string_view key, const std::vector<float>& embedding,
                                    const std::array<float, kStyleSize>& style);
  // Forgets the references of these keys, so that they are learnt anew; how many there were.
  size_t reset(const std::function<bool(std::string_view key)>& which);
  std::string save() const;
  // Replaces everything; on error the old state stays.
  Status load(std::string_view json);
  size_t keys() const { return states_.size(); }
  size_t frozen() const { return frozen_; }  // keys whose reference is complete

  static constexpr size_t kDimensions = kEmbeddingSize + kStyleSize;

 private:
  struct Channel {     // one of: embedding, style
    double calm = 1;   // median of the statistic when nothing has changed
    double alarm = 2;  // its 99 % quantile
  };
  struct State {
    std::vector<std::vector<float>> samples;  // while collecting: the reference; afterwards: the window
    bool frozen = false;
    uint64_t seen = 0;
    uint64_t next = 0;  // slot of the window to overwrite
    std::vector<double> mean;
    std::vector<double> variance;
    std::vector<double> window_sum;
    Channel topic;
    Channel style;
  };

  void freeze(State& state, uint64_t seed) const;
  DriftScore judge(const State& state) const;
  void count_frozen();

  uint64_t reference_size_;
  uint64_t window_;
  size_t frozen_ = 0;
  std::map<std::string, State, std::less<>> states_;
};

}  // namespace sentinel::analysis
