#include "analysis/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/limits.h"
#include "base/check.h"
#include "base/hash.h"

namespace sentinel::analysis {
namespace {

// How fast the score rises past the calibrated alarm level.
constexpr double kRise = 9.0;
// What a change of form alone may take from the score.
constexpr double kFormShare = 0.9;

// 0.1 at the 99 % quantile of calm windows, towards 1 beyond it.
double level(double value) {
  if (value <= 0) return 0;
  return value <= 1 ? 0.1 * value : 0.1 + 0.9 * (1.0 - std::exp(-(value - 1.0) / kRise));
}

template <class Versions>
std::string most_frequent(const Versions& versions) {
  const auto it = std::max_element(versions.begin(), versions.end(),
                                   [](const auto& a, const auto& b) { return a.second < b.second; });
  return it == versions.end() ? std::string() : it->first;
}

void add_to(std::vector<double>& sum, const std::vector<float>& sample, double sign = 1) {
  for (size_t i = 0; i < kDriftSize; ++i) sum[i] += sign * static_cast<double>(sample[i]);
}

}  // namespace

// A model's name holds no "|"; an endpoint or a template that does is cut at the outer ones.
std::string drift_key(const DriftRoute& route) {
  return route.endpoint + "|" + route.model + "|" + route.prompt_template;
}

DriftRoute drift_route(std::string_view key) {
  const size_t first = key.find('|');
  const size_t last = key.rfind('|');
  if (first == std::string_view::npos || first == last) return {std::string(key), "", ""};
  return {std::string(key.substr(0, first)), std::string(key.substr(first + 1, last - first - 1)),
          std::string(key.substr(last + 1))};
}

bool matches(const DriftRoute& question, std::string_view key) {
  const DriftRoute route = drift_route(key);
  return (question.endpoint.empty() || question.endpoint == route.endpoint) &&
         (question.model.empty() || question.model == route.model) &&
         (question.prompt_template.empty() || question.prompt_template == route.prompt_template);
}

std::string DriftWindow::what() const {
  std::vector<size_t> order(kDriftMeasures);
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  std::string out;
  for (const size_t m : order) {
    if (values[m] <= threshold) break;
    out += fmt::format("{}{} {:.1f}", out.empty() ? "" : ", ", drift_measure_name(static_cast<DriftMeasure>(m)),
                       values[m]);
  }
  return out;
}

DriftTracker::DriftTracker(const DriftSettings& settings) : settings_(settings) {
  settings_.reference_size = std::max<uint64_t>(8, settings_.reference_size);
  settings_.window = std::clamp<uint64_t>(settings_.window, 4, kDriftWindowMax);
  settings_.window = std::min(settings_.window, settings_.reference_size);
}

void DriftTracker::freeze(State& state, std::string_view key, std::vector<std::vector<float>> samples) const {
  state.reference = DriftReference::learn(samples, settings_, hash64(key));
  state.reference_version = most_frequent(state.versions);
  state.versions.clear();
  // The score starts with the end of the reference, so that it moves smoothly from calm.
  const size_t keep = std::min<size_t>(settings_.window, samples.size());
  samples.erase(samples.begin(), samples.end() - static_cast<int64_t>(keep));
  state.samples = std::move(samples);
  state.next = 0;
  state.recent_sum.assign(kDriftSize, 0);
  for (const auto& sample : state.samples) add_to(state.recent_sum, sample);
  state.filled = 0;
  state.window_sum.assign(kDriftSize, 0);
  state.farthest.clear();
  state.windows = state.drifted_windows = state.calm_windows = 0;
  state.slow_sum = 0;
  state.candidate.clear();
}

DriftScore DriftTracker::score(const State& state) const {
  const auto calls = static_cast<double>(state.samples.size());
  std::vector<double> mean(state.recent_sum);
  for (double& m : mean) m /= calls;
  const DriftValues values = state.reference->measure(mean, calls);
  DriftScore out{true, 1.0 - std::max(level(values[kAnswerTopic]), kFormShare * level(values[kAnswerForm])), ""};
  for (const DriftMeasure m : {kAnswerTopic, kAnswerForm}) {
    if (values[m] > 1)
      out.what += fmt::format("{}{} {:.1f}", out.what.empty() ? "" : ", ", drift_measure_name(m), values[m]);
  }
  return out;
}

void DriftTracker::fill_window(State& state, const DriftCall& call) const {
  ++state.filled;
  add_to(state.window_sum, call.sample);
  const double distance = state.reference->distance(call.sample);
  auto& farthest = state.farthest;
  if (farthest.size() < kDriftExamples || distance > farthest.back().distance) {
    const auto at =
        std::find_if(farthest.begin(), farthest.end(), [&](const auto& e) { return e.distance < distance; });
    farthest.insert(at, {std::string(call.request_id), distance});
    if (farthest.size() > kDriftExamples) farthest.pop_back();
  }
}

DriftWindow DriftTracker::close_window(State& state, std::string_view key) const {
  DriftWindow out;
  out.key = key;
  out.number = ++state.windows;
  out.calls = state.filled;
  for (double& sum : state.window_sum) sum /= static_cast<double>(state.filled);
  out.values = state.reference->measure(state.window_sum, static_cast<double>(state.filled));
  out.threshold = state.reference->threshold();
  const double largest = DriftReference::largest(out.values);
  out.drifted = largest > out.threshold;
  state.slow_sum = state.reference->slow_sum(state.slow_sum, largest);
  out.slow_sum = state.slow_sum;
  out.slow_limit = state.reference->slow_limit();
  out.drifting = out.slow_sum > out.slow_limit;
  if (out.drifting) state.slow_sum = 0;  // begins anew, so that it speaks again only if the drift goes on
  const bool calm = !out.drifted && !out.drifting;
  if (!calm) out.examples = std::move(state.farthest);
  out.version = most_frequent(state.versions);
  out.reference_version = state.reference_version;
  state.drifted_windows += out.drifted;
  state.calm_windows = calm ? state.calm_windows + 1 : 0;
  consider_adoption(state, key, out);
  state.versions.clear();
  state.filled = 0;
  state.window_sum.assign(kDriftSize, 0);
  state.farthest.clear();
  state.last = out;
  return out;
}

// Calm traffic may move on by small steps; where the settings say so, the latest calls become the reference.
void DriftTracker::consider_adoption(State& state, std::string_view key, DriftWindow& window) const {
  if (settings_.adopt_after_calm_windows == 0) return;
  if (state.calm_windows == 0) {
    state.candidate.clear();
    return;
  }
  if (state.calm_windows < settings_.adopt_after_calm_windows || state.candidate.size() < settings_.reference_size)
    return;
  freeze(state, key, std::exchange(state.candidate, {}));
  window.adopted = true;
}

std::optional<DriftTracker::Observation> DriftTracker::observe(std::string_view key, DriftCall call) {
  SENTINEL_CHECK(call.sample.size() == kDriftSize);
  auto it = states_.find(key);
  if (it == states_.end()) {
    if (states_.size() >= kDriftKeysMax) return std::nullopt;
    it = states_.emplace(std::string(key), State{}).first;
  }
  State& state = it->second;
  state.changed = true;
  ++state.seen;
  if (!call.model_version.empty() &&
      (state.versions.size() < kDriftVersionsMax || state.versions.contains(call.model_version)))
    ++state.versions[std::string(call.model_version)];
  if (!state.reference) {
    state.samples.push_back(std::move(call.sample));
    if (state.samples.size() < settings_.reference_size) return Observation{};
    freeze(state, key, std::exchange(state.samples, {}));
    ++frozen_;
    return Observation{score(state), std::nullopt};
  }
  fill_window(state, call);
  if (settings_.adopt_after_calm_windows > 0) {
    if (state.candidate.size() >= settings_.reference_size) state.candidate.erase(state.candidate.begin());
    state.candidate.push_back(call.sample);
  }
  std::vector<float>& oldest = state.samples[state.next];
  add_to(state.recent_sum, oldest, -1);
  add_to(state.recent_sum, call.sample);
  oldest = std::move(call.sample);
  state.next = (state.next + 1) % state.samples.size();
  Observation out{score(state), std::nullopt};
  if (state.filled >= settings_.window) out.window = close_window(state, key);
  return out;
}

std::vector<DriftTracker::Summary> DriftTracker::summaries() const {
  std::vector<Summary> out;
  for (const auto& [key, state] : states_) {
    out.push_back({key, state.reference.has_value(), state.seen, state.windows, state.drifted_windows,
                   state.reference_version, state.last});
  }
  return out;
}

size_t DriftTracker::adopt(const Which& which) {
  size_t given_up = 0;
  for (auto& [key, state] : states_) {
    if (!state.reference || !which(key)) continue;
    ++given_up;
    std::rotate(state.samples.begin(), state.samples.begin() + static_cast<int64_t>(state.next), state.samples.end());
    State fresh;
    fresh.samples = std::move(state.samples);
    fresh.versions = std::move(state.versions);
    fresh.seen = state.seen;
    state = std::move(fresh);
    if (state.samples.size() >= settings_.reference_size) freeze(state, key, std::exchange(state.samples, {}));
  }
  count_frozen();
  return given_up;
}

size_t DriftTracker::reset(const Which& which) {
  const size_t erased = std::erase_if(states_, [&](const auto& entry) {
    if (!which(entry.first)) return false;
    forgotten_.insert(entry.first);
    return true;
  });
  count_frozen();
  return erased;
}

void DriftTracker::count_frozen() {
  frozen_ = static_cast<size_t>(
      std::count_if(states_.begin(), states_.end(), [](const auto& s) { return s.second.reference.has_value(); }));
}

}  // namespace sentinel::analysis
