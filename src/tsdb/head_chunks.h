#pragma once
// Where the head keeps its closed chunks. On the heap they would be most of what the process holds until a block is
// cut, hours later: here each costs the heap 32 bytes, and its samples lie in files without names that are mapped, so
// the system can take their pages back when it wants. Nothing in them outlives the process: after a restart the log
// gives the head its samples, and the closed chunks come here again.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/thread_annotations.h"
#include "tsdb/chunk.h"

namespace sentinel::tsdb {

// A closed chunk: its time here, the rest in a map that lives as long as one of its chunks is known. Immutable.
struct SealedChunk {
  int64_t min_ms = 0;
  int64_t max_ms = 0;
  // REQUIRES: a chunk that put() made. Valid as long as this. May wait for the disk: not under a lock that many need.
  ChunkView view() const;

 private:
  friend class HeadChunks;
  std::shared_ptr<const char> at_;
};

class HeadChunks {
 public:
  HeadChunks(Env& env, std::string dir) : env_(env), dir_(std::move(dir)) {}

  // Where the disk has no room the chunk stays in memory, as all until the next map is due. One caller at a time.
  SealedChunk put(const ChunkView& chunk);
  // Takes pages out of memory that nobody reads at the moment; who reads them next gets them back. Thread-safe.
  void rest();
  uint64_t mapped_bytes() const;  // of all maps that are still needed; thread-safe

 private:
  struct Map {
    std::unique_ptr<ScratchMemory> scratch;  // null: of the heap
    std::unique_ptr<char[]> heap;
    char* data() { return scratch ? scratch->data() : heap.get(); }
  };
  void start_map(size_t bytes);
  std::vector<std::shared_ptr<Map>> live() const;

  Env& env_;
  const std::string dir_;
  std::shared_ptr<Map> now_;  // of put() alone, as the next three
  size_t used_ = 0;
  size_t size_ = 0;
  bool refused_ = false;  // by the disk, last time
  mutable Mutex mutex_;
  std::vector<std::weak_ptr<Map>> maps_ GUARDED_BY(mutex_);  // those of the disk
};

}  // namespace sentinel::tsdb
