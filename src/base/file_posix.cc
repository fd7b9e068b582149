#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace sentinel {
namespace {

namespace fs = std::filesystem;

ErrorCode code_of(int error) {
  switch (error) {
    case ENOENT: return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::kPermissionDenied;
    case EEXIST: return ErrorCode::kConflict;
    default: return ErrorCode::kIo;
  }
}

tl::unexpected<Error> failed(std::string_view verb, const std::string& path, int error) {
  return fail(code_of(error), fmt::format("cannot {} {}: {}", verb, path, std::generic_category().message(error)));
}

std::string parent_of(const std::string& path) {
  std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Fd> open_fd(std::string_view verb, const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);  // telemetry and state are nobody else's to read
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return failed(verb, path, errno);
  return Fd(fd);
}

Result<uint64_t> size_of(const Fd& fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failed("stat", path, errno);
  return static_cast<uint64_t>(info.st_size);
}

Status sync_directory(const std::string& path) {
  SENTINEL_ASSIGN(const Fd fd, open_fd("open", path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return failed("sync", path, errno);
  return {};
}

class PosixAppendFile final : public AppendFile {
 public:
  PosixAppendFile(std::string path, Fd fd, uint64_t size_bytes, bool created)
      : path_(std::move(path)), fd_(std::move(fd)), size_bytes_(size_bytes), name_synced_(!created) {}

  Status append(std::string_view bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t wrote = ::write(fd_.get(), bytes.data() + done, bytes.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) {
        const int error = errno;
        // Nothing of a failed append stays, so that the caller may go on when there is room again.
        if (done > 0 && ::ftruncate(fd_.get(), static_cast<off_t>(size_bytes_)) != 0) size_bytes_ += done;
        return failed("write", path_, error);
      }
      done += static_cast<size_t>(wrote);
    }
    size_bytes_ += done;
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return failed("sync", path_, errno);
    // The content of a new file is of no use after a power cut unless its name is there too.
    if (!name_synced_) {
      SENTINEL_TRY(sync_directory(parent_of(path_)));
      name_synced_ = true;
    }
    return {};
  }

  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  const std::string path_;
  const Fd fd_;
  uint64_t size_bytes_;
  bool name_synced_;
};

class PosixReadFile final : public RandomReadFile {
 public:
  PosixReadFile(std::string path, Fd fd, uint64_t size_bytes)
      : path_(std::move(path)), fd_(std::move(fd)), size_bytes_(size_bytes) {}

  Result<std::string> read(uint64_t offset, size_t count) const override {
    // The file may have grown since it was opened; a corrupt length must not make us allocate gigabytes.
    SENTINEL_ASSIGN(const uint64_t size, size_of(fd_, path_));
    std::string out(offset >= size ? 0 : static_cast<size_t>(std::min<uint64_t>(count, size - offset)), '\0');
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("read", path_, errno);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    out.resize(done);
    return out;
  }

  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  const std::string path_;
  const Fd fd_;
  const uint64_t size_bytes_;
};

// flock() belongs to the open file, so a second lock in this process conflicts as well, and the kernel lets go of it
// when the process dies.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  const Fd fd_;
};

class PosixScratch final : public ScratchMemory {
 public:
  PosixScratch(char* data, size_t bytes) : data_(data), bytes_(bytes) {}
  ~PosixScratch() override { ::munmap(data_, bytes_); }
  char* data() override { return data_; }
  size_t size_bytes() const override { return bytes_; }
  // Of a shared mapping this only takes the pages out of our tables: the file keeps what was written.
  void rest() override { (void)::madvise(data_, bytes_, MADV_DONTNEED); }

 private:
  char* const data_;
  const size_t bytes_;
};

class PosixEnv final : public Env {
 public:
  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override {
    const bool created = !exists(path);
    SENTINEL_ASSIGN(Fd fd, open_fd("open", path, O_WRONLY | O_APPEND | O_CREAT));
    SENTINEL_ASSIGN(const uint64_t size, size_of(fd, path));
    return std::make_unique<PosixAppendFile>(path, std::move(fd), size, created);
  }

  Result<std::unique_ptr<RandomReadFile>> open_read(const std::string& path) override {
    SENTINEL_ASSIGN(Fd fd, open_fd("open", path, O_RDONLY));
    SENTINEL_ASSIGN(const uint64_t size, size_of(fd, path));
    return std::make_unique<PosixReadFile>(path, std::move(fd), size);
  }

  Result<std::string> read_file(const std::string& path) override {
    SENTINEL_ASSIGN(const Fd fd, open_fd("open", path, O_RDONLY));
    SENTINEL_ASSIGN(const uint64_t size, size_of(fd, path));
    // Files of /proc say they are empty: read until the end, not until the size.
    std::string out;
    out.reserve(static_cast<size_t>(size));
    char buffer[65536];
    while (true) {
      const ssize_t got = ::read(fd.get(), buffer, sizeof(buffer));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("read", path, errno);
      if (got == 0) return out;
      out.append(buffer, static_cast<size_t>(got));
    }
  }

  Status write_file_atomic(const std::string& path, std::string_view content) override {
    const std::string tmp = path + ".tmp";
    if (Status written = write_new(tmp, content); !written) {
      ::unlink(tmp.c_str());
      return written;
    }
    SENTINEL_TRY(rename(tmp, path));
    return sync_dir(parent_of(path));
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to, errno);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path, errno);
    return {};
  }

  Status remove_tree(const std::string& path) override {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return failed("remove", path, error.value());
    return {};
  }

  Status truncate(const std::string& path, uint64_t size_bytes) override {
    SENTINEL_ASSIGN(const Fd fd, open_fd("open", path, O_WRONLY));
    if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) return failed("truncate", path, errno);
    if (::fsync(fd.get()) != 0) return failed("sync", path, errno);
    return {};
  }

  Status make_dirs(const std::string& path) override {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return failed("create", path, error.value());
    return {};
  }

  Status sync_dir(const std::string& path) override { return sync_directory(path); }

  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  Result<std::vector<std::string>> list(const std::string& dir) override {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
      names.push_back(it->path().filename().string());
    }
    if (error) return failed("list", dir, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    SENTINEL_ASSIGN(Fd fd, open_fd("open", path, O_RDWR | O_CREAT));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return failed("lock", path, errno);
      return fail(ErrorCode::kConflict, fmt::format("{} is locked by another process", path));
    }
    return std::make_unique<PosixFileLock>(std::move(fd));
  }

  Result<std::unique_ptr<ScratchMemory>> map_scratch(const std::string& dir, size_t bytes) override {
    std::string path = dir + "/scratch-XXXXXX";
    const Fd fd(::mkostemp(path.data(), O_CLOEXEC));
    if (fd.get() < 0) return failed("create", path, errno);
    ::unlink(path.c_str());
    // A hole could not be filled when the disk is full, and the signal for that would end the process.
    if (const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)); error != 0) {
      return failed("allocate", path, error);
    }
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) return failed("map", path, errno);
    // Otherwise each page that is read brings fifteen neighbours with it.
    (void)::madvise(data, bytes, MADV_RANDOM);
    return std::make_unique<PosixScratch>(static_cast<char*>(data), bytes);
  }

 private:
  Status write_new(const std::string& path, std::string_view content) {
    SENTINEL_ASSIGN(Fd fd, open_fd("create", path, O_WRONLY | O_CREAT | O_TRUNC));
    PosixAppendFile file(path, std::move(fd), 0, /*created=*/false);
    SENTINEL_TRY(file.append(content));
    return file.sync();
  }
};

}  // namespace

Env& posix_env() {
  static PosixEnv env;
  return env;
}

}  // namespace sentinel
