#pragma once
// The seam to the disk. Everything durable goes through Env, so that a test can fail or "cut the power" at any write.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sentinel {

// A file opened for appending. One owner, one thread. What `sync()` has returned for survives a power cut;
// what was only appended may be lost or cut anywhere.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  virtual Status append(std::string_view bytes) = 0;  // all or nothing, but for a power cut
  virtual Status sync() = 0;                          // fdatasync, and for a new file its folder; blocks
  virtual uint64_t size_bytes() const = 0;
};

// A file opened for reading. Thread-safe.
class RandomReadFile {
 public:
  virtual ~RandomReadFile() = default;
  // Reads up to `count` bytes at `offset`; fewer at the end of the file.
  virtual Result<std::string> read(uint64_t offset, size_t count) const = 0;
  virtual uint64_t size_bytes() const = 0;
};

// Memory that the disk lends: a file without a name, gone with this object or with the process. Nothing in it is
// durable; what it holds at first is not said.
class ScratchMemory {
 public:
  virtual ~ScratchMemory() = default;
  virtual char* data() = 0;
  virtual size_t size_bytes() const = 0;
  // What is in it stays, but need not be resident until it is used again. Thread-safe, beside readers and writers.
  virtual void rest() = 0;
};

// Held until destroyed; a second process (or a second lock in this one) gets kConflict.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// All paths are absolute or relative to the working directory; all calls block. Thread-safe.
class Env {
 public:
  virtual ~Env() = default;
  virtual Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) = 0;  // creates
  virtual Result<std::unique_ptr<RandomReadFile>> open_read(const std::string& path) = 0;
  virtual Result<std::string> read_file(const std::string& path) = 0;
  // Writes path.tmp, syncs it, renames it over `path`, syncs the folder: the old content or the new, never a mix.
  virtual Status write_file_atomic(const std::string& path, std::string_view content) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;  // no error when it is not there
  virtual Status remove_tree(const std::string& path) = 0;
  virtual Status truncate(const std::string& path, uint64_t size_bytes) = 0;
  virtual Status make_dirs(const std::string& path) = 0;
  virtual Status sync_dir(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& dir) = 0;  // names, sorted
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  // On the file system of `dir`, where its room is taken at once: kIo when there is none.
  virtual Result<std::unique_ptr<ScratchMemory>> map_scratch(const std::string& dir, size_t bytes) = 0;
};

// The real disk; lives for ever.
Env& posix_env();

// In memory, for tests. `crash_after(n)` makes the n-th write operation from now (append, sync, rename, truncate,
// remove, creation of a file) and all later ones fail; `reopen_after_crash()` forgets what was never synced and works
// again. As on a real disk some of it may stay, chosen by the seed: a first part of the unsynced bytes of a file, and a
// first part of the changes of names since the last sync_dir (a file's first sync also keeps its name). Folders are
// durable at once. Files opened before the crash stay dead. Thread-safe.
class FaultEnv final : public Env {
 public:
  explicit FaultEnv(uint64_t seed = 1);
  ~FaultEnv() override;
  void crash_after(uint64_t write_operations);
  void disk_full(bool full);       // appends fail with kIo, reads go on
  void fail_dir_syncs(bool fail);  // with kIo; all else goes on
  bool crashed() const;
  uint64_t write_operations() const;  // so far
  void reopen_after_crash();

  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override;
  Result<std::unique_ptr<RandomReadFile>> open_read(const std::string& path) override;
  Result<std::string> read_file(const std::string& path) override;
  Status write_file_atomic(const std::string& path, std::string_view content) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_tree(const std::string& path) override;
  Status truncate(const std::string& path, uint64_t size_bytes) override;
  Status make_dirs(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  bool exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& dir) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  // Of the heap; no write operation. Refused by disk_full().
  Result<std::unique_ptr<ScratchMemory>> map_scratch(const std::string& dir, size_t bytes) override;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sentinel
