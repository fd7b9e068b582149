#pragma once
// The write-ahead log: numbered segments of checksummed records, and checkpoints that stand for all segments up to
// their number. Bytes: docs/formats/wal.md.

#include <atomic>
#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "tsdb/record.h"

namespace sentinel::tsdb {

// Reads frames from the bytes of a segment or checkpoint. Safe on any bytes.
class FrameReader {
 public:
  explicit FrameReader(std::string_view file) : file_(file) {}
  // False when the file has no (known) header; nothing can be read then.
  bool header_ok();
  // False at the end or at the first frame that is torn or damaged.
  bool next(RecordType& type, std::string_view& payload);
  size_t good_bytes() const { return offset_; }  // all before is whole
  bool clean_end() const { return offset_ == file_.size(); }

 private:
  std::string_view file_;
  size_t offset_ = 0;
};

// A place between two records: all before `offset` of `segment`, and of the segments before it.
struct LogPosition {
  uint64_t segment = 0;
  uint64_t offset = 0;
  auto operator<=>(const LogPosition&) const = default;
};

std::string frame_header();
inline constexpr size_t kFrameHeadBytes = 9;  // length, checksum, type
std::string segment_name(uint64_t number);
std::string checkpoint_name(uint64_t number);
std::optional<uint64_t> segment_number(std::string_view file_name);
std::optional<uint64_t> checkpoint_number(std::string_view file_name);
// Of a frame that starts at `bytes`, head included; 0 when there are not enough bytes to say, or it cannot be one.
size_t frame_bytes(std::string_view bytes);
// nullopt: torn or damaged.
struct Frame {
  RecordType type{};
  std::string_view payload;
};
std::optional<Frame> decode_frame(std::string_view bytes);

std::string encode_frame(RecordType type, std::string_view payload);

inline constexpr uint64_t kKeepNothing = std::numeric_limits<uint64_t>::max();

struct WalOptions {
  // Segments from this one on, and what defines their series, stay although a checkpoint stands for them.
  uint64_t keep_from = kKeepNothing;
  uint64_t kept_bytes_max = 8ULL << 30;  // of such segments; more than this are not kept
};

// `append`, `rotate` and `drop_through` are called by one thread at a time (the owner's commit lock); `sync` and the
// getters by any, beside them.
class Wal {
 public:
  using Visitor = std::function<Status(RecordType, std::string_view payload)>;

  // Visits every whole record there is, oldest first: the newest checkpoint, then the segments after it. A torn tail is
  // cut from the file and logged. A record that `visit` refuses ends its file the same way.
  static Result<std::unique_ptr<Wal>> open(Env& env, std::string dir, const Visitor& visit, WalOptions options = {});

  // One frame, whole in the file when it returns (not yet synced). On failure the log is as before.
  Status append(RecordType type, std::string_view payload);
  // All appended before the call is on disk when it returns.
  Status sync() EXCLUDES_LOCK(sync_mutex_);
  // Closes the current segment; the next append opens a new one. Returns the number of the last closed segment.
  Result<uint64_t> rotate();

  // A checkpoint for segments 1..number: fill it through `write`, which may be called any number of times.
  using Writer = std::function<Status(RecordType, std::string_view payload)>;
  Status write_checkpoint(uint64_t number, const std::function<Status(const Writer&)>& fill);
  // Removes what the checkpoint `number` made superfluous, but for what is kept for readers.
  Status drop_through(uint64_t number);
  // What WalOptions::keep_from says, from now on. Any thread; nothing is removed before the next drop.
  void keep_from(uint64_t segment) { keep_from_.store(segment, std::memory_order_relaxed); }
  // Drops what was kept and is not needed any more.
  Status drop_read();
  // Behind the last whole record. Any thread.
  LogPosition end() const;
  uint64_t kept_bytes() const;  // of segments that are there for readers only

  uint64_t size_bytes() const;     // segments and checkpoint
  uint64_t segment_bytes() const;  // segments alone

 private:
  Wal(Env& env, std::string dir, WalOptions options)
      : env_(env), dir_(std::move(dir)), kept_bytes_max_(options.kept_bytes_max), keep_from_(options.keep_from) {}

  Status replay(const Visitor& visit);
  Status replay_file(const std::string& name, const Visitor& visit);
  Status open_segment();
  Status repair();
  // The checkpoint that stays beside `newest` so that a reader finds its segments and their series.
  uint64_t base_checkpoint(const std::vector<std::string>& names, uint64_t newest) const;
  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  struct FileSize {
    uint64_t number = 0;
    uint64_t bytes = 0;
  };

  Env& env_;
  const std::string dir_;
  const uint64_t kept_bytes_max_;
  std::atomic<uint64_t> keep_from_;
  std::unique_ptr<AppendFile> file_;  // the open segment; null until the first append
  uint64_t number_ = 0;               // of the open segment, or the last one there was
  uint64_t good_bytes_ = 0;           // of the open segment
  bool torn_ = false;                 // a failed append may have left bytes after good_bytes_

  mutable Mutex size_mutex_;
  std::vector<FileSize> segments_ GUARDED_BY(size_mutex_);  // after the checkpoint
  LogPosition end_ GUARDED_BY(size_mutex_);
  uint64_t checkpoint_ GUARDED_BY(size_mutex_) = 0;  // the newest, 0: none
  uint64_t kept_bytes_ GUARDED_BY(size_mutex_) = 0;
  uint64_t checkpoint_bytes_ GUARDED_BY(size_mutex_) = 0;
  std::vector<uint64_t> unsynced_ GUARDED_BY(size_mutex_);  // segments with appends since their last sync
  bool new_names_ GUARDED_BY(size_mutex_) = false;          // files created since the folder was last synced

  Mutex sync_mutex_;
};

}  // namespace sentinel::tsdb
