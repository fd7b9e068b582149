#include "promql/histogram_text.h"

#include <vector>

#include <fmt/format.h>

#include "promql/go_text.h"

namespace sentinel::promql {
namespace {

std::string bucket_text(const model::HistogramBucket& b) {
  return fmt::format("{}{},{}{}:{}", b.lower_inclusive ? '[' : '(', format_go_g(b.lower), format_go_g(b.upper),
                     b.upper_inclusive ? ']' : ')', format_go_g(b.count));
}

// Counts from the first to the last listed bucket, empty ones in between included.
void add_side(std::vector<std::string>& parts, const model::HistogramBuckets& side, std::string_view buckets_key,
              std::string_view offset_key) {
  if (side.empty()) return;
  if (side.index[0] != 0) parts.push_back(fmt::format("{}:{}", offset_key, side.index[0]));
  std::vector<std::string> counts;
  constexpr int32_t kShownMax = 1000;
  int32_t next = side.index[0];
  for (size_t i = 0; i < side.size(); ++i) {
    for (; next < side.index[i] && next - side.index[0] < kShownMax; ++next) counts.emplace_back("0");
    counts.push_back(format_go_g(side.count[i]));
    next = side.index[i] + 1;
  }
  parts.push_back(fmt::format("{}:[{}]", buckets_key, fmt::join(counts, " ")));
}

}  // namespace

std::string histogram_text(const model::FloatHistogram& h) {
  std::string out = fmt::format("{{count:{}, sum:{}", format_go_g(h.count), format_go_g(h.sum));
  for (size_t i = h.negative.size(); i-- > 0;) {
    if (h.negative.count[i] != 0) out += ", " + bucket_text(h.negative_bucket(i));
  }
  if (h.zero_count != 0) out += ", " + bucket_text(h.zero_bucket());
  for (size_t i = 0; i < h.positive.size(); ++i) {
    if (h.positive.count[i] != 0) out += ", " + bucket_text(h.positive_bucket(i));
  }
  return out + "}";
}

std::string histogram_test_text(const model::FloatHistogram& h) {
  using Hint = model::CounterResetHint;
  model::FloatHistogram m = h;
  m.compact();
  std::vector<std::string> parts;
  const auto number = [&](std::string_view key, double v) {
    if (v != 0) parts.push_back(fmt::format("{}:{}", key, format_go_g(v)));
  };
  if (m.schema != 0) parts.push_back(fmt::format("schema:{}", m.schema));
  number("count", m.count);
  number("sum", m.sum);
  number("z_bucket", m.zero_count);
  number("z_bucket_w", m.zero_threshold);
  if (m.uses_custom_buckets()) {
    std::vector<std::string> bounds;
    for (double b : m.custom_values) bounds.push_back(format_go_g(b));
    parts.push_back(fmt::format("custom_values:[{}]", fmt::join(bounds, " ")));
  }
  if (m.hint == Hint::kReset) parts.emplace_back("counter_reset_hint:reset");
  if (m.hint == Hint::kNotReset) parts.emplace_back("counter_reset_hint:not_reset");
  if (m.hint == Hint::kGauge) parts.emplace_back("counter_reset_hint:gauge");
  add_side(parts, m.positive, "buckets", "offset");
  add_side(parts, m.negative, "n_buckets", "n_offset");
  return fmt::format("{{{{{}}}}}", fmt::join(parts, " "));
}

}  // namespace sentinel::promql
