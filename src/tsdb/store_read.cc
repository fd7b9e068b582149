// The reading half of the store: head and blocks answer together.

#include <algorithm>
#include <set>

#include "tsdb/store_impl.h"

namespace sentinel::tsdb {
namespace {

Status require_selective(const model::Matchers& matchers) {
  const auto selects = [](const model::Matcher& m) { return !m.matches(std::string_view()); };
  if (std::any_of(matchers.begin(), matchers.end(), selects)) return {};
  return fail(ErrorCode::kInvalidArgument, "at least one matcher must not match the empty value");
}

// Counts decoded samples down; shared by all sources of one read.
class Budget {
 public:
  explicit Budget(uint64_t samples_max) : left_(samples_max), limit_(samples_max) {}
  Status take(uint64_t samples) {
    if (samples > left_) {
      return fail(ErrorCode::kTooLarge, "the query reads more than " + std::to_string(limit_) + " samples");
    }
    left_ -= samples;
    return {};
  }

 private:
  uint64_t left_;
  uint64_t limit_;
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
  for (const uint32_t id : index->labels.resolve(matchers)) {
    SENTINEL_ASSIGN(Points points, block.read_points(index->chunks[id], range));
    if (points.empty()) continue;
    SENTINEL_TRY(budget.take(points.weight()));
    out.push_back({index->labels.make_labels(id), std::move(points.samples), std::move(points.histograms)});
  }
  return out;
}

// The part of `range` that a block answers for.
TimeRange within(TimeRange range, TimeRange other) {
  return {std::max(range.min_ms, other.min_ms), std::min(range.max_ms, other.max_ms)};
}

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

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
  View view;
  std::vector<SeriesSnapshot> snapshots;
  {
    std::shared_lock lock(view_mutex_);
    view = view_locked(range);
    if (!view.head.empty()) snapshots = head_.snapshot(matchers, view.head);
  }
  Budget budget(limits.samples_max);
  std::vector<SeriesData> out;
  for (const auto& block : view.blocks) {
    SENTINEL_ASSIGN(std::vector<SeriesData> part,
                    select_block(*block, matchers, within(range, block->range()), budget));
    out = merge(std::move(out), std::move(part));
  }
  std::vector<SeriesData> newest;
  newest.reserve(snapshots.size());
  for (const SeriesSnapshot& snapshot : snapshots) {
    Points points;
    snapshot.decode(view.head, points);
    if (points.empty()) continue;
    SENTINEL_TRY(budget.take(points.weight()));
    newest.push_back({head_.labels_of(*snapshot.labels), std::move(points.samples), std::move(points.histograms)});
  }
  return merge(std::move(out), std::move(newest));
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
        if (const LabelSet* labels = head_.labels_if_sample_in(id, view.head)) out.push_back(head_.labels_of(*labels));
      }
    }
  }
  for (const auto& block : view.blocks) {
    SENTINEL_ASSIGN(const std::shared_ptr<const BlockIndex> index, block->index());
    for (const model::Matchers& matchers : wanted) {
      for (const uint32_t id : index->labels.resolve(matchers)) {
        SENTINEL_ASSIGN(const bool seen, block->has_sample_in(index->chunks[id], within(range, block->range())));
        if (seen) out.push_back(index->labels.make_labels(id));
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<std::vector<std::string>> StoreImpl::label_names(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                        int64_t max_ms) const {
  const TimeRange range{min_ms, max_ms};
  std::vector<std::string> out;
  View view;
  if (sets.empty()) {
    std::shared_lock lock(view_mutex_);
    view = view_locked(range);
    if (!view.head.empty()) out = head_.label_names(view.head);
  }
  if (!sets.empty() || !view.blocks.empty()) {
    SENTINEL_ASSIGN(const std::vector<model::Labels> found, series(sets, min_ms, max_ms));
    for (const model::Labels& labels : found) {
      for (const model::Label& label : labels) out.push_back(label.name);
      if (out.size() > 4096) sort_unique(out);
    }
  }
  sort_unique(out);
  return out;
}

Result<std::vector<std::string>> StoreImpl::label_values(const std::string& name,
                                                         const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                         int64_t max_ms) const {
  const TimeRange range{min_ms, max_ms};
  std::vector<std::string> out;
  View view;
  if (sets.empty()) {
    std::shared_lock lock(view_mutex_);
    view = view_locked(range);
    if (!view.head.empty()) out = head_.label_values(name, view.head);
  }
  if (!sets.empty() || !view.blocks.empty()) {
    SENTINEL_ASSIGN(const std::vector<model::Labels> found, series(sets, min_ms, max_ms));
    for (const model::Labels& labels : found) {
      if (labels.has(name)) out.emplace_back(labels.get(name));
    }
  }
  sort_unique(out);
  return out;
}

}  // namespace sentinel::tsdb
