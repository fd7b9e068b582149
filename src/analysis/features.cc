#include "analysis/features.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "analysis/lexicon.h"
#include "analysis/limits.h"

namespace sentinel::analysis {
namespace {

constexpr uint32_t kWordSeed = 0x9e3779b9;
constexpr uint32_t kGramSeed = 0x85ebca6b;
constexpr uint32_t kPairSeed = 0xc2b2ae35;
constexpr uint32_t kClassSeed = 0x27d4eb2f;

uint32_t mix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x7feb352d;
  h ^= h >> 15;
  h *= 0x846ca68b;
  return h ^ (h >> 16);
}

bool is_word_byte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 'a' && u <= 'z') || (u >= '0' && u <= '9') || u >= 0x80 || (u >= 'A' && u <= 'Z');
}
// Punctuation that carries meaning gets a token of its own.
bool is_mark(char c) {
  return c == '?' || c == '!' || c == ':' || c == '"' || c == '[' || c == ']' || c == '<' || c == '>' || c == '#' ||
         c == '*' || c == '{' || c == '(' || c == '/' || c == '=' || c == '`' || c == '|';
}

size_t slots_for(size_t items) { return std::bit_ceil(std::max<size_t>(64, items * 2)); }

}  // namespace

uint32_t hash_bytes(std::string_view bytes, uint32_t seed) {
  uint32_t h = seed;
  for (char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x01000193;
  return mix(h);
}

float FeatureDoc::dampen(uint32_t count) {
  static const std::array<float, 64> kTable = [] {
    std::array<float, 64> table{};
    for (size_t i = 1; i < table.size(); ++i) table[i] = 1.0F + std::log(static_cast<float>(i));
    return table;
  }();
  return kTable[std::min<uint32_t>(count, 63)];
}

FeatureDoc::FeatureDoc(std::string_view text) {
  text = text.substr(0, kTextBytesMax);
  const size_t guess = text.size() / 3 + 8;
  tokens_.reserve(guess);
  word_slots_.assign(slots_for(guess), 0);
  pair_slots_.assign(slots_for(guess), 0);
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (is_word_byte(c)) {
      size_t j = i;
      while (j < text.size() &&
             (is_word_byte(text[j]) || (text[j] == '\'' && j + 1 < text.size() && is_word_byte(text[j + 1]))))
        ++j;
      add_token(text, i, j);
      i = j;
      continue;
    }
    if (is_mark(c)) add_token(text, i, i + 1);
    const bool stop = c == '.' || c == '?' || c == '!';
    if (!tokens_.empty() && (c == '\n' || (stop && (i + 1 >= text.size() || text[i + 1] == ' ' || text[i + 1] == '\n' ||
                                                    text[i + 1] == '"')))) {
      tokens_.back().ends_sentence = true;
    }
    ++i;
  }
  if (!tokens_.empty()) tokens_.back().ends_sentence = true;
  add_classes(text);
}

void FeatureDoc::add_token(std::string_view text, size_t begin, size_t end) {
  if (tokens_.size() * 2 >= word_slots_.size()) return;  // bounded by the guess above; marks in a row can exceed it
  const std::string_view word = text.substr(begin, std::min(end - begin, kWordBytesMax));
  const uint32_t hash = hash_bytes(word, kWordSeed);
  size_t slot = hash & (word_slots_.size() - 1);
  while (word_slots_[slot] && distinct_[word_slots_[slot] - 1].word_hash != hash)
    slot = (slot + 1) & (word_slots_.size() - 1);
  if (!word_slots_[slot]) {
    Distinct entry;
    entry.word_hash = hash;
    entry.grams_begin = static_cast<uint32_t>(grams_.size());
    // n-grams of "<word>"; the ends are marked by their own bytes.
    std::array<char, kWordBytesMax + 2> padded{};
    padded[0] = '<';
    std::copy(word.begin(), word.end(), padded.begin() + 1);
    padded[word.size() + 1] = '>';
    const size_t size = word.size() + 2;
    for (size_t i = 0; i + 3 <= size && word.size() > 1; ++i) {
      uint32_t h = kGramSeed;
      for (size_t n = 1; n <= 5 && i + n <= size; ++n) {
        h = (h ^ static_cast<unsigned char>(padded[i + n - 1])) * 0x01000193;
        if (n >= 3 && n < size) grams_.push_back(mix(h));
      }
    }
    entry.grams_end = static_cast<uint32_t>(grams_.size());
    distinct_.push_back(entry);
    word_slots_[slot] = static_cast<uint32_t>(distinct_.size());
  }
  const uint32_t index = word_slots_[slot] - 1;
  ++distinct_[index].count;
  const uint32_t before = tokens_.empty() ? 0 : distinct_[tokens_.back().distinct].word_hash;
  const uint32_t pair_hash = mix((before * 31) ^ (hash + kPairSeed));
  slot = pair_hash & (pair_slots_.size() - 1);
  while (pair_slots_[slot] && pairs_[pair_slots_[slot] - 1].hash != pair_hash)
    slot = (slot + 1) & (pair_slots_.size() - 1);
  if (!pair_slots_[slot]) {
    pairs_.push_back({pair_hash, 0});
    pair_slots_[slot] = static_cast<uint32_t>(pairs_.size());
  }
  ++pairs_[pair_slots_[slot] - 1].count;
  tokens_.push_back({index, pair_slots_[slot] - 1, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), false});
}

// Lexicon classes and their ordered pairs within a few words: the grammar of an attack, whatever the language.
void FeatureDoc::add_classes(std::string_view text) {
  constexpr size_t kReach = 6;
  std::vector<uint8_t> class_of(distinct_.size(), 0);
  std::vector<bool> known(distinct_.size(), false);
  const auto bump = [&](uint32_t hash) {
    for (Counted& cls : classes_) {
      if (cls.hash == hash) {
        ++cls.count;
        return;
      }
    }
    if (classes_.size() < 512) classes_.push_back({hash, 1});
  };
  size_t last_at[kReach] = {};
  uint8_t last_class[kReach] = {};
  size_t filled = 0;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const Token& token = tokens_[i];
    if (!known[token.distinct]) {
      known[token.distinct] = true;
      class_of[token.distinct] = lexicon_class(text.substr(token.begin, token.end - token.begin));
    }
    const uint8_t cls = class_of[token.distinct];
    if (!cls) continue;
    bump(mix(kClassSeed + cls));
    for (size_t k = 0; k < std::min(filled, kReach); ++k) {
      if (i - last_at[k] > kReach) continue;
      bump(mix(kClassSeed + cls + 256U * (1U + last_class[k])));
      attack_pairs_ += is_attack_pair(last_class[k], cls);
    }
    last_at[filled % kReach] = i;
    last_class[filled % kReach] = cls;
    ++filled;
  }
}

float FeatureDoc::norm() const {
  double sum = 0;
  for (const Distinct& word : distinct_) {
    const double tf = dampen(word.count);
    sum += tf * tf * (1.0 + kCharGramWeight * kCharGramWeight * (word.grams_end - word.grams_begin));
  }
  for (const Counted& pair : pairs_) sum += std::pow(dampen(pair.count) * kPairWeight, 2);
  for (const Counted& cls : classes_) sum += std::pow(dampen(cls.count), 2);
  return static_cast<float>(std::sqrt(std::max(sum, 1e-9)));
}

}  // namespace sentinel::analysis
