#pragma once
// Logistic regression, twice: over hashed sparse features (AdaGrad) and over a few dense inputs (full gradient with
// standardised inputs). Seeded, single-threaded, the same bits every time.

#include <cstdint>
#include <vector>

#include "analysis/features.h"
#include "analysis/heads.h"

namespace sentinel::analysis::train {

struct SparseExample {
  std::vector<uint32_t> buckets;
  std::vector<float> values;  // divided by the norm
  float label = 0;            // 1 or 0
  float weight = 1;
};
SparseExample sparse_example(const FeatureDoc& doc, float label, float weight);

struct SparseOptions {
  int epochs = 8;
  float rate = 0.4F;
  float decay = 2e-6F;  // L2, per step
  uint64_t seed = 1;
};
struct SparseModel {
  std::vector<float> weights;  // kBuckets
  float bias = 0;
  float score(const SparseExample& example) const;
};
SparseModel learn_sparse(const std::vector<const SparseExample*>& examples, const SparseOptions& options);

// Writes a float model into one head, as bytes with one scale.
void quantize(const SparseModel& model, HeadIndex head, HeadModel& out);

struct DenseExample {
  std::vector<float> inputs;
  float label = 0;
  float weight = 1;
};
SecondStage learn_dense(const std::vector<DenseExample>& examples, double l2);

}  // namespace sentinel::analysis::train
