#include "app/data_dir.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/log.h"

namespace sentinel::app {
namespace {

tl::unexpected<Error> refused(const std::string& dir, std::string_view what, const Error& error,
                              std::string_view advice) {
  return fail(ErrorCode::kIo, fmt::format("data directory {} {}: {}; {}", dir, what, error.message(), advice));
}

constexpr std::string_view kElsewhere =
    "make it writable for the user that runs sentinel (owner, mount, free space), or name another folder with "
    "--data-dir";

namespace fs = std::filesystem;

constexpr fs::perms kFolderMode = fs::perms::owner_all;
constexpr fs::perms kFileMode = fs::perms::owner_read | fs::perms::owner_write;

bool is_ours(std::string_view name) {
  constexpr std::array<std::string_view, 9> kNames = {
      "LOCK",       "metrics",    "events",     "telemetry-spill", "sentinel.log", "alertmanager.yml",
      "oncall.yml", "lost+found", ".write-test"};
  return name.starts_with("state.db") || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// Not through a link: what it points to is not ours.
void tighten(const fs::directory_entry& entry) {
  std::error_code error;
  const fs::file_status status = entry.symlink_status(error);
  if (error || !(fs::is_directory(status) || fs::is_regular_file(status))) return;
  const fs::perms wanted = fs::is_directory(status) ? kFolderMode : kFileMode;
  if ((status.permissions() & ~wanted & fs::perms::all) == fs::perms::none) return;
  fs::permissions(entry.path(), wanted, error);
  if (error)
    log_warn("server", "others may read a file of the data directory",
             {{"path", entry.path().string()}, {"error", error.message()}});
}

}  // namespace

void make_files_private() { ::umask(0077); }

void tighten_data_dir(const std::string& dir) {
  std::error_code error;
  bool all_ours = true;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!is_ours(name)) {
      all_ours = false;
      continue;
    }
    if (name == "lost+found") continue;  // the folder is a file system of its own
    tighten(*it);
    std::error_code inside;
    if (it->is_symlink(inside) || !it->is_directory(inside)) continue;
    for (fs::recursive_directory_iterator at(it->path(), inside), last; !inside && at != last; at.increment(inside)) {
      tighten(*at);
    }
  }
  if (!error && all_ours) tighten(fs::directory_entry(dir, error));
}

Status make_data_dir(Env& env, const std::string& dir) {
  if (const Status made = env.make_dirs(dir); !made) return refused(dir, "cannot be made", made.error(), kElsewhere);
  const std::string probe = dir + "/.write-test";
  Status tried = env.write_file_atomic(probe, "x");
  if (tried) tried = env.remove(probe);
  if (!tried) return refused(dir, "cannot be written", tried.error(), kElsewhere);
  return {};
}

Result<std::unique_ptr<FileLock>> lock_data_dir(Env& env, const std::string& dir) {
  SENTINEL_TRY(make_data_dir(env, dir));
  tighten_data_dir(dir);
  auto lock = env.lock(dir + "/LOCK");
  if (lock) return lock;
  if (lock.error().code() != ErrorCode::kConflict) return refused(dir, "cannot be locked", lock.error(), kElsewhere);
  return refused(dir, "is in use", lock.error(),
                 "stop the sentinel that runs on it, or name another folder with --data-dir");
}

}  // namespace sentinel::app
