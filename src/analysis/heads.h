#pragma once
// The trained weights: four linear heads over one hashed feature space, the small second stages that turn their scores
// into calibrated risks, and word weights (inverse document frequency). Read from the block linked into the binary;
// written by the training program. Immutable once loaded, thread-safe.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/features.h"
#include "analysis/normalize.h"
#include "base/result.h"

namespace sentinel::analysis {

enum HeadIndex : uint8_t { kInjectionHead, kDocumentHead, kToxicityHead, kRiskyHead, kHeadCount };
enum Task : uint8_t { kInjectionTask, kToxicityTask, kRiskyTask, kSupportTask, kTaskCount };

inline constexpr uint32_t kBucketBits = 18;
inline constexpr uint32_t kBuckets = 1U << kBucketBits;
inline constexpr uint32_t kIdfBits = 15;

// What the linear heads say of one text: of all of it, and of its sentence windows.
struct HeadScores {
  struct PerHead {
    float full = 0;
    float window_max = 0;
    float window_mean = 0;
    uint32_t best_begin = 0;  // bytes of the highest window in the normalised text
    uint32_t best_end = 0;
  };
  std::array<PerHead, kHeadCount> head;
  uint32_t tokens = 0;
  uint32_t windows = 0;
  uint32_t attack_pairs = 0;
};

// Logistic regression over a few inputs, and the risk above which the finding is reported.
struct SecondStage {
  std::vector<float> weights;  // one an input, the last is the bias
  float threshold = 0.5F;
  double probability(const std::vector<float>& inputs) const;
};

class HeadModel {
 public:
  static const HeadModel& embedded();  // aborts when the linked block is damaged: a build error
  static Result<HeadModel> parse(std::string_view bytes);
  std::string serialize() const;

  HeadScores score(const FeatureDoc& doc) const;
  // The words of `doc` that raise the score of a head most, with their n-grams and as often as they occur; heaviest
  // first. `text` is what the document was made from.
  std::vector<std::pair<std::string, float>> heaviest_words(const FeatureDoc& doc, std::string_view text,
                                                            HeadIndex head, size_t count) const;
  float idf(uint32_t word_hash) const { return static_cast<float>(idf_[word_hash >> (32 - kIdfBits)]) / 24.0F; }
  const SecondStage& stage(Task task) const { return stages_[task]; }

  // For the training program.
  std::vector<int8_t>& weights() { return weights_; }  // kBuckets × kHeadCount, heads side by side
  std::array<float, kHeadCount>& scales() { return scales_; }
  std::array<float, kHeadCount>& biases() { return biases_; }
  std::vector<uint8_t>& idf_table() { return idf_; }
  SecondStage& stage(Task task) { return stages_[task]; }
  HeadModel();

 private:
  std::vector<int8_t> weights_;
  std::array<float, kHeadCount> scales_{};
  std::array<float, kHeadCount> biases_{};
  std::vector<uint8_t> idf_;
  std::array<SecondStage, kTaskCount> stages_;
};

inline uint32_t bucket_of(uint32_t hash) { return hash >> (32 - kBucketBits); }

// What the second stages look at for one piece of text.
std::vector<float> stage_inputs(const HeadModel& model, std::string_view piece, uint32_t obfuscation,
                                HeadScores* scores = nullptr);

// Probabilities of the three text tasks: the text and each part decoded from it are judged by themselves, the worst
// counts. `scores` gets the head scores of the text itself.
using TaskRisks = std::array<double, 3>;
TaskRisks text_risks(const HeadModel& model, const Normalized& text, HeadScores* scores = nullptr);

}  // namespace sentinel::analysis
