#include "tsdb/head.h"

#include <algorithm>
#include <bit>

#include <absl/container/flat_hash_set.h>

#include "base/strings.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

bool touches(int64_t min_ms, int64_t max_ms, TimeRange range) {
  return min_ms <= range.max_ms && max_ms >= range.min_ms;
}
bool touches(const SealedChunk& chunk, TimeRange range) { return touches(chunk.min_ms, chunk.max_ms, range); }

bool by_time(const model::Sample& a, const model::Sample& b) { return a.t_ms < b.t_ms; }
bool histogram_by_time(const model::HistogramSample& a, const model::HistogramSample& b) { return a.t_ms < b.t_ms; }

bool same_histogram(const model::FloatHistogram& a, const model::FloatHistogram& b) {
  if (model::is_stale_nan(a.sum) || model::is_stale_nan(b.sum)) return same_bits(a.sum, b.sum);
  return a.equals(b);
}

// Of a stale marker only the marker counts.
const model::HistogramPtr& stale_histogram() {
  static const model::HistogramPtr marker = [] {
    auto h = std::make_shared<model::FloatHistogram>();
    h->sum = model::stale_nan();
    return h;
  }();
  return marker;
}

// About how many samples of the chunk lie in the range.
size_t expected_samples(const ChunkView& chunk, TimeRange range) {
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

// Whether `there`, read at exactly the time of `sample`, is the same; none: there is nothing.
std::optional<bool> same_point(const Points& there, const Incoming& sample) {
  if (!there.samples.empty()) return sample.h == nullptr && same_bits(there.samples.front().v, sample.v);
  if (there.histograms.empty()) return std::nullopt;
  return sample.h != nullptr && same_histogram(*there.histograms.front().h, **sample.h);
}

// The part of late points that lies in the range.
void copy_within(const Points& late, TimeRange range, Points& out) {
  std::copy_if(late.samples.begin(), late.samples.end(), std::back_inserter(out.samples),
               [&](const model::Sample& s) { return range.holds(s.t_ms); });
  std::copy_if(late.histograms.begin(), late.histograms.end(), std::back_inserter(out.histograms),
               [&](const model::HistogramSample& s) { return range.holds(s.t_ms); });
}

bool touches(const Points& late, TimeRange range) {
  return (!late.samples.empty() && touches(late.samples.front().t_ms, late.samples.back().t_ms, range)) ||
         (!late.histograms.empty() && touches(late.histograms.front().t_ms, late.histograms.back().t_ms, range));
}

}  // namespace

void SeriesSnapshot::decode(TimeRange range, Points& out) const {
  if (!late.empty()) return decode_merged(range, out);
  size_t expected = open.count > 0 && open.kind == ChunkKind::kFloat ? expected_samples(open, range) : 0;
  for (const SealedChunk& chunk : sealed) {
    const ChunkView view = chunk.view();
    if (view.kind == ChunkKind::kFloat) expected += expected_samples(view, range);
  }
  out.samples.reserve(out.samples.size() + expected);
  // What is in memory was checked when it came in.
  for (const SealedChunk& chunk : sealed) (void)tsdb::decode(chunk.view(), range, out);
  if (open.count > 0) (void)tsdb::decode(open, range, out);
}

void SeriesSnapshot::decode_merged(TimeRange range, Points& out) const {
  SeriesSnapshot in_order{id, labels, sealed, open, {}};
  Points regular;
  in_order.decode(range, regular);
  Points inside;
  copy_within(late, range, inside);
  std::merge(regular.samples.begin(), regular.samples.end(), inside.samples.begin(), inside.samples.end(),
             std::back_inserter(out.samples), by_time);
  auto histograms = merge_late(regular.histograms, inside.histograms);
  out.histograms.insert(out.histograms.end(), histograms.begin(), histograms.end());
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
  auto series = std::make_unique<Series>();
  series->active = true;
  active_.fetch_add(1, std::memory_order_relaxed);
  existing_.fetch_add(1, std::memory_order_relaxed);
  const uint32_t id = index_.add(labels, hash);
  series->labels = &index_.set_of(id);
  facts_.emplace_back();
  std::lock_guard stripe_lock(stripe(id));  // maintenance goes through all slots there are
  series_.emplace_back() = std::move(series);
  return id;
}

Error Head::series_limit() const {
  return Error(ErrorCode::kTooLarge, "the series limit of " + std::to_string(series_max_) + " is reached");
}

// Counts a series that had lost all its samples again. The index lock is held: nothing is removed meanwhile.
Result<uint32_t> Head::revive(uint32_t id, bool unlimited) {
  std::lock_guard lock(stripe(id));
  Series& series = *series_[id];
  if (!series.active && !unlimited && series_active() >= series_max_) return fail(series_limit());
  activate(series);
  note_used(id);
  return id;
}

std::optional<model::Labels> Head::touch(uint64_t id) {
  if (id >= series_.size()) return std::nullopt;
  std::lock_guard lock(stripe(static_cast<uint32_t>(id)));
  Series* series = series_[id].get();
  if (series == nullptr) return std::nullopt;
  note_used(static_cast<uint32_t>(id));
  return index_.make_labels(*series->labels);
}

// Step 2 of what Facts says; the first look saves the expensive store.
void Head::note_used(uint32_t id) const {
  std::atomic<bool>& used = facts_[id].used;
  if (!used.load()) used.store(true);
}

bool Head::has_samples(uint32_t id) const {
  std::lock_guard lock(stripe(id));
  return series_[id] && !series_[id]->empty();
}

const LabelSet* Head::labels_if_in(uint32_t id, TimeRange range) const {
  std::lock_guard lock(stripe(id));
  const Series* series = series_[id].get();
  return series != nullptr && overlaps(*series, range) ? series->labels : nullptr;
}

SeriesIds Head::resolve(const model::Matchers& matchers) const {
  std::shared_lock lock(index_mutex_);
  return index_.resolve(matchers);
}

bool Head::same_as_newest(const Series& series, const Incoming& sample) {
  if (series.tail) return sample.h != nullptr && same_histogram(*series.tail->newest, **sample.h);
  return sample.h == nullptr && same_bits(sample.v, series.newest_v);
}

Verdict Head::judge_late(const Series& series, const Incoming& sample) {
  const TimeRange at{sample.t_ms, sample.t_ms};
  Points there;
  for (const SealedChunk& chunk : series.sealed) {
    if (touches(chunk, at)) (void)decode(chunk.view(), at, there);
  }
  if (series.open && series.open->min_ms() <= sample.t_ms) (void)decode(series.open->snapshot(), at, there);
  if (series.tail && series.tail->open.count() > 0 && series.tail->open.min_ms() <= sample.t_ms) {
    (void)decode(series.tail->open.snapshot(), at, there);
  }
  if (series.late) copy_within(*series.late, at, there);
  if (const auto same = same_point(there, sample)) return *same ? Verdict::kDuplicate : Verdict::kOtherValue;
  if (series.late && series.late->size() >= kLateSamplesMax) return Verdict::kTooManyLate;
  return Verdict::kLate;
}

Verdict Head::judge_locked(uint32_t id, const Series& series, const Incoming& sample, int64_t late_window_ms) const {
  const int64_t newest = newest_ms(id);
  if (sample.t_ms < accept_from()) return Verdict::kTooOld;
  if (!series.has_samples || sample.t_ms > newest) return Verdict::kAppend;
  if (series.tail && sample.h == nullptr && model::is_stale_nan(sample.v)) {
    return judge_locked(id, series, model::HistogramSample{sample.t_ms, stale_histogram()}, late_window_ms);
  }
  if (sample.t_ms == newest) {
    return same_as_newest(series, sample) ? Verdict::kDuplicate : Verdict::kOtherValue;
  }
  const uint64_t age = static_cast<uint64_t>(newest) - static_cast<uint64_t>(sample.t_ms);
  if (age > static_cast<uint64_t>(late_window_ms)) return Verdict::kOutOfOrder;
  return judge_late(series, sample);
}

Verdict Head::judge(uint32_t id, const Incoming& sample, int64_t late_window_ms) const {
  note_used(id);
  if (sample.t_ms > facts_[id].newest_ms.load() && sample.t_ms >= accept_from()) return Verdict::kAppend;
  std::lock_guard lock(stripe(id));
  const Series* series = series_[id].get();
  if (series == nullptr) return Verdict::kGone;
  return judge_locked(id, *series, sample, late_window_ms);
}

Verdict Head::Writer::apply(uint32_t id, const Incoming& sample) {
  std::mutex& wanted = head_.stripe(id);
  if (lock_.mutex() != &wanted) {
    if (lock_.owns_lock()) lock_.unlock();  // never two at once
    lock_ = std::unique_lock(wanted);
  }
  return head_.apply_locked(id, sample, late_window_ms_);
}

void Head::Writer::expect_next(uint32_t id) const {
  if (lock_.mutex() != &head_.stripe(id)) return;  // not ours to look at yet
  const Series* series = head_.series_[id].get();
  if (series != nullptr && series->open) __builtin_prefetch(series->open->bytes_end(), 1);
}

Verdict Head::apply_locked(uint32_t id, const Incoming& sample, int64_t late_window_ms) {
  if (!series_[id]) return Verdict::kGone;
  Series& series = *series_[id];
  const Verdict verdict = judge_locked(id, series, sample, late_window_ms);
  if (verdict != Verdict::kAppend && verdict != Verdict::kLate) return verdict;
  const bool ends_histograms = series.tail && sample.h == nullptr && model::is_stale_nan(sample.v);
  if (verdict == Verdict::kLate) {
    insert_late(series, ends_histograms ? Incoming(model::HistogramSample{sample.t_ms, stale_histogram()}) : sample);
  } else {
    if (ends_histograms) {
      append_histogram(series, sample.t_ms, stale_histogram());
    } else if (sample.h != nullptr) {
      append_histogram(series, sample.t_ms, *sample.h);
    } else {
      append_float(series, {sample.t_ms, sample.v});
    }
    facts_[id].newest_ms.store(sample.t_ms, std::memory_order_relaxed);
    series.has_samples = true;
  }
  activate(series);
  note_time(sample.t_ms);
  return verdict;
}

void Head::insert_late(Series& series, const Incoming& sample) {
  if (!series.late) series.late = std::make_unique<Points>();
  if (sample.h == nullptr) {
    const model::Sample late{sample.t_ms, sample.v};
    auto& list = series.late->samples;
    list.insert(std::lower_bound(list.begin(), list.end(), late, by_time), late);
    return;
  }
  model::HistogramSample late{sample.t_ms, *sample.h};
  if (model::is_stale_nan(late.h->sum)) late.h = stale_histogram();
  if (late.h->hint != model::CounterResetHint::kGauge && late.h->hint != model::CounterResetHint::kUnknown) {
    auto copy = std::make_shared<model::FloatHistogram>(*late.h);
    copy->hint = model::CounterResetHint::kUnknown;
    late.h = std::move(copy);
  }
  auto& list = series.late->histograms;
  list.insert(std::lower_bound(list.begin(), list.end(), late, histogram_by_time), std::move(late));
}

void Head::append_float(Series& series, model::Sample sample) {
  if (series.tail) {
    seal_histograms(series);
    series.tail.reset();
  }
  if (series.open && series.open->count() >= kChunkSamplesMax) seal_float(series);
  if (!series.open) series.open.emplace();
  const size_t before = series.open->size_bytes();
  series.open->append(sample);
  chunk_bytes_.fetch_add(series.open->size_bytes() - before, std::memory_order_relaxed);
  series.newest_v = sample.v;
}

void Head::append_histogram(Series& series, int64_t t_ms, const model::HistogramPtr& h) {
  using Hint = model::CounterResetHint;
  if (series.open) seal_float(series);
  Hint hint = Hint::kUnknown;
  if (h->hint == Hint::kGauge) {
    hint = Hint::kGauge;
  } else if (series.tail && continues_counter(*h, *series.tail->newest)) {
    hint = Hint::kNotReset;
  }
  if (!series.tail) series.tail = std::make_unique<Tail>();
  HistogramChunkWriter& open = series.tail->open;
  if (is_full(open)) seal_histograms(series);
  const size_t before = open.size_bytes();
  if (model::is_stale_nan(h->sum)) {
    series.tail->newest = stale_histogram();
  } else if (h->hint == hint) {
    series.tail->newest = h;
  } else {
    auto copy = std::make_shared<model::FloatHistogram>(*h);
    copy->hint = hint;
    series.tail->newest = std::move(copy);
  }
  open.append(t_ms, *series.tail->newest);
  chunk_bytes_.fetch_add(open.size_bytes() - before, std::memory_order_relaxed);
}

void Head::activate(Series& series) {
  if (series.active) return;
  series.active = true;
  active_.fetch_add(1, std::memory_order_relaxed);
}

void Head::deactivate_if_empty(Series& series) {
  if (!series.active || !series.empty()) return;
  series.active = false;
  active_.fetch_sub(1, std::memory_order_relaxed);
  series.sealed.shrink_to_fit();
}

void Head::seal_float(Series& series) {
  series.sealed.push_back(chunks_.put(series.open->seal()));
  series.open.reset();
}

void Head::seal_histograms(Series& series) {
  if (series.tail->open.count() == 0) return;
  series.sealed.push_back(chunks_.put(series.tail->open.seal()));
}

void Head::note_time(int64_t t_ms) {
  // One writer; readers may see either bound a moment early.
  if (t_ms < min_ms_.load(std::memory_order_relaxed)) min_ms_.store(t_ms, std::memory_order_relaxed);
  if (t_ms > max_ms_.load(std::memory_order_relaxed)) max_ms_.store(t_ms, std::memory_order_relaxed);
}

Status Head::load_chunk(uint32_t id, Chunk chunk, bool open) {
  const auto disorder = [] { return fail(ErrorCode::kInvalidArgument, "chunks of a series are out of order"); };
  std::lock_guard lock(stripe(id));
  Series& series = *series_[id];
  const auto fits = [&](int64_t min_ms) { return !series.has_samples || min_ms > newest_ms(id); };
  if (series.open || (series.tail && series.tail->open.count() > 0)) return disorder();
  if (chunk.kind == ChunkKind::kHistogram) {
    SENTINEL_ASSIGN(HistogramChunkWriter writer, HistogramChunkWriter::resume(chunk));
    if (!fits(writer.min_ms())) return disorder();
    Points last;
    (void)decode(chunk, {writer.max_ms(), writer.max_ms()}, last);
    if (last.histograms.empty()) return disorder();
    chunk.min_ms = writer.min_ms();
    chunk.max_ms = writer.max_ms();
    series.tail = std::make_unique<Tail>();
    series.tail->newest = last.histograms.front().h;
    if (open) series.tail->open = std::move(writer);
  } else {
    SENTINEL_ASSIGN(ChunkWriter writer, ChunkWriter::resume(chunk));
    if (!fits(writer.min_ms())) return disorder();
    chunk.min_ms = writer.min_ms();
    chunk.max_ms = writer.max_ms();
    series.newest_v = writer.newest().v;
    series.tail.reset();
    if (open) series.open = std::move(writer);
  }
  chunk_bytes_.fetch_add(chunk.bytes.size(), std::memory_order_relaxed);
  note_time(chunk.min_ms);
  note_time(chunk.max_ms);
  facts_[id].newest_ms.store(chunk.max_ms, std::memory_order_relaxed);
  series.has_samples = true;
  activate(series);
  if (!open) series.sealed.push_back(chunks_.put(chunk));
  return {};
}

bool Head::overlaps(const Series& series, TimeRange range) {
  if (series.open && touches(series.open->min_ms(), series.open->max_ms(), range)) return true;
  if (series.tail && series.tail->open.count() > 0 &&
      touches(series.tail->open.min_ms(), series.tail->open.max_ms(), range)) {
    return true;
  }
  if (series.late && touches(*series.late, range)) return true;
  return std::any_of(series.sealed.begin(), series.sealed.end(),
                     [&](const SealedChunk& c) { return touches(c, range); });
}

void Head::fill(const Series& series, TimeRange range, SeriesSnapshot& out) {
  out.labels = series.labels;
  for (const SealedChunk& chunk : series.sealed) {
    if (touches(chunk, range)) out.sealed.push_back(chunk);
  }
  if (series.open && touches(series.open->min_ms(), series.open->max_ms(), range)) out.open = series.open->snapshot();
  if (series.tail && series.tail->open.count() > 0 &&
      touches(series.tail->open.min_ms(), series.tail->open.max_ms(), range)) {
    out.open = series.tail->open.snapshot();
  }
  if (series.late) copy_within(*series.late, range, out.late);
}

SeriesSnapshot Head::snapshot_one(uint32_t id, TimeRange range) const {
  SeriesSnapshot out;
  out.id = id;
  std::lock_guard lock(stripe(id));
  if (series_[id]) fill(*series_[id], range, out);
  return out;
}

std::vector<Head::Candidate> Head::sorted_candidates(const model::Matchers& matchers) const {
  std::vector<Candidate> found;
  {
    std::shared_lock lock(index_mutex_);
    const Ranks& ranks = *ranks_;
    const SeriesIds ids = index_.resolve(matchers);
    found.reserve(ids.size());
    for (const uint32_t id : ids) {
      found.push_back({id, id < ranks.size() ? ranks[id] : kUnranked, &index_.set_of(id)});
    }
  }
  sort_candidates(found);
  return found;
}

// Ranked ones by number, new ones by their texts, then both together.
void Head::sort_candidates(std::vector<Candidate>& candidates) const {
  const auto ranked_end =
      std::partition(candidates.begin(), candidates.end(), [](const Candidate& c) { return c.rank != kUnranked; });
  const auto by_labels = [&](const Candidate& a, const Candidate& b) { return index_.less(*a.labels, *b.labels); };
  std::sort(candidates.begin(), ranked_end, [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
  LabelOrder(index_).sort(ranked_end, candidates.end());
  if (ranked_end == candidates.begin() || ranked_end == candidates.end()) return;
  std::vector<Candidate> merged;
  merged.reserve(candidates.size());
  std::merge(candidates.begin(), ranked_end, ranked_end, candidates.end(), std::back_inserter(merged), by_labels);
  candidates = std::move(merged);
}

void Head::rank_series() {
  const EpochPin pinned = pin();
  const std::vector<Candidate> all = sorted_candidates({});
  if (all.empty()) return;
  if (std::none_of(all.begin(), all.end(), [](const Candidate& c) { return c.rank == kUnranked; })) return;
  auto ranks = std::make_shared<Ranks>();
  uint32_t next = 0;
  for (const Candidate& c : all) {
    if (c.id >= ranks->size()) ranks->resize(size_t{c.id} + 1, kUnranked);
    (*ranks)[c.id] = next++;
  }
  std::unique_lock lock(index_mutex_);
  ranks_ = std::move(ranks);
}

bool Head::fill_plain(const Series& series, TimeRange range, std::vector<SealedChunk>& sealed,
                      std::vector<model::Sample>& newest) {
  if (series.late || (series.tail && series.tail->open.count() > 0)) return false;
  for (const SealedChunk& chunk : series.sealed) {
    if (touches(chunk, range)) sealed.push_back(chunk);
  }
  if (series.open && touches(series.open->min_ms(), series.open->max_ms(), range)) {
    (void)series.open->decode(range, newest);
  }
  return true;
}

// A plain series is read without a copy of its open chunk: decoding that takes less than copying it would.
bool Head::read_one(const Candidate& candidate, TimeRange range, Points& out) const {
  // Room that the thread uses again and again.
  thread_local std::vector<SealedChunk> sealed;
  thread_local std::vector<model::Sample> newest;
  sealed.clear();
  newest.clear();
  {
    std::unique_lock lock(stripe(candidate.id));
    const Series* series = series_[candidate.id].get();
    if (series == nullptr || !overlaps(*series, range)) return false;
    if (!fill_plain(*series, range, sealed, newest)) {
      SeriesSnapshot snapshot;
      fill(*series, range, snapshot);
      lock.unlock();
      snapshot.decode(range, out);
      return !out.empty();
    }
  }
  size_t expected = newest.size();
  for (const SealedChunk& chunk : sealed) {
    const ChunkView view = chunk.view();
    if (view.kind == ChunkKind::kFloat) expected += expected_samples(view, range);
  }
  out.samples.reserve(expected);
  // What is in memory was checked when it came in.
  for (const SealedChunk& chunk : sealed) (void)tsdb::decode(chunk.view(), range, out);
  sealed.clear();
  out.samples.insert(out.samples.end(), newest.begin(), newest.end());
  return !out.empty();
}

std::vector<uint32_t> Head::sorted_ids() const {
  SeriesIds ids;
  for (const Candidate& candidate : sorted_candidates({})) ids.push_back(candidate.id);
  return ids;
}

void Head::label_names(const std::vector<model::Matchers>& sets, TimeRange range, std::set<std::string>& out) const {
  std::shared_lock lock(index_mutex_);
  if (sets.empty()) {
    for (const std::string& name : index_.names()) {
      bool seen = false;
      index_.for_each_value(name, [&](std::string_view, const SeriesIds& ids) { return !(seen = any_in(ids, range)); });
      if (seen) out.insert(name);
    }
    return;
  }
  absl::flat_hash_set<uint32_t> names;
  for (const model::Matchers& matchers : sets) {
    for (const uint32_t id : index_.resolve(matchers)) {
      const LabelSet* labels = labels_if_in(id, range);
      if (labels == nullptr) continue;
      for (const LabelPair pair : labels->pairs()) names.insert(pair.name);
    }
  }
  for (const uint32_t name : names) out.emplace(index_.symbols().at(name));
}

void Head::label_values(const std::string& name, const std::vector<model::Matchers>& sets, TimeRange range,
                        std::set<std::string>& out) const {
  std::shared_lock lock(index_mutex_);
  if (sets.empty()) {
    index_.for_each_value(name, [&](std::string_view value, const SeriesIds& ids) {
      if (any_in(ids, range)) out.emplace(value);
      return true;
    });
    return;
  }
  const auto symbol = index_.symbols().find(name);
  if (!symbol) return;
  absl::flat_hash_set<uint32_t> values;
  for (const model::Matchers& matchers : sets) {
    for (const uint32_t id : index_.resolve(matchers)) {
      const LabelSet* labels = labels_if_in(id, range);
      if (labels == nullptr) continue;
      for (const LabelPair pair : labels->pairs()) {
        if (pair.name == *symbol) values.insert(pair.value);
      }
    }
  }
  for (const uint32_t value : values) out.emplace(index_.symbols().at(value));
}

bool Head::any_in(const SeriesIds& ids, TimeRange range) const {
  return std::any_of(ids.begin(), ids.end(), [&](uint32_t id) { return labels_if_in(id, range) != nullptr; });
}

}  // namespace sentinel::tsdb
