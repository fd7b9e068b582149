#include "analysis/support.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/limits.h"
#include "analysis/normalize.h"
#include "analysis/support_text.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

// The document, indexed: where each word stands.
class Index {
 public:
  Index(const Text& text, std::string_view raw) : text_(text) {
    for (size_t i = 0; i < text.words.size(); ++i) {
      positions_[text.words[i].hash].push_back(static_cast<uint32_t>(i));
      add_grams(text.words[i].text);
    }
    for (size_t s = 0; s < text.sentences.size(); ++s) {
      for (size_t i = text.sentences[s].first; i < text.sentences[s].last; ++i)
        sentence_of_.push_back(static_cast<uint32_t>(s));
    }
    sentence_of_.resize(text.words.size(),
                        text.sentences.empty() ? 0U : static_cast<uint32_t>(text.sentences.size() - 1));
    const std::string folded = fold(raw);
    for (size_t i = 0; i + 6 <= folded.size(); ++i) spans_.insert(hash_bytes(std::string_view(folded).substr(i, 6), 3));
  }

  const std::vector<uint32_t>* find(uint32_t hash) const {
    const auto it = positions_.find(hash);
    return it == positions_.end() ? nullptr : &it->second;
  }
  bool has(uint32_t hash) const { return positions_.contains(hash); }
  // a then b (either order when `ordered` is false) within `reach` words somewhere in the document.
  bool near(uint32_t a, uint32_t b, int64_t reach, bool ordered) const {
    const auto* pa = find(a);
    const auto* pb = find(b);
    if (!pa || !pb) return false;
    for (size_t i = 0, j = 0; i < pa->size() && j < pb->size();) {
      const int64_t gap = int64_t{(*pb)[j]} - int64_t{(*pa)[i]};
      if (std::abs(gap) <= reach && gap != 0 && (!ordered || gap > 0)) return true;
      if (gap <= 0)
        ++j;
      else
        ++i;
    }
    return false;
  }
  double gram_share(std::string_view word) const {
    if (word.size() < 4) return has(hash_bytes(word, 11)) ? 1.0 : 0.0;
    size_t found = 0;
    const size_t total = word.size() - 3;
    for (size_t i = 0; i < total; ++i) found += grams_.contains(hash_bytes(word.substr(i, 4), 5));
    return static_cast<double>(found) / static_cast<double>(total);
  }
  double span_share(std::string_view folded) const {
    if (folded.size() < 6) return folded.empty() ? 1.0 : -1.0;
    size_t found = 0;
    for (size_t i = 0; i + 6 <= folded.size(); ++i) found += spans_.contains(hash_bytes(folded.substr(i, 6), 3));
    return static_cast<double>(found) / static_cast<double>(folded.size() - 5);
  }
  // A negation within three words of `hash`.
  bool negated(uint32_t hash) const {
    const auto* positions = find(hash);
    if (!positions) return false;
    return std::any_of(positions->begin(), positions->end(), [&](uint32_t at) { return negation_near(at); });
  }
  bool affirmed(uint32_t hash) const {
    const auto* positions = find(hash);
    if (!positions) return false;
    return std::any_of(positions->begin(), positions->end(), [&](uint32_t at) { return !negation_near(at); });
  }
  // Words that stand in the document in the same order without a gap, from `begin` on.
  size_t run(const Word* begin, const Word* end) const {
    const auto* positions = find(begin->hash);
    if (!positions) return 0;
    size_t best = 0;
    const size_t places = std::min(positions->size(), kSupportPlacesMax);  // "the the the" in both must not cost n²
    end = begin + std::min<ptrdiff_t>(end - begin, kSupportRunMax);
    for (size_t place = 0; place < places; ++place) {
      const uint32_t at = (*positions)[place];
      size_t n = 1;
      while (begin + n != end && at + n < text_.words.size() && text_.words[at + n].hash == begin[n].hash) ++n;
      best = std::max(best, n);
    }
    return best;
  }
  uint32_t sentence_of(uint32_t word) const { return sentence_of_[word]; }
  size_t sentences() const { return std::max<size_t>(1, text_.sentences.size()); }

 private:
  bool negation_near(uint32_t at) const {
    const size_t from = at > 4 ? at - 4 : 0;
    const size_t to = std::min(text_.words.size(), size_t{at} + 3);
    for (size_t i = from; i < to; ++i) {
      if (text_.words[i].negation) return true;
    }
    return false;
  }
  void add_grams(std::string_view word) {
    for (size_t i = 0; i + 4 <= word.size(); ++i) grams_.insert(hash_bytes(word.substr(i, 4), 5));
  }

  const Text& text_;
  absl::flat_hash_map<uint32_t, std::vector<uint32_t>> positions_;
  absl::flat_hash_set<uint32_t> grams_;
  absl::flat_hash_set<uint32_t> spans_;
  std::vector<uint32_t> sentence_of_;
};

// Each feature is larger the less the sentence is supported.
constexpr size_t kFeatures = 23;
using Features = std::array<double, kFeatures>;

// The document sentences (with their neighbour) that share most with this one: share of weight found there.
double best_window(const Index& document, const Word* begin, const Word* end, double total) {
  std::vector<double> weight(document.sentences() + 1, 0.0);
  for (const Word* w = begin; w != end; ++w) {
    if (w->weight <= 0) continue;
    const auto* positions = document.find(w->hash);
    if (!positions) continue;
    int64_t last = -1;
    for (uint32_t at : *positions) {
      const int64_t s = document.sentence_of(at);
      if (s == last) continue;
      weight[static_cast<size_t>(s)] += w->weight;
      last = s;
    }
  }
  double best = 0;
  for (size_t s = 0; s + 1 < weight.size(); ++s)
    best = std::max(best, std::max(weight[s], std::min(total, (weight[s] + weight[s + 1]) * 0.9)));
  return total > 0 ? best / total : 1.0;
}

struct Mismatch {
  double numbers = 0;
  double names = 0;
  double name_places = 0;  // names that stand beside other words than in the document
  double negations = 0;
  double lost_negations = 0;
};

Mismatch mismatches(const Index& document, const absl::flat_hash_set<uint32_t>& asked, const Word* begin,
                    const Word* end) {
  Mismatch out;
  const auto content = [&](const Word* w) { return w >= begin && w < end && w->weight > 0; };
  for (const Word* w = begin; w != end; ++w) {
    if (w->number && !document.has(w->hash) && !asked.contains(w->hash)) out.numbers += 1;
    if (w->name && !document.has(w->hash)) out.names += asked.contains(w->hash) ? 0.3 : 1.0;
    if (w->name && document.has(w->hash)) {
      size_t neighbours = 0;
      size_t near = 0;
      for (const Word* n = w - 5; n <= w + 5; ++n) {
        if (n == w || !content(n) || !document.has(n->hash)) continue;
        ++neighbours;
        near += document.near(w->hash, n->hash, 8, false);
      }
      if (neighbours > 0)
        out.name_places = std::max(out.name_places, 1.0 - static_cast<double>(near) / static_cast<double>(neighbours));
    }
    if (w->negation) {
      const Word* next = w + 1;
      while (next < end && next->weight <= 0) ++next;
      const Word* last = w - 1;
      while (last >= begin && last->weight <= 0) --last;
      const bool backed =
          (next < end && document.negated(next->hash)) || (last >= begin && document.negated(last->hash));
      const bool contradicted =
          (next < end && document.affirmed(next->hash)) || (last >= begin && document.affirmed(last->hash));
      if (!backed) out.negations = std::max(out.negations, contradicted ? 1.0 : 0.5);
    }
  }
  const bool negated = std::any_of(begin, end, [](const Word& w) { return w.negation; });
  if (!negated) {
    double weight = 0;
    double lost = 0;
    for (const Word* w = begin; w != end; ++w) {
      if (w->weight <= 0 || !document.has(w->hash)) continue;
      weight += w->weight;
      if (document.negated(w->hash) && !document.affirmed(w->hash)) lost += w->weight;
    }
    if (weight > 0) out.lost_negations = lost / weight;
  }
  return out;
}

// What share of the words was copied in runs of three and more, and the longest of them: M. Grusky et al., "Newsroom",
// 2018, coverage by extractive fragments.
struct Copied {
  double covered = 0;
  double longest = 0;
};
Copied copied(const Index& document, const Word* begin, const Word* end) {
  size_t covered = 0;
  size_t longest = 0;
  for (const Word* w = begin; w != end;) {
    const size_t run = document.run(w, end);
    longest = std::max(longest, run);
    if (run >= 3) covered += run;
    w += std::max<size_t>(1, run);
  }
  const double total = static_cast<double>(end - begin);
  return {static_cast<double>(covered) / total, static_cast<double>(longest) / total};
}

// Copied runs, and whose voice the sentence has.
void add_voice(const Index& document, const Sentence& sentence, const Word* begin, const Word* end, Features& f) {
  const Copied copy = copied(document, begin, end);
  f[18] = 1.0 - copy.covered;
  f[19] = 1.0 - copy.longest;
  f[20] = sentence.question ? 1.0 : 0.0;
  for (const Word* w = begin; w != end; ++w) {
    if (w->stance == Stance::kSpeaker && !document.has(w->hash)) f[21] = std::min(3.0, f[21] + 1);

    if (w->stance == Stance::kOpinion && !document.has(w->hash)) f[22] = std::min(3.0, f[22] + 1);
  }
}

Features sentence_features(const Index& document, const absl::flat_hash_set<uint32_t>& asked, const Text& answer,
                           const Sentence& sentence, std::string_view raw) {
  const Word* begin = answer.words.data() + sentence.first;
  const Word* end = answer.words.data() + sentence.last;
  double total = 0;
  double missing = 0;
  double missing_max = 0;
  double grams = 0;
  double stop_total = 0;
  double missing_unasked = 0;
  for (const Word* w = begin; w != end; ++w) {
    stop_total += 1;
    if (w->weight <= 0) continue;
    total += w->weight;
    grams += w->weight * document.gram_share(w->text);
    if (document.has(w->hash)) continue;
    missing += w->weight;
    missing_max = std::max(missing_max, w->weight);
    if (!asked.contains(w->hash)) missing_unasked += w->weight;
  }
  double pairs = 0;
  double exact = 0;
  double pair_total = 0;
  const Word* last_content = nullptr;
  double close_pairs = 0;
  double close_total = 0;
  for (const Word* w = begin; w != end; ++w) {
    if (w + 1 != end) {
      pair_total += 1;
      exact += document.near(w->hash, (w + 1)->hash, 1, true);
    }
    if (w->weight <= 0) continue;
    if (last_content) {
      close_total += 1;
      pairs += document.near(last_content->hash, w->hash, 6, false);
      close_pairs += document.near(last_content->hash, w->hash, 3, true);
    }
    last_content = w;
  }
  const Mismatch wrong = mismatches(document, asked, begin, end);
  const std::string folded = fold(raw.substr(begin->begin, (end - 1)->end - begin->begin));
  const double span = document.span_share(folded);
  const double miss_share = total > 0 ? missing / total : 0.5;
  Features f{};
  f[0] = miss_share;
  f[1] = total > 0 ? 1.0 - best_window(document, begin, end, total) : 0.5;
  f[2] = total > 0 ? 1.0 - grams / total : 0.5;
  f[3] = pair_total > 0 ? 1.0 - exact / pair_total : miss_share;
  f[4] = close_total > 0 ? 1.0 - pairs / close_total : miss_share;
  f[5] = close_total > 0 ? 1.0 - close_pairs / close_total : miss_share;
  f[6] = span < 0 ? miss_share : 1.0 - span;
  f[7] = std::min(2.0, wrong.numbers);
  f[8] = std::min(3.0, wrong.names);
  f[9] = wrong.name_places;
  f[10] = wrong.negations;
  f[11] = wrong.lost_negations;
  f[12] = missing_max / 8.0;
  f[13] = total > 0 ? missing_unasked / total : 0.5;
  f[14] = f[6] > 0.02 && f[6] < 0.35 ? 1.0 : 0.0;  // copied, but not quite
  f[15] = f[3] < 0.01 ? -1.0 : 0.0;                // copied word for word
  f[16] = f[1] * f[1];
  f[17] = stop_total <= 3 ? miss_share : 0.0;  // a short answer stands or falls with its one word
  add_voice(document, sentence, begin, end, f);
  return f;
}

std::vector<float> combine(const std::vector<Features>& sentences, const std::vector<double>& lengths) {
  std::vector<float> inputs;
  double total = 0;
  for (double length : lengths) total += length;
  for (size_t k = 0; k < kFeatures; ++k) {
    double worst = -1;
    double mean = 0;
    for (size_t s = 0; s < sentences.size(); ++s) {
      worst = std::max(worst, sentences[s][k]);
      mean += sentences[s][k] * lengths[s] / total;
    }
    inputs.push_back(static_cast<float>(worst));
    inputs.push_back(static_cast<float>(mean));
  }
  return inputs;
}

struct Judged {
  Text answer;
  std::vector<Features> features;
  std::vector<double> lengths;
};

Judged judge(const HeadModel& model, std::string_view document, std::string_view question, std::string_view answer) {
  Judged out;
  document = utf8_prefix(document, kSupportDocumentBytesMax);
  answer = utf8_prefix(answer, kSupportDocumentBytesMax);
  const Text source = support_text(model, document);
  const Text asked_text = support_text(model, utf8_prefix(question, kSupportDocumentBytesMax));
  out.answer = support_text(model, answer);
  if (source.words.empty() || out.answer.sentences.empty()) return out;
  absl::flat_hash_set<uint32_t> asked;
  for (const Word& word : asked_text.words) asked.insert(word.hash);
  const Index index(source, document);
  for (const Sentence& sentence : out.answer.sentences) {
    out.features.push_back(sentence_features(index, asked, out.answer, sentence, answer));
    out.lengths.push_back(static_cast<double>(sentence.last - sentence.first));
  }
  return out;
}

class LexicalSupport final : public SupportDetector {
 public:
  explicit LexicalSupport(const HeadModel& model) : model_(model) {}

  std::optional<SupportResult> score(std::string_view document, std::string_view question,
                                     std::string_view answer) const override {
    const Judged judged = judge(model_, document, question, answer);
    if (judged.features.empty()) return std::nullopt;
    const SecondStage& stage = model_.stage(kSupportTask);
    SupportResult result;
    result.score = 1.0 - stage.probability(combine(judged.features, judged.lengths));
    for (size_t s = 0; s < judged.features.size(); ++s) {
      if (stage.probability(combine({judged.features[s]}, {1.0})) < stage.threshold) continue;
      const Sentence& sentence = judged.answer.sentences[s];
      result.unsupported.push_back(
          {judged.answer.words[sentence.first].begin, judged.answer.words[sentence.last - 1].end, "UNSUPPORTED"});
    }
    return result;
  }

 private:
  const HeadModel& model_;
};

}  // namespace

std::unique_ptr<SupportDetector> make_support_detector(const HeadModel& model) {
  return std::make_unique<LexicalSupport>(model);
}

std::vector<float> support_inputs(const HeadModel& model, std::string_view document, std::string_view question,
                                  std::string_view answer) {
  const Judged judged = judge(model, document, question, answer);
  if (judged.features.empty()) return {};
  return combine(judged.features, judged.lengths);
}

}  // namespace sentinel::analysis
