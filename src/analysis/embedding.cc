#include "analysis/embedding.h"

#include <cmath>

#include "analysis/normalize.h"

namespace sentinel::analysis {
namespace {

class HashedEmbedder final : public Embedder {
 public:
  explicit HashedEmbedder(const HeadModel& model) : model_(model) {}
  std::vector<float> embed(std::string_view text) const override { return embed_doc(model_, FeatureDoc(fold(text))); }

 private:
  const HeadModel& model_;
};

}  // namespace

std::unique_ptr<Embedder> make_hashed_embedder(const HeadModel& model) {
  return std::make_unique<HashedEmbedder>(model);
}

std::vector<float> embed_doc(const HeadModel& model, const FeatureDoc& doc) {
  std::vector<float> out(kEmbeddingSize, 0.0F);
  const auto add = [&](uint32_t hash, float value) {
    out[hash % kEmbeddingSize] += (hash & 0x80000000U) ? value : -value;
  };
  for (const FeatureDoc::Distinct& word : doc.distinct()) {
    const float weight = model.idf(word.word_hash) * FeatureDoc::dampen(word.count);
    add(word.word_hash, weight);
    const auto grams = static_cast<float>(word.grams_end - word.grams_begin);
    if (grams == 0) continue;
    const float share = weight / std::sqrt(grams);
    for (uint32_t i = word.grams_begin; i < word.grams_end; ++i) add(doc.grams()[i], share);
  }
  double sum = 0;
  for (float x : out) sum += static_cast<double>(x) * x;
  if (sum > 0) {
    const auto scale = static_cast<float>(1.0 / std::sqrt(sum));
    for (float& x : out) x *= scale;
  }
  return out;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return 0;
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? dot / std::sqrt(aa * bb) : 0;
}

}  // namespace sentinel::analysis
