// The background half of the embedded store: sealing, compaction, retention.

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "events/embedded_store.h"
#include "events/limits.h"

namespace sentinel::events {

void EmbeddedStore::seal_loop() {
  for (;;) {
    std::optional<Hot> next;
    {
      queue_mutex_.lock();
      queue_changed_.wait_for(queue_mutex_, std::chrono::seconds(1), [this]() SENTINEL_TSA(no_thread_safety_analysis) {
        return stopping_ || !to_seal_.empty();
      });
      const bool stop = stopping_;
      if (!stop && !to_seal_.empty()) next = to_seal_.front();
      queue_mutex_.unlock();
      if (stop) return;
    }
    if (!next) {
      rotate_if_old();
      continue;
    }
    const Status sealed = seal(*next);
    queue_mutex_.lock();
    if (sealed) {
      to_seal_.pop_front();
    } else {
      seal_failures_total_.add();
      log_error("events", "cannot seal a segment; its log stays", {{"error", sealed.error().to_string()}});
      queue_changed_.wait_for(queue_mutex_, kSealRetry,
                              [this]() SENTINEL_TSA(no_thread_safety_analysis) { return stopping_; });
    }
    seal_queue_gauge_.set(static_cast<double>(to_seal_.size()));
    queue_mutex_.unlock();
    queue_changed_.notify_all();
    update_metrics();
  }
}

// Never waits for the append lock: its holder may be waiting for this thread.
void EmbeddedStore::rotate_if_old() {
  if (!append_mutex_.try_lock()) return;
  bool idle = false;
  {
    MutexLock lock(queue_mutex_);
    idle = to_seal_.empty();
  }
  const auto age = std::chrono::steady_clock::now() - hot_since_;
  if (idle && hot_.rows > 0 && age >= options_.hot_age_max) {
    if (Status s = rotate(); !s) log_error("events", "cannot start a new table", {{"error", s.error().to_string()}});
  }
  append_mutex_.unlock();
}

Result<Segment> EmbeddedStore::describe(DuckConnection& connection, const std::string& from, uint64_t first,
                                        uint64_t last) {
  SENTINEL_ASSIGN(const CellRow row, connection.query_row("SELECT count(*), epoch_us(min(timestamp)), "
                                                          "epoch_us(max(timestamp)) FROM " +
                                                          from));
  Segment segment;
  segment.first = first;
  segment.last = last;
  const auto number = [&](size_t i) { return std::holds_alternative<int64_t>(row[i]) ? std::get<int64_t>(row[i]) : 0; };
  segment.rows = static_cast<uint64_t>(number(0));
  segment.min_us = std::max<int64_t>(0, number(1));
  segment.max_us = std::max<int64_t>(0, number(2));
  return segment;
}

Status EmbeddedStore::write_segment(DuckConnection& connection, const std::string& query, const Segment& segment) {
  const std::string path = segment_dir_ + "/" + segment.file_name();
  const std::string temporary = path + ".tmp";
  SENTINEL_TRY(env_.remove(temporary));
  SENTINEL_TRY(connection.exec(fmt::format("COPY ({}) TO {} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {})",
                                           query, quote_sql(temporary), kRowGroupRows)));
  {
    SENTINEL_ASSIGN(const std::unique_ptr<AppendFile> file, env_.open_append(temporary));
    SENTINEL_TRY(file->sync());
  }
  SENTINEL_TRY(env_.rename(temporary, path));
  return env_.sync_dir(segment_dir_);
}

Status EmbeddedStore::seal(const Hot& hot) {
  SENTINEL_ASSIGN(const std::unique_ptr<DuckConnection> connection, DuckConnection::open(*db_));
  SENTINEL_ASSIGN(Segment segment, describe(*connection, hot.table(), hot.number, hot.number));
  SENTINEL_TRY(write_segment(*connection, "SELECT * FROM " + hot.table() + " ORDER BY timestamp", segment));
  SENTINEL_TRY(replace_segments({}, {segment}, "DROP TABLE " + hot.table(), hot.number));
  segments_sealed_total_.add();
  return env_.remove(log_path(hot.number));
}

Status EmbeddedStore::replace_segments(const std::vector<Segment>& removed, const std::vector<Segment>& added,
                                       const std::string& also, std::optional<uint64_t> sealed) {
  std::shared_ptr<SegmentSet> old;  // let go outside the lock: it may remove files
  MutexLock lock(catalog_mutex_);
  std::vector<Segment> segments = segments_->segments();
  std::erase_if(segments, [&](const Segment& s) {
    return std::any_of(removed.begin(), removed.end(),
                       [&](const Segment& r) { return r.first == s.first && r.last == s.last; });
  });
  for (Segment segment : added) {
    SENTINEL_ASSIGN(const std::unique_ptr<RandomReadFile> file,
                    env_.open_read(segment_dir_ + "/" + segment.file_name()));
    segment.bytes = file->size_bytes();
    segments.push_back(segment);
  }
  std::sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) { return a.first < b.first; });
  std::vector<Hot> tables = tables_;
  if (sealed) std::erase_if(tables, [&](const Hot& h) { return h.number == *sealed; });
  SENTINEL_TRY(publish(segments, tables, also));
  tables_ = std::move(tables);
  auto next = std::make_shared<SegmentSet>(env_, segment_dir_, std::move(segments));
  old = std::move(segments_);
  old->superseded_by(next, removed);
  segments_ = std::move(next);
  return {};
}

Status EmbeddedStore::maintain() {
  MutexLock lock(maintain_mutex_);
  SENTINEL_TRY(drop_expired());
  SENTINEL_TRY(compact());
  update_metrics();
  return {};
}

Status EmbeddedStore::drop_expired() {
  const int64_t keep_from = to_us(clock_.now()) - std::chrono::duration_cast<Micros>(options_.retention).count();
  std::vector<Segment> expired;
  {
    MutexLock lock(catalog_mutex_);
    for (const Segment& s : segments_->segments()) {
      if (s.max_us < keep_from) expired.push_back(s);
    }
  }
  if (expired.empty()) return {};
  log_info("events", "segments are past retention", {{"segments", expired.size()}});
  return replace_segments(expired, {}, "", std::nullopt);
}

Status EmbeddedStore::compact() {
  std::vector<Segment> segments;
  {
    MutexLock lock(catalog_mutex_);
    segments = segments_->segments();
  }
  const int64_t span_us = std::chrono::duration_cast<Micros>(options_.retention).count() / 10;
  for (const std::vector<Segment>& run : plan_compaction(segments, span_us)) {
    SENTINEL_ASSIGN(const std::unique_ptr<DuckConnection> connection, DuckConnection::open(*db_));
    const std::string from = "(" + rows_of(run) + ")";
    SENTINEL_ASSIGN(const Segment merged, describe(*connection, from, run.front().first, run.back().last));
    // Neighbours follow each other in time but for a little, so keeping their order keeps row groups narrow in time.
    SENTINEL_TRY(write_segment(*connection, "SELECT * FROM " + from, merged));
    SENTINEL_TRY(replace_segments(run, {merged}, "", std::nullopt));
    segments_sealed_total_.add();
  }
  return {};
}

}  // namespace sentinel::events
