#include "promql/classic_to_native.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "promql/go_text.h"

namespace sentinel::promql {
namespace {

struct Classic {
  std::map<double, double> cumulative;  // by upper bound
  std::optional<double> count;
  double sum = 0;
};

Result<model::HistogramPtr> convert(Classic c) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (!c.count && !c.cumulative.empty()) c.count = c.cumulative.rbegin()->second;
  if (c.cumulative.empty() || c.cumulative.rbegin()->first != kInf) c.cumulative[kInf] = c.count.value_or(0);
  auto h = std::make_shared<model::FloatHistogram>();
  h->schema = model::kCustomBucketsSchema;
  h->count = c.count.value_or(0);
  h->sum = c.sum;
  double before = 0;
  int32_t index = 0;
  for (const auto& [bound, count] : c.cumulative) {
    if (count < before) return fail(ErrorCode::kInvalidArgument, "count is not cumulative");
    h->positive.push(index++, count - before);
    if (bound != kInf) h->custom_values.push_back(bound);
    before = count;
  }
  if (before != h->count) return fail(ErrorCode::kInvalidArgument, "count mismatch");
  h->compact();
  return h;
}

}  // namespace

Result<std::map<model::Labels, std::map<int64_t, model::HistogramPtr>>> classic_to_native(
    const std::map<model::Labels, std::map<int64_t, double>>& series) {
  std::map<model::Labels, std::map<int64_t, Classic>> histograms;
  for (const auto& [labels, points] : series) {
    const std::string_view name = labels.get(model::kMetricNameLabel);
    std::string_view suffix;
    for (std::string_view s : {"_bucket", "_sum", "_count"}) {
      if (name.size() > s.size() && name.substr(name.size() - s.size()) == s) suffix = s;
    }
    if (suffix.empty()) continue;
    const auto bound = parse_go_float(labels.get("le"));
    if (suffix == "_bucket" && (!bound || std::isnan(*bound))) continue;
    model::Labels base = labels.with(model::kMetricNameLabel, name.substr(0, name.size() - suffix.size()));
    base.remove("le");
    auto& by_time = histograms[base];
    for (const auto& [t, v] : points) {
      Classic& c = by_time[t];
      if (suffix == "_bucket") c.cumulative.emplace(*bound, v);
      if (suffix == "_sum") c.sum = v;
      if (suffix == "_count") c.count = v;
    }
  }
  std::map<model::Labels, std::map<int64_t, model::HistogramPtr>> out;
  for (auto& [labels, by_time] : histograms) {
    for (auto& [t, classic] : by_time) {
      SENTINEL_ASSIGN(out[labels][t], convert(std::move(classic)));
    }
  }
  return out;
}

}  // namespace sentinel::promql
