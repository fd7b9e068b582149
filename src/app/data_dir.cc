#include "app/data_dir.h"

#include <fmt/format.h>

namespace sentinel::app {
namespace {

tl::unexpected<Error> refused(const std::string& dir, std::string_view what, const Error& error,
                              std::string_view advice) {
  return fail(ErrorCode::kIo, fmt::format("data directory {} {}: {}; {}", dir, what, error.message(), advice));
}

constexpr std::string_view kElsewhere =
    "make it writable for the user that runs sentinel (owner, mount, free space), or name another folder with "
    "--data-dir";

}  // namespace

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
  auto lock = env.lock(dir + "/LOCK");
  if (lock) return lock;
  if (lock.error().code() != ErrorCode::kConflict) return refused(dir, "cannot be locked", lock.error(), kElsewhere);
  return refused(dir, "is in use", lock.error(),
                 "stop the sentinel that runs on it, or name another folder with --data-dir");
}

}  // namespace sentinel::app
