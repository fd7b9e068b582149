#include "base/file.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "base/thread_annotations.h"

namespace sentinel {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

struct Inode {
  std::string content;
  size_t synced_bytes = 0;  // what a power cut leaves for certain
};

using Names = std::map<std::string, std::shared_ptr<Inode>>;

// A change of names that a power cut may undo. `from` empty: `to` was created; `to` empty: `from` was removed.
struct NameChange {
  std::string from;
  std::string to;
  std::shared_ptr<Inode> inode;
};

std::string clean(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == '/' && out.ends_with('/')) continue;
    out += c;
  }
  if (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out.starts_with("./") ? out.substr(2) : out;
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_inside(const std::string& path, const std::string& dir) {
  if (dir == ".") return !path.starts_with('/');
  return path == dir || path.starts_with(dir == "/" ? dir : dir + "/");
}

void apply_change(const NameChange& change, Names& names) {
  if (!change.from.empty()) names.erase(change.from);
  if (!change.to.empty()) names[change.to] = change.inode;
}

tl::unexpected<Error> no_power() { return fail(ErrorCode::kIo, "the power is cut (fault injection)"); }
tl::unexpected<Error> not_found(std::string_view verb, const std::string& path) {
  return fail(ErrorCode::kNotFound, fmt::format("cannot {} {}: No such file or directory", verb, path));
}

}  // namespace

struct FaultEnv::State {
  explicit State(uint64_t seed) : random(seed) {}

  mutable Mutex mutex;
  Random random GUARDED_BY(mutex);
  Names names GUARDED_BY(mutex);          // as running programs see them
  Names durable_names GUARDED_BY(mutex);  // as the disk has them for certain
  std::vector<NameChange> unsynced GUARDED_BY(mutex);
  std::set<std::string> dirs GUARDED_BY(mutex);
  std::set<std::string> locks GUARDED_BY(mutex);
  uint64_t operations GUARDED_BY(mutex) = 0;
  uint64_t crash_at GUARDED_BY(mutex) = kNever;
  uint64_t generation GUARDED_BY(mutex) = 0;  // files opened before a crash are dead after it
  bool crashed GUARDED_BY(mutex) = false;
  bool full GUARDED_BY(mutex) = false;
  bool dir_syncs_fail GUARDED_BY(mutex) = false;

  // Counts one write operation; false when the power goes in the middle of it.
  bool begin_write() REQUIRES_LOCK(mutex) {
    if (crashed) return false;
    ++operations;
    crashed = operations >= crash_at;
    return !crashed;
  }

  // Even when the power goes during the change it may have reached the disk, so it is recorded either way.
  Status change_name(NameChange change) REQUIRES_LOCK(mutex) {
    if (crashed) return no_power();
    const bool done = begin_write();
    apply_change(change, names);
    unsynced.push_back(std::move(change));
    if (!done) return no_power();
    return {};
  }

  // The first sync of a new file makes its name durable as well, as the first sync of a real one does.
  void make_name_durable(const std::shared_ptr<Inode>& inode) REQUIRES_LOCK(mutex) {
    const auto is_creation = [&](const NameChange& c) { return c.inode == inode && c.from.empty(); };
    if (std::none_of(unsynced.begin(), unsynced.end(), is_creation)) return;
    for (const NameChange& change : unsynced) {
      if (change.inode == inode) apply_change(change, durable_names);
    }
    std::erase_if(unsynced, [&](const NameChange& c) { return c.inode == inode; });
  }

  Status append(Inode& inode, std::string_view bytes, uint64_t file_generation) EXCLUDES_LOCK(mutex) {
    MutexLock lock(mutex);
    if (crashed || file_generation != generation) return no_power();
    if (full) return fail(ErrorCode::kIo, "cannot write: No space left on device (fault injection)");
    const bool done = begin_write();
    inode.content += bytes;
    if (!done) return no_power();
    return {};
  }

  Status sync(const std::shared_ptr<Inode>& inode, uint64_t file_generation) EXCLUDES_LOCK(mutex) {
    MutexLock lock(mutex);
    if (file_generation != generation || !begin_write()) return no_power();
    inode->synced_bytes = inode->content.size();
    make_name_durable(inode);
    return {};
  }

  void power_up() REQUIRES_LOCK(mutex) {
    // A journal keeps the order of changes: some first part of the unsynced ones has reached the disk.
    const size_t survived = unsynced.empty() ? 0 : random.below(unsynced.size() + 1);
    for (size_t i = 0; i < survived; ++i) apply_change(unsynced[i], durable_names);
    unsynced.clear();
    names = durable_names;
    std::set<const Inode*> cut;
    for (auto& [path, inode] : names) {
      if (!cut.insert(inode.get()).second) continue;
      const size_t loose = inode->content.size() - inode->synced_bytes;
      inode->content.resize(inode->synced_bytes + (loose == 0 ? 0 : random.below(loose + 1)));
      inode->synced_bytes = inode->content.size();
    }
    locks.clear();
    crashed = false;
    crash_at = kNever;
    ++generation;
  }
};

namespace {

class FaultAppendFile final : public AppendFile {
 public:
  FaultAppendFile(std::shared_ptr<FaultEnv::State> state, std::shared_ptr<Inode> inode, uint64_t generation)
      : state_(std::move(state)), inode_(std::move(inode)), generation_(generation) {}

  Status append(std::string_view bytes) override { return state_->append(*inode_, bytes, generation_); }
  Status sync() override { return state_->sync(inode_, generation_); }
  uint64_t size_bytes() const override {
    MutexLock lock(state_->mutex);
    return inode_->content.size();
  }

 private:
  const std::shared_ptr<FaultEnv::State> state_;
  const std::shared_ptr<Inode> inode_;
  const uint64_t generation_;
};

class FaultReadFile final : public RandomReadFile {
 public:
  FaultReadFile(std::shared_ptr<FaultEnv::State> state, std::shared_ptr<Inode> inode)
      : state_(std::move(state)), inode_(std::move(inode)) {}

  Result<std::string> read(uint64_t offset, size_t count) const override {
    MutexLock lock(state_->mutex);
    if (state_->crashed) return no_power();
    if (offset >= inode_->content.size()) return std::string();
    return inode_->content.substr(static_cast<size_t>(offset), count);
  }
  uint64_t size_bytes() const override {
    MutexLock lock(state_->mutex);
    return inode_->content.size();
  }

 private:
  const std::shared_ptr<FaultEnv::State> state_;
  const std::shared_ptr<Inode> inode_;
};

class FaultFileLock final : public FileLock {
 public:
  FaultFileLock(std::shared_ptr<FaultEnv::State> state, std::string path, uint64_t generation)
      : state_(std::move(state)), path_(std::move(path)), generation_(generation) {}
  ~FaultFileLock() override {
    MutexLock lock(state_->mutex);
    if (generation_ == state_->generation) state_->locks.erase(path_);
  }

 private:
  const std::shared_ptr<FaultEnv::State> state_;
  const std::string path_;
  const uint64_t generation_;
};

class HeapScratch final : public ScratchMemory {
 public:
  explicit HeapScratch(size_t bytes) : bytes_(bytes), data_(std::make_unique_for_overwrite<char[]>(bytes)) {}
  char* data() override { return data_.get(); }
  size_t size_bytes() const override { return bytes_; }
  void rest() override {}

 private:
  const size_t bytes_;
  const std::unique_ptr<char[]> data_;
};

}  // namespace

FaultEnv::FaultEnv(uint64_t seed) : state_(std::make_shared<State>(seed)) {}
FaultEnv::~FaultEnv() = default;

void FaultEnv::crash_after(uint64_t write_operations) {
  MutexLock lock(state_->mutex);
  state_->crash_at = state_->operations + write_operations;
}

void FaultEnv::disk_full(bool full) {
  MutexLock lock(state_->mutex);
  state_->full = full;
}

void FaultEnv::fail_dir_syncs(bool fail) {
  MutexLock lock(state_->mutex);
  state_->dir_syncs_fail = fail;
}

bool FaultEnv::crashed() const {
  MutexLock lock(state_->mutex);
  return state_->crashed;
}

uint64_t FaultEnv::write_operations() const {
  MutexLock lock(state_->mutex);
  return state_->operations;
}

void FaultEnv::reopen_after_crash() {
  MutexLock lock(state_->mutex);
  state_->power_up();
}

Result<std::unique_ptr<AppendFile>> FaultEnv::open_append(const std::string& raw_path) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  auto it = state_->names.find(path);
  if (it == state_->names.end()) {
    const std::string parent = parent_of(path);
    if (parent != "." && parent != "/" && !state_->dirs.contains(parent)) return not_found("open", path);
    SENTINEL_TRY(state_->change_name({"", path, std::make_shared<Inode>()}));
    it = state_->names.find(path);
  }
  return std::make_unique<FaultAppendFile>(state_, it->second, state_->generation);
}

Result<std::unique_ptr<RandomReadFile>> FaultEnv::open_read(const std::string& raw_path) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  const auto it = state_->names.find(path);
  if (it == state_->names.end()) return not_found("open", path);
  return std::make_unique<FaultReadFile>(state_, it->second);
}

Result<std::string> FaultEnv::read_file(const std::string& raw_path) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  const auto it = state_->names.find(path);
  if (it == state_->names.end()) return not_found("open", path);
  return it->second->content;
}

Status FaultEnv::write_file_atomic(const std::string& path, std::string_view content) {
  const std::string tmp = path + ".tmp";
  SENTINEL_TRY(remove(tmp));
  SENTINEL_ASSIGN(const auto file, open_append(tmp));
  if (Status written = file->append(content); !written) {
    if (Status removed = remove(tmp); !removed) return removed;
    return written;
  }
  SENTINEL_TRY(file->sync());
  SENTINEL_TRY(rename(tmp, path));
  return sync_dir(parent_of(clean(path)));
}

Status FaultEnv::rename(const std::string& raw_from, const std::string& raw_to) {
  const std::string from = clean(raw_from);
  const std::string to = clean(raw_to);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  if (const auto it = state_->names.find(from); it != state_->names.end()) {
    return state_->change_name({from, to, it->second});
  }
  if (!state_->dirs.contains(from)) return not_found("rename", from);
  // A folder: one operation on the disk, here one change for each file in it.
  const bool done = state_->begin_write();
  std::vector<NameChange> changes;
  for (const auto& [path, inode] : state_->names) {
    if (is_inside(path, from)) changes.push_back({path, to + path.substr(from.size()), inode});
  }
  std::set<std::string> moved;
  for (const std::string& dir : state_->dirs) {
    moved.insert(is_inside(dir, from) ? to + dir.substr(from.size()) : dir);
  }
  state_->dirs = std::move(moved);
  // The move of a whole folder is atomic on real disks; taking it as durable at once keeps it so here.
  for (const NameChange& change : changes) {
    apply_change(change, state_->names);
    apply_change(change, state_->durable_names);
  }
  if (!done) return no_power();
  return {};
}

Status FaultEnv::remove(const std::string& raw_path) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  const auto it = state_->names.find(path);
  if (it == state_->names.end()) return {};
  return state_->change_name({path, "", it->second});
}

Status FaultEnv::remove_tree(const std::string& raw_path) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  std::vector<std::string> inside;
  for (const auto& [name, inode] : state_->names) {
    if (is_inside(name, path)) inside.push_back(name);
  }
  for (const std::string& name : inside) SENTINEL_TRY(state_->change_name({name, "", state_->names[name]}));
  std::erase_if(state_->dirs, [&path](const std::string& dir) { return is_inside(dir, path); });
  return {};
}

Status FaultEnv::truncate(const std::string& raw_path, uint64_t size_bytes) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  const auto it = state_->names.find(path);
  if (it == state_->names.end()) return not_found("truncate", path);
  if (!state_->begin_write()) return no_power();
  Inode& inode = *it->second;
  inode.content.resize(static_cast<size_t>(size_bytes), '\0');
  inode.synced_bytes = inode.content.size();
  return {};
}

Status FaultEnv::make_dirs(const std::string& raw_path) {
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  for (std::string dir = clean(raw_path); dir != "." && dir != "/" && !dir.empty(); dir = parent_of(dir)) {
    if (state_->names.contains(dir)) return fail(ErrorCode::kIo, fmt::format("cannot create {}: Not a directory", dir));
    state_->dirs.insert(dir);
  }
  return {};
}

Status FaultEnv::sync_dir(const std::string& raw_path) {
  const std::string dir = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (!state_->begin_write()) return no_power();
  if (state_->dir_syncs_fail)
    return fail(ErrorCode::kIo, fmt::format("cannot sync {}: Input/output error (fault injection)", dir));
  std::vector<NameChange> left;
  for (NameChange& change : state_->unsynced) {
    const bool here =
        (!change.from.empty() && parent_of(change.from) == dir) || (!change.to.empty() && parent_of(change.to) == dir);
    if (here) {
      apply_change(change, state_->durable_names);
    } else {
      left.push_back(std::move(change));
    }
  }
  state_->unsynced = std::move(left);
  return {};
}

bool FaultEnv::exists(const std::string& raw_path) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  return state_->names.contains(path) || state_->dirs.contains(path);
}

Result<std::vector<std::string>> FaultEnv::list(const std::string& raw_dir) {
  const std::string dir = clean(raw_dir);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  if (dir != "." && dir != "/" && !state_->dirs.contains(dir)) return not_found("list", dir);
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (path != dir && parent_of(path) == dir) names.push_back(path.substr(path.rfind('/') + 1));
  };
  for (const auto& [path, inode] : state_->names) add(path);
  for (const std::string& path : state_->dirs) add(path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::unique_ptr<FileLock>> FaultEnv::lock(const std::string& raw_path) {
  const std::string path = clean(raw_path);
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  if (!state_->locks.insert(path).second) {
    return fail(ErrorCode::kConflict, fmt::format("{} is locked by another process", path));
  }
  return std::make_unique<FaultFileLock>(state_, path, state_->generation);
}

Result<std::unique_ptr<ScratchMemory>> FaultEnv::map_scratch(const std::string& /*dir*/, size_t bytes) {
  MutexLock lock(state_->mutex);
  if (state_->crashed) return no_power();
  if (state_->full) return fail(ErrorCode::kIo, "cannot allocate: No space left on device (fault injection)");
  return std::make_unique<HeapScratch>(bytes);
}

}  // namespace sentinel
