#include "base/scheduler.h"

#include <pthread.h>

#include "base/log.h"

namespace sentinel {
namespace {

constexpr auto kClockNoise = std::chrono::seconds(2);  // what is set back by less is not worth a line

}  // namespace

EventLoop::EventLoop(const Clock& clock, std::string name) : clock_(clock), name_(std::move(name)) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), name_.substr(0, 15).c_str());
}

EventLoop::~EventLoop() { stop(); }

TimerId EventLoop::at(TimePoint when, Callback fn) {
  MutexLock lock(mutex_);
  (void)follow_clock();  // those that were set by the old time are moved, this one is not
  const uint64_t id = next_id_++;
  timers_.emplace(std::pair(when, id), std::move(fn));
  due_by_id_.emplace(id, when);
  wake_.notify_one();
  return TimerId{id};
}

void EventLoop::cancel(TimerId id) {
  MutexLock lock(mutex_);
  const auto it = due_by_id_.find(static_cast<uint64_t>(id));
  if (it == due_by_id_.end()) return;
  timers_.erase({it->second, it->first});
  due_by_id_.erase(it);
}

void EventLoop::post(Callback fn) {
  MutexLock lock(mutex_);
  posted_.push_back(std::move(fn));
  wake_.notify_one();
}

size_t EventLoop::backlog() const {
  MutexLock lock(mutex_);
  return posted_.size();
}

void EventLoop::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

// A clock that shows less than at the last look was set back by what should have passed since.
TimePoint EventLoop::follow_clock() {
  const TimePoint now = clock_.now();
  const int64_t monotonic_now_us = monotonic_us();
  if (now < seen_) {
    const Micros back = (seen_ - now) + Micros(monotonic_now_us - seen_monotonic_us_);
    decltype(timers_) moved;
    for (auto& [due, fn] : timers_) moved.emplace(std::pair(due.first - back, due.second), std::move(fn));
    timers_ = std::move(moved);
    for (auto& [id, due] : due_by_id_) due -= back;
    if (back > kClockNoise) {
      log_warn("loop", "the clock was set back; timers go on by the time that has passed",
               {{"loop", name_}, {"seconds", std::chrono::duration<double>(back).count()}});
    }
  }
  seen_ = now;
  seen_monotonic_us_ = monotonic_now_us;
  return now;
}

// The wait releases and retakes mutex_ inside condition_variable_any, which the analysis cannot follow.
void EventLoop::run() SENTINEL_TSA(no_thread_safety_analysis) {
  std::unique_lock lock(mutex_);
  while (true) {
    std::vector<Callback> ready;
    ready.swap(posted_);
    const TimePoint now = follow_clock();
    while (!stopping_ && !timers_.empty() && timers_.begin()->first.first <= now) {
      auto node = timers_.extract(timers_.begin());
      due_by_id_.erase(node.key().second);
      ready.push_back(std::move(node.mapped()));
    }
    if (!ready.empty()) {
      lock.unlock();
      for (Callback& fn : ready) {
        try {
          fn();
        } catch (const std::exception& e) {
          log_error("loop", "task failed", {{"loop", name_}, {"error", e.what()}});
        }
      }
      ready.clear();
      lock.lock();
      continue;
    }
    if (stopping_) return;
    if (timers_.empty()) {
      wake_.wait(lock);
    } else {
      // A jump of the wall clock is noticed within a second.
      wake_.wait_for(lock, std::min<Micros>(timers_.begin()->first.first - now, std::chrono::seconds(1)));
    }
  }
}

TimerId SimScheduler::at(TimePoint when, Callback fn) {
  const uint64_t id = next_id_++;
  const TimePoint due = std::max(when, clock_.now());
  timers_.emplace(std::pair(due, id), std::move(fn));
  due_by_id_.emplace(id, due);
  return TimerId{id};
}

void SimScheduler::cancel(TimerId id) {
  const auto it = due_by_id_.find(static_cast<uint64_t>(id));
  if (it == due_by_id_.end()) return;
  timers_.erase({it->second, it->first});
  due_by_id_.erase(it);
}

void SimScheduler::run_until(TimePoint end) {
  while (!timers_.empty() && timers_.begin()->first.first <= end) {
    auto node = timers_.extract(timers_.begin());
    due_by_id_.erase(node.key().second);
    if (node.key().first > clock_.now()) clock_.set(node.key().first);
    node.mapped()();
  }
  if (end > clock_.now()) clock_.set(end);
}

}  // namespace sentinel
