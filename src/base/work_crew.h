#pragma once
// Threads that help with one large job at a time: a job that falls into pieces which do not depend on each other is
// done by its caller and by whichever helpers are idle. Nobody waits for a helper to become free, so a job takes at
// most as long as it would alone, and all jobs together use no more than their callers' threads and the helpers.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <absl/functional/function_ref.h>

#include "base/thread_annotations.h"

namespace sentinel {

// Thread-safe. REQUIRES: no run() under way when it is destroyed.
class WorkCrew {
 public:
  // `name`: of the threads, at most 15 characters.
  WorkCrew(std::string name, size_t helpers);
  ~WorkCrew();
  WorkCrew(const WorkCrew&) = delete;
  WorkCrew& operator=(const WorkCrew&) = delete;

  size_t helpers() const { return threads_.size(); }
  // Calls fn(i) once for each i below `pieces`, begun in ascending order, on several threads at once; returns when all
  // calls have. `fn` must not throw, and must not wait for another piece that comes later.
  void run(size_t pieces, absl::FunctionRef<void(size_t)> fn) EXCLUDES_LOCK(mutex_);

 private:
  struct Job {
    Job(size_t count, absl::FunctionRef<void(size_t)> work) : pieces(count), fn(work) {}
    void take_all();
    const size_t pieces;
    const absl::FunctionRef<void(size_t)> fn;
    std::atomic<size_t> next{0};
    size_t helping = 0;  // threads of the crew inside; under mutex_
  };
  void help();

  Mutex mutex_;
  std::condition_variable_any wake_;            // helpers: there is work, or it is over
  std::condition_variable_any done_;            // callers: a helper has left a job
  std::deque<Job*> wanted_ GUARDED_BY(mutex_);  // a job as often as it could use a helper
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace sentinel
