#pragma once
// Threads that run commands in the sandbox, for Executions.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "automation/sandbox.h"
#include "base/scheduler.h"
#include "base/thread_annotations.h"

namespace sentinel::automation {

// From any thread. A sandbox dies with the thread that made it, so the threads live as long as the pool.
class SandboxPool {
 public:
  // Answers are posted to `scheduler`, which outlives the pool.
  SandboxPool(Scheduler& scheduler, size_t threads);
  ~SandboxPool();
  SandboxPool(const SandboxPool&) = delete;
  SandboxPool& operator=(const SandboxPool&) = delete;

  void run(Command command, std::shared_ptr<std::atomic<bool>> cancel, std::function<void(Result<Outcome>)> done);
  // Cancels what runs and waits until it has ended; its answers have been posted then. Nothing is run after it.
  void stop();

 private:
  struct Job {
    Command command;
    std::shared_ptr<std::atomic<bool>> cancel;
    std::function<void(Result<Outcome>)> done;
  };
  void work();

  Scheduler& scheduler_;
  Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  std::set<std::shared_ptr<std::atomic<bool>>> running_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace sentinel::automation
