#pragma once
// Calls that cannot be stored in time, on disk: a first-in first-out of bounded size in files of their own, so that a
// backlog of analysis or a store that refuses costs neither memory nor, after a crash, the calls.
// docs/formats/telemetry_spill.md has the bytes.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "ingest/limits.h"
#include "ingest/spill_codec.h"

namespace sentinel::ingest {

struct SpillOptions {
  std::string dir;
  uint64_t bytes_max = kSpillBytesMax;  // of all files; at least one segment
  uint64_t segment_bytes = kSpillSegmentBytes;
};

struct SpillStats {
  uint64_t calls = 0;      // not read back yet
  uint64_t bytes = 0;      // on disk
  uint64_t leftover = 0;   // of `calls`, from before the start: the store may have some of them already
  uint64_t damaged = 0;    // since the start: calls that could not be read back
  uint64_t cut_bytes = 0;  // of torn tails, at the start
};

// Thread-safe: one thread appends while another reads back.
class Spill {
 public:
  // Makes the folder, finds what an earlier run left and cuts torn tails. `env` outlives it.
  static Result<std::unique_ptr<Spill>> open(Env& env, SpillOptions options);

  // Writes the first calls that fit; they are on disk, whole, when it returns. Fewer than given: the limit was reached.
  // kIo: none was written. Blocks.
  Result<size_t> append(const std::vector<SpilledCall>& calls);
  // The oldest calls, at most `calls_max`, which stay until consume(). All of them are from before the start or none.
  // `leftover` says which. Blocks.
  Result<std::vector<SpilledCall>> peek(size_t calls_max, bool* leftover);
  // Forgets what the last peek() gave. Blocks (removes a file that was read to its end).
  void consume();
  SpillStats stats() const;

 private:
  struct Segment {
    uint64_t number = 0;
    uint64_t bytes = 0;  // whole ones; what lies behind them is not ours
    uint64_t calls = 0;  // not consumed
    bool leftover = false;
  };
  Spill(Env& env, SpillOptions options) : env_(env), options_(std::move(options)) {}
  Status load() REQUIRES_LOCK(mutex_);
  Status load_segment(uint64_t number) REQUIRES_LOCK(mutex_);
  Status start_segment() REQUIRES_LOCK(mutex_);
  Status write(std::string_view bytes) REQUIRES_LOCK(mutex_);
  Status read_front() REQUIRES_LOCK(mutex_);
  void drop_front() REQUIRES_LOCK(mutex_);
  uint64_t bytes() const REQUIRES_LOCK(mutex_);
  std::string path(uint64_t number) const;

  Env& env_;
  const SpillOptions options_;
  mutable Mutex mutex_;
  std::deque<Segment> segments_ GUARDED_BY(mutex_);        // oldest first
  std::unique_ptr<AppendFile> active_ GUARDED_BY(mutex_);  // the last segment's, while it is written to
  uint64_t next_number_ GUARDED_BY(mutex_) = 1;
  std::string front_ GUARDED_BY(mutex_);           // content of the first segment, once it is read
  uint64_t front_offset_ GUARDED_BY(mutex_) = 0;   // consumed up to here
  uint64_t peeked_offset_ GUARDED_BY(mutex_) = 0;  // of the last peek
  uint64_t peeked_calls_ GUARDED_BY(mutex_) = 0;
  SpillStats stats_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::ingest
