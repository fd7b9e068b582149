#include "tsdb/wal.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/varint.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

constexpr std::string_view kMagic("SNTLWAL\x01", 8);  // the last byte is the version
constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kCheckpointPrefix = "checkpoint-";
constexpr std::string_view kTemporary = ".tmp";

std::string file_name(std::string_view prefix, uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 8) digits.insert(0, 8 - digits.size(), '0');
  return std::string(prefix) + digits;
}

std::optional<uint64_t> number_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const auto number = parse_int(name.substr(prefix.size()));
  if (!number || *number <= 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

}  // namespace

std::string segment_name(uint64_t number) { return file_name(kSegmentPrefix, number); }
std::string checkpoint_name(uint64_t number) { return file_name(kCheckpointPrefix, number); }
std::optional<uint64_t> segment_number(std::string_view name) { return number_of(name, kSegmentPrefix); }
std::optional<uint64_t> checkpoint_number(std::string_view name) { return number_of(name, kCheckpointPrefix); }

size_t frame_bytes(std::string_view bytes) {
  ByteReader in(bytes);
  const auto length = in.fixed<uint32_t>();
  return in.ok() && length <= kRecordBytesMax ? kFrameHeadBytes + length : 0;
}

std::optional<Frame> decode_frame(std::string_view bytes) {
  ByteReader in(bytes);
  const auto length = in.fixed<uint32_t>();
  const auto checksum = in.fixed<uint32_t>();
  const std::string_view type_byte = in.bytes(1);
  const std::string_view body = in.bytes(length);
  if (!in.ok() || length > kRecordBytesMax) return std::nullopt;
  if (crc32c(body, crc32c(type_byte)) != checksum) return std::nullopt;
  return Frame{static_cast<RecordType>(type_byte.front()), body};
}

std::string frame_header() { return std::string(kMagic); }

std::string encode_frame(RecordType type, std::string_view payload) {
  std::string out;
  out.reserve(kFrameHeadBytes + payload.size());
  const char type_byte = static_cast<char>(type);
  put_fixed(out, static_cast<uint32_t>(payload.size()));
  put_fixed(out, crc32c(payload, crc32c(std::string_view(&type_byte, 1))));
  out.push_back(type_byte);
  out.append(payload);
  return out;
}

bool FrameReader::header_ok() {
  if (!file_.starts_with(kMagic)) return false;
  offset_ = kMagic.size();
  return true;
}

bool FrameReader::next(RecordType& type, std::string_view& payload) {
  const auto frame = decode_frame(file_.substr(offset_));
  if (!frame) return false;
  type = frame->type;
  payload = frame->payload;
  offset_ += kFrameHeadBytes + payload.size();
  return true;
}

Result<std::unique_ptr<Wal>> Wal::open(Env& env, std::string dir, const Visitor& visit, WalOptions options) {
  std::unique_ptr<Wal> wal(new Wal(env, std::move(dir), options));
  SENTINEL_TRY(env.make_dirs(wal->dir_));
  SENTINEL_TRY(wal->replay(visit));
  return wal;
}

Status Wal::replay(const Visitor& visit) {
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir_));
  std::vector<uint64_t> segments;
  uint64_t checkpoint = 0;
  for (const std::string& name : names) {
    if (name.ends_with(kTemporary)) {
      SENTINEL_TRY(env_.remove(path(name)));
    } else if (const auto n = number_of(name, kCheckpointPrefix)) {
      checkpoint = std::max(checkpoint, *n);
    } else if (const auto s = number_of(name, kSegmentPrefix)) {
      segments.push_back(*s);
    }
  }
  std::sort(segments.begin(), segments.end());
  number_ = std::max(checkpoint, segments.empty() ? 0 : segments.back());
  if (checkpoint != 0) SENTINEL_TRY(replay_file(file_name(kCheckpointPrefix, checkpoint), visit));
  for (const uint64_t number : segments) {
    if (number > checkpoint) SENTINEL_TRY(replay_file(file_name(kSegmentPrefix, number), visit));
  }
  {
    MutexLock lock(size_mutex_);
    for (const uint64_t number : segments) {
      const auto file = env_.open_read(path(file_name(kSegmentPrefix, number)));
      segments_.push_back({number, file ? (*file)->size_bytes() : 0});
    }
    const bool there = !segments_.empty() && segments_.back().number == number_;
    end_ = there ? LogPosition{number_, segments_.back().bytes} : LogPosition{number_ + 1, 0};
    if (checkpoint != 0) {
      const auto file = env_.open_read(path(file_name(kCheckpointPrefix, checkpoint)));
      checkpoint_bytes_ = file ? (*file)->size_bytes() : 0;
    }
  }
  if (checkpoint != 0) SENTINEL_TRY(drop_through(checkpoint));
  return {};
}

Status Wal::replay_file(const std::string& name, const Visitor& visit) {
  SENTINEL_ASSIGN(const std::string bytes, env_.read_file(path(name)));
  FrameReader reader(bytes);
  std::string why;
  size_t keep = 0;
  if (reader.header_ok()) {
    RecordType type{};
    std::string_view payload;
    keep = reader.good_bytes();
    while (reader.next(type, payload)) {
      if (Status s = visit(type, payload); !s) {
        why = s.error().message();
        break;
      }
      keep = reader.good_bytes();
    }
    if (why.empty() && !reader.clean_end()) why = "torn or damaged record";
  } else if (!bytes.empty()) {
    why = "no header";
  }
  if (why.empty()) return {};
  log_warn("tsdb", "cut the tail of a log file",
           {{"file", name}, {"kept_bytes", keep}, {"lost_bytes", bytes.size() - keep}, {"reason", why}});
  return env_.truncate(path(name), keep);
}

Status Wal::open_segment() {
  const uint64_t number = number_ + 1;
  SENTINEL_ASSIGN(file_, env_.open_append(path(file_name(kSegmentPrefix, number))));
  number_ = number;
  good_bytes_ = 0;
  torn_ = false;
  {
    MutexLock lock(size_mutex_);
    segments_.push_back({number, 0});
    end_ = {number, 0};
    unsynced_.push_back(number);
    new_names_ = true;
  }
  if (Status s = file_->append(kMagic); !s) {
    torn_ = true;
    return s;
  }
  good_bytes_ = kMagic.size();
  return {};
}

// Cuts what a failed append left behind.
Status Wal::repair() {
  const std::string name = path(file_name(kSegmentPrefix, number_));
  file_.reset();
  SENTINEL_TRY(env_.truncate(name, good_bytes_));
  SENTINEL_ASSIGN(file_, env_.open_append(name));
  if (good_bytes_ == 0) {
    SENTINEL_TRY(file_->append(kMagic));
    good_bytes_ = kMagic.size();
  }
  torn_ = false;
  return {};
}

Status Wal::append(RecordType type, std::string_view payload) {
  if (payload.size() > kRecordBytesMax) return fail(ErrorCode::kTooLarge, "one batch exceeds the log's record limit");
  if (file_ && !torn_ && good_bytes_ >= kSegmentBytesMax) SENTINEL_TRY(rotate());
  if (torn_) {
    SENTINEL_TRY(repair());
  } else if (!file_) {
    SENTINEL_TRY(open_segment());
  }
  const std::string frame = encode_frame(type, payload);
  if (Status s = file_->append(frame); !s) {
    torn_ = true;
    return s;
  }
  good_bytes_ += frame.size();
  MutexLock lock(size_mutex_);
  segments_.back().bytes = good_bytes_;
  end_ = {number_, good_bytes_};
  if (unsynced_.empty() || unsynced_.back() != number_) unsynced_.push_back(number_);
  return {};
}

// Works on handles of its own, so that a slow disk does not hold up `append`.
Status Wal::sync() {
  MutexLock sync_lock(sync_mutex_);
  std::vector<uint64_t> todo;
  bool names = false;
  {
    MutexLock lock(size_mutex_);
    todo.swap(unsynced_);
    names = new_names_;
    new_names_ = false;
  }
  Status result;
  for (const uint64_t number : todo) {
    const std::string name = path(file_name(kSegmentPrefix, number));
    auto file = env_.open_append(name);
    result = file ? (*file)->sync() : Status(fail(file.error()));
    if (!result) break;
  }
  if (result && names) result = env_.sync_dir(dir_);
  if (!result) {
    MutexLock lock(size_mutex_);
    unsynced_.insert(unsynced_.begin(), todo.begin(), todo.end());
    std::sort(unsynced_.begin(), unsynced_.end());
    unsynced_.erase(std::unique(unsynced_.begin(), unsynced_.end()), unsynced_.end());
    new_names_ = new_names_ || names;
  }
  return result;
}

Result<uint64_t> Wal::rotate() {
  if (torn_) SENTINEL_TRY(repair());
  file_.reset();
  MutexLock lock(size_mutex_);
  end_ = {number_ + 1, 0};
  return number_;
}

Status Wal::write_checkpoint(uint64_t number, const std::function<Status(const Writer&)>& fill) {
  constexpr size_t kFlushBytes = 1u << 20;
  const std::string final_path = path(file_name(kCheckpointPrefix, number));
  const std::string temporary = final_path + std::string(kTemporary);
  SENTINEL_TRY(env_.remove(temporary));
  SENTINEL_ASSIGN(std::unique_ptr<AppendFile> file, env_.open_append(temporary));
  std::string pending = frame_header();
  const Writer write = [&](RecordType type, std::string_view payload) -> Status {
    pending += encode_frame(type, payload);
    if (pending.size() < kFlushBytes) return {};
    SENTINEL_TRY(file->append(pending));
    pending.clear();
    return {};
  };
  SENTINEL_TRY(fill(write));
  SENTINEL_TRY(file->append(pending));
  SENTINEL_TRY(file->sync());
  const uint64_t bytes = file->size_bytes();
  file.reset();
  SENTINEL_TRY(env_.rename(temporary, final_path));
  SENTINEL_TRY(env_.sync_dir(dir_));
  MutexLock lock(size_mutex_);
  checkpoint_bytes_ = bytes;
  return {};
}

uint64_t Wal::base_checkpoint(const std::vector<std::string>& names, uint64_t newest) const {
  const uint64_t from = keep_from_.load(std::memory_order_relaxed);
  if (from > newest) return newest;
  uint64_t base = 0;
  uint64_t bytes = 0;
  for (const std::string& name : names) {
    const auto checkpoint = checkpoint_number(name);
    if (checkpoint && *checkpoint < from) base = std::max(base, *checkpoint);
  }
  for (const std::string& name : names) {
    const auto segment = segment_number(name);
    if (!segment || *segment <= base || *segment > newest) continue;
    const auto file = env_.open_read(path(name));
    bytes += file ? (*file)->size_bytes() : 0;
  }
  if (bytes <= kept_bytes_max_) return base;
  log_error("tsdb", "a reader of the log is too far behind; what it has not read is dropped",
            {{"kept_bytes", bytes}, {"limit_bytes", kept_bytes_max_}});
  return newest;
}

Status Wal::drop_through(uint64_t number) {
  MutexLock sync_lock(sync_mutex_);
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir_));
  const uint64_t base = base_checkpoint(names, number);
  uint64_t kept = 0;
  for (const std::string& name : names) {
    const auto segment = segment_number(name);
    const auto checkpoint = checkpoint_number(name);
    const bool drop = (segment && *segment <= base) || (checkpoint && *checkpoint < number && *checkpoint != base);
    if (drop) {
      SENTINEL_TRY(env_.remove(path(name)));
    } else if (segment && *segment <= number) {
      const auto file = env_.open_read(path(name));
      kept += file ? (*file)->size_bytes() : 0;
    }
  }
  MutexLock lock(size_mutex_);
  std::erase_if(segments_, [&](const FileSize& f) { return f.number <= number; });
  std::erase_if(unsynced_, [&](uint64_t n) { return n <= base; });
  checkpoint_ = number;
  kept_bytes_ = kept;
  return {};
}

Status Wal::drop_read() {
  uint64_t newest = 0;
  {
    MutexLock lock(size_mutex_);
    if (kept_bytes_ == 0) return {};
    newest = checkpoint_;
  }
  return drop_through(newest);
}

LogPosition Wal::end() const {
  MutexLock lock(size_mutex_);
  return end_;
}

uint64_t Wal::kept_bytes() const {
  MutexLock lock(size_mutex_);
  return kept_bytes_;
}

uint64_t Wal::segment_bytes() const {
  MutexLock lock(size_mutex_);
  uint64_t total = 0;
  for (const FileSize& f : segments_) total += f.bytes;
  return total;
}

uint64_t Wal::size_bytes() const {
  const uint64_t segments = segment_bytes();
  MutexLock lock(size_mutex_);
  return segments + checkpoint_bytes_;
}

}  // namespace sentinel::tsdb
