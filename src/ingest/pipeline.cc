#include "ingest/pipeline.h"

#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace sentinel::ingest {
namespace {

constexpr std::string_view kDropped = "sentinel_telemetry_dropped_total";
constexpr std::string_view kDroppedHelp = "Calls lost between gateway and store.";
constexpr std::string_view kSpilled = "sentinel_telemetry_spilled_total";
constexpr std::string_view kSpilledHelp = "Calls written to the spill, by why they could not be stored at once.";
constexpr size_t kBatchMin = 8;
constexpr Millis kIdle{500};

int64_t us_of(Millis duration) { return std::chrono::duration_cast<Micros>(duration).count(); }

}  // namespace

Pipeline::Pipeline(analysis::Analyzer& analyzer, events::EventStore* events, std::unique_ptr<Spill> spill,
                   MetricRegistry& metrics, PipelineOptions options)
    : analyzer_(analyzer),
      events_(events),
      spill_(std::move(spill)),
      options_(std::move(options)),
      call_metrics_(metrics, options_.names),
      queue_(options_.queue_max, options_.queue_bytes_max),
      lost_queue_full_(metrics.counter(kDropped, kDroppedHelp, {{"reason", "queue_full"}})),
      lost_store_(metrics.counter(kDropped, kDroppedHelp, {{"reason", "store_failed"}})),
      lost_spill_full_(metrics.counter(kDropped, kDroppedHelp, {{"reason", "spill_full"}})),
      lost_spill_damaged_(metrics.counter(kDropped, kDroppedHelp, {{"reason", "spill_damaged"}})),
      spilled_backlog_(metrics.counter(kSpilled, kSpilledHelp, {{"reason", "backlog"}})),
      spilled_store_(metrics.counter(kSpilled, kSpilledHelp, {{"reason", "store_failed"}})),
      read_back_(metrics.counter("sentinel_telemetry_read_back_total", "Spilled calls that reached the store.")),
      late_(metrics.counter("sentinel_telemetry_late_total", "Calls that became durable after more than a second.")),
      scored_(metrics.counter("sentinel_telemetry_scored_total", "Calls analysed.")),
      queue_depth_(metrics.gauge("sentinel_telemetry_queue_depth", "Calls waiting for analysis.")),
      spill_calls_(metrics.gauge("sentinel_telemetry_spill_calls", "Calls on disk that wait to be read back.")),
      spill_bytes_(metrics.gauge("sentinel_telemetry_spill_bytes", "Bytes of the spill on disk.")),
      held_gauge_(
          metrics.gauge("sentinel_telemetry_held", "Calls in memory only: neither store nor spill takes them.")),
      analysis_seconds_(metrics.histogram("sentinel_analysis_seconds", "Analysis of one call.",
                                          {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05})) {
  update_gauges();
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "telemetry");
  if (!spill_) return;
  spill_thread_ = std::thread([this] { run_spill(); });
  pthread_setname_np(spill_thread_.native_handle(), "spill");
}

Pipeline::~Pipeline() { stop(); }

bool Pipeline::submit(model::Interaction interaction) noexcept {
  if (queue_.push({std::move(interaction), monotonic_us()})) return true;
  lost_queue_full_.add();
  return false;
}

void Pipeline::run_on_worker(std::function<void()> fn) {
  if (!queue_.post(std::move(fn))) log_warn("telemetry", "stopping, a maintenance task was skipped");
}

void Pipeline::set_names(SpanNames names) {
  run_on_worker([this, names = std::move(names)] { call_metrics_.set_names(names); });
}

void Pipeline::stop() {
  queue_.close();
  if (spill_thread_.joinable()) spill_thread_.join();
  if (thread_.joinable()) thread_.join();
}

// ---- the worker ----

void Pipeline::run() {
  while (true) {
    // No more than can be scored, and hence stored, in time.
    const auto in_time = static_cast<size_t>(static_cast<double>(us_of(kBatchTime)) / std::max(analysis_us_, 1.0));
    const size_t batch_max = std::clamp(in_time, std::min(kBatchMin, options_.batch_max), options_.batch_max);
    CallQueue::Work work = queue_.pop(batch_max, idle_time());
    for (auto& task : work.tasks) task();
    const size_t live = work.calls.size();
    const bool nothing = live == 0 && work.tasks.empty();
    if (live > 0) work_on(std::move(work.calls));
    if (nothing && queue_.closed()) break;
    if (!store_refuses()) offer_held(false);
    if (live * 2 < batch_max && monotonic_us() >= read_back_again_us_) read_back(batch_max);
    update_gauges();
  }
  offer_held(true);
  update_gauges();
}

// How long to wait for live calls: not at all while there is something to bring back now.
Millis Pipeline::idle_time() const {
  int64_t until = monotonic_us() + us_of(kIdle);
  if (!held_.empty()) until = std::min(until, store_again_us_);
  if (spill_ && spill_->stats().calls > 0) until = std::min(until, std::max(store_again_us_, read_back_again_us_));
  return Millis(std::max<int64_t>((until - monotonic_us() + 999) / 1000, 0));
}

void Pipeline::score(model::Interaction& call) {
  const int64_t start = monotonic_us();
  analyzer_.analyze(call);
  const auto took = static_cast<double>(monotonic_us() - start);
  analysis_us_ += (took - analysis_us_) / 16;
  analysis_seconds_.observe(took / 1e6);
  call_metrics_.record(call);
  scored_.add();
}

void Pipeline::work_on(std::vector<QueuedCall> calls) {
  Batch batch;
  batch.calls.reserve(calls.size());
  for (QueuedCall& call : calls) {
    score(call.interaction);
    batch.bytes += size_bytes(call.interaction);
    batch.since_us.push_back(call.since_us);
    batch.calls.push_back(std::move(call.interaction));
  }
  if (counted_) counted_();
  store(std::move(batch));
}

Status Pipeline::append(const std::vector<model::Interaction>& calls) {
  if (events_ == nullptr) return {};
  const Status status = events_->append(calls);
  if (status) {
    if (std::exchange(store_failed_, false)) log_info("telemetry", "calls are stored again");
    return {};
  }
  store_again_us_ = monotonic_us() + us_of(options_.append_retry);
  if (!std::exchange(store_failed_, true)) {
    log_error("telemetry", "calls could not be stored",
              {{"rows", calls.size()}, {"error", status.error().to_string()}});
  }
  return status;
}

bool Pipeline::store_refuses() const { return monotonic_us() < store_again_us_; }

// To the store; else to the spill; else kept in memory as long as there is room.
void Pipeline::store(Batch batch) {
  const bool may_ask = !store_refuses() && held_.empty();
  const bool durable = (may_ask && append(batch.calls)) || spill_batch(batch);
  if (observer_) std::for_each(batch.calls.begin(), batch.calls.end(), observer_);
  if (durable) {
    note_durable(batch.since_us);
  } else {
    hold(std::move(batch));
  }
}

bool Pipeline::spill_batch(const Batch& batch) {
  if (!spill_) return false;
  std::vector<SpilledCall> calls;
  calls.reserve(batch.calls.size());
  for (const model::Interaction& call : batch.calls) calls.push_back({call, true});
  const Result<size_t> written = spill_->append(calls);
  if (!written) return false;
  spilled_store_.add(static_cast<double>(*written));
  lost_spill_full_.add(static_cast<double>(calls.size() - *written));
  return true;
}

void Pipeline::hold(Batch batch) {
  held_count_ += batch.calls.size();
  held_bytes_ += batch.bytes;
  held_.push_back(std::move(batch));
  while (held_.size() > 1 && (held_count_ > options_.held_max || held_bytes_ > options_.held_bytes_max)) {
    lost_store_.add(static_cast<double>(held_.front().calls.size()));
    held_count_ -= held_.front().calls.size();
    held_bytes_ -= held_.front().bytes;
    held_.pop_front();
  }
}

void Pipeline::offer_held(bool last_time) {
  while (!held_.empty()) {
    Batch& batch = held_.front();
    if (append(batch.calls) || spill_batch(batch)) {
      note_durable(batch.since_us);
    } else if (last_time) {
      log_error("telemetry", "calls are lost: neither the store nor the spill takes them",
                {{"rows", batch.calls.size()}});
      lost_store_.add(static_cast<double>(batch.calls.size()));
    } else {
      return;
    }
    held_count_ -= batch.calls.size();
    held_bytes_ -= batch.bytes;
    held_.pop_front();
  }
}

void Pipeline::note_durable(const std::vector<int64_t>& since_us) {
  const int64_t limit = monotonic_us() - us_of(kDurableWithin);
  late_.add(static_cast<double>(std::count_if(since_us.begin(), since_us.end(), [&](int64_t t) { return t < limit; })));
}

// A batch from the spill to the store.
void Pipeline::read_back(size_t calls_max) {
  if (!spill_ || store_refuses() || spill_->stats().calls == 0) return;
  bool leftover = false;
  Result<std::vector<SpilledCall>> calls = spill_->peek(calls_max, &leftover);
  if (!calls) return read_back_failed(calls.error());
  if (leftover) {
    if (const Status s = drop_stored(*calls); !s && ++read_back_failures_ < options_.append_retries_max)
      return read_back_failed(s.error());
  }
  Batch batch;
  bool scored_now = false;
  for (SpilledCall& call : *calls) {
    if (!call.scored) {
      score(call.interaction);
      if (options_.on_read_back) options_.on_read_back(call.interaction);
    }
    scored_now = scored_now || !call.scored;
    batch.bytes += size_bytes(call.interaction);
    batch.since_us.push_back(monotonic_us());
    batch.calls.push_back(std::move(call.interaction));
  }
  const Status stored = batch.calls.empty() ? Status() : append(batch.calls);
  if (stored) {
    read_back_failures_ = 0;
    read_back_.add(static_cast<double>(batch.calls.size()));
  } else if (stored.error().code() != ErrorCode::kIo && ++read_back_failures_ >= options_.append_retries_max) {
    lost_store_.add(static_cast<double>(batch.calls.size()));
    read_back_failures_ = 0;
  } else if (!scored_now) {
    return;  // they stay where they are
  } else if (!spill_batch(batch)) {
    hold(std::move(batch));  // scored twice would be counted twice
  }
  spill_->consume();
}

void Pipeline::read_back_failed(const Error& error) {
  log_error("telemetry", "spilled calls cannot be read back yet", {{"error", error.to_string()}});
  read_back_again_us_ = monotonic_us() + us_of(options_.append_retry);
}

// An earlier run may have stored calls and not have lived to forget them.
Status Pipeline::drop_stored(std::vector<SpilledCall>& calls) {
  if (events_ == nullptr || calls.empty()) return {};
  std::string places;
  int64_t first = INT64_MAX;
  int64_t last = INT64_MIN;
  for (const SpilledCall& call : calls) {
    places += places.empty() ? "?" : ",?";
    first = std::min(first, call.interaction.timestamp_us);
    last = std::max(last, call.interaction.timestamp_us);
  }
  std::vector<events::Cell> params{first, last};
  for (const SpilledCall& call : calls) params.emplace_back(call.interaction.request_id);
  const std::string sql =
      "SELECT request_id FROM llm_events WHERE timestamp BETWEEN make_timestamp(?) AND"
      " make_timestamp(?) AND request_id IN (" +
      places + ")";
  SENTINEL_ASSIGN(const events::SqlResult found, events_->query(sql, params, {.rows_max = calls.size() + 1}));
  std::unordered_set<std::string> stored;
  for (const events::CellRow& row : found.rows) {
    if (const auto* id = std::get_if<std::string>(&row.front())) stored.insert(*id);
  }
  std::erase_if(calls, [&](const SpilledCall& call) { return stored.contains(call.interaction.request_id); });
  return {};
}

void Pipeline::update_gauges() {
  queue_depth_.set(static_cast<double>(queue_.size()));
  held_gauge_.set(static_cast<double>(held_count_));
  if (!spill_) return;
  const SpillStats stats = spill_->stats();
  spill_calls_.set(static_cast<double>(stats.calls));
  spill_bytes_.set(static_cast<double>(stats.bytes));
  lost_spill_damaged_.add(std::max(0.0, static_cast<double>(stats.damaged) - lost_spill_damaged_.value()));
}

// ---- the thread that spills ----

void Pipeline::run_spill() {
  while (!queue_.closed()) {
    queue_.wait_for_pressure(options_.spill_tick);
    while (!queue_.closed()) {
      const Result<bool> more = spill_some();
      if (!more) {
        log_error("telemetry", "the spill cannot be written", {{"error", more.error().to_string()}});
        queue_.wait_for_close(kIdle);
      }
      if (!more || !*more) break;
    }
  }
}

// False: nothing more to write now.
Result<bool> Pipeline::spill_some() {
  std::vector<QueuedCall> calls =
      queue_.pop_for_spill(options_.batch_max, monotonic_us() - us_of(options_.spill_after));
  if (calls.empty()) return false;
  std::vector<SpilledCall> spilled;
  std::vector<int64_t> since_us;
  spilled.reserve(calls.size());
  for (QueuedCall& call : calls) {
    analyzer_.redact(call.interaction);
    since_us.push_back(call.since_us);
    spilled.push_back({std::move(call.interaction), false});
  }
  const Result<size_t> written = spill_->append(spilled);
  if (!written) {
    for (size_t i = 0; i < calls.size(); ++i) calls[i].interaction = std::move(spilled[i].interaction);
    queue_.put_back(std::move(calls));
    return fail(written.error());
  }
  since_us.resize(*written);
  note_durable(since_us);
  spilled_backlog_.add(static_cast<double>(*written));
  lost_spill_full_.add(static_cast<double>(spilled.size() - *written));
  return *written == spilled.size();
}

}  // namespace sentinel::ingest
