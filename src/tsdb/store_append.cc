// The writing half of the store: appenders fill a batch, a commit logs it and then shows it.

#include <bit>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "tsdb/limits.h"
#include "tsdb/store_impl.h"

namespace sentinel::tsdb {
namespace {

uint64_t index_of(SeriesRef ref) { return static_cast<uint64_t>(ref) - 1; }

Error other_value(int64_t t_ms) {
  return Error(ErrorCode::kConflict, fmt::format("another value at the same time {} ms", t_ms));
}

Error refused(Verdict verdict, int64_t t_ms) {
  switch (verdict) {
    case Verdict::kOtherValue: return other_value(t_ms);
    case Verdict::kTooOld: return Error(ErrorCode::kConflict, fmt::format("time {} ms is older than the head", t_ms));
    case Verdict::kTooManyLate: return Error(ErrorCode::kConflict, "too many out-of-order samples for one series");
    case Verdict::kGone: return Error(ErrorCode::kNotFound, "the series reference is not good any more");
    default: return Error(ErrorCode::kConflict, fmt::format("out of order: {} ms", t_ms));
  }
}

bool accepted(Verdict verdict) {
  return verdict == Verdict::kAppend || verdict == Verdict::kLate || verdict == Verdict::kDuplicate;
}

class AppenderImpl final : public Appender {
 public:
  explicit AppenderImpl(StoreImpl& store) : store_(store) {}

  Result<SeriesRef> ref(const model::Labels& labels) override {
    hold();
    return store_.ref(labels);
  }

  Status append(SeriesRef series, model::Sample sample) override {
    SENTINEL_TRY(check_room());
    hold();
    SENTINEL_TRY(store_.judge(series, sample));
    const uint64_t id = index_of(series);
    if (first_of_series(id)) {
      batch_.samples.push_back({id, sample});
      return {};
    }
    // What this batch already holds for the series counts as well.
    const auto [it, fresh] = newest_.try_emplace(id, Newest{sample.t_ms, sample.v, nullptr});
    if (!fresh) {
      Newest& newest = it->second;
      const bool same = !newest.h && std::bit_cast<uint64_t>(sample.v) == std::bit_cast<uint64_t>(newest.v);
      if (sample.t_ms == newest.t_ms && same) return {};
      SENTINEL_TRY(check_order(newest.t_ms, sample.t_ms));
      if (sample.t_ms > newest.t_ms) newest = {sample.t_ms, sample.v, nullptr};
    }
    batch_.samples.push_back({id, sample});
    return {};
  }

  Status append_histogram(SeriesRef series, model::HistogramSample sample) override {
    SENTINEL_TRY(check_room());
    SENTINEL_TRY(check_histogram(*sample.h));
    hold();
    SENTINEL_TRY(store_.judge(series, sample));
    const uint64_t id = index_of(series);
    if (!first_of_series(id)) {
      const auto [it, fresh] = newest_.try_emplace(id, Newest{sample.t_ms, 0, sample.h});
      if (!fresh) {
        Newest& newest = it->second;
        if (sample.t_ms == newest.t_ms && newest.h && sample.h->equals(*newest.h)) return {};
        SENTINEL_TRY(check_order(newest.t_ms, sample.t_ms));
        if (sample.t_ms > newest.t_ms) newest = {sample.t_ms, 0, sample.h};
      }
    }
    batch_.histograms.push_back({id, static_cast<uint32_t>(batch_.samples.size()), std::move(sample)});
    return {};
  }

  Status append_exemplar(SeriesRef series, const model::Exemplar& exemplar) override {
    SENTINEL_TRY(check_room());
    hold();
    SENTINEL_TRY(store_.judge_exemplar(series, exemplar));
    batch_.exemplars.push_back({index_of(series), exemplar});
    return {};
  }

  Status commit() override {
    const Status result = store_.commit(batch_);
    batch_.samples.clear();
    batch_.histograms.clear();
    batch_.exemplars.clear();
    newest_.clear();
    rising_ = true;
    highest_ = 0;
    held_.reset();
    return result;
  }

 private:
  struct Newest {
    int64_t t_ms = 0;
    double v = 0;
    model::HistogramPtr h;  // null: a float
  };

  // Before the first series of a batch is used: none of them is removed until the batch is in the head.
  void hold() {
    if (!held_) held_ = store_.hold_series();
  }
  // Writers mostly send series in the order of their references: then each can only be the first of its series, and
  // nothing has to be remembered. True while that holds.
  bool first_of_series(uint64_t id) {
    if (!rising_) return false;
    if (batch_.samples.empty() && batch_.histograms.empty()) {
      highest_ = id;
      return true;
    }
    if (id > highest_) {
      highest_ = id;
      return true;
    }
    rising_ = false;
    for (const RefSample& s : batch_.samples) newest_[s.ref] = {s.sample.t_ms, s.sample.v, nullptr};
    for (const RefHistogram& h : batch_.histograms) newest_[h.ref] = {h.sample.t_ms, 0, h.sample.h};
    return false;
  }
  Status check_room() const {
    if (batch_.samples.size() + batch_.histograms.size() + batch_.exemplars.size() < kBatchSamplesMax) return {};
    return fail(ErrorCode::kTooLarge, "the batch has too many samples");
  }
  Status check_order(int64_t newest_ms, int64_t t_ms) const {
    if (t_ms == newest_ms) return fail(other_value(t_ms));
    return t_ms < newest_ms ? store_.judge_age(newest_ms, t_ms) : Status();
  }

  StoreImpl& store_;
  EpochPin held_;  // from the first use of a series to the end of the batch
  BatchRecord batch_;
  bool rising_ = true;  // references so far
  uint64_t highest_ = 0;
  absl::flat_hash_map<uint64_t, Newest> newest_;  // of this batch, by series; unless rising_
};

}  // namespace

std::unique_ptr<Appender> StoreImpl::appender() { return std::make_unique<AppenderImpl>(*this); }

Result<SeriesRef> StoreImpl::ref(const model::Labels& labels) {
  auto id = head_.get_or_create(labels);
  if (!id) {
    series_refused_total_.add();
    return fail(id.error());
  }
  return static_cast<SeriesRef>(uint64_t{*id} + 1);
}

Status StoreImpl::judge(SeriesRef series, const Incoming& sample) {
  const uint64_t id = index_of(series);
  if (id >= head_.series_slots()) return fail(ErrorCode::kInvalidArgument, "no such series reference");
  const Verdict verdict = head_.judge(static_cast<uint32_t>(id), sample, options_.out_of_order_window.count());
  if (accepted(verdict)) return {};
  rejected_total_.add();
  return fail(refused(verdict, sample.t_ms));
}

Status StoreImpl::judge_age(int64_t newest_ms, int64_t t_ms) {
  const uint64_t age = static_cast<uint64_t>(newest_ms) - static_cast<uint64_t>(t_ms);
  if (age <= static_cast<uint64_t>(options_.out_of_order_window.count())) return {};
  rejected_total_.add();
  return fail(refused(Verdict::kOutOfOrder, t_ms));
}

Status StoreImpl::judge_exemplar(SeriesRef series, const model::Exemplar& exemplar) {
  const std::optional<model::Labels> labels = head_.touch(index_of(series));
  if (!labels) return fail(refused(Verdict::kGone, exemplar.t_ms));
  const auto refuse = [&](ErrorCode code, std::string why) {
    exemplars_rejected_total_.add();
    return fail(code, std::move(why));
  };
  switch (exemplars_.judge(*labels, exemplar)) {
    case ExemplarVerdict::kAdd:
    case ExemplarVerdict::kDuplicate: return {};
    case ExemplarVerdict::kOutOfOrder:
      return refuse(ErrorCode::kConflict, fmt::format("exemplar out of order: {} ms", exemplar.t_ms));
    case ExemplarVerdict::kTooLong:
      return refuse(ErrorCode::kTooLarge,
                    fmt::format("label names and values of an exemplar exceed {} characters", kExemplarCharsMax));
    case ExemplarVerdict::kDisabled: return refuse(ErrorCode::kUnavailable, "exemplars are not stored here");
  }
  return {};
}

// REQUIRES: commit_mutex_ held, the series is not gone.
void StoreImpl::define(uint64_t ref, BatchRecord& out) {
  const auto id = static_cast<uint32_t>(ref);
  if (head_.logged(id)) return;
  head_.set_logged(id, true);
  out.series.push_back({ref, head_.labels_of(id)});
}

bool StoreImpl::admit(uint64_t ref, const Incoming& sample, BatchRecord& out) {
  const Verdict verdict = head_.judge(static_cast<uint32_t>(ref), sample, options_.out_of_order_window.count());
  if (verdict == Verdict::kDuplicate) return false;
  if (!accepted(verdict)) {
    rejected_total_.add();
    return false;
  }
  define(ref, out);
  return true;
}

// Defines each series the log does not know yet. REQUIRES: commit_mutex_ held.
BatchRecord StoreImpl::batch_record(const BatchRecord& wanted) {
  BatchRecord batch;
  batch.samples.reserve(wanted.samples.size());
  in_order(
      wanted,
      [&](const RefSample& s) {
        if (admit(s.ref, s.sample, batch)) batch.samples.push_back(s);
      },
      [&](const RefHistogram& h) {
        if (!admit(h.ref, h.sample, batch)) return;
        batch.histograms.push_back(h);
        batch.histograms.back().after = static_cast<uint32_t>(batch.samples.size());
      });
  for (const RefExemplar& e : wanted.exemplars) {
    if (!head_.touch(e.ref)) {
      exemplars_rejected_total_.add();
      continue;
    }
    define(e.ref, batch);
    batch.exemplars.push_back(e);
  }
  return batch;
}

Status StoreImpl::commit(const BatchRecord& wanted) {
  if (wanted.empty()) return {};
  std::lock_guard lock(commit_mutex_);
  const BatchRecord batch = batch_record(wanted);
  if (batch.empty()) return {};
  SENTINEL_TRY(log_batch(batch));
  apply(batch);
  if (listener_) tell_listener(batch);
  return {};
}

// REQUIRES: commit_mutex_ held.
void StoreImpl::tell_listener(const BatchRecord& batch) {
  int64_t newest_ms = std::numeric_limits<int64_t>::min();
  committed_.clear();
  const auto note = [&](uint64_t id, int64_t t_ms) {
    committed_.push_back(static_cast<SeriesRef>(id + 1));
    newest_ms = std::max(newest_ms, t_ms);
  };
  in_order(
      batch, [&](const RefSample& s) { note(s.ref, s.sample.t_ms); },
      [&](const RefHistogram& h) { note(h.ref, h.sample.t_ms); });
  if (!committed_.empty()) listener_->committed(committed_, newest_ms);
}

void StoreImpl::listen(CommitListener* listener) {
  std::lock_guard lock(commit_mutex_);
  listener_ = listener;
}

model::Labels StoreImpl::labels(SeriesRef series) const {
  return head_.labels_of(static_cast<uint32_t>(index_of(series)));
}

Status StoreImpl::log_batch(const BatchRecord& batch) {
  Status status = wal_->append(batch.type(), encode_batch(batch));
  if (status) return {};
  for (const SeriesDef& def : batch.series) head_.set_logged(static_cast<uint32_t>(def.ref), false);
  return fail(status.error().with_context("time-series log"));
}

void StoreImpl::apply(const BatchRecord& batch) {
  const auto id_of = [](uint64_t ref) { return std::optional<uint32_t>(static_cast<uint32_t>(ref)); };
  const Applied applied = apply_samples(head_, batch, options_.out_of_order_window.count(), id_of);
  samples_appended_.fetch_add(applied.stored, std::memory_order_relaxed);
  appended_total_.add(static_cast<double>(applied.stored));
  // Each was admitted as if it came alone; late samples of one batch can still exclude each other.
  if (applied.refused > 0) rejected_total_.add(static_cast<double>(applied.refused));
  for (const RefExemplar& e : batch.exemplars) {
    const ExemplarVerdict verdict = exemplars_.add(head_.labels_of(static_cast<uint32_t>(e.ref)), e.exemplar);
    if (verdict == ExemplarVerdict::kAdd) {
      exemplars_appended_total_.add();
    } else if (verdict != ExemplarVerdict::kDuplicate) {
      exemplars_rejected_total_.add();
    }
  }
}

}  // namespace sentinel::tsdb
