#include "automation/sandbox_pool.h"

#include <utility>

namespace sentinel::automation {

SandboxPool::SandboxPool(Scheduler& scheduler, size_t threads) : scheduler_(scheduler) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

SandboxPool::~SandboxPool() { stop(); }

void SandboxPool::run(Command command, std::shared_ptr<std::atomic<bool>> cancel,
                      std::function<void(Result<Outcome>)> done) {
  MutexLock lock(mutex_);
  jobs_.push_back({std::move(command), std::move(cancel), std::move(done)});
  wake_.notify_one();
}

void SandboxPool::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    for (const auto& cancel : running_) cancel->store(true);
    for (const Job& job : jobs_) job.cancel->store(true);
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void SandboxPool::work() {
  while (true) {
    Job job;
    {
      MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) wake_.wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      running_.insert(job.cancel);
    }
    auto outcome = std::make_shared<Result<Outcome>>(run_in_sandbox(job.command, *job.cancel));
    {
      MutexLock lock(mutex_);
      running_.erase(job.cancel);
    }
    scheduler_.post([outcome, done = std::move(job.done)] { done(std::move(*outcome)); });
  }
}

}  // namespace sentinel::automation
