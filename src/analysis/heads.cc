#include "analysis/heads.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "analysis/limits.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

constexpr std::string_view kMagic = "SNTLHD01";
constexpr size_t kStageInputsMax = 256;
constexpr size_t kWindowTokens = 10;     // shorter sentences are joined
constexpr size_t kWindowTokensMax = 48;  // longer ones are cut

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T get() {
    T value{};
    if (bytes_.size() < sizeof(T)) {
      failed_ = true;
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view take(size_t count) {
    if (bytes_.size() < count) {
      failed_ = true;
      return {};
    }
    const std::string_view out = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return out;
  }
  bool failed() const { return failed_; }

 private:
  std::string_view bytes_;
  bool failed_ = false;
};

using HeadSums = std::array<float, kHeadCount>;

// Sums over tokens, so that any window is a difference of two entries.
struct PrefixSums {
  std::vector<HeadSums> scores;
  std::vector<float> squares;
};

PrefixSums prefix_sums(const FeatureDoc& doc, const std::vector<HeadSums>& words, const std::vector<HeadSums>& pairs) {
  PrefixSums sums;
  sums.scores.resize(doc.tokens().size() + 1);
  sums.squares.resize(doc.tokens().size() + 1);
  for (size_t i = 0; i < doc.tokens().size(); ++i) {
    const FeatureDoc::Token& token = doc.tokens()[i];
    const FeatureDoc::Distinct& word = doc.distinct()[token.distinct];
    for (size_t h = 0; h < kHeadCount; ++h) {
      sums.scores[i + 1][h] = sums.scores[i][h] + words[token.distinct][h] + pairs[token.pair][h];
    }
    sums.squares[i + 1] = sums.squares[i] + 1.0F + kPairWeight * kPairWeight +
                          kCharGramWeight * kCharGramWeight * static_cast<float>(word.grams_end - word.grams_begin);
  }
  return sums;
}

}  // namespace

double SecondStage::probability(const std::vector<float>& inputs) const {
  if (weights.size() != inputs.size() + 1) return 0;
  double z = weights.back();
  for (size_t i = 0; i < inputs.size(); ++i) z += static_cast<double>(weights[i]) * inputs[i];
  return 1.0 / (1.0 + std::exp(-z));
}

HeadModel::HeadModel() : weights_(size_t{kBuckets} * kHeadCount, 0), idf_(size_t{1} << kIdfBits, 0) {}

std::string HeadModel::serialize() const {
  std::string out(kMagic);
  put(out, kBucketBits);
  put(out, kIdfBits);
  for (float scale : scales_) put(out, scale);
  for (float bias : biases_) put(out, bias);
  for (const SecondStage& stage : stages_) {
    put(out, static_cast<uint32_t>(stage.weights.size()));
    for (float weight : stage.weights) put(out, weight);
    put(out, stage.threshold);
  }
  out.append(reinterpret_cast<const char*>(weights_.data()), weights_.size());
  out.append(reinterpret_cast<const char*>(idf_.data()), idf_.size());
  put(out, crc32c(out));
  return out;
}

Result<HeadModel> HeadModel::parse(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + 4 || bytes.substr(0, kMagic.size()) != kMagic) {
    return fail(ErrorCode::kInvalidArgument, "not a weights file");
  }
  Reader tail(bytes.substr(bytes.size() - 4));
  if (tail.get<uint32_t>() != crc32c(bytes.substr(0, bytes.size() - 4))) {
    return fail(ErrorCode::kInvalidArgument, "weights file is damaged (checksum)");
  }
  Reader in(bytes.substr(kMagic.size(), bytes.size() - kMagic.size() - 4));
  HeadModel model;
  if (in.get<uint32_t>() != kBucketBits || in.get<uint32_t>() != kIdfBits) {
    return fail(ErrorCode::kInvalidArgument, "weights file is of another size; train again");
  }
  for (float& scale : model.scales_) scale = in.get<float>();
  for (float& bias : model.biases_) bias = in.get<float>();
  for (SecondStage& stage : model.stages_) {
    const uint32_t count = in.get<uint32_t>();
    if (count > kStageInputsMax) return fail(ErrorCode::kInvalidArgument, "weights file is damaged (second stage)");
    stage.weights.resize(count);
    for (float& weight : stage.weights) weight = in.get<float>();
    stage.threshold = in.get<float>();
  }
  const std::string_view weights = in.take(model.weights_.size());
  const std::string_view idf = in.take(model.idf_.size());
  if (in.failed()) return fail(ErrorCode::kInvalidArgument, "weights file is cut short");
  std::memcpy(model.weights_.data(), weights.data(), weights.size());
  std::memcpy(model.idf_.data(), idf.data(), idf.size());
  return model;
}

HeadScores HeadModel::score(const FeatureDoc& doc) const {
  HeadScores out;
  out.tokens = static_cast<uint32_t>(doc.tokens().size());
  out.attack_pairs = doc.attack_pairs();
  for (size_t h = 0; h < kHeadCount; ++h)
    out.head[h].full = out.head[h].window_max = out.head[h].window_mean = biases_[h];
  if (doc.empty()) return out;
  const auto at = [&](uint32_t hash) { return &weights_[size_t{bucket_of(hash)} * kHeadCount]; };

  std::vector<HeadSums> words(doc.distinct().size());
  HeadSums total{};
  for (size_t d = 0; d < words.size(); ++d) {
    const FeatureDoc::Distinct& word = doc.distinct()[d];
    std::array<int32_t, kHeadCount> grams{};
    for (uint32_t i = word.grams_begin; i < word.grams_end; ++i) {
      const int8_t* w = at(doc.grams()[i]);
      for (size_t h = 0; h < kHeadCount; ++h) grams[h] += w[h];
    }
    const int8_t* w = at(word.word_hash);
    const float tf = FeatureDoc::dampen(word.count);
    for (size_t h = 0; h < kHeadCount; ++h) {
      words[d][h] = static_cast<float>(w[h]) + kCharGramWeight * static_cast<float>(grams[h]);
      total[h] += tf * words[d][h];
    }
  }
  std::vector<HeadSums> pairs(doc.pairs().size());
  for (size_t p = 0; p < pairs.size(); ++p) {
    const int8_t* w = at(doc.pairs()[p].hash);
    const float tf = FeatureDoc::dampen(doc.pairs()[p].count);
    for (size_t h = 0; h < kHeadCount; ++h) {
      pairs[p][h] = kPairWeight * static_cast<float>(w[h]);
      total[h] += tf * pairs[p][h];
    }
  }
  for (const FeatureDoc::Counted& cls : doc.classes()) {
    const int8_t* w = at(cls.hash);
    for (size_t h = 0; h < kHeadCount; ++h) total[h] += FeatureDoc::dampen(cls.count) * static_cast<float>(w[h]);
  }
  const float norm = doc.norm();
  for (size_t h = 0; h < kHeadCount; ++h) out.head[h].full += total[h] * scales_[h] / norm;

  const PrefixSums sums = prefix_sums(doc, words, pairs);
  std::array<float, kHeadCount> mean{};
  const auto window = [&](size_t from, size_t to) {
    const float size = std::sqrt(std::max(1.0F, sums.squares[to] - sums.squares[from]));
    for (size_t h = 0; h < kHeadCount; ++h) {
      const float z = biases_[h] + (sums.scores[to][h] - sums.scores[from][h]) * scales_[h] / size;
      mean[h] += z;
      if (out.windows == 0 || z > out.head[h].window_max) {
        out.head[h].window_max = z;
        out.head[h].best_begin = doc.tokens()[from].begin;
        out.head[h].best_end = doc.tokens()[to - 1].end;
      }
    }
    ++out.windows;
  };
  size_t from = 0;
  for (size_t i = 0; i < doc.tokens().size(); ++i) {
    const size_t length = i + 1 - from;
    const bool full = length >= kWindowTokensMax || (doc.tokens()[i].ends_sentence && length >= kWindowTokens);
    if (!full && i + 1 < doc.tokens().size()) continue;
    window(from, i + 1);
    from = i + 1;
  }
  for (size_t h = 0; h < kHeadCount; ++h) out.head[h].window_mean = mean[h] / static_cast<float>(out.windows);
  return out;
}

std::vector<std::pair<std::string, float>> HeadModel::heaviest_words(const FeatureDoc& doc, std::string_view text,
                                                                     HeadIndex head, size_t count) const {
  const auto at = [&](uint32_t hash) {
    return static_cast<float>(weights_[size_t{bucket_of(hash)} * kHeadCount + head]);
  };
  std::vector<std::pair<float, size_t>> weight_of;  // of each distinct word
  for (size_t d = 0; d < doc.distinct().size(); ++d) {
    const FeatureDoc::Distinct& word = doc.distinct()[d];
    float sum = at(word.word_hash);
    for (uint32_t i = word.grams_begin; i < word.grams_end; ++i) sum += kCharGramWeight * at(doc.grams()[i]);
    if (sum > 0) weight_of.emplace_back(sum * FeatureDoc::dampen(word.count) * scales_[head] / doc.norm(), d);
  }
  count = std::min(count, weight_of.size());
  std::partial_sort(
      weight_of.begin(), weight_of.begin() + static_cast<int64_t>(count), weight_of.end(),
      [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  std::vector<std::pair<std::string, float>> out;
  for (size_t i = 0; i < count; ++i) {
    const size_t wanted = weight_of[i].second;
    const auto token = std::find_if(doc.tokens().begin(), doc.tokens().end(),
                                    [&](const FeatureDoc::Token& t) { return t.distinct == wanted; });
    if (token == doc.tokens().end()) continue;
    out.emplace_back(utf8_prefix(text.substr(token->begin, token->end - token->begin), kWordBytesMax),
                     weight_of[i].first);
  }
  return out;
}

std::vector<float> stage_inputs(const HeadModel& model, std::string_view piece, uint32_t obfuscation,
                                HeadScores* scores) {
  const HeadScores all = model.score(FeatureDoc(piece));
  std::vector<float> inputs;
  inputs.reserve(kHeadCount * 3 + 6);
  for (const HeadScores::PerHead& head : all.head) {
    inputs.push_back(head.full);
    inputs.push_back(head.window_max);
    inputs.push_back(head.window_mean);
  }
  inputs.push_back((obfuscation & (kInvisible | kHomoglyph)) ? 1.0F : 0.0F);
  inputs.push_back((obfuscation & kSpacedOut) ? 1.0F : 0.0F);
  inputs.push_back(std::log1p(static_cast<float>(all.tokens)));
  inputs.push_back(std::log1p(static_cast<float>(all.windows)));
  inputs.push_back(std::log1p(static_cast<float>(all.attack_pairs)));
  inputs.push_back(
      std::min(1.0F, 12.0F * static_cast<float>(all.attack_pairs) / static_cast<float>(std::max(all.tokens, 8U))));
  if (scores) *scores = all;
  return inputs;
}

TaskRisks text_risks(const HeadModel& model, const Normalized& text, HeadScores* scores) {
  TaskRisks worst{};
  const auto judge = [&](const std::string& piece, HeadScores* out) {
    HeadScores own;
    const std::vector<float> inputs = stage_inputs(model, piece, text.obfuscation, &own);
    if (out) *out = own;
    if (own.tokens == 0) return;
    for (Task task : {kInjectionTask, kToxicityTask, kRiskyTask}) {
      worst[task] = std::max(worst[task], model.stage(task).probability(inputs));
    }
  };
  judge(text.text, scores);
  for (const std::string& part : text.decoded) judge(part, nullptr);
  return worst;
}

}  // namespace sentinel::analysis
