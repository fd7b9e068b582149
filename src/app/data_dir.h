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
// What a Sentinel before this one left readable to others becomes the owner's alone: folders 0700, files 0600. Touches
// only what Sentinel makes; the folder itself when nothing else is in it. What cannot be changed is logged.
void tighten_data_dir(const std::string& dir);
// From now on this process makes files and folders for its owner alone, also where a library makes them. Before any
// thread starts.
void make_files_private();
// The same as make_data_dir, then tightens it and takes the lock, which is held for as long as the result lives.
Result<std::unique_ptr<FileLock>> lock_data_dir(Env& env, const std::string& dir);

}  // namespace sentinel::app
