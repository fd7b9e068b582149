#pragma once
// The folder everything durable is kept in, and the lock that makes it one process's.

#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace sentinel::app {

// Makes the folder when it is not there and tries to write in it. Errors are kIo (exit code 1) and say the path, what
// the system answered, and what to do.
Status make_data_dir(Env& env, const std::string& dir);
// The same, then takes the lock, which is held for as long as the result lives.
Result<std::unique_ptr<FileLock>> lock_data_dir(Env& env, const std::string& dir);

}  // namespace sentinel::app
