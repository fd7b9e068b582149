#include "tsdb/log_reader.h"

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

constexpr uint64_t kToTheEnd = std::numeric_limits<uint64_t>::max();
bool is_batch(RecordType type) { return type == RecordType::kBatch || type == RecordType::kMixedBatch; }

}  // namespace

class LogReader::File {
 public:
  enum class State { kFrame, kEnd, kDamaged };

  File(std::unique_ptr<RandomReadFile> file, Env& env, std::string path, uint64_t offset)
      : file_(std::move(file)), env_(env), path_(std::move(path)), offset_(offset) {}

  // The frame at offset(), if it ends at `end` at the latest. It is good until the next call.
  Result<State> next(uint64_t end, Frame& out) {
    end = std::min<uint64_t>(end, std::numeric_limits<int64_t>::max());
    SENTINEL_ASSIGN(const bool head, have(kFrameHeadBytes, end));
    if (!head) return rest_empty(end) ? State::kEnd : State::kDamaged;
    const size_t size = frame_bytes(rest());
    if (size == 0) return State::kDamaged;
    SENTINEL_ASSIGN(const bool whole, have(size, end));
    if (!whole) return State::kDamaged;
    const auto frame = decode_frame(rest());
    if (!frame) return State::kDamaged;
    out = *frame;
    offset_ += size;
    return State::kFrame;
  }
  uint64_t offset() const { return offset_; }

 private:
  std::string_view rest() const { return std::string_view(buffer_).substr(offset_ - start_); }
  bool rest_empty(uint64_t end) const { return offset_ >= std::min(end, start_ + buffer_.size()); }
  // Whether `count` bytes from offset_ on are in memory now, and before `end`.
  Result<bool> have(size_t count, uint64_t end) {
    if (offset_ + count > end) {
      // What there is, so that a part of a frame is told from the end.
      count = end > offset_ ? static_cast<size_t>(end - offset_) : 0;
      SENTINEL_TRY(fill(count));
      return false;
    }
    SENTINEL_TRY(fill(count));
    return rest().size() >= count;
  }
  Status fill(size_t count) {
    if (offset_ + count <= start_ + buffer_.size()) return {};
    // A handle knows the size the file had when it was opened.
    if (file_->size_bytes() < offset_ + count) {
      SENTINEL_ASSIGN(file_, env_.open_read(path_));
    }
    SENTINEL_ASSIGN(buffer_, file_->read(offset_, std::max<size_t>(count, kLogReadBytes)));
    start_ = offset_;
    return {};
  }

  std::unique_ptr<RandomReadFile> file_;
  Env& env_;
  const std::string path_;
  std::string buffer_;
  uint64_t start_ = 0;  // of the buffer in the file
  uint64_t offset_;
};

Status LogReader::definitions(const std::string& name, uint64_t end, const Define& define) {
  const std::string path = dir_ + "/" + name;
  if (!env_.exists(path)) return fail(ErrorCode::kNotFound, "not in the log any more: " + name);
  SENTINEL_ASSIGN(std::unique_ptr<RandomReadFile> opened, env_.open_read(path));
  end = std::min(end, opened->size_bytes());
  File file(std::move(opened), env_, path, frame_header().size());
  for (;;) {
    Frame frame;
    SENTINEL_ASSIGN(const File::State state, file.next(end, frame));
    if (state != File::State::kFrame) return {};
    if (!is_batch(frame.type)) continue;
    const auto batch = decode_batch(frame.type, frame.payload);
    if (!batch) return {};  // the store ends such a file here as well
    for (const SeriesDef& def : batch->series) define(def);
  }
}

Result<uint64_t> LogReader::newest_checkpoint(uint64_t before) const {
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir_));
  uint64_t newest = 0;
  for (const std::string& name : names) {
    const auto number = checkpoint_number(name);
    if (number && *number < before && !name.ends_with(".tmp")) newest = std::max(newest, *number);
  }
  return newest;
}

Status LogReader::seek(LogPosition from, const Define& define) {
  SENTINEL_ASSIGN(const uint64_t base, newest_checkpoint(from.segment));
  if (base > 0) SENTINEL_TRY(definitions(checkpoint_name(base), kToTheEnd, define));
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir_));
  uint64_t oldest = kToTheEnd;
  for (const std::string& name : names) {
    const auto number = segment_number(name);
    if (!number || *number <= base) continue;
    oldest = std::min(oldest, *number);
    if (*number < from.segment) SENTINEL_TRY(definitions(name, kToTheEnd, define));
  }
  SENTINEL_ASSIGN(const uint64_t newest, newest_checkpoint(kToTheEnd));
  const bool there = from.segment > 0 && env_.exists(dir_ + "/" + segment_name(from.segment));
  const bool cut = !there && newest >= std::max<uint64_t>(from.segment, 1);
  // Without a checkpoint everything since the first segment must be there.
  if (cut || (base == 0 && oldest > 1 && oldest <= from.segment)) {
    return fail(ErrorCode::kNotFound, "the log begins later");
  }
  if (there) SENTINEL_TRY(definitions(segment_name(from.segment), from.offset, define));
  return open_segment(from);
}

Status LogReader::seek_newest_checkpoint(const Define& define) {
  SENTINEL_ASSIGN(const uint64_t base, newest_checkpoint(kToTheEnd));
  return seek({base + 1, 0}, define);
}

Status LogReader::open_segment(LogPosition at) {
  at_ = {at.segment, std::max<uint64_t>(at.offset, frame_header().size())};
  file_.reset();
  const std::string path = dir_ + "/" + segment_name(at.segment);
  if (at.segment == 0 || !env_.exists(path)) return {};
  SENTINEL_ASSIGN(std::unique_ptr<RandomReadFile> opened, env_.open_read(path));
  file_ = std::make_shared<File>(std::move(opened), env_, path, at_.offset);
  return {};
}

// The next one there is; where numbers are missing a checkpoint must stand for them.
Status LogReader::next_segment() {
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir_));
  uint64_t found = kToTheEnd;
  uint64_t newest = 0;
  for (const std::string& name : names) {
    if (const auto number = segment_number(name); number && *number > at_.segment) found = std::min(found, *number);
    if (const auto number = checkpoint_number(name); number && !name.ends_with(".tmp")) {
      newest = std::max(newest, *number);
    }
  }
  if (found == kToTheEnd) return {};
  const bool gap = found > at_.segment + 1 && newest > at_.segment;
  if (gap) return fail(ErrorCode::kNotFound, "the log was cut while it was read");
  return open_segment({found, 0});
}

Result<bool> LogReader::next(BatchRecord& out) {
  for (;;) {
    const LogPosition end = end_();
    if (at_ >= end) return false;
    const bool live = at_.segment == end.segment;
    if (!file_) {
      SENTINEL_TRY(open_segment(at_));
      if (!file_ && live) return fail(ErrorCode::kNotFound, "the log's last segment is not there");
    }
    File::State state = File::State::kEnd;
    Frame frame;
    if (file_) {
      const auto read = file_->next(live ? end.offset : kToTheEnd, frame);
      if (!read) {
        const bool gone = !env_.exists(dir_ + "/" + segment_name(at_.segment));
        return fail(gone ? Error(ErrorCode::kNotFound, "the log was cut while it was read") : read.error());
      }
      state = *read;
    }
    if (state == File::State::kFrame) {
      at_.offset = file_->offset();
      if (!is_batch(frame.type)) continue;
      auto batch = decode_batch(frame.type, frame.payload);
      if (batch) {
        out = std::move(*batch);
        return true;
      }
      state = File::State::kDamaged;
    }
    if (live) return false;
    if (state == File::State::kDamaged) {
      log_warn("tsdb", "a reader left out the damaged end of a log file", {{"segment", at_.segment}});
    }
    const uint64_t before = at_.segment;
    SENTINEL_TRY(next_segment());
    if (at_.segment == before) return false;
  }
}

Result<std::optional<LogReader::Checkpoint>> LogReader::checkpoint_since(uint64_t after) {
  SENTINEL_ASSIGN(const uint64_t number, newest_checkpoint(at_.segment));
  if (number <= after) return std::optional<Checkpoint>();
  Checkpoint out{number, {}};
  SENTINEL_TRY(
      definitions(checkpoint_name(number), kToTheEnd, [&](const SeriesDef& def) { out.refs.push_back(def.ref); }));
  return std::optional(std::move(out));
}

}  // namespace sentinel::tsdb
