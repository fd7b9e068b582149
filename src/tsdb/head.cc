#include "tsdb/head.h"

#include <algorithm>
#include <bit>

#include "base/strings.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

bool touches(int64_t min_ms, int64_t max_ms, TimeRange range) {
  return min_ms <= range.max_ms && max_ms >= range.min_ms;
}

bool by_time(const model::Sample& a, const model::Sample& b) { return a.t_ms < b.t_ms; }

// The value at exactly t_ms in a run of chunk bytes.
std::optional<double> value_at(std::string_view bytes, uint32_t count, int64_t t_ms) {
  std::vector<model::Sample> found;
  decode_range(bytes, count, t_ms, t_ms, found);
  if (found.empty()) return std::nullopt;
  return found.front().v;
}

// About how many samples of the chunk lie in the range.
size_t expected_samples(const Chunk& chunk, TimeRange range) {
  if (chunk.min_ms >= range.min_ms && chunk.max_ms <= range.max_ms) return chunk.count;
  const double width = static_cast<double>(chunk.max_ms) - static_cast<double>(chunk.min_ms);
  const double shared = static_cast<double>(std::min(chunk.max_ms, range.max_ms)) -
                        static_cast<double>(std::max(chunk.min_ms, range.min_ms));
  return shared <= 0 ? 1 : static_cast<size_t>(chunk.count * (shared / width)) + 2;
}

Status check_labels(const model::Labels& labels) {
  if (labels.empty()) return fail(ErrorCode::kInvalidArgument, "a series needs at least one label");
  if (labels.size() > kLabelsMax) return fail(ErrorCode::kTooLarge, "a series has too many labels");
  for (const model::Label& label : labels) {
    if (label.name.size() > kLabelBytesMax || label.value.size() > kLabelBytesMax) {
      return fail(ErrorCode::kTooLarge, "label " + std::string(utf8_prefix(label.name, 64)) + " is too long");
    }
  }
  return {};
}

}  // namespace

void SeriesSnapshot::decode(TimeRange range, std::vector<model::Sample>& out) const {
  if (!late.empty()) return decode_merged(range, out);
  size_t expected = open.count > 0 ? expected_samples(open, range) : 0;
  for (const ChunkPtr& chunk : sealed) expected += expected_samples(*chunk, range);
  out.reserve(out.size() + expected);
  for (const ChunkPtr& chunk : sealed) decode_range(chunk->bytes, chunk->count, range.min_ms, range.max_ms, out);
  if (open.count > 0) decode_range(open.bytes, open.count, range.min_ms, range.max_ms, out);
}

void SeriesSnapshot::decode_merged(TimeRange range, std::vector<model::Sample>& out) const {
  SeriesSnapshot in_order{id, sealed, open, {}};
  std::vector<model::Sample> regular;
  in_order.decode(range, regular);
  auto next = regular.begin();
  for (const model::Sample& sample : late) {
    if (sample.t_ms < range.min_ms || sample.t_ms > range.max_ms) continue;
    while (next != regular.end() && next->t_ms < sample.t_ms) out.push_back(*next++);
    out.push_back(sample);
  }
  out.insert(out.end(), next, regular.end());
}

Result<uint32_t> Head::get_or_create(const model::Labels& labels, bool unlimited) {
  const uint64_t hash = labels.hash();
  {
    std::shared_lock lock(index_mutex_);
    if (const auto id = index_.find(labels, hash)) return revive(*id, unlimited);
  }
  SENTINEL_TRY(check_labels(labels));
  std::unique_lock lock(index_mutex_);
  if (const auto id = index_.find(labels, hash)) return revive(*id, unlimited);
  if (!unlimited && series_active() >= series_max_) return fail(series_limit());
  Series& series = series_.emplace_back();
  series.active = true;
  active_.fetch_add(1, std::memory_order_relaxed);
  return index_.add(labels, hash);
}

Error Head::series_limit() const {
  return Error(ErrorCode::kTooLarge, "the series limit of " + std::to_string(series_max_) + " is reached");
}

// Counts a series that had lost all its samples again.
Result<uint32_t> Head::revive(uint32_t id, bool unlimited) {
  std::lock_guard lock(stripe(id));
  Series& series = series_[id];
  if (!series.active && !unlimited && series_active() >= series_max_) return fail(series_limit());
  activate(series);
  return id;
}

bool Head::has_samples(uint32_t id) const {
  std::lock_guard lock(stripe(id));
  const Series& series = series_[id];
  return series.open || series.late || !series.sealed.empty();
}

bool Head::has_sample_in(uint32_t id, TimeRange range) const {
  const auto inside = [&](int64_t t) { return t >= range.min_ms && t <= range.max_ms; };
  const SeriesSnapshot one = snapshot_one(id, range);
  for (const ChunkPtr& chunk : one.sealed) {
    if (inside(chunk->min_ms) || inside(chunk->max_ms)) return true;
  }
  if (one.open.count > 0 && (inside(one.open.min_ms) || inside(one.open.max_ms))) return true;
  std::vector<model::Sample> samples;
  one.decode(range, samples);
  return !samples.empty();
}

SeriesIds Head::resolve(const model::Matchers& matchers) const {
  std::shared_lock lock(index_mutex_);
  return index_.resolve(matchers);
}

Verdict Head::judge_late(const Series& series, model::Sample sample) {
  std::optional<double> there;
  for (const ChunkPtr& chunk : series.sealed) {
    if (chunk->min_ms <= sample.t_ms && sample.t_ms <= chunk->max_ms) {
      there = value_at(chunk->bytes, chunk->count, sample.t_ms);
    }
  }
  if (!there && series.open && series.open->min_ms() <= sample.t_ms) {
    there = value_at(series.open->bytes(), series.open->count(), sample.t_ms);
  }
  if (!there && series.late) {
    const auto it = std::lower_bound(series.late->begin(), series.late->end(), sample, by_time);
    if (it != series.late->end() && it->t_ms == sample.t_ms) there = it->v;
  }
  if (there) return same_bits(*there, sample.v) ? Verdict::kDuplicate : Verdict::kOtherValue;
  if (series.late && series.late->size() >= kLateSamplesMax) return Verdict::kTooManyLate;
  return Verdict::kLate;
}

Verdict Head::judge_locked(const Series& series, model::Sample sample, int64_t late_window_ms) const {
  if (sample.t_ms < accept_from()) return Verdict::kTooOld;
  if (!series.has_samples || sample.t_ms > series.newest_ms) return Verdict::kAppend;
  if (sample.t_ms == series.newest_ms) {
    return same_bits(sample.v, series.newest_v) ? Verdict::kDuplicate : Verdict::kOtherValue;
  }
  const uint64_t age = static_cast<uint64_t>(series.newest_ms) - static_cast<uint64_t>(sample.t_ms);
  if (age > static_cast<uint64_t>(late_window_ms)) return Verdict::kOutOfOrder;
  return judge_late(series, sample);
}

Verdict Head::judge(uint32_t id, model::Sample sample, int64_t late_window_ms) const {
  std::lock_guard lock(stripe(id));
  return judge_locked(series_[id], sample, late_window_ms);
}

Verdict Head::apply(uint32_t id, model::Sample sample, int64_t late_window_ms) {
  std::lock_guard lock(stripe(id));
  Series& series = series_[id];
  const Verdict verdict = judge_locked(series, sample, late_window_ms);
  if (verdict == Verdict::kLate) {
    if (!series.late) series.late = std::make_unique<std::vector<model::Sample>>();
    const auto at = std::lower_bound(series.late->begin(), series.late->end(), sample, by_time);
    series.late->insert(at, sample);
    note_time(sample.t_ms);
  }
  if (verdict != Verdict::kAppend) return verdict;
  seal_if_full(series);
  if (!series.open) series.open = std::make_unique<ChunkWriter>();
  const size_t before = series.open->bytes().size();
  series.open->append(sample);
  chunk_bytes_.fetch_add(series.open->bytes().size() - before, std::memory_order_relaxed);
  series.newest_ms = sample.t_ms;
  series.newest_v = sample.v;
  series.has_samples = true;
  activate(series);
  note_time(sample.t_ms);
  return verdict;
}

void Head::activate(Series& series) {
  if (series.active) return;
  series.active = true;
  active_.fetch_add(1, std::memory_order_relaxed);
}

void Head::seal_if_full(Series& series) {
  if (!series.open || series.open->count() < kChunkSamplesMax) return;
  series.sealed.push_back(std::make_shared<const Chunk>(series.open->seal()));
  series.open.reset();
}

void Head::note_time(int64_t t_ms) {
  // One writer; readers may see either bound a moment early.
  if (t_ms < min_ms_.load(std::memory_order_relaxed)) min_ms_.store(t_ms, std::memory_order_relaxed);
  if (t_ms > max_ms_.load(std::memory_order_relaxed)) max_ms_.store(t_ms, std::memory_order_relaxed);
}

Status Head::load_chunk(uint32_t id, Chunk chunk, bool open) {
  SENTINEL_ASSIGN(ChunkWriter writer, ChunkWriter::resume(chunk));
  std::lock_guard lock(stripe(id));
  Series& series = series_[id];
  if (series.open || (series.has_samples && writer.min_ms() <= series.newest_ms)) {
    return fail(ErrorCode::kInvalidArgument, "chunks of a series are out of order");
  }
  model::Sample last;
  ChunkReader reader(chunk.bytes, chunk.count);
  while (reader.next(last)) {
  }
  chunk.min_ms = writer.min_ms();
  chunk.max_ms = writer.max_ms();
  chunk_bytes_.fetch_add(chunk.bytes.size(), std::memory_order_relaxed);
  note_time(chunk.min_ms);
  note_time(chunk.max_ms);
  series.newest_ms = last.t_ms;
  series.newest_v = last.v;
  series.has_samples = true;
  activate(series);
  if (open) {
    series.open = std::make_unique<ChunkWriter>(std::move(writer));
  } else {
    series.sealed.push_back(std::make_shared<const Chunk>(std::move(chunk)));
  }
  return {};
}

bool Head::overlaps(const Series& series, TimeRange range) {
  if (series.open && touches(series.open->min_ms(), series.open->max_ms(), range)) return true;
  if (series.late && !series.late->empty() && touches(series.late->front().t_ms, series.late->back().t_ms, range)) {
    return true;
  }
  return std::any_of(series.sealed.begin(), series.sealed.end(),
                     [&](const ChunkPtr& c) { return touches(c->min_ms, c->max_ms, range); });
}

void Head::fill(const Series& series, TimeRange range, SeriesSnapshot& out) {
  for (const ChunkPtr& chunk : series.sealed) {
    if (touches(chunk->min_ms, chunk->max_ms, range)) out.sealed.push_back(chunk);
  }
  if (series.open && touches(series.open->min_ms(), series.open->max_ms(), range)) out.open = series.open->snapshot();
  if (!series.late) return;
  for (const model::Sample& sample : *series.late) {
    if (sample.t_ms >= range.min_ms && sample.t_ms <= range.max_ms) out.late.push_back(sample);
  }
}

SeriesSnapshot Head::snapshot_one(uint32_t id, TimeRange range) const {
  SeriesSnapshot out;
  out.id = id;
  std::lock_guard lock(stripe(id));
  fill(series_[id], range, out);
  return out;
}

std::vector<SeriesSnapshot> Head::snapshot(const model::Matchers& matchers, TimeRange range) const {
  std::vector<SeriesSnapshot> found;
  std::vector<uint32_t> order;
  for (const uint32_t id : resolve(matchers)) {
    SeriesSnapshot one;
    one.id = id;
    {
      std::lock_guard lock(stripe(id));
      if (!overlaps(series_[id], range)) continue;
      fill(series_[id], range, one);
    }
    order.push_back(static_cast<uint32_t>(found.size()));
    found.push_back(std::move(one));
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return index_.less(found[a].id, found[b].id); });
  std::vector<SeriesSnapshot> out;
  out.reserve(found.size());
  for (const uint32_t at : order) out.push_back(std::move(found[at]));
  return out;
}

std::vector<uint32_t> Head::sorted_ids() const {
  std::vector<uint32_t> ids(series_.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<uint32_t>(i);
  std::sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) { return index_.less(a, b); });
  return ids;
}

std::vector<std::string> Head::label_names(TimeRange range) const {
  std::vector<std::string> names;
  {
    std::shared_lock lock(index_mutex_);
    names = index_.names();
  }
  std::erase_if(names, [&](const std::string& name) { return label_values(name, range, 1).empty(); });
  return names;
}

std::vector<std::string> Head::label_values(const std::string& name, TimeRange range, size_t values_max) const {
  // Copied out first: looking at series under the index lock would hold up new ones.
  std::vector<std::pair<std::string, SeriesIds>> lists;
  {
    std::shared_lock lock(index_mutex_);
    index_.for_each_value(name, [&](const std::string& value, const SeriesIds& ids) {
      lists.emplace_back(value, ids);
      return true;
    });
  }
  std::vector<std::string> out;
  for (auto& [value, ids] : lists) {
    if (std::none_of(ids.begin(), ids.end(), [&](uint32_t id) { return has_sample_in(id, range); })) continue;
    out.push_back(std::move(value));
    if (out.size() >= values_max) break;
  }
  return out;
}

int64_t Head::oldest_from(int64_t from_ms) const {
  int64_t oldest = std::numeric_limits<int64_t>::max();
  const auto consider = [&](int64_t min_ms, int64_t max_ms) {
    if (max_ms >= from_ms) oldest = std::min(oldest, std::max(min_ms, from_ms));
  };
  const uint32_t slots = series_slots();
  for (uint32_t id = 0; id < slots; ++id) {
    std::lock_guard lock(stripe(id));
    const Series& series = series_[id];
    for (const ChunkPtr& chunk : series.sealed) consider(chunk->min_ms, chunk->max_ms);
    if (series.open) consider(series.open->min_ms(), series.open->max_ms());
    if (!series.late) continue;
    for (const model::Sample& sample : *series.late) consider(sample.t_ms, sample.t_ms);
  }
  return oldest;
}

void Head::truncate_before(int64_t t_ms) {
  const uint32_t slots = series_slots();
  for (uint32_t id = 0; id < slots; ++id) {
    std::lock_guard lock(stripe(id));
    Series& series = series_[id];
    std::erase_if(series.sealed, [&](const ChunkPtr& chunk) {
      if (chunk->max_ms >= t_ms) return false;
      chunk_bytes_.fetch_sub(chunk->bytes.size(), std::memory_order_relaxed);
      return true;
    });
    if (series.late) {
      std::erase_if(*series.late, [&](const model::Sample& s) { return s.t_ms < t_ms; });
      if (series.late->empty()) series.late.reset();
    }
    if (series.open && series.open->max_ms() < t_ms) {
      chunk_bytes_.fetch_sub(series.open->bytes().size(), std::memory_order_relaxed);
      series.open.reset();
    }
    if (series.active && series.sealed.empty() && !series.open && !series.late) {
      series.active = false;
      active_.fetch_sub(1, std::memory_order_relaxed);
      series.sealed.shrink_to_fit();
    }
  }
  // A lower bound is enough; a sample that comes meanwhile is not before t_ms either.
  if (min_ms() < t_ms) min_ms_.store(t_ms, std::memory_order_relaxed);
}

}  // namespace sentinel::tsdb
