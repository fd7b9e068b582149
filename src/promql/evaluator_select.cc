// Selectors: reading from the storage, staleness and lookback.
#include <algorithm>

#include "base/work_crew.h"
#include "promql/evaluator.h"
#include "promql/limits.h"

namespace sentinel::promql {
namespace {

bool is_stale(const HPoint& p) { return model::is_stale_nan(p.h->sum); }

// The newest sample at or before `ref` and after `ref - lookback`. Asked with ascending times.
class LookbackReader {
 public:
  LookbackReader(const tsdb::SeriesData& data, int64_t lookback_ms) : data_(data), lookback_ms_(lookback_ms) {}

  struct Found {
    int64_t t = 0;
    int64_t start_ms = 0;
    PointValue value;
  };
  std::optional<Found> at(int64_t ref) {
    while (f_ < data_.samples.size() && data_.samples[f_].t_ms <= ref) ++f_;
    while (h_ < data_.histograms.size() && data_.histograms[h_].t_ms <= ref) ++h_;
    const FPoint* f = f_ > 0 ? &data_.samples[f_ - 1] : nullptr;
    const HPoint* h = h_ > 0 ? &data_.histograms[h_ - 1] : nullptr;
    const bool is_float = f != nullptr && (h == nullptr || f->t_ms > h->t_ms);
    Found found;
    if (is_float) {
      if (f->t_ms <= ref - lookback_ms_ || model::is_stale_nan(f->v)) return std::nullopt;
      found.t = f->t_ms;
      found.value.v = f->v;
      if (!data_.sample_starts_ms.empty()) found.start_ms = data_.sample_starts_ms[f_ - 1];
      return found;
    }
    if (h == nullptr || h->t_ms <= ref - lookback_ms_ || is_stale(*h)) return std::nullopt;
    found.t = h->t_ms;
    found.value.h = h->h;
    if (!data_.histogram_starts_ms.empty()) found.start_ms = data_.histogram_starts_ms[h_ - 1];
    return found;
  }

 private:
  const tsdb::SeriesData& data_;
  const int64_t lookback_ms_;
  size_t f_ = 0;
  size_t h_ = 0;
};

// Keeps only count, sum and schema of each histogram; resets are found now, while the buckets are there.
void keep_histogram_totals(tsdb::SeriesData& data) {
  using Hint = model::CounterResetHint;
  model::HistogramPtr last;
  for (HPoint& p : data.histograms) {
    if (is_stale(p)) {
      last = nullptr;
      continue;
    }
    auto totals = std::make_shared<model::FloatHistogram>();
    totals->schema = p.h->schema;
    totals->count = p.h->count;
    totals->sum = p.h->sum;
    totals->hint = p.h->hint;
    if (totals->hint == Hint::kUnknown && last)
      totals->hint = p.h->detect_reset(*last) ? Hint::kReset : Hint::kNotReset;
    last = std::move(p.h);
    p.h = std::move(totals);
  }
}

}  // namespace

Result<std::vector<tsdb::SeriesData>> Evaluator::select(const model::Matchers& matchers, int64_t min_ms,
                                                        int64_t max_ms) {
  std::vector<tsdb::SeriesData> data;
  if (max_ms < min_ms) return data;
  const tsdb::SelectLimits limits{context_.options.samples_max};
  auto selected = context_.storage.select(matchers, min_ms, max_ms, limits);
  if (!selected) return fail(std::move(selected).error().with_context("expanding series"));
  data = *std::move(selected);
  uint64_t read = 0;
  for (const tsdb::SeriesData& s : data) {
    read += s.samples.size();
    for (const HPoint& p : s.histograms) read += p.h->size_in_samples();
    if (!s.histograms.empty()) context_.saw_histograms = true;
    context_.read_bytes += sizeof(s);
    for (const auto& [name, value] : s.labels) context_.read_bytes += name.size() + value.size();
  }
  context_.samples_read += read;
  context_.read_bytes += read * sizeof(model::Sample);
  SENTINEL_TRY(context_.hold(0));
  SENTINEL_TRY(context_.work(read));
  return data;
}

Result<std::vector<tsdb::SeriesData>> Evaluator::select(VectorSelector& selector) {
  std::vector<tsdb::SeriesData> data;
  SENTINEL_ASSIGN(data, select(selector.matchers, selector.select_min_ms, selector.select_max_ms));
  if (selector.skip_histogram_buckets) {
    for (tsdb::SeriesData& s : data) keep_histogram_totals(s);
  }
  return data;
}

Status Evaluator::in_parts(size_t count, PartFunction fn) {
  const size_t parts = part_count(count);
  const size_t width = context_.options.piece_series;
  std::vector<std::unique_ptr<Piece>> pieces(parts);
  std::vector<Status> outcomes(parts);
  std::atomic<size_t> failed{parts};  // the first part that did
  const auto run = [&](size_t part) {
    if (part > failed.load(std::memory_order_relaxed)) return;
    pieces[part] = std::make_unique<Piece>(Piece{context_});
    outcomes[part] = fn(*pieces[part], part, part * width, std::min(count, (part + 1) * width));
    if (outcomes[part]) return;
    size_t first = failed.load();
    while (part < first && !failed.compare_exchange_weak(first, part)) {
    }
  };
  if (context_.options.crew != nullptr && parts > 1) {
    context_.options.crew->run(parts, run);
  } else {
    for (size_t part = 0; part < parts; ++part) run(part);
  }
  if (failed.load() < parts) return std::move(outcomes[failed.load()]);
  for (const auto& piece : pieces) {
    context_.annotations.add_all(piece->annotations);
    context_.samples_read += piece->samples_read;
    context_.saw_histograms = context_.saw_histograms || piece->saw_histograms;
  }
  return {};
}

Result<std::unique_ptr<tsdb::Selection>> Evaluator::begin_select(const VectorSelector& selector,
                                                                 tsdb::WantedLabels wanted) const {
  const tsdb::SelectLimits limits{context_.options.samples_max};
  auto selection = context_.storage.begin_select(selector.matchers, selector.select_min_ms, selector.select_max_ms,
                                                 limits, std::move(wanted));
  if (!selection) return fail(std::move(selection).error().with_context("expanding series"));
  return selection;
}

Status Evaluator::map_part(Piece& piece, tsdb::Selection& selection, const VectorSelector& selector,
                           const SeriesFunction& fn, size_t begin, size_t end, SeriesMatrix& out) const {
  tsdb::SeriesData data;
  for (size_t i = begin; i < end; ++i) {
    data.sample_starts_ms.clear();
    data.histogram_starts_ms.clear();
    const auto any = selection.read(i, data);
    if (!any) return fail(Error(any.error()).with_context("expanding series"));
    if (!*any) continue;
    uint64_t read = data.samples.size();
    for (const HPoint& p : data.histograms) read += p.h->size_in_samples();
    piece.samples_read += read;
    piece.saw_histograms = piece.saw_histograms || !data.histograms.empty();
    SENTINEL_TRY(piece.work(read));
    if (selector.skip_histogram_buckets) keep_histogram_totals(data);
    SENTINEL_TRY(fn(piece, data, out));
  }
  return {};
}

Result<SeriesMatrix> Evaluator::map_selected(const VectorSelector& selector, const SeriesFunction& fn,
                                             bool* type_or_unit) {
  SeriesMatrix out;
  if (selector.select_max_ms < selector.select_min_ms) return out;
  std::unique_ptr<tsdb::Selection> selection;
  SENTINEL_ASSIGN(selection, begin_select(selector, {}));
  std::vector<SeriesMatrix> parts(part_count(selection->size()));
  std::atomic<bool> reserved{false};
  const auto map = [&](Piece& piece, size_t part, size_t begin, size_t end) -> Status {
    SENTINEL_TRY(map_part(piece, *selection, selector, fn, begin, end, parts[part]));
    if (piece.saw_type_or_unit) reserved = true;
    uint64_t bytes = 0;
    for (const Series& s : parts[part]) {
      bytes += sizeof(s);
      for (const auto& [name, value] : s.labels) bytes += name.size() + value.size();
    }
    context_.read_bytes.fetch_add(bytes, std::memory_order_relaxed);
    return context_.hold(0);
  };
  SENTINEL_TRY(in_parts(selection->size(), map));
  if (type_or_unit != nullptr) *type_or_unit = reserved;
  size_t total = 0;
  for (const SeriesMatrix& part : parts) total += part.size();
  out.reserve(total);
  for (SeriesMatrix& part : parts) std::move(part.begin(), part.end(), std::back_inserter(out));
  return out;
}

Result<SeriesMatrix> Evaluator::eval_vector_selector(VectorSelector& expr) {
  if (expr.smoothed) {
    std::vector<tsdb::SeriesData> data;
    SENTINEL_ASSIGN(data, select(expr));
    return smooth_series(std::move(data), expr);
  }
  return map_selected(expr, sample_function(expr.time.offset_ms, false, std::nullopt));
}

SeriesFunction Evaluator::sample_function(int64_t offset_ms, bool record_time, std::optional<int64_t> at_ms) const {
  return [this, offset_ms, record_time, at_ms](Piece& piece, tsdb::SeriesData& d, SeriesMatrix& out) -> Status {
    SENTINEL_TRY(piece.work(static_cast<uint64_t>(steps())));
    Series s;
    LookbackReader reader(d, context_.options.lookback_delta.count());
    for (int64_t t = start_; t <= end_; t += interval_) {
      auto found = reader.at(at_ms.value_or(t) - offset_ms);
      if (!found) continue;
      if (found->value.h) {
        if (record_time) {
          return fail(ErrorCode::kUnprocessable,
                      "this should be an info metric, with float samples: " + labels_text(d.labels));
        }
        s.hists.push_back({t, std::move(found->value.h)});
      } else {
        if (s.floats.empty()) s.floats.reserve(std::min(static_cast<size_t>(steps() - step_of(t)), kReservedPointsMax));
        s.floats.push_back({t, record_time ? static_cast<double>(found->t) : found->value.v});
      }
    }
    if (s.empty()) return {};
    SENTINEL_TRY(context_.hold(s.floats.size() + s.hists.size()));
    s.labels = std::move(d.labels);
    out.push_back(std::move(s));
    return {};
  };
}

// Of series that were read before.
Result<SeriesMatrix> Evaluator::sample_series(std::vector<tsdb::SeriesData> data, int64_t offset_ms, bool record_time,
                                              std::optional<int64_t> at_ms) {
  SeriesMatrix out;
  out.reserve(data.size());
  const SeriesFunction sample = sample_function(offset_ms, record_time, at_ms);
  Piece piece{context_};
  for (tsdb::SeriesData& d : data) SENTINEL_TRY(sample(piece, d, out));
  context_.annotations.add_all(piece.annotations);
  return out;
}

Result<SeriesMatrix> Evaluator::eval_timestamp_of_selector(Call& call, VectorSelector& selector) {
  std::vector<tsdb::SeriesData> data;
  SENTINEL_ASSIGN(data, select(selector));
  const bool start_times = call.name() == "start_timestamp";
  SeriesMatrix out;
  if (start_times && !context_.options.use_start_timestamps) return out;
  constexpr double kMsPerSecond = 1000;
  for (tsdb::SeriesData& d : data) {
    SENTINEL_TRY(context_.work(static_cast<uint64_t>(steps())));
    Series s;
    LookbackReader reader(d, context_.options.lookback_delta.count());
    for (int64_t t = start_; t <= end_; t += interval_) {
      // With @ every step looks at the same time.
      const int64_t offset = selector.time.at_ms ? t - *selector.time.at_ms : selector.time.offset_ms;
      const auto found = reader.at(t - offset);
      if (!found) continue;
      s.floats.push_back({t, static_cast<double>(start_times ? found->start_ms : found->t) / kMsPerSecond});
    }
    if (s.empty()) continue;
    SENTINEL_TRY(context_.hold(s.floats.size()));
    s.labels = std::move(d.labels);
    drop_name(s);
    out.push_back(std::move(s));
  }
  SENTINEL_TRY(merge_if_eager(out));
  return out;
}

}  // namespace sentinel::promql
