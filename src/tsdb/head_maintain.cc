// The part of the head that maintenance uses: what leaves memory, and when.

#include <algorithm>

#include "tsdb/head.h"

namespace sentinel::tsdb {

int64_t Head::oldest_from(int64_t from_ms) const {
  int64_t oldest = std::numeric_limits<int64_t>::max();
  const auto consider = [&](int64_t min_ms, int64_t max_ms) {
    if (max_ms >= from_ms) oldest = std::min(oldest, std::max(min_ms, from_ms));
  };
  const uint32_t slots = series_slots();
  for (uint32_t id = 0; id < slots; ++id) {
    std::lock_guard lock(stripe(id));
    const Series* series = series_[id].get();
    if (series == nullptr) continue;
    for (const SealedChunk& chunk : series->sealed) consider(chunk.min_ms, chunk.max_ms);
    if (series->open) consider(series->open->min_ms(), series->open->max_ms());
    if (series->tail && series->tail->open.count() > 0) {
      consider(series->tail->open.min_ms(), series->tail->open.max_ms());
    }
    if (!series->late) continue;
    for (const model::Sample& sample : series->late->samples) consider(sample.t_ms, sample.t_ms);
    for (const model::HistogramSample& sample : series->late->histograms) consider(sample.t_ms, sample.t_ms);
  }
  return oldest;
}

void Head::truncate_before(int64_t t_ms) {
  const uint32_t slots = series_slots();
  for (uint32_t id = 0; id < slots; ++id) {
    std::lock_guard lock(stripe(id));
    if (!series_[id]) continue;
    Series& series = *series_[id];
    std::erase_if(series.sealed, [&](const SealedChunk& chunk) {
      if (chunk.max_ms >= t_ms) return false;
      chunk_bytes_.fetch_sub(chunk.view().bytes.size(), std::memory_order_relaxed);
      return true;
    });
    if (series.late) {
      std::erase_if(series.late->samples, [&](const model::Sample& s) { return s.t_ms < t_ms; });
      std::erase_if(series.late->histograms, [&](const model::HistogramSample& s) { return s.t_ms < t_ms; });
      if (series.late->empty()) series.late.reset();
    }
    if (series.open && series.open->max_ms() < t_ms) {
      chunk_bytes_.fetch_sub(series.open->size_bytes(), std::memory_order_relaxed);
      series.open.reset();
    }
    if (series.tail && series.tail->open.count() > 0 && series.tail->open.max_ms() < t_ms) {
      chunk_bytes_.fetch_sub(series.tail->open.size_bytes(), std::memory_order_relaxed);
      series.tail->open = HistogramChunkWriter();
    }
    deactivate_if_empty(series);
  }
  // A lower bound is enough; a sample that comes meanwhile is not before t_ms either.
  if (min_ms() < t_ms) min_ms_.store(t_ms, std::memory_order_relaxed);
}

void Head::erase(uint32_t id, TimeRange range) {
  std::lock_guard lock(stripe(id));
  if (!series_[id] || !overlaps(*series_[id], range)) return;
  Series& series = *series_[id];
  SeriesSnapshot all;
  all.id = id;
  fill(series, {}, all);
  Points points;
  all.decode({}, points);
  if (remove_range(points, range) == 0) return;
  uint64_t before = all.open.bytes.size();
  for (const SealedChunk& chunk : series.sealed) before += chunk.view().bytes.size();
  series.sealed.clear();
  for (const ChunkPtr& chunk : encode(points)) series.sealed.push_back(chunks_.put(*chunk));
  series.open.reset();
  series.late.reset();
  if (series.tail) series.tail->open = HistogramChunkWriter();
  uint64_t after = 0;
  for (const SealedChunk& chunk : series.sealed) after += chunk.view().bytes.size();
  chunk_bytes_.fetch_add(after - before, std::memory_order_relaxed);  // wraps when it shrinks
  deactivate_if_empty(series);
}

size_t Head::collect_garbage() {
  constexpr size_t kSlice = 20'000;  // removed under one hold of the index lock
  if (!uses_.settled()) return 0;
  SeriesIds idle;
  const uint32_t slots = series_slots();
  for (uint32_t id = 0; id < slots; ++id) {
    std::lock_guard lock(stripe(id));
    Series* series = series_[id].get();
    if (series == nullptr || !series->empty()) continue;
    if (!facts_[id].used.exchange(false)) idle.push_back(id);
  }
  uses_.end_round();  // a pin taken from here on is younger than every mark that was cleared above
  if (idle.empty()) return 0;
  Garbage garbage;
  size_t removed = 0;
  for (size_t at = 0; at < idle.size(); at += kSlice) {
    const auto begin = idle.begin() + static_cast<std::ptrdiff_t>(at);
    removed +=
        collect(SeriesIds(begin, begin + static_cast<std::ptrdiff_t>(std::min(kSlice, idle.size() - at))), garbage);
  }
  epochs_.retire(std::move(garbage));
  return removed;
}

size_t Head::collect(const SeriesIds& candidates, Garbage& garbage) {
  SeriesIds gone;
  std::unique_lock index_lock(index_mutex_);
  for (const uint32_t id : candidates) {
    std::lock_guard lock(stripe(id));
    Series& series = *series_[id];
    Facts& facts = facts_[id];
    const int64_t newest = facts.newest_ms.exchange(kGoneMs);  // before looking at `used`, see Facts
    if (facts.used.load() || !series.empty()) {                // somebody came meanwhile
      facts.newest_ms.store(newest);
      continue;
    }
    if (series.active) active_.fetch_sub(1, std::memory_order_relaxed);
    garbage.series.push_back(std::move(series_[id]));
    gone.push_back(id);
  }
  garbage.labels.push_back(index_.remove(gone));
  existing_.fetch_sub(gone.size(), std::memory_order_relaxed);
  return gone.size();
}

namespace {

void keep_largest(std::vector<NamedCount>& counts, size_t limit) {
  const auto larger = [](const NamedCount& a, const NamedCount& b) {
    return a.count != b.count ? a.count > b.count : a.name < b.name;
  };
  if (counts.size() > limit) {
    std::nth_element(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(limit), counts.end(), larger);
    counts.resize(limit);
  }
  std::sort(counts.begin(), counts.end(), larger);
}

// Adds one and drops the small ones now and then, so that a million pairs need not be held.
void offer(std::vector<NamedCount>& counts, size_t limit, NamedCount one) {
  constexpr size_t kSlack = 4'096;
  counts.push_back(std::move(one));
  if (counts.size() >= limit + kSlack) keep_largest(counts, limit);
}

}  // namespace

void Head::cardinality(size_t limit, Cardinality& out) const {
  out.series = series_active();
  out.min_ms = min_ms() <= max_ms() ? min_ms() : 0;
  out.max_ms = min_ms() <= max_ms() ? max_ms() : 0;
  {
    std::shared_lock lock(index_mutex_);
    for (const std::string& name : index_.names()) {
      uint64_t bytes = 0;
      uint64_t values = 0;
      index_.for_each_value(name, [&](std::string_view value, const SeriesIds& ids) {
        ++values;
        bytes += value.size() * ids.size();
        if (name == model::kMetricNameLabel) offer(out.series_by_metric, limit, {std::string(value), ids.size()});
        offer(out.series_by_pair, limit, {name + "=" + std::string(value), ids.size()});
        return true;
      });
      out.label_pairs += values;
      out.values_by_label.push_back({name, values});
      out.value_bytes_by_label.push_back({name, bytes});
    }
  }
  for (auto* counts : {&out.series_by_metric, &out.values_by_label, &out.value_bytes_by_label, &out.series_by_pair}) {
    keep_largest(*counts, limit);
  }
  const uint32_t slots = series_slots();
  for (uint32_t id = 0; id < slots; ++id) {
    std::lock_guard lock(stripe(id));
    const Series* series = series_[id].get();
    if (series == nullptr) continue;
    out.chunks += series->sealed.size() + (series->open ? 1 : 0);
    out.chunks += series->tail && series->tail->open.count() > 0 ? 1 : 0;
  }
}

}  // namespace sentinel::tsdb
