#include "promql/annotations.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/strings.h"
#include "promql/go_text.h"
#include "promql/limits.h"

namespace sentinel::promql {
namespace {

std::string seconds_text(int64_t ms) {
  constexpr int64_t kMsPerSecond = 1000;
  return format_rfc3339(time_from_ms(ms / kMsPerSecond * kMsPerSecond));
}

}  // namespace

Annotations::Entry* Annotations::add(bool warning, std::string message, PosRange pos, Kind kind) {
  message = (warning ? "PromQL warning: " : "PromQL info: ") + message;
  const auto it = by_message_.find(message);
  last_was_new_ = it == by_message_.end();
  if (!last_was_new_) {
    entries_[it->second].pos = pos;
    return &entries_[it->second];
  }
  if (entries_.size() >= static_cast<size_t>(kAnnotationsMax)) {
    ++(warning ? dropped_warnings_ : dropped_infos_);
    return nullptr;
  }
  by_message_.emplace(message, entries_.size());
  Entry entry{warning, kind, std::move(message), pos, {}, 1};
  entries_.push_back(std::move(entry));
  return &entries_.back();
}

void Annotations::forced_monotonicity(std::string_view metric, PosRange pos, const Monotonicity& m) {
  Entry* entry =
      add(false,
          anno::with_metric("input to histogram_quantile needed to be fixed for monotonicity (see "
                            "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
                            metric),
          pos, Kind::kMonotonicity);
  if (entry == nullptr) return;
  if (last_was_new_) {
    entry->monotonicity = m;
    return;
  }
  entry->monotonicity.widen(m);
}

void Annotations::Monotonicity::widen(const Monotonicity& other) {
  min_ts = std::min(min_ts, other.min_ts);
  max_ts = std::max(max_ts, other.max_ts);
  min_bucket = std::min(min_bucket, other.min_bucket);
  max_bucket = std::max(max_bucket, other.max_bucket);
  max_diff = std::max(max_diff, other.max_diff);
  samples += other.samples;
}

void Annotations::start_time_overlap(std::string_view metric, PosRange pos) {
  Entry* entry =
      add(true, "sample has start time that overlaps with previous sample timestamp for metric " + go_quote(metric),
          pos, Kind::kOverlap);
  if (entry != nullptr && !last_was_new_) ++entry->count;
}

void Annotations::add_all(const Annotations& other) {
  for (const Entry& e : other.entries_) {
    const auto it = by_message_.find(e.message);
    if (it == by_message_.end()) {
      if (entries_.size() >= static_cast<size_t>(kAnnotationsMax)) {
        ++(e.warning ? dropped_warnings_ : dropped_infos_);
        continue;
      }
      by_message_.emplace(e.message, entries_.size());
      entries_.push_back(e);
      continue;
    }
    Entry& known = entries_[it->second];
    known.pos = e.pos;
    if (e.kind == Kind::kMonotonicity) known.monotonicity.widen(e.monotonicity);
    if (e.kind == Kind::kOverlap) known.count += e.count;
  }
  dropped_warnings_ += other.dropped_warnings_;
  dropped_infos_ += other.dropped_infos_;
}

std::vector<std::string> Annotations::texts(bool warning, std::string_view query) const {
  std::vector<std::string> out;
  for (const Entry& e : entries_) {
    if (e.warning != warning) continue;
    std::string text = e.message;
    if (e.kind == Kind::kMonotonicity) {
      const Monotonicity& m = e.monotonicity;
      text += fmt::format(", from buckets {} to {}, with a max diff of {:.2g}, over {} samples from {} to {}",
                          format_go_g(m.min_bucket), format_go_g(m.max_bucket), m.max_diff, m.samples,
                          seconds_text(m.min_ts), seconds_text(m.max_ts));
    } else if (e.kind == Kind::kOverlap && e.count > 1) {
      text += fmt::format(" ({} occurrences)", e.count);
    }
    out.push_back(fmt::format("{} ({})", text, position_text(e.pos, query)));
  }
  const uint64_t dropped = warning ? dropped_warnings_ : dropped_infos_;
  if (dropped > 0) out.push_back(fmt::format("{} more {} annotations omitted", dropped, warning ? "warning" : "info"));
  return out;
}

namespace anno {

std::string mixed_floats_histograms(std::string_view metric) {
  return "encountered a mix of histograms and floats for metric name " + go_quote(metric);
}
std::string mixed_floats_histograms_agg() { return "encountered a mix of histograms and floats for aggregation"; }
std::string mixed_exponential_custom(std::string_view metric) {
  return "vector contains a mix of histograms with exponential and custom buckets schemas for metric name " +
         go_quote(metric);
}
std::string not_counter(std::string_view metric) {
  return "this native histogram metric is not a counter: " + go_quote(metric);
}
std::string not_gauge(std::string_view metric) {
  return "this native histogram metric is not a gauge: " + go_quote(metric);
}
std::string histogram_ignored_in_aggregation(std::string_view aggregation) {
  return fmt::format("ignored histogram in {} aggregation", aggregation);
}
std::string histogram_ignored_in_mixed_range(std::string_view metric) {
  return "ignored histograms in a range containing both floats and histograms for metric name " + go_quote(metric);
}
std::string invalid_quantile(double q) { return "quantile value should be between 0 and 1, got " + format_go_g(q); }
std::string invalid_ratio(double r, double capped) {
  return fmt::format("ratio value should be between -1 and 1, got {}, capping to {}", format_go_g(r),
                     format_go_g(capped));
}
std::string counter_reset_collision(std::string_view operation) {
  return fmt::format("conflicting counter resets during histogram {}", operation);
}
std::string bounds_reconciled(std::string_view operation) {
  return fmt::format("mismatched custom buckets were reconciled during {}", operation);
}
std::string with_metric(std::string message, std::string_view metric) {
  return metric.empty() ? message : message + " for metric name " + go_quote(metric);
}

}  // namespace anno
}  // namespace sentinel::promql
