#pragma once
// One pass over a normalised text: words, their character n-grams, word pairs and lexicon classes, all as 32-bit
// hashes that every linear head, the embedding and the support check share. Training uses the same code, so that a
// weight means the same there and here.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sentinel::analysis {

inline constexpr float kCharGramWeight = 0.4F;  // against 1 for a word, a word pair or a class
inline constexpr size_t kEmbeddingSize = 256;   // of the hashed embedding (embedding.h)
inline constexpr float kPairWeight = 0.8F;

class FeatureDoc {
 public:
  struct Distinct {
    uint32_t word_hash = 0;
    uint32_t grams_begin = 0;  // into grams()
    uint32_t grams_end = 0;
    uint32_t count = 0;  // occurrences in the text
  };
  struct Token {
    uint32_t distinct = 0;  // into distinct()
    uint32_t pair = 0;      // into pairs(): this word with the one before
    uint32_t begin = 0;     // byte offsets into the text
    uint32_t end = 0;
    bool ends_sentence = false;
  };
  struct Counted {
    uint32_t hash = 0;
    uint32_t count = 0;
  };

  // `text` is normalised (see normalize.h).
  explicit FeatureDoc(std::string_view text);

  const std::vector<Token>& tokens() const { return tokens_; }
  const std::vector<Distinct>& distinct() const { return distinct_; }
  const std::vector<uint32_t>& grams() const { return grams_; }
  const std::vector<Counted>& pairs() const { return pairs_; }
  const std::vector<Counted>& classes() const { return classes_; }
  bool empty() const { return tokens_.empty(); }
  // How often lexicon classes that make up an attack stand near each other: "ignore … instructions", "reveal … hidden".
  uint32_t attack_pairs() const { return attack_pairs_; }

  // Calls fn(hash, value) for each feature, not yet divided by norm().
  template <class F>
  void for_each(F fn) const {
    for (const Distinct& word : distinct_) {
      const float tf = dampen(word.count);
      fn(word.word_hash, tf);
      for (uint32_t i = word.grams_begin; i < word.grams_end; ++i) fn(grams_[i], tf * kCharGramWeight);
    }
    for (const Counted& pair : pairs_) fn(pair.hash, dampen(pair.count) * kPairWeight);
    for (const Counted& cls : classes_) fn(cls.hash, dampen(cls.count));
  }
  float norm() const;

  static float dampen(uint32_t count);  // 1 + ln(count)

 private:
  void add_token(std::string_view text, size_t begin, size_t end);
  void add_classes(std::string_view text);

  std::vector<Token> tokens_;
  std::vector<Distinct> distinct_;
  std::vector<uint32_t> grams_;
  std::vector<Counted> pairs_;
  std::vector<Counted> classes_;
  uint32_t attack_pairs_ = 0;
  std::vector<uint32_t> word_slots_;  // open addressing over distinct_, index + 1
  std::vector<uint32_t> pair_slots_;
};

uint32_t hash_bytes(std::string_view bytes, uint32_t seed);

}  // namespace sentinel::analysis
