// The reading half of the store: head and blocks answer together.

#include <algorithm>
#include <atomic>
#include <set>

#include "tsdb/store_impl.h"

namespace sentinel::tsdb {
namespace {

// Counts decoded samples; shared by all sources of one read. Thread-safe.
class Budget {
 public:
  explicit Budget(uint64_t samples_max) : limit_(samples_max) {}
  Status take(uint64_t samples) {
    if (taken_.fetch_add(samples, std::memory_order_relaxed) + samples <= limit_) return {};
    return fail(ErrorCode::kTooLarge, "the query reads more than " + std::to_string(limit_) + " samples");
  }

 private:
  std::atomic<uint64_t> taken_{0};
  const uint64_t limit_;
};

// Both sorted by labels; `later` holds later samples.
std::vector<SeriesData> merge(std::vector<SeriesData> earlier, std::vector<SeriesData> later) {
  if (earlier.empty()) return later;
  if (later.empty()) return earlier;
  std::vector<SeriesData> out;
  out.reserve(std::max(earlier.size(), later.size()));
  auto a = earlier.begin();
  auto b = later.begin();
  while (a != earlier.end() || b != later.end()) {
    if (b == later.end() || (a != earlier.end() && a->labels < b->labels)) {
      out.push_back(std::move(*a++));
    } else if (a == earlier.end() || b->labels < a->labels) {
      out.push_back(std::move(*b++));
    } else {
      a->samples.insert(a->samples.end(), b->samples.begin(), b->samples.end());
      a->histograms.insert(a->histograms.end(), b->histograms.begin(), b->histograms.end());
      out.push_back(std::move(*a++));
      ++b;
    }
  }
  return out;
}

Result<std::vector<SeriesData>> select_block(Block& block, const model::Matchers& matchers, TimeRange range,
                                             Budget& budget) {
  SENTINEL_ASSIGN(const std::shared_ptr<const BlockIndex> index, block.index());
  std::vector<SeriesData> out;
  for (const uint32_t id : index->resolve(matchers)) {
    SENTINEL_ASSIGN(const BlockSeries series, block.read_series(*index, id));
    SENTINEL_ASSIGN(Points points, block.read_points(id, series, range));
    if (points.empty()) continue;
    SENTINEL_TRY(budget.take(points.weight()));
    out.push_back({index->make_labels(series), std::move(points.samples), std::move(points.histograms)});
  }
  return out;
}

// The part of `range` that a block answers for.
TimeRange within(TimeRange range, TimeRange other) {
  return {std::max(range.min_ms, other.min_ms), std::min(range.max_ms, other.max_ms)};
}

// Calls fn(series) for each series of the block that any of the sets selects (no sets: all) and that reaches into the
// range; may call it twice for one.
template <class F>
Status visit_series(Block& block, const BlockIndex& index, const std::vector<model::Matchers>& sets, TimeRange range,
                    F fn) {
  const std::vector<model::Matchers> wanted = sets.empty() ? std::vector<model::Matchers>(1) : sets;
  for (const model::Matchers& matchers : wanted) {
    for (const uint32_t id : index.resolve(matchers)) {
      SENTINEL_ASSIGN(const BlockSeries series, block.read_series(index, id));
      SENTINEL_ASSIGN(const bool seen, block.has_sample_in(id, series, within(range, block.range())));
      if (seen) fn(series);
    }
  }
  return {};
}

// What lies in the head alone. While it lives the head is not truncated: the lock is the view's, the pin the labels'.
class HeadSelection final : public Selection {
 public:
  HeadSelection(const Head& head, std::shared_lock<std::shared_mutex> lock, const model::Matchers& matchers,
                TimeRange range, const SelectLimits& limits, WantedLabels wanted)
      : head_(head),
        lock_(std::move(lock)),
        pin_(head.pin()),
        range_(range),
        budget_(limits.samples_max),
        all_labels_(wanted.all),
        candidates_(range.empty() ? std::vector<Head::Candidate>() : head.sorted_candidates(matchers)) {
    for (const std::string& name : wanted.names) {
      if (const auto symbol = head.find_symbol(name)) wanted_.push_back(*symbol);
    }
  }
  size_t size() const override { return candidates_.size(); }
  Result<bool> read(size_t i, SeriesData& out) override {
    Points points;
    points.samples = std::move(out.samples);
    points.histograms = std::move(out.histograms);
    points.samples.clear();
    points.histograms.clear();
    const bool any = head_.read_one(candidates_[i], range_, points);
    const uint64_t weight = points.weight();
    out.samples = std::move(points.samples);
    out.histograms = std::move(points.histograms);
    if (!any) return false;
    SENTINEL_TRY(budget_.take(weight));
    out.labels =
        all_labels_ ? head_.labels_of(*candidates_[i].labels) : head_.labels_of(*candidates_[i].labels, wanted_);
    return true;
  }

 private:
  const Head& head_;
  const std::shared_lock<std::shared_mutex> lock_;
  const EpochPin pin_;
  const TimeRange range_;
  Budget budget_;
  const bool all_labels_;
  std::vector<uint32_t> wanted_;  // names
  const std::vector<Head::Candidate> candidates_;
};

}  // namespace

Status require_selective(const model::Matchers& matchers) {
  const auto selects = [](const model::Matcher& m) { return !m.matches(std::string_view()); };
  if (std::any_of(matchers.begin(), matchers.end(), selects)) return {};
  return fail(ErrorCode::kInvalidArgument, "at least one matcher must not match the empty value");
}

StoreImpl::View StoreImpl::view_locked(TimeRange range) const {
  View view;
  for (const auto& block : blocks_) {
    if (block->touches(range)) view.blocks.push_back(block);
  }
  view.head = {std::max(range.min_ms, head_from_ms_), range.max_ms};
  return view;
}

Result<std::vector<SeriesData>> StoreImpl::select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                                  const SelectLimits& limits) const {
  SENTINEL_TRY(require_selective(matchers));
  const TimeRange range{min_ms, max_ms};
  const EpochPin pin = head_.pin();
  Budget budget(limits.samples_max);
  View view;
  std::vector<SeriesData> newest;
  {
    // Only maintenance waits for this lock.
    std::shared_lock lock(view_mutex_);
    view = view_locked(range);
    if (!view.head.empty()) {
      for (const Head::Candidate& candidate : head_.sorted_candidates(matchers)) {
        Points points;
        if (!head_.read_one(candidate, view.head, points)) continue;
        SENTINEL_TRY(budget.take(points.weight()));
        newest.push_back({head_.labels_of(*candidate.labels), std::move(points.samples), std::move(points.histograms)});
      }
    }
  }
  std::vector<SeriesData> out;
  for (const auto& block : view.blocks) {
    SENTINEL_ASSIGN(std::vector<SeriesData> part,
                    select_block(*block, matchers, within(range, block->range()), budget));
    out = merge(std::move(out), std::move(part));
  }
  return merge(std::move(out), std::move(newest));
}

Result<std::unique_ptr<Selection>> StoreImpl::begin_select(const model::Matchers& matchers, int64_t min_ms,
                                                           int64_t max_ms, const SelectLimits& limits,
                                                           WantedLabels wanted) const {
  SENTINEL_TRY(require_selective(matchers));
  std::shared_lock lock(view_mutex_);
  const View view = view_locked({min_ms, max_ms});
  if (view.blocks.empty()) {
    return std::make_unique<HeadSelection>(head_, std::move(lock), matchers, view.head, limits, std::move(wanted));
  }
  lock.unlock();
  return Store::begin_select(matchers, min_ms, max_ms, limits, std::move(wanted));
}

Result<std::vector<model::Labels>> StoreImpl::series(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                     int64_t max_ms) const {
  const TimeRange range{min_ms, max_ms};
  const std::vector<model::Matchers> wanted = sets.empty() ? std::vector<model::Matchers>(1) : sets;
  std::vector<model::Labels> out;
  const EpochPin pin = head_.pin();
  View view;
  {
    std::shared_lock lock(view_mutex_);
    view = view_locked(range);
    for (const model::Matchers& matchers : wanted) {
      if (view.head.empty()) break;
      for (const uint32_t id : head_.resolve(matchers)) {
        if (const LabelSet* labels = head_.labels_if_in(id, view.head)) out.push_back(head_.labels_of(*labels));
      }
    }
  }
  for (const auto& block : view.blocks) {
    SENTINEL_ASSIGN(const std::shared_ptr<const BlockIndex> index, block->index());
    SENTINEL_TRY(visit_series(*block, *index, sets, range,
                              [&](const BlockSeries& one) { out.push_back(index->make_labels(one)); }));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<std::vector<std::string>> StoreImpl::label_names(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                        int64_t max_ms) const {
  std::set<std::string> out;
  View view;
  {
    std::shared_lock lock(view_mutex_);
    view = view_locked({min_ms, max_ms});
    if (!view.head.empty()) head_.label_names(sets, view.head, out);
  }
  for (const auto& block : view.blocks) {
    SENTINEL_ASSIGN(const std::shared_ptr<const BlockIndex> index, block->index());
    if (sets.empty() && !block->has_tombstones()) {
      for (std::string& name : index->names()) out.insert(std::move(name));
      continue;
    }
    SENTINEL_TRY(visit_series(*block, *index, sets, {min_ms, max_ms}, [&](const BlockSeries& series) {
      for (const LabelPair pair : series.pairs) out.emplace(index->symbol(pair.name));
    }));
  }
  return std::vector<std::string>(out.begin(), out.end());
}

Result<std::vector<std::string>> StoreImpl::label_values(const std::string& name,
                                                         const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                         int64_t max_ms) const {
  std::set<std::string> out;
  View view;
  {
    std::shared_lock lock(view_mutex_);
    view = view_locked({min_ms, max_ms});
    if (!view.head.empty()) head_.label_values(name, sets, view.head, out);
  }
  for (const auto& block : view.blocks) {
    SENTINEL_ASSIGN(const std::shared_ptr<const BlockIndex> index, block->index());
    if (sets.empty() && !block->has_tombstones()) {
      index->for_each_value(name, [&](std::string_view value) { out.emplace(value); });
      continue;
    }
    SENTINEL_TRY(visit_series(*block, *index, sets, {min_ms, max_ms}, [&](const BlockSeries& series) {
      for (const LabelPair pair : series.pairs) {
        if (index->symbol(pair.name) == name) out.emplace(index->symbol(pair.value));
      }
    }));
  }
  return std::vector<std::string>(out.begin(), out.end());
}

}  // namespace sentinel::tsdb
