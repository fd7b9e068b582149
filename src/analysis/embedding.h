#pragma once
// A hashed embedding: 256 signed buckets of words and character n-grams, weighted by how rare the word is.

#include <memory>

#include "analysis/analyzer.h"
#include "analysis/features.h"
#include "analysis/heads.h"

namespace sentinel::analysis {

std::unique_ptr<Embedder> make_hashed_embedder(const HeadModel& model);

// Of an already tokenised text; unit length, all zero for an empty one.
std::vector<float> embed_doc(const HeadModel& model, const FeatureDoc& doc);
double cosine(const std::vector<float>& a, const std::vector<float>& b);  // 0 when one is zero or sizes differ

}  // namespace sentinel::analysis
