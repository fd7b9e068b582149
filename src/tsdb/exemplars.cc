#include "tsdb/exemplars.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

size_t characters(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

bool too_long(const model::Labels& labels) {
  size_t total = 0;
  for (const model::Label& label : labels) total += characters(label.name) + characters(label.value);
  return total > kExemplarCharsMax;
}

bool same(const model::Exemplar& a, const model::Exemplar& b) {
  return a.t_ms == b.t_ms && std::bit_cast<uint64_t>(a.v) == std::bit_cast<uint64_t>(b.v) && a.labels == b.labels;
}

}  // namespace

ExemplarVerdict ExemplarRing::judge_locked(const Series* series, const model::Exemplar& exemplar) const {
  if (count_max_ == 0) return ExemplarVerdict::kDisabled;
  if (too_long(exemplar.labels)) return ExemplarVerdict::kTooLong;
  if (series == nullptr) return ExemplarVerdict::kAdd;
  const model::Exemplar& newest = at(series->order.back());
  if (same(newest, exemplar)) return ExemplarVerdict::kDuplicate;
  if (exemplar.t_ms < newest.t_ms) {
    const uint64_t age = static_cast<uint64_t>(newest.t_ms) - static_cast<uint64_t>(exemplar.t_ms);
    return age >= static_cast<uint64_t>(late_window_ms_) ? ExemplarVerdict::kOutOfOrder : ExemplarVerdict::kAdd;
  }
  // At one time several buckets may have one each: by value, then by labels, so that none comes twice.
  if (exemplar.t_ms == newest.t_ms &&
      (exemplar.v < newest.v || (exemplar.v == newest.v && exemplar.labels.hash() < newest.labels.hash()))) {
    return ExemplarVerdict::kOutOfOrder;
  }
  return ExemplarVerdict::kAdd;
}

ExemplarVerdict ExemplarRing::judge(const model::Labels& series, const model::Exemplar& exemplar) const {
  std::lock_guard lock(mutex_);
  const auto it = series_.find(series);
  return judge_locked(it == series_.end() ? nullptr : it->second.get(), exemplar);
}

ExemplarVerdict ExemplarRing::add(const model::Labels& labels, const model::Exemplar& exemplar) {
  std::lock_guard lock(mutex_);
  auto it = series_.find(labels);
  const ExemplarVerdict verdict = judge_locked(it == series_.end() ? nullptr : it->second.get(), exemplar);
  if (verdict != ExemplarVerdict::kAdd) return verdict;
  if (it != series_.end()) {
    // A late one at a time that is taken counts as the same: looking at all of that time would cost too much.
    const auto& order = it->second->order;
    const auto before = [&](uint64_t number, int64_t t_ms) { return at(number).t_ms < t_ms; };
    const auto place = std::lower_bound(order.begin(), order.end(), exemplar.t_ms, before);
    const bool late = exemplar.t_ms < at(order.back()).t_ms;
    if (late && at(*place).t_ms == exemplar.t_ms) return ExemplarVerdict::kDuplicate;
  }
  if (entries_.size() >= count_max_) {
    drop_oldest();
    it = series_.find(labels);  // it may have been the last of this series
  }
  if (it == series_.end()) {
    it = series_.emplace(labels, std::make_unique<Series>()).first;
    it->second->labels = labels;
  }
  Series& series = *it->second;
  const uint64_t number = first_ + entries_.size();
  entries_.push_back({&series, exemplar});
  const auto after = [&](int64_t t_ms, uint64_t other) { return t_ms < at(other).t_ms; };
  series.order.insert(std::upper_bound(series.order.begin(), series.order.end(), exemplar.t_ms, after), number);
  return verdict;
}

void ExemplarRing::drop_oldest() {
  Series* series = entries_.front().series;
  if (series->order.front() == first_) {
    series->order.pop_front();
  } else {
    std::erase(series->order, first_);  // late ones only
  }
  if (series->order.empty()) series_.erase(model::Labels(series->labels));
  entries_.pop_front();
  ++first_;
}

std::vector<SeriesExemplars> ExemplarRing::select(const std::vector<model::Matchers>& sets, TimeRange range) const {
  std::vector<SeriesExemplars> out;
  std::lock_guard lock(mutex_);
  for (const auto& [labels, series] : series_) {
    if (at(series->order.front()).t_ms > range.max_ms || at(series->order.back()).t_ms < range.min_ms) continue;
    const auto matches = [&l = labels](const model::Matchers& m) { return model::matches_all(m, l); };
    if (!sets.empty() && std::none_of(sets.begin(), sets.end(), matches)) continue;
    SeriesExemplars found{labels, {}};
    for (const uint64_t number : series->order) {
      if (range.holds(at(number).t_ms)) found.exemplars.push_back(at(number));
    }
    if (!found.exemplars.empty()) out.push_back(std::move(found));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.series < b.series; });
  return out;
}

std::vector<StoredExemplar> ExemplarRing::all() const {
  std::vector<StoredExemplar> out;
  std::lock_guard lock(mutex_);
  out.reserve(entries_.size());
  for (const Entry& entry : entries_) out.push_back({entry.series->labels, entry.exemplar});
  return out;
}

size_t ExemplarRing::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace sentinel::tsdb
