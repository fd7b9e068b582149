#include "incident/causes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "incident/dimensions.h"

namespace sentinel::incident {
namespace {

// What of its score a symptom keeps, and how much at most: it names how calls fail, and stands behind every cause that
// sets a good part of them apart.
constexpr double kSymptomWeight = 0.25;
constexpr double kSymptomScoreMax = 0.04;
constexpr double kScoreStep = 0.02;  // scores that differ by less than this many bits count as equal
// Two values of which each makes a difference among the calls of the other stand before either, those of the greater
// difference first.
constexpr double kPairWeight = 0.2;
// Several faults at once: after each cause the failing calls without it are looked at, where so many are left.
constexpr int kCausesMax = 3;
constexpr double kLeftMin = 0.05;
constexpr double kLeftSeparationMin = 0.05;
constexpr double kLeftChanceMax = 0.05;  // that the cause of what is left is luck; something did cause it
// Of so many values that failing calls have more than others, each two are looked at together.
constexpr size_t kPairedMax = 16;
constexpr size_t kPairsShown = 3;

std::string percent(double share) { return fmt::format("{:.0f} %", share * 100); }

std::string phrase(const Candidate& c) { return fmt::format(fmt::runtime(kDimensions[c.dimension].sentence), c.value); }

}  // namespace

CauseRanking::CauseRanking(CallTotals all, std::vector<Candidate> candidates, const DiagnosisLimits& limits)
    : all_(all), candidates_(std::move(candidates)), limits_(limits), values_(to_pair()) {}

// How many comparisons one with a value of this dimension is one of: each dimension that can tell calls apart is
// given the same chance of a false alarm, whatever number of values the others have. Of two values, one is enough.
size_t CauseRanking::comparisons(size_t dimension) const {
  std::map<size_t, size_t> values;
  for (const Candidate& c : candidates_) ++values[c.dimension];
  const auto telling = std::count_if(values.begin(), values.end(), [](const auto& d) { return d.second > 1; });
  const size_t own = values[dimension];
  return static_cast<size_t>(telling) * (own == 2 ? 1 : own);
}

// `compared`: how many were looked at with it.
CauseRanking::Scored CauseRanking::scored(const Candidate& c, CallTotals counts, size_t compared,
                                          const std::string& words) const {
  Finding f;
  f.dimension = std::string(kDimensions[c.dimension].name);
  f.value = c.value;
  f.failing_count = counts.failing;
  f.baseline_count = counts.baseline;
  const double failing = static_cast<double>(all_.failing), baseline = static_cast<double>(all_.baseline);
  const double in_failing = static_cast<double>(counts.failing), in_baseline = static_cast<double>(counts.baseline);
  f.failing_share = in_failing / failing;
  f.baseline_share = baseline > 0 ? in_baseline / baseline : 0;
  f.lift = ((in_failing + 0.5) / (failing + 0.5)) / ((in_baseline + 0.5) / (baseline + 0.5));
  f.p_value = std::min(1.0, chance_of_difference(counts, all_) * static_cast<double>(compared));
  f.sentence = fmt::format("{}: {} of the failing calls, {} of the others", words, percent(f.failing_share),
                           percent(f.baseline_share));
  double score = separation(f.failing_share, f.baseline_share);
  if (kDimensions[c.dimension].symptom) score = std::min(score * kSymptomWeight, kSymptomScoreMax);
  return {score, c.dimension, words, std::move(f)};
}

std::vector<CauseRanking::Scored> CauseRanking::score_alone() const {
  std::vector<Scored> out;
  for (const Candidate& c : candidates_) {
    if (c.value.empty()) continue;
    Scored s = scored(c, c.counts, comparisons(c.dimension), phrase(c));
    if (s.finding.failing_share > s.finding.baseline_share && s.finding.p_value <= limits_.p_value_max)
      out.push_back(std::move(s));
  }
  return out;
}

// The values that failing calls have more than others, those that separate best first.
std::vector<Candidate> CauseRanking::to_pair() const {
  std::vector<Candidate> out;
  for (const Candidate& c : candidates_) {
    const bool over = static_cast<double>(c.counts.failing) * static_cast<double>(all_.baseline) >
                      static_cast<double>(c.counts.baseline) * static_cast<double>(all_.failing);
    if (over && !c.value.empty() && !kDimensions[c.dimension].symptom) out.push_back(c);
  }
  std::sort(out.begin(), out.end(), [&](const Candidate& a, const Candidate& b) {
    return std::tuple(-separation(a.counts, all_), a.dimension, a.value) <
           std::tuple(-separation(b.counts, all_), b.dimension, b.value);
  });
  if (out.size() > kPairedMax) out.resize(kPairedMax);
  return out;
}

// The calls that have all of these values.
CallTotals CauseRanking::counts_of(uint64_t bits) const {
  CallTotals sum;
  for (const ValueSet& set : sets_) {
    if ((set.bits & bits) != bits) continue;
    sum.failing += set.counts.failing;
    sum.baseline += set.counts.baseline;
  }
  return sum;
}

// Those of the calls without any of the causes.
CallTotals CauseRanking::counts_without(const std::vector<uint64_t>& causes, uint64_t bits) const {
  CallTotals sum;
  for (const ValueSet& set : sets_) {
    const bool out = std::any_of(causes.begin(), causes.end(), [&](uint64_t c) { return (set.bits & c) == c; });
    if (out || (set.bits & bits) != bits) continue;
    sum.failing += set.counts.failing;
    sum.baseline += set.counts.baseline;
  }
  return sum;
}

// What sets those failing calls apart that the causes found so far leave out. REQUIRES: sorted and explained.
void CauseRanking::add_causes_of_the_rest(std::vector<Scored>& all) const {
  std::vector<uint64_t> causes;
  std::string names;
  for (int round = 1; round < kCausesMax; ++round) {
    const auto next = std::find_if(all.begin(), all.end(), [&](const Scored& s) {
      return !s.explained && s.bits != 0 && std::find(causes.begin(), causes.end(), s.bits) == causes.end();
    });
    if (next == all.end()) return;
    causes.push_back(next->bits);
    names += (names.empty() ? "" : " and ") + next->words;
    const CallTotals left = counts_without(causes, 0);
    if (left.failing < limits_.failing_min ||
        static_cast<double>(left.failing) < kLeftMin * static_cast<double>(all_.failing))
      return;
    std::optional<Scored> best = best_of_the_rest(causes, left, names);
    if (!best) return;
    const auto there = std::find_if(all.begin(), all.end(), [&](const Scored& s) { return s.bits == best->bits; });
    if (there == all.end()) {
      all.push_back(std::move(*best));
    } else {
      there->explained = false;
      there->score = std::max(there->score, best->score);
    }
    sort(all);
  }
}

std::optional<CauseRanking::Scored> CauseRanking::best_of_the_rest(const std::vector<uint64_t>& causes, CallTotals left,
                                                                   const std::string& names) const {
  std::optional<Scored> best;
  for (size_t i = 0; i < values_.size(); ++i) {
    const uint64_t bits = uint64_t{1} << i;
    const CallTotals part = counts_without(causes, bits);
    const double of_failing = static_cast<double>(part.failing) / static_cast<double>(left.failing);
    const double of_baseline = static_cast<double>(part.baseline) / std::max(1.0, static_cast<double>(left.baseline));
    const double p = chance_of_difference(part, left) * static_cast<double>(values_.size());
    const double bits_told = separation(of_failing, of_baseline);
    const double score = bits_told * static_cast<double>(left.failing) / static_cast<double>(all_.failing);
    if (of_failing <= of_baseline || p > kLeftChanceMax || bits_told < kLeftSeparationMin) continue;
    if (best && best->score >= score) continue;
    best = scored(values_[i], values_[i].counts, 1, phrase(values_[i]));
    best->score = score;
    best->bits = bits;
    best->finding.p_value = p;
    best->finding.sentence = fmt::format("{}: {} of the failing calls without {}, {} of the others", phrase(values_[i]),
                                         percent(of_failing), names, percent(of_baseline));
  }
  return best;
}

void CauseRanking::add_pairs(std::vector<Scored>& out) const {
  const std::vector<Candidate>& values = values_;
  for (Scored& s : out) {
    const auto at = std::find_if(values.begin(), values.end(), [&](const Candidate& c) {
      return c.dimension == s.dimension && c.value == s.finding.value;
    });
    if (at != values.end()) s.bits = uint64_t{1} << (at - values.begin());
  }
  const size_t compared = values.size() * (values.size() - 1) / 2;
  std::vector<Scored> pairs;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = i + 1; j < values.size(); ++j) {
      const auto [first, second] = std::minmax(
          values[i], values[j], [](const Candidate& a, const Candidate& b) { return a.dimension < b.dimension; });
      if (first.dimension == second.dimension) continue;
      const uint64_t bits = (uint64_t{1} << i) | (uint64_t{1} << j);
      const CallTotals together = counts_of(bits);
      const double more = more_together({first.counts, second.counts, together, all_},
                                        limits_.p_value_max / static_cast<double>(compared));
      if (more <= 0) continue;
      Scored s = scored(first, together, compared, phrase(first) + " with " + phrase(second));
      s.finding.with_dimension = std::string(kDimensions[second.dimension].name);
      s.finding.with_value = second.value;
      s.bits = bits;
      s.score = std::max({s.score, separation(first.counts, all_), separation(second.counts, all_)}) + kScoreStep +
                kPairWeight * more;
      pairs.push_back(std::move(s));
    }
  }
  sort(pairs);
  explain(pairs);
  if (pairs.size() > kPairsShown) pairs.resize(kPairsShown);
  std::move(pairs.begin(), pairs.end(), std::back_inserter(out));
}

// Neither among the calls that have `a` nor among the others does `b` make a difference: failing calls have it more
// often only because they have `a`, as a provider's calls have its models.
bool CauseRanking::explains(const Scored& a, const Scored& b) const {
  const CallTotals with_a = counts_of(a.bits), with_b = counts_of(b.bits), both = counts_of(a.bits | b.bits);
  const auto minus = [](CallTotals x, CallTotals y) {
    return CallTotals{x.failing - y.failing, x.baseline - y.baseline};
  };
  const auto differs = [&](CallTotals part, CallTotals of) {
    return static_cast<double>(part.failing) * static_cast<double>(of.baseline) >
               static_cast<double>(part.baseline) * static_cast<double>(of.failing) &&
           chance_of_difference(part, of) < limits_.p_value_max;
  };
  return !differs(both, with_a) && !differs(minus(with_b, both), minus(all_, with_a));
}

// REQUIRES: sorted.
void CauseRanking::explain(std::vector<Scored>& all) const {
  for (size_t i = 1; i < all.size(); ++i) {
    for (size_t j = 0; j < i && !all[i].explained; ++j) {
      all[i].explained = all[i].bits != 0 && all[j].bits != 0 && !all[j].explained && explains(all[j], all[i]);
    }
  }
  sort(all);
}

// What another one explains comes last; of scores that count as equal, the order of kDimensions decides.
void CauseRanking::sort(std::vector<Scored>& scored) {
  const auto order = [](const Scored& s) {
    return std::tuple(s.explained, -std::lround(s.score / kScoreStep), s.dimension, -s.finding.lift, s.finding.value,
                      s.finding.with_value);
  };
  std::sort(scored.begin(), scored.end(), [&](const Scored& a, const Scored& b) { return order(a) < order(b); });
}

std::vector<Finding> CauseRanking::rank(std::vector<ValueSet> sets) {
  sets_ = std::move(sets);
  std::vector<Scored> scored = score_alone();
  add_pairs(scored);
  sort(scored);
  explain(scored);
  add_causes_of_the_rest(scored);
  if (scored.size() > limits_.findings_max) scored.resize(limits_.findings_max);
  std::vector<Finding> out;
  for (Scored& s : scored) out.push_back(std::move(s.finding));
  return out;
}

}  // namespace sentinel::incident
