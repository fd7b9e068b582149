#include "automation/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "automation/limits.h"
#include "base/strings.h"

namespace sentinel::automation {
namespace {

constexpr const char* kBubblewrap = "/usr/bin/bwrap";
constexpr unsigned kNobody = 65534;
constexpr int kFirstSecretFd = 3;
constexpr int kStatusFd = 60;  // above every secret's
constexpr size_t kSecretsMax = 50;
constexpr int kPollMs = 20;

// What programs need of /etc: to be loaded, to know certificates and the time zone.
constexpr const char* kEtc[] = {"/etc/ld.so.cache",     "/etc/alternatives", "/etc/ssl/certs",
                                "/etc/ca-certificates", "/etc/localtime",    "/etc/nsswitch.conf"};
constexpr const char* kEtcOfNetwork[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/services"};

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail(ErrorCode::kIo, std::string("pipe: ") + std::strerror(errno));
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

// A file in memory that holds a secret, open for reading from its start.
Result<Fd> secret_file(const std::string& name, const std::string& value) {
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC));
  if (fd.get() < 0 || ::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()) ||
      ::lseek(fd.get(), 0, SEEK_SET) != 0)
    return fail(ErrorCode::kIo, "a secret cannot be handed over: " + std::string(std::strerror(errno)));
  return std::move(fd);
}

void add_root(std::vector<std::string>& args) {
  args.insert(args.end(), {"--ro-bind", "/usr", "/usr"});
  for (const char* name : {"/bin", "/sbin", "/lib", "/lib32", "/lib64"}) {
    std::error_code ec;
    if (std::filesystem::is_symlink(name, ec))
      args.insert(args.end(), {"--symlink", std::filesystem::read_symlink(name, ec).string(), name});
    else if (std::filesystem::is_directory(name, ec))
      args.insert(args.end(), {"--ro-bind", name, name});
  }
}

std::vector<std::string> bubblewrap_args(const Command& command) {
  const SandboxLimits& limits = command.limits;
  std::vector<std::string> args = {kBubblewrap, "--unshare-all"};
  if (limits.network) args.emplace_back("--share-net");
  args.insert(args.end(), {"--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"});
  add_root(args);
  for (const char* path : kEtc) args.insert(args.end(), {"--ro-bind-try", path, path});
  if (limits.network) {
    for (const char* path : kEtcOfNetwork) args.insert(args.end(), {"--ro-bind-try", path, path});
  }
  args.insert(args.end(), {"--proc", "/proc", "--dev", "/dev", "--size", std::to_string(limits.file_bytes_max),
                           "--tmpfs", "/tmp", "--chdir", "/tmp"});
  for (const std::string& path : limits.read) args.insert(args.end(), {"--ro-bind", path, path});
  for (const std::string& path : limits.write) args.insert(args.end(), {"--bind", path, path});
  args.insert(args.end(), {"--json-status-fd", std::to_string(kStatusFd), "--"});
  args.insert(args.end(), command.argv.begin(), command.argv.end());
  return args;
}

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> out = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8"};
  for (const auto& [name, value] : command.environment) out.push_back(name + "=" + value);
  int fd = kFirstSecretFd;
  for (const auto& [name, value] : command.secrets) out.push_back(fmt::format("{}_FD={}", name, fd++));
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Everything that the child needs, made before fork(): after it only async-signal-safe calls are allowed.
struct Launch {
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::vector<int> secrets;  // their descriptors here
  int output = -1;
  int status = -1;
  pid_t parent = 0;
  SandboxLimits limits;
};

void limit(__rlimit_resource_t what, uint64_t value) {
  const rlimit both{value, value};
  ::setrlimit(what, &both);
}

// In the child. Moves a descriptor out of the way of the numbers it will get.
int above(int fd) { return ::fcntl(fd, F_DUPFD, kStatusFd + 1); }

[[noreturn]] void launch(const Launch& with) {
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::signal(signal, SIG_DFL);

  const int output = above(with.output);
  const int status = above(with.status);
  const int null = above(::open("/dev/null", O_RDONLY));
  int secrets[kSecretsMax];
  for (size_t i = 0; i < with.secrets.size(); ++i) secrets[i] = above(with.secrets[i]);
  ::dup2(null, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  int fd = kFirstSecretFd;
  for (size_t i = 0; i < with.secrets.size(); ++i) ::dup2(secrets[i], fd++);
  ::syscall(SYS_close_range, fd, kStatusFd - 1, 0);
  ::dup2(status, kStatusFd);
  ::syscall(SYS_close_range, kStatusFd + 1, ~0U, 0);

  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 256);
  limit(RLIMIT_DATA, with.limits.memory_bytes_max);
  limit(RLIMIT_FSIZE, with.limits.file_bytes_max);
  limit(RLIMIT_CPU, static_cast<uint64_t>(std::chrono::ceil<std::chrono::seconds>(with.limits.timeout).count()) + 1);
  // The limit on processes does not hold for root. The C library's functions would speak to threads that a child of
  // fork() does not have.
  const bool lowered = ::getuid() != 0 || (::syscall(SYS_setgroups, 0, nullptr) == 0 &&
                                           ::syscall(SYS_setresgid, kNobody, kNobody, kNobody) == 0 &&
                                           ::syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0);
  limit(RLIMIT_NPROC, with.limits.processes_max);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!lowered || ::getppid() != with.parent) ::_exit(127);
  ::execve(kBubblewrap, with.argv.data(), with.environment.data());
  ::_exit(127);
}

// Those that `parent` has started, and so on.
void descendants(pid_t parent, std::vector<pid_t>& out) {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", parent));
  for (pid_t child = 0; children >> child;) {
    out.push_back(child);
    descendants(child, out);
  }
}

class Watch {
 public:
  Watch(pid_t child, Fd output, Fd status, const Command& command, const std::atomic<bool>& cancel)
      : child_(child), output_(std::move(output)), status_(std::move(status)), command_(command), cancel_(cancel) {
    // A secret that is cut in two at the end could not be found.
    size_t longest = 0;
    for (const auto& [name, value] : command.secrets) longest = std::max(longest, value.size());
    keep_ = command.limits.output_bytes_max + longest;
  }

  Result<Outcome> run() {
    const auto started = Clock::now();
    const auto deadline = started + command_.limits.timeout;
    while (!done()) {
      const auto now = Clock::now();
      if (!ending_) {
        if (now >= deadline)
          end(Outcome::Kind::kTimedOut);
        else if (cancel_.load())
          end(Outcome::Kind::kCancelled);
        else if (written_ > command_.limits.output_bytes_max * kFloodFactor)
          end(Outcome::Kind::kFlooded);
      } else if (now >= kill_at_ || written_ > 2 * command_.limits.output_bytes_max * kFloodFactor) {
        kill_all();
      }
      read_some();
    }
    Outcome out;
    out.ran_for = std::chrono::duration_cast<Micros>(Clock::now() - started);
    return finish(std::move(out));
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool done() {
    if (!reaped_ && ::waitpid(child_, &wait_status_, WNOHANG) == child_) reaped_ = true;
    return reaped_ && output_.get() < 0;
  }

  void end(Outcome::Kind why) {
    ending_ = why;
    kill_at_ = Clock::now() + (why == Outcome::Kind::kFlooded ? Micros(0) : command_.limits.grace);
    // Not bubblewrap itself (it would die at once and take all with it) and not the sandbox's first process (it
    // ignores it): those that were asked for, and what they have started.
    std::vector<pid_t> all;
    descendants(child_, all);
    for (size_t i = 1; i < all.size(); ++i) ::kill(all[i], SIGTERM);
  }

  // The first process of a namespace takes all others with it.
  void kill_all() {
    std::vector<pid_t> all;
    descendants(child_, all);
    for (const pid_t pid : all) ::kill(pid, SIGKILL);
    if (!reaped_) ::kill(child_, SIGKILL);
  }

  void read_some() {
    pollfd fds[2] = {{output_.get(), POLLIN, 0}, {status_.get(), POLLIN, 0}};
    if (::poll(fds, 2, kPollMs) <= 0) return;
    char block[16 * 1024];
    if (fds[0].revents != 0) {
      const ssize_t count = ::read(output_.get(), block, sizeof block);
      if (count <= 0) {
        output_.reset();
      } else {
        written_ += static_cast<uint64_t>(count);
        text_.append(block, std::min(static_cast<size_t>(count), keep_ - std::min(keep_, text_.size())));
      }
    }
    if (fds[1].revents != 0) {
      const ssize_t count = ::read(status_.get(), block, sizeof block);
      if (count <= 0)
        status_.reset();
      else if (report_.size() < sizeof block)
        report_.append(block, static_cast<size_t>(count));
    }
  }

  // Bubblewrap tells how the program ended only when it could be started.
  std::optional<int> reported_exit() {
    while (status_.get() >= 0) {
      char block[1024];
      const ssize_t count = ::read(status_.get(), block, sizeof block);
      if (count <= 0) break;
      report_.append(block, static_cast<size_t>(count));
    }
    constexpr std::string_view kKey = "\"exit-code\":";
    const size_t at = report_.find(kKey);
    if (at == std::string::npos) return std::nullopt;
    const std::string_view rest = trim(std::string_view(report_).substr(at + kKey.size()));
    const auto code = parse_int(rest.substr(0, rest.find_first_not_of("0123456789")));
    return code ? std::optional(static_cast<int>(*code)) : std::nullopt;
  }

  Result<Outcome> finish(Outcome out) {
    const auto exit = reported_exit();
    if (ending_) {
      out.kind = *ending_;
    } else if (!exit) {
      return fail(ErrorCode::kUnavailable, "the sandbox could not be made: " + std::string(trim(to_valid_utf8(text_))));
    }
    out.exit_code = exit.value_or(0);
    out.output_bytes = written_;
    for (const auto& [name, value] : command_.secrets) {
      for (const std::string_view form : {std::string_view(value), trim(value)}) {
        if (!form.empty()) text_ = replace_all(std::move(text_), form, "[" + name + "]");
      }
    }
    out.output = std::string(utf8_prefix(to_valid_utf8(text_), command_.limits.output_bytes_max));
    return out;
  }

  const pid_t child_;
  Fd output_, status_;
  const Command& command_;
  const std::atomic<bool>& cancel_;
  size_t keep_ = 0;
  std::string text_, report_;
  uint64_t written_ = 0;
  bool reaped_ = false;
  int wait_status_ = 0;
  std::optional<Outcome::Kind> ending_;
  Clock::time_point kill_at_;
};

Status check(const Command& command) {
  if (::access(kBubblewrap, X_OK) != 0)
    return fail(ErrorCode::kUnavailable, std::string(kBubblewrap) + " is missing: apt-get install bubblewrap");
  if (command.argv.empty() || ::access(command.argv.front().c_str(), X_OK) != 0)
    return fail(ErrorCode::kNotFound, "there is no program " + (command.argv.empty() ? "" : command.argv.front()));
  if (command.secrets.size() > kSecretsMax) return fail(ErrorCode::kTooLarge, "more secrets than 50");
  return {};
}

}  // namespace

std::string_view outcome_name(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::kExited: return "exited";
    case Outcome::Kind::kTimedOut: return "timed_out";
    case Outcome::Kind::kCancelled: return "cancelled";
    case Outcome::Kind::kFlooded: return "flooded";
  }
  return "exited";
}

std::string describe(const Command& command) {
  std::string out = "argv:";
  for (const std::string& argument : command.argv) out += " " + json_quote(argument);
  for (const auto& [name, value] : command.environment) out += fmt::format("\n{}={}", name, json_quote(value));
  for (const auto& [name, value] : command.secrets)
    out += fmt::format("\n{}_FD: a secret of {} bytes", name, value.size());
  const SandboxLimits& l = command.limits;
  out += fmt::format(
      "\nnetwork: {}\nread: {}\nwrite: {}\ntimeout: {} s, output: {} bytes, memory: {} bytes a process, "
      "processes: {}\n",
      l.network ? "yes" : "no", l.read.empty() ? "-" : join(l.read, " "), l.write.empty() ? "-" : join(l.write, " "),
      std::chrono::duration_cast<std::chrono::seconds>(l.timeout).count(), l.output_bytes_max, l.memory_bytes_max,
      l.processes_max);
  return out;
}

Result<Outcome> run_in_sandbox(const Command& command, const std::atomic<bool>& cancel) {
  SENTINEL_TRY(check(command));
  SENTINEL_ASSIGN(Pipe output, make_pipe());
  SENTINEL_ASSIGN(Pipe status, make_pipe());
  std::vector<Fd> secrets;
  Launch with;
  for (const auto& [name, value] : command.secrets) {
    SENTINEL_ASSIGN(Fd fd, secret_file(name, value));
    with.secrets.push_back(fd.get());
    secrets.push_back(std::move(fd));
  }
  std::vector<std::string> args = bubblewrap_args(command);
  std::vector<std::string> environment = environment_of(command);
  with.argv = pointers(args);
  with.environment = pointers(environment);
  with.output = output.write.get();
  with.status = status.write.get();
  with.parent = ::getpid();
  with.limits = command.limits;
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kUnavailable, std::string("fork: ") + std::strerror(errno));
  if (child == 0) launch(with);
  output.write.reset();
  status.write.reset();
  secrets.clear();
  return Watch(child, std::move(output.read), std::move(status.read), command, cancel).run();
}

}  // namespace sentinel::automation
