#include "tsdb/store.h"

#include <algorithm>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "base/log.h"
#include "tsdb/limits.h"
#include "tsdb/store_impl.h"

namespace sentinel::tsdb {
namespace {

// What the log holds was within the window of its time; the window of today must not drop it.
constexpr int64_t kAnyAge = std::numeric_limits<int64_t>::max();

}  // namespace

Result<std::unique_ptr<Store>> Store::open(Env& env, const Clock& clock, MetricRegistry& metrics,
                                           StoreOptions options) {
  if (options.dir.empty()) return fail(ErrorCode::kInvalidArgument, "the time-series store needs a folder");
  if (options.block_range <= Millis(0)) return fail(ErrorCode::kInvalidArgument, "block_range must be positive");
  auto store = std::make_unique<StoreImpl>(env, clock, metrics, std::move(options));
  SENTINEL_TRY(store->start());
  return store;
}

StoreImpl::StoreImpl(Env& env, const Clock& clock, MetricRegistry& metrics, StoreOptions options)
    : env_(env),
      clock_(clock),
      options_(std::move(options)),
      head_(options_.series_max, env_, options_.dir),
      exemplars_(options_.exemplars_max, options_.out_of_order_window.count()),
      appended_total_(metrics.counter("sentinel_tsdb_samples_appended_total", "Samples stored.")),
      rejected_total_(metrics.counter("sentinel_tsdb_samples_rejected_total",
                                      "Samples refused: out of order, another value at the same time, or too old.")),
      exemplars_appended_total_(metrics.counter("sentinel_tsdb_exemplars_appended_total", "Exemplars stored.")),
      exemplars_rejected_total_(
          metrics.counter("sentinel_tsdb_exemplars_rejected_total", "Exemplars refused: out of order or too long.")),
      series_refused_total_(metrics.counter("sentinel_tsdb_series_refused_total", "New series refused by the limit.")),
      sync_failures_total_(metrics.counter("sentinel_tsdb_log_sync_failures_total", "Failed syncs of the log.")),
      compactions_total_(metrics.counter("sentinel_tsdb_compactions_total", "Blocks written by cutting or merging.")),
      checkpoints_total_(metrics.counter("sentinel_tsdb_checkpoints_total", "Checkpoints of the log written.")),
      series_gauge_(metrics.gauge("sentinel_tsdb_head_series", "Series with samples in memory.")),
      series_memory_gauge_(metrics.gauge("sentinel_tsdb_series_in_memory", "Series whose labels are in memory.")),
      exemplars_gauge_(metrics.gauge("sentinel_tsdb_exemplars", "Exemplars in memory.")),
      head_bytes_gauge_(metrics.gauge("sentinel_tsdb_head_chunk_bytes", "Compressed samples of the head.")),
      head_mapped_gauge_(metrics.gauge("sentinel_tsdb_head_mapped_bytes",
                                       "Files without names that hold the closed chunks of the head.")),
      wal_bytes_gauge_(metrics.gauge("sentinel_tsdb_log_bytes", "Size of the write-ahead log.")),
      blocks_gauge_(metrics.gauge("sentinel_tsdb_blocks", "Block files.")),
      block_bytes_gauge_(metrics.gauge("sentinel_tsdb_block_bytes", "Size of all block files.")),
      sync_seconds_(metrics.histogram("sentinel_tsdb_log_sync_seconds", "Time of one sync of the log.",
                                      {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3})) {}

StoreImpl::~StoreImpl() {
  {
    std::lock_guard lock(stop_mutex_);
    stopping_ = true;
  }
  stop_wake_.notify_all();
  if (sync_thread_.joinable()) sync_thread_.join();
  if (wal_) {
    if (Status s = wal_->sync(); !s) log_error("tsdb", "the last sync failed", {{"error", s.error().to_string()}});
  }
}

Status StoreImpl::start() {
  SENTINEL_TRY(env_.make_dirs(options_.dir + "/blocks"));
  SENTINEL_ASSIGN(lock_, env_.lock(options_.dir + "/lock"));
  SENTINEL_TRY(open_blocks());
  const auto visit = [this](RecordType type, std::string_view payload) { return replay(type, payload); };
  SENTINEL_ASSIGN(wal_, Wal::open(env_, options_.dir + "/wal", visit, options_.log));
  replay_refs_ = {};
  if (replay_unknown_ > 0) {
    log_warn("tsdb", "samples of unknown series in the log were left out", {{"samples", replay_unknown_}});
  }
  update_metrics();
  if (options_.sync_interval.count() > 0) sync_thread_ = std::thread([this] { sync_loop(); });
  return {};
}

Status StoreImpl::open_blocks() {
  const std::string dir = options_.dir + "/blocks";
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir));
  BlockList found;
  for (const std::string& name : names) {
    const std::string path = dir + "/" + name;
    if (name.ends_with(".tmp")) SENTINEL_TRY(env_.remove(path));
    if (name.ends_with(kTombstoneSuffix)) {  // left behind by a removed block
      const std::string of = path.substr(0, path.size() - kTombstoneSuffix.size());
      if (!env_.exists(of)) SENTINEL_TRY(env_.remove(path));
    }
    if (!name.ends_with(kBlockSuffix)) continue;
    auto block = Block::open(env_, path);
    if (!block) {
      // Kept for whoever wants to rescue it, out of the way.
      log_error("tsdb", "set a damaged block aside", {{"error", block.error().to_string()}});
      SENTINEL_TRY(env_.rename(path, path + ".damaged"));
      continue;
    }
    found.push_back(std::move(*block));
  }
  // Wider ones first among equal starts; a block inside another is a part that was merged into it.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::pair(a->meta().min_ms, -a->meta().end_ms) < std::pair(b->meta().min_ms, -b->meta().end_ms);
  });
  for (auto& block : found) {
    if (!blocks_.empty() && block->meta().end_ms <= blocks_.back()->meta().end_ms) {
      SENTINEL_TRY(env_.remove(block->path()));
      SENTINEL_TRY(env_.remove(block->tombstone_path()));
      continue;
    }
    blocks_.push_back(std::move(block));
  }
  if (!blocks_.empty()) publish_head_start(blocks_.back()->meta().end_ms);
  return {};
}

void StoreImpl::publish_head_start(int64_t t_ms) {
  head_.set_accept_from(t_ms);
  head_from_ms_ = t_ms;
}

Status StoreImpl::replay(RecordType type, std::string_view payload) {
  switch (type) {
    case RecordType::kBatch:
    case RecordType::kMixedBatch: return replay_batch(type, payload);
    case RecordType::kChunk: return replay_chunk(payload);
    case RecordType::kHeadStart: {
      SENTINEL_ASSIGN(const int64_t t_ms, decode_head_start(payload));
      if (t_ms > head_from_ms_) publish_head_start(t_ms);
      return {};
    }
    case RecordType::kExemplars: {
      SENTINEL_ASSIGN(const std::vector<StoredExemplar> stored, decode_exemplars(payload));
      for (const StoredExemplar& e : stored) exemplars_.add(e.series, e.exemplar);
      return {};
    }
    case RecordType::kErase: {
      SENTINEL_ASSIGN(const EraseRecord record, decode_erase(payload));
      for (const uint64_t ref : record.refs) {
        if (const auto id = replay_refs_.find(ref)) head_.erase(*id, record.range);
      }
      return {};
    }
  }
  return fail(ErrorCode::kInvalidArgument, "unknown record type");
}

Status StoreImpl::replay_batch(RecordType type, std::string_view payload) {
  SENTINEL_ASSIGN(const BatchRecord batch, decode_batch(type, payload));
  for (const SeriesDef& def : batch.series) {
    SENTINEL_ASSIGN(const uint32_t id, head_.get_or_create(def.labels, true));
    replay_refs_.set(def.ref, id);
  }
  const auto id_of = [&](uint64_t ref) { return replay_refs_.find(ref); };
  const auto unknown = [&](const auto& one) { return !id_of(one.ref); };
  replay_unknown_ += static_cast<uint64_t>(std::count_if(batch.samples.begin(), batch.samples.end(), unknown)) +
                     static_cast<uint64_t>(std::count_if(batch.histograms.begin(), batch.histograms.end(), unknown)) +
                     static_cast<uint64_t>(std::count_if(batch.exemplars.begin(), batch.exemplars.end(), unknown));
  apply_samples(head_, batch, kAnyAge, id_of);
  for (const RefExemplar& e : batch.exemplars) {
    if (const auto id = id_of(e.ref)) exemplars_.add(head_.labels_of(*id), e.exemplar);
  }
  return {};
}

Status StoreImpl::replay_chunk(std::string_view payload) {
  SENTINEL_ASSIGN(ChunkRecord record, decode_chunk(payload));
  const auto id = replay_refs_.find(record.ref);
  if (!id) return fail(ErrorCode::kInvalidArgument, "chunk of an unknown series");
  if (record.chunk.max_ms < head_from_ms_) return {};
  return head_.load_chunk(*id, std::move(record.chunk), record.open);
}

Status StoreImpl::sync() {
  const int64_t start = monotonic_us();
  Status result = wal_->sync();
  sync_seconds_.observe(static_cast<double>(monotonic_us() - start) / 1e6);
  if (!result) {
    sync_failures_total_.add();
    sync_failed_.store(true);  // what the disk kept is unknown: the next maintenance writes the head anew
  }
  return result;
}

void StoreImpl::sync_loop() {
  std::unique_lock lock(stop_mutex_);
  bool failing = false;
  while (!stopping_) {
    stop_wake_.wait_for(lock, options_.sync_interval, [this] { return stopping_; });
    lock.unlock();
    const Status result = sync();
    if (!result && !failing) log_error("tsdb", "cannot sync the log", {{"error", result.error().to_string()}});
    failing = !result;
    lock.lock();
  }
}

StoreStats StoreImpl::stats() const {
  StoreStats stats;
  stats.series = head_.series_active();
  stats.samples_appended = samples_appended_.load(std::memory_order_relaxed);
  stats.wal_bytes = wal_->size_bytes();
  stats.head_bytes = head_.bytes();
  int64_t min_ms = head_.min_ms();
  int64_t max_ms = head_.max_ms();
  std::shared_lock lock(view_mutex_);
  stats.blocks = blocks_.size();
  for (const auto& block : blocks_) {
    stats.block_bytes += block->meta().bytes;
    min_ms = std::min(min_ms, block->meta().min_ms);
    max_ms = std::max(max_ms, block->meta().end_ms - 1);
  }
  if (min_ms <= max_ms) {
    stats.min_ms = min_ms;
    stats.max_ms = max_ms;
  }
  return stats;
}

void StoreImpl::update_metrics() {
  const StoreStats now = stats();
  series_gauge_.set(static_cast<double>(now.series));
  series_memory_gauge_.set(static_cast<double>(head_.series_in_memory()));
  exemplars_gauge_.set(static_cast<double>(exemplars_.size()));
  head_bytes_gauge_.set(static_cast<double>(now.head_bytes));
  head_mapped_gauge_.set(static_cast<double>(head_.mapped_bytes()));
  wal_bytes_gauge_.set(static_cast<double>(now.wal_bytes));
  blocks_gauge_.set(static_cast<double>(now.blocks));
  block_bytes_gauge_.set(static_cast<double>(now.block_bytes));
}

}  // namespace sentinel::tsdb
