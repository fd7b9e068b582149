#include "analysis/drift_reference.h"

#include <algorithm>
#include <cmath>

#include "analysis/common_words.h"
#include "analysis/limits.h"
#include "base/check.h"

namespace sentinel::analysis {
namespace {

constexpr int kBootstrapRounds = 1000;
constexpr int kSlowRuns = 400;  // simulated runs that calibrate the sequential test
constexpr size_t kMeasureSamplesMin = 8;
// A dimension in which the reference hardly varies would turn one odd text into an alarm.
constexpr double kTopicVarianceFloor = 2e-4;
constexpr double kStyleVarianceFloor = 4e-3;
// How the stated rate of false alarms is shared out between the two tests.
constexpr double kWindowShare = 0.75;
// The tails of a small reference are thinner than those of the traffic it was drawn from: on held-out texts references
// of 60 calls raised nearly twice the alarms they were calibrated for, of 400 a fifth more. Rates are lowered by
// n / (n + this).
constexpr double kTailCalls = 60;

struct Range {
  const char* name;
  bool centre;
  size_t from;
  size_t to;
};
constexpr size_t kAnswer = kSideSize;
constexpr size_t kStyle = kEmbeddingSize;  // within a side: length, refusal, two of language, seven of form
constexpr Range kRanges[kDriftMeasures] = {
    {"prompt_topic", false, 0, kEmbeddingSize},
    {"prompt_centre", true, 0, kEmbeddingSize},
    {"prompt_form", false, kStyle, kSideSize},
    {"prompt_length", false, kStyle, kStyle + 1},
    {"prompt_language", false, kStyle + 2, kStyle + 4},
    {"answer_topic", false, kAnswer, kAnswer + kEmbeddingSize},
    {"answer_centre", true, kAnswer, kAnswer + kEmbeddingSize},
    {"answer_form", false, kAnswer + kStyle, kAnswer + kSideSize},
    {"answer_length", false, kAnswer + kStyle, kAnswer + kStyle + 1},
    {"answer_language", false, kAnswer + kStyle + 2, kAnswer + kStyle + 4},
    {"answer_refusal", false, kAnswer + kStyle + 1, kAnswer + kStyle + 2},
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

struct Moments {
  std::vector<double> mean;
  std::vector<double> variance;
};

struct Sums {
  std::vector<double> sum = std::vector<double>(kDriftSize, 0);
  std::vector<double> squares = std::vector<double>(kDriftSize, 0);
  void add(const std::vector<float>& sample) {
    for (size_t i = 0; i < kDriftSize; ++i) {
      const double x = static_cast<double>(sample[i]);
      sum[i] += x;
      squares[i] += x * x;
    }
  }
};

// Half of each variance is the average over its kind: few samples say little of one dimension, and a word never seen
// before must not look impossible.
Moments moments(const Sums& sums, double n) {
  Moments out{std::vector<double>(kDriftSize), std::vector<double>(kDriftSize)};
  for (size_t i = 0; i < kDriftSize; ++i) {
    out.mean[i] = sums.sum[i] / n;
    out.variance[i] = std::max(0.0, sums.squares[i] - sums.sum[i] * out.mean[i]) / (n - 1);
  }
  const auto shrink = [&](size_t begin, size_t end, double floor) {
    double average = 0;
    for (size_t i = begin; i < end; ++i) average += out.variance[i] / static_cast<double>(end - begin);
    for (size_t i = begin; i < end; ++i) out.variance[i] = 0.5 * out.variance[i] + 0.5 * average + floor;
  };
  for (const size_t side : {size_t{0}, kSideSize}) {
    shrink(side, side + kEmbeddingSize, kTopicVarianceFloor);
    shrink(side + kEmbeddingSize, side + kSideSize, kStyleVarianceFloor);
  }
  return out;
}

double english_stop_words(std::string_view text) {
  constexpr size_t kLongest = 8;
  size_t words = 0;
  size_t stops = 0;
  for (size_t i = 0; i < text.size();) {
    char lower[kLongest];
    size_t length = 0;
    size_t j = i;
    for (; j < text.size(); ++j) {
      const char c = text[j];
      const bool upper = c >= 'A' && c <= 'Z';
      if (!upper && !(c >= 'a' && c <= 'z') && static_cast<unsigned char>(c) < 0x80) break;
      if (length < kLongest) lower[length] = upper ? static_cast<char>(c - 'A' + 'a') : c;
      ++length;
    }
    if (length > 0) {
      ++words;
      stops += length <= kLongest && is_stop_word(std::string_view(lower, length));
    }
    i = j + 1;
  }
  return words == 0 ? 0.4 : static_cast<double>(stops) / static_cast<double>(words);
}

}  // namespace

std::string_view drift_measure_name(DriftMeasure measure) { return kRanges[measure].name; }

std::string drift_text(std::string_view folded) {
  std::string out;
  out.reserve(folded.size());
  for (char c : folded) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) out.push_back(c);
    if (digit && (out.empty() || out.back() != '0')) out.push_back('0');
  }
  return out;
}

std::array<float, kStyleSize> style_of(std::string_view text, const FeatureDoc& doc, bool refusal) {
  std::array<float, kStyleSize> out{};
  const auto size = static_cast<double>(std::max<size_t>(text.size(), 1));
  const auto count = [&](std::string_view chars) {
    return static_cast<double>(
        std::count_if(text.begin(), text.end(), [&](char c) { return chars.find(c) != std::string_view::npos; }));
  };
  double words = 0;
  double sentences = 0;
  for (const FeatureDoc::Token& token : doc.tokens()) {
    words += token.end - token.begin > 1;
    sentences += token.ends_sentence;
  }
  words = std::max(words, 1.0);
  const double non_ascii = static_cast<double>(
      std::count_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }));
  const std::array<double, kStyleSize> values = {
      std::log1p(size) / 2.0,
      refusal ? 1.0 : 0.0,
      std::min(1.0, 3.0 * non_ascii / size),
      english_stop_words(text),
      std::min(1.5, size / words / 6.0),
      std::min(1.5, words / std::max(sentences, 1.0) / 20.0),
      std::min(1.0, count("\n") / words * 5.0),
      std::min(1.0, count("*#`|") / words * 5.0),
      std::min(1.0, count("!?") / words * 10.0),
      std::min(1.0, count("0123456789") / size * 8.0),
      std::min(1.0, count("ABCDEFGHIJKLMNOPQRSTUVWXYZ") / size * 8.0),
  };
  for (size_t i = 0; i < kStyleSize; ++i) out[i] = static_cast<float>(values[i]);
  return out;
}

double DriftReference::Scale::excess(double statistic) const {
  // Answers that never vary would make a division by nothing of it; calm statistics are about 1.
  return (statistic - calm) / std::max(alarm - calm, 0.05 * std::max(calm, 1.0));
}

// `spread` is what the variance of one call is divided by in the difference of the two means, so that each statistic is
// about the same for windows of any size.
double DriftReference::statistic(DriftMeasure measure, const std::vector<double>& mean,
                                 const std::vector<double>& variance, const std::vector<double>& window,
                                 double spread) const {
  const Range& range = kRanges[measure];
  if (range.centre) {
    double apart = 0;
    double scatter = 0;
    for (size_t i = range.from; i < range.to; ++i) {
      apart += (window[i] - mean[i]) * (window[i] - mean[i]);
      scatter += variance[i];
    }
    return apart / (scatter * spread);
  }
  double sum = 0;
  for (size_t i = range.from; i < range.to; ++i)
    sum += (window[i] - mean[i]) * (window[i] - mean[i]) / (variance[i] * spread);
  return sum / static_cast<double>(range.to - range.from);
}

DriftReference DriftReference::learn(const std::vector<std::vector<float>>& samples, const DriftSettings& settings,
                                     uint64_t seed) {
  const size_t n = samples.size();
  SENTINEL_CHECK(n >= kMeasureSamplesMin);
  DriftReference out;
  out.calls_ = static_cast<double>(n);
  Sums all;
  for (const auto& sample : samples) all.add(sample);
  Moments whole = moments(all, out.calls_);
  // Saved as float: the value used before a restart is the one read after it.
  for (double& m : whole.mean) m = static_cast<float>(m);
  for (double& v : whole.variance) v = static_cast<float>(v);
  out.mean_ = std::move(whole.mean);
  out.variance_ = std::move(whole.variance);

  // What the statistics do when nothing changes: a random part of the reference against the rest of it, which has not
  // seen the words of that part.
  Random random(seed);
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  const size_t part_size = std::max<size_t>(2, std::min<size_t>(settings.window, n / 2));
  const auto part_calls = static_cast<double>(part_size);
  const double rest_calls = out.calls_ - part_calls;
  std::array<std::vector<double>, kDriftMeasures> seen;
  for (int round = 0; round < kBootstrapRounds; ++round) {
    Sums part;
    for (size_t i = 0; i < part_size; ++i) {
      std::swap(order[i], order[i + random.below(n - i)]);
      part.add(samples[order[i]]);
    }
    Sums rest = all;
    for (size_t i = 0; i < kDriftSize; ++i) {
      rest.sum[i] -= part.sum[i];
      rest.squares[i] -= part.squares[i];
      part.sum[i] /= part_calls;
    }
    const Moments against = moments(rest, rest_calls);
    const double spread = 1.0 / part_calls + 1.0 / rest_calls;
    for (size_t m = 0; m < kDriftMeasures; ++m) {
      seen[m].push_back(out.statistic(static_cast<DriftMeasure>(m), against.mean, against.variance, part.sum, spread));
    }
  }
  for (size_t m = 0; m < kDriftMeasures; ++m) out.scales_[m] = {quantile(seen[m], 0.5), quantile(seen[m], 0.99)};

  std::vector<double> calm(kBootstrapRounds);
  for (size_t round = 0; round < calm.size(); ++round) {
    DriftValues values{};
    for (size_t m = 0; m < kDriftMeasures; ++m) values[m] = out.scales_[m].excess(seen[m][round]);
    calm[round] = largest(values);
  }
  const double rate = settings.false_alarm_rate * out.calls_ / (out.calls_ + kTailCalls);
  out.threshold_ = quantile(calm, 1.0 - kWindowShare * rate);
  out.calibrate_slow(calm, (1.0 - kWindowShare) * rate, random);
  return out;
}

// Runs of calm windows are simulated, and the limit is what the stated share of them passes.
void DriftReference::calibrate_slow(const std::vector<double>& calm, double rate, Random& random) {
  double mean = 0;
  for (const double value : calm) mean += value / static_cast<double>(calm.size());
  double variance = 0;
  for (const double value : calm) variance += (value - mean) * (value - mean) / static_cast<double>(calm.size());
  slow_allowance_ = mean + std::sqrt(variance);
  // With alarms at `rate` a window, a run of this length has one with probability 1 − 1/e.
  const auto length = static_cast<size_t>(std::clamp(1.0 / rate, 20.0, 2000.0));
  std::vector<double> highest;
  for (int run = 0; run < kSlowRuns; ++run) {
    double sum = 0;
    double top = 0;
    for (size_t i = 0; i < length; ++i) {
      sum = slow_sum(sum, calm[random.below(calm.size())]);
      top = std::max(top, sum);
    }
    highest.push_back(top);
  }
  slow_limit_ = quantile(highest, std::exp(-1.0));
}

DriftValues DriftReference::measure(const std::vector<double>& window_mean, double calls) const {
  const double spread = 1.0 / calls + 1.0 / calls_;
  DriftValues out{};
  for (size_t m = 0; m < kDriftMeasures; ++m) {
    const auto measure = static_cast<DriftMeasure>(m);
    out[m] = scales_[m].excess(statistic(measure, mean_, variance_, window_mean, spread));
  }
  return out;
}

double DriftReference::largest(const DriftValues& values) { return *std::max_element(values.begin(), values.end()); }

double DriftReference::slow_sum(double sum, double largest_value) const {
  return std::max(0.0, sum + largest_value - slow_allowance_);
}

double DriftReference::distance(const std::vector<float>& sample) const {
  double sum = 0;
  for (size_t i = 0; i < kDriftSize; ++i) {
    const double d = static_cast<double>(sample[i]) - mean_[i];
    sum += d * d / variance_[i];
  }
  return sum / static_cast<double>(kDriftSize);
}

}  // namespace sentinel::analysis
