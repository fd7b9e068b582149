#include "base/work_crew.h"

#include <algorithm>

#include <pthread.h>

namespace sentinel {

WorkCrew::WorkCrew(std::string name, size_t helpers) {
  for (size_t i = 0; i < helpers; ++i) {
    threads_.emplace_back([this] { help(); });
    pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
  }
}

WorkCrew::~WorkCrew() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkCrew::Job::take_all() {
  for (size_t i = next.fetch_add(1); i < pieces; i = next.fetch_add(1)) fn(i);
}

void WorkCrew::run(size_t pieces, absl::FunctionRef<void(size_t)> fn) SENTINEL_TSA(no_thread_safety_analysis) {
  Job job(pieces, fn);
  const size_t wanted = pieces < 2 ? 0 : std::min(threads_.size(), pieces - 1);
  if (wanted > 0) {
    MutexLock lock(mutex_);
    wanted_.insert(wanted_.end(), wanted, &job);
  }
  for (size_t i = 0; i < wanted; ++i) wake_.notify_one();
  job.take_all();
  if (wanted == 0) return;
  std::unique_lock lock(mutex_);
  std::erase(wanted_, &job);  // whoever has not come yet need not
  done_.wait(lock, [&job] { return job.helping == 0; });
}

void WorkCrew::help() SENTINEL_TSA(no_thread_safety_analysis) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this]() SENTINEL_TSA(no_thread_safety_analysis) { return stopping_ || !wanted_.empty(); });
    if (stopping_) return;
    Job* job = wanted_.front();
    wanted_.pop_front();
    ++job->helping;
    lock.unlock();
    job->take_all();
    lock.lock();
    if (--job->helping == 0) done_.notify_all();
  }
}

}  // namespace sentinel
