#pragma once
// The write-ahead log: numbered segments of checksummed records, and checkpoints that stand for all segments up to
// their number. Bytes: docs/formats/wal.md.

#include <cstdint>
#include <functional>
#include <memory>
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

std::string frame_header();
std::string encode_frame(RecordType type, std::string_view payload);

// `append`, `rotate` and `drop_through` are called by one thread at a time (the owner's commit lock); `sync` and the
// getters by any, beside them.
class Wal {
 public:
  using Visitor = std::function<Status(RecordType, std::string_view payload)>;

  // Visits every whole record there is, oldest first: the newest checkpoint, then the segments after it. A torn tail is
  // cut from the file and logged. A record that `visit` refuses ends its file the same way.
  static Result<std::unique_ptr<Wal>> open(Env& env, std::string dir, const Visitor& visit);

  // One frame, whole in the file when it returns (not yet synced). On failure the log is as before.
  Status append(RecordType type, std::string_view payload);
  // All appended before the call is on disk when it returns.
  Status sync() EXCLUDES_LOCK(sync_mutex_);
  // Closes the current segment; the next append opens a new one. Returns the number of the last closed segment.
  Result<uint64_t> rotate();

  // A checkpoint for segments 1..number: fill it through `write`, which may be called any number of times.
  using Writer = std::function<Status(RecordType, std::string_view payload)>;
  Status write_checkpoint(uint64_t number, const std::function<Status(const Writer&)>& fill);
  // Removes what the checkpoint `number` made superfluous.
  Status drop_through(uint64_t number);

  uint64_t size_bytes() const;     // segments and checkpoint
  uint64_t segment_bytes() const;  // segments alone

 private:
  Wal(Env& env, std::string dir) : env_(env), dir_(std::move(dir)) {}

  Status replay(const Visitor& visit);
  Status replay_file(const std::string& name, const Visitor& visit);
  Status open_segment();
  Status repair();
  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  struct FileSize {
    uint64_t number = 0;
    uint64_t bytes = 0;
  };

  Env& env_;
  const std::string dir_;
  std::unique_ptr<AppendFile> file_;  // the open segment; null until the first append
  uint64_t number_ = 0;               // of the open segment, or the last one there was
  uint64_t good_bytes_ = 0;           // of the open segment
  bool torn_ = false;                 // a failed append may have left bytes after good_bytes_

  mutable Mutex size_mutex_;
  std::vector<FileSize> segments_ GUARDED_BY(size_mutex_);
  uint64_t checkpoint_bytes_ GUARDED_BY(size_mutex_) = 0;
  std::vector<uint64_t> unsynced_ GUARDED_BY(size_mutex_);  // segments with appends since their last sync
  bool new_names_ GUARDED_BY(size_mutex_) = false;          // files created since the folder was last synced

  Mutex sync_mutex_;
};

}  // namespace sentinel::tsdb
