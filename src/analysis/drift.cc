#include "analysis/drift.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>

#include "analysis/limits.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

namespace json = boost::json;

constexpr int kBootstrapRounds = 300;
// A dimension in which the reference hardly varies would turn one odd answer into an alarm.
constexpr double kTopicVarianceFloor = 2e-4;
constexpr double kStyleVarianceFloor = 4e-3;
// How fast the score rises past the calibrated alarm level.
constexpr double kRise = 9.0;

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

std::string pack(const std::vector<float>& values) {
  return base64_encode(std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
}
std::vector<float> to_floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

std::optional<std::vector<float>> unpack(const json::value* value, size_t size) {
  if (!value || !value->is_string()) return std::nullopt;
  const std::optional<std::string> bytes = base64_decode(std::string_view(value->get_string()));
  if (!bytes || bytes->size() != size * sizeof(float)) return std::nullopt;
  std::vector<float> out(size);
  std::memcpy(out.data(), bytes->data(), bytes->size());
  if (!std::all_of(out.begin(), out.end(), [](float x) { return std::isfinite(x); })) return std::nullopt;
  return out;
}

// Diagonal T² of a window's mean against the reference's, per dimension: about 1 when nothing has changed.
double t_square(const std::vector<double>& mean, const std::vector<double>& variance, const std::vector<double>& window,
                size_t from, size_t to, double spread) {
  double sum = 0;
  for (size_t i = from; i < to; ++i) sum += (window[i] - mean[i]) * (window[i] - mean[i]) / (variance[i] * spread);
  return sum / static_cast<double>(to - from);
}

double level(double statistic, double calm, double alarm) {
  const double x = (statistic - calm) / std::max(alarm - calm, 0.05 * calm + 1e-9);
  if (x <= 0) return 0;
  return x <= 1 ? 0.1 * x : 0.1 + 0.9 * (1.0 - std::exp(-(x - 1.0) / kRise));
}

}  // namespace

std::string drift_text(std::string_view folded_answer) {
  std::string out;
  out.reserve(folded_answer.size());
  for (char c : folded_answer) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) out.push_back(c);
    if (digit && (out.empty() || out.back() != '0')) out.push_back('0');
  }
  return out;
}

std::array<float, kStyleSize> style_of(std::string_view answer, const FeatureDoc& doc, bool refusal) {
  std::array<float, kStyleSize> out{};
  const auto size = static_cast<double>(std::max<size_t>(answer.size(), 1));
  const auto count = [&](std::string_view chars) {
    return static_cast<double>(
        std::count_if(answer.begin(), answer.end(), [&](char c) { return chars.find(c) != std::string_view::npos; }));
  };
  double words = 0;
  double sentences = 0;
  for (const FeatureDoc::Token& token : doc.tokens()) {
    words += token.end - token.begin > 1;
    sentences += token.ends_sentence;
  }
  words = std::max(words, 1.0);
  const double non_ascii = static_cast<double>(
      std::count_if(answer.begin(), answer.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }));
  const std::array<double, kStyleSize> values = {
      std::log1p(size) / 2.0,
      refusal ? 1.0 : 0.0,
      std::min(1.0, 3.0 * non_ascii / size),
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

DriftTracker::DriftTracker(uint64_t reference_size, uint64_t window)
    : reference_size_(std::max<uint64_t>(8, reference_size)),
      window_(std::clamp<uint64_t>(window, 4, kDriftWindowMax)) {
  window_ = std::min(window_, reference_size_);
}

namespace {

struct Moments {
  std::vector<double> mean;
  std::vector<double> variance;
};

// Mean and variance of some samples. Half of each variance is the average over its channel: few samples say little of
// one dimension, and a word never seen before must not look impossible.
Moments moments(const std::vector<std::vector<float>>& samples, const size_t* order, size_t from, size_t to) {
  constexpr size_t kSize = DriftTracker::kDimensions;
  Moments out{std::vector<double>(kSize, 0), std::vector<double>(kSize, 0)};
  const auto n = static_cast<double>(to - from);
  for (size_t k = from; k < to; ++k) {
    const std::vector<float>& sample = samples[order[k]];
    for (size_t i = 0; i < kSize; ++i) out.mean[i] += sample[i];
  }
  for (double& m : out.mean) m /= n;
  for (size_t k = from; k < to; ++k) {
    const std::vector<float>& sample = samples[order[k]];
    for (size_t i = 0; i < kSize; ++i) out.variance[i] += (sample[i] - out.mean[i]) * (sample[i] - out.mean[i]);
  }
  const auto shrink = [&](size_t begin, size_t end, double floor) {
    double average = 0;
    for (size_t i = begin; i < end; ++i) average += out.variance[i] / (n - 1) / static_cast<double>(end - begin);
    for (size_t i = begin; i < end; ++i) out.variance[i] = 0.5 * out.variance[i] / (n - 1) + 0.5 * average + floor;
  };
  shrink(0, kEmbeddingSize, kTopicVarianceFloor);
  shrink(kEmbeddingSize, kSize, kStyleVarianceFloor);
  return out;
}

}  // namespace

void DriftTracker::freeze(State& state, uint64_t seed) const {
  const size_t n = state.samples.size();
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  Moments all = moments(state.samples, order.data(), 0, n);
  // Saved as float: the value used before a restart is the one read after it.
  for (double& m : all.mean) m = static_cast<float>(m);
  for (double& v : all.variance) v = static_cast<float>(v);
  state.mean = std::move(all.mean);
  state.variance = std::move(all.variance);

  // What the statistic does when nothing changes: a random part of the reference against the rest of it, which has not
  // seen the words of that part.
  Random random(seed);
  std::vector<double> topic;
  std::vector<double> style;
  const size_t part_size = std::max<size_t>(2, std::min<size_t>(window_, n / 2));
  for (int round = 0; round < kBootstrapRounds; ++round) {
    for (size_t i = 0; i < part_size; ++i) std::swap(order[i], order[i + random.below(n - i)]);
    const Moments part = moments(state.samples, order.data(), 0, part_size);
    const Moments rest = moments(state.samples, order.data(), part_size, n);
    const double spread = 1.0 / static_cast<double>(part_size) + 1.0 / static_cast<double>(n - part_size);
    topic.push_back(t_square(rest.mean, rest.variance, part.mean, 0, kEmbeddingSize, spread));
    style.push_back(t_square(rest.mean, rest.variance, part.mean, kEmbeddingSize, kDimensions, spread));
  }
  state.topic = {quantile(topic, 0.5), quantile(topic, 0.99)};
  state.style = {quantile(style, 0.5), quantile(style, 0.99)};
  state.frozen = true;
  // The window starts as the end of the reference, so that the score moves smoothly from calm.
  state.samples.erase(state.samples.begin(),
                      state.samples.end() - static_cast<int64_t>(std::min<uint64_t>(window_, n)));
  state.next = 0;
  state.window_sum.assign(kDimensions, 0);
  for (const auto& sample : state.samples) {
    for (size_t i = 0; i < kDimensions; ++i) state.window_sum[i] += sample[i];
  }
}

DriftScore DriftTracker::judge(const State& state) const {
  const auto count = static_cast<double>(state.samples.size());
  std::vector<double> mean(kDimensions);
  for (size_t i = 0; i < kDimensions; ++i) mean[i] = state.window_sum[i] / count;
  const double spread = 1.0 / count + 1.0 / static_cast<double>(reference_size_);
  const double topic =
      level(t_square(state.mean, state.variance, mean, 0, kEmbeddingSize, spread), state.topic.calm, state.topic.alarm);
  const double style = level(t_square(state.mean, state.variance, mean, kEmbeddingSize, kDimensions, spread),
                             state.style.calm, state.style.alarm);
  return {true, 1.0 - std::max(topic, 0.9 * style)};
}

std::optional<DriftScore> DriftTracker::observe(std::string_view key, const std::vector<float>& embedding,
                                                const std::array<float, kStyleSize>& style) {
  SENTINEL_CHECK(embedding.size() == kEmbeddingSize);
  auto it = states_.find(key);
  if (it == states_.end()) {
    if (states_.size() >= kDriftKeysMax) return std::nullopt;
    it = states_.emplace(std::string(key), State{}).first;
  }
  State& state = it->second;
  std::vector<float> sample(embedding);
  sample.insert(sample.end(), style.begin(), style.end());
  ++state.seen;
  if (!state.frozen) {
    state.samples.push_back(std::move(sample));
    if (state.samples.size() < reference_size_) return DriftScore{};
    freeze(state, hash64(key));
    ++frozen_;
    return judge(state);
  }
  std::vector<float>& oldest = state.samples[state.next];
  for (size_t i = 0; i < kDimensions; ++i) state.window_sum[i] += static_cast<double>(sample[i]) - oldest[i];
  oldest = std::move(sample);
  state.next = (state.next + 1) % state.samples.size();
  return judge(state);
}

size_t DriftTracker::reset(const std::function<bool(std::string_view key)>& which) {
  const size_t erased = std::erase_if(states_, [&](const auto& entry) { return which(entry.first); });
  count_frozen();
  return erased;
}

void DriftTracker::count_frozen() {
  frozen_ =
      static_cast<size_t>(std::count_if(states_.begin(), states_.end(), [](const auto& s) { return s.second.frozen; }));
}

std::string DriftTracker::save() const {
  std::string out = R"({"version":1,"references":[)";
  bool first = true;
  for (const auto& [key, state] : states_) {
    if (!first) out += ",\n";
    first = false;
    out += "{\"key\":" + json_quote(key) + ",\"seen\":" + std::to_string(state.seen) +
           ",\"next\":" + std::to_string(state.next);
    if (state.frozen) {
      out += ",\"mean\":\"" + pack(to_floats(state.mean)) + "\",\"variance\":\"" + pack(to_floats(state.variance)) +
             "\",\"levels\":[" + format_double(state.topic.calm) + "," + format_double(state.topic.alarm) + "," +
             format_double(state.style.calm) + "," + format_double(state.style.alarm) + "]";
    }
    out += ",\"samples\":[";
    for (size_t i = 0; i < state.samples.size(); ++i) {
      if (i > 0) out += ',';
      out += "\"" + pack(state.samples[i]) + "\"";
    }
    out += "]}";
  }
  return out + "]}";
}

namespace {

Status bad_state(const std::string& what) { return fail(ErrorCode::kInvalidArgument, "drift state: " + what); }

}  // namespace

Status DriftTracker::load(std::string_view text) {
  if (text.size() > kDriftStateBytesMax) return bad_state("too large");
  boost::system::error_code error;
  const json::value root = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !root.is_object()) return bad_state("not a JSON object");
  const json::value* references = root.get_object().if_contains("references");
  if (!references || !references->is_array()) return bad_state("references must be a list");
  std::map<std::string, State, std::less<>> states;
  for (const json::value& entry : references->get_array()) {
    const json::object* object = entry.if_object();
    const json::value* key = object ? object->if_contains("key") : nullptr;
    const json::value* samples = object ? object->if_contains("samples") : nullptr;
    if (!key || !key->is_string() || !samples || !samples->is_array())
      return bad_state("a reference needs key and samples");
    const size_t count = samples->get_array().size();
    if (states.size() >= kDriftKeysMax || count > std::max<uint64_t>(reference_size_, kDriftWindowMax))
      return bad_state("too many references or samples");
    State state;
    for (const json::value& sample : samples->get_array()) {
      std::optional<std::vector<float>> values = unpack(&sample, kDimensions);
      if (!values) return bad_state("a sample is damaged");
      state.samples.push_back(std::move(*values));
    }
    const auto whole = [&](const char* name) -> uint64_t {
      const json::value* value = object->if_contains(name);
      return value && value->is_int64() && value->get_int64() >= 0 ? static_cast<uint64_t>(value->get_int64()) : 0;
    };
    state.seen = whole("seen");
    if (object->if_contains("mean")) {
      const auto mean = unpack(object->if_contains("mean"), kDimensions);
      const auto variance = unpack(object->if_contains("variance"), kDimensions);
      const json::value* levels = object->if_contains("levels");
      if (!mean || !variance || !levels || !levels->is_array() || levels->get_array().size() != 4 || count == 0)
        return bad_state("a reference is damaged");
      state.mean.assign(mean->begin(), mean->end());
      state.variance.assign(variance->begin(), variance->end());
      if (*std::min_element(variance->begin(), variance->end()) <= 0) return bad_state("a variance is not positive");
      double numbers[4];
      for (size_t i = 0; i < 4; ++i) {
        boost::system::error_code bad;
        numbers[i] = levels->get_array()[i].to_number<double>(bad);
        if (bad) return bad_state("levels must be numbers");
      }
      state.topic = {numbers[0], numbers[1]};
      state.style = {numbers[2], numbers[3]};
      state.frozen = true;
      state.next = whole("next") % count;
      state.window_sum.assign(kDimensions, 0);
      for (const auto& sample : state.samples) {
        for (size_t i = 0; i < kDimensions; ++i) state.window_sum[i] += sample[i];
      }
    } else if (count >= reference_size_) {
      return bad_state("a reference was never frozen");
    }
    states.insert_or_assign(std::string(key->get_string()), std::move(state));
  }
  states_ = std::move(states);
  count_frozen();
  return {};
}

}  // namespace sentinel::analysis
