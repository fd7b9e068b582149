#include "promql/memory_queryable.h"

#include <algorithm>
#include <set>

namespace sentinel::promql {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;

bool is_stale(const FloatHistogram& h) { return model::is_stale_nan(h.sum); }

// Whether a store would keep `h` in the same chunk as `previous`: only then it knows that there was no reset between them.
bool continues(const FloatHistogram& h, const FloatHistogram& previous) {
  if (previous.hint == CounterResetHint::kGauge || h.hint == CounterResetHint::kReset) return false;
  if (is_stale(h)) return true;
  if (is_stale(previous)) return false;
  if (h.schema != previous.schema || h.zero_threshold != previous.zero_threshold) return false;
  if (h.custom_values != previous.custom_values) return false;
  FloatHistogram plain = h;
  plain.hint = CounterResetHint::kUnknown;
  return !plain.detect_reset(previous);
}

bool any_set_matches(const std::vector<model::Matchers>& sets, const model::Labels& labels) {
  return sets.empty() || std::any_of(sets.begin(), sets.end(), [&](const auto& m) { return model::matches_all(m, labels); });
}

}  // namespace

void MemoryQueryable::add(const model::Labels& labels, int64_t t_ms, double v, int64_t start_ms) {
  series_[labels][t_ms] = Point{v, nullptr, start_ms};
}

void MemoryQueryable::add(const model::Labels& labels, int64_t t_ms, model::HistogramPtr h, int64_t start_ms) {
  Points& points = series_[labels];
  if (h->hint != CounterResetHint::kGauge) {
    const auto next = points.lower_bound(t_ms);
    const Point* before = next == points.begin() ? nullptr : &std::prev(next)->second;
    auto stored = std::make_shared<FloatHistogram>(*h);
    const bool same_chunk = before != nullptr && before->h && continues(*h, *before->h);
    stored->hint = same_chunk ? CounterResetHint::kNotReset : CounterResetHint::kUnknown;
    h = std::move(stored);
  }
  points[t_ms] = Point{0, std::move(h), start_ms};
}

Result<std::vector<tsdb::SeriesData>> MemoryQueryable::select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                                              const tsdb::SelectLimits& limits) const {
  std::vector<tsdb::SeriesData> out;
  uint64_t samples = 0;
  for (const auto& [labels, points] : series_) {
    if (!model::matches_all(matchers, labels)) continue;
    tsdb::SeriesData d;
    for (auto it = points.lower_bound(min_ms); it != points.end() && it->first <= max_ms; ++it) {
      if (++samples > limits.samples_max) return fail(ErrorCode::kTooLarge, "too many samples in one selection");
      if (it->second.h) {
        d.histograms.push_back({it->first, it->second.h});
        d.histogram_starts_ms.push_back(it->second.start_ms);
      } else {
        d.samples.push_back({it->first, it->second.v});
        d.sample_starts_ms.push_back(it->second.start_ms);
      }
    }
    if (d.samples.empty() && d.histograms.empty()) continue;
    d.labels = labels;
    out.push_back(std::move(d));
  }
  return out;
}

Result<std::vector<model::Labels>> MemoryQueryable::series(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                           int64_t max_ms) const {
  std::vector<model::Labels> out;
  for (const auto& [labels, points] : series_) {
    const auto first = points.lower_bound(min_ms);
    if (first != points.end() && first->first <= max_ms && any_set_matches(sets, labels)) out.push_back(labels);
  }
  return out;
}

Result<std::vector<std::string>> MemoryQueryable::label_names(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                              int64_t max_ms) const {
  std::vector<model::Labels> all;
  SENTINEL_ASSIGN(all, series(sets, min_ms, max_ms));
  std::set<std::string> names;
  for (const model::Labels& labels : all) {
    for (const model::Label& l : labels) names.insert(l.name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<std::string>> MemoryQueryable::label_values(const std::string& name, const std::vector<model::Matchers>& sets,
                                                               int64_t min_ms, int64_t max_ms) const {
  std::vector<model::Labels> all;
  SENTINEL_ASSIGN(all, series(sets, min_ms, max_ms));
  std::set<std::string> values;
  for (const model::Labels& labels : all) {
    if (labels.has(name)) values.emplace(labels.get(name));
  }
  return std::vector<std::string>(values.begin(), values.end());
}

}  // namespace sentinel::promql
