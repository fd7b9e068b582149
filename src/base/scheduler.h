#pragma once
// One thread of work with timers. Detection, alerting and incidents are single-threaded objects that live on a
// Scheduler: in the server an EventLoop (a real thread), in tests a SimScheduler that runs days in milliseconds.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/thread_annotations.h"

namespace sentinel {

enum class TimerId : uint64_t { kNone = 0 };

class Scheduler {
 public:
  using Callback = std::function<void()>;
  virtual ~Scheduler() = default;

  virtual const Clock& clock() const = 0;
  TimePoint now() const { return clock().now(); }

  // Runs `fn` on this scheduler's thread at or after `when` (at once if it has passed). Callable from any thread.
  // Timers due at the same instant run in the order they were set.
  virtual TimerId at(TimePoint when, Callback fn) = 0;
  TimerId after(Micros delay, Callback fn) { return at(now() + delay, std::move(fn)); }
  // No effect when the timer has run or is running. Callable from any thread.
  virtual void cancel(TimerId id) = 0;
  // Runs `fn` on this scheduler's thread as soon as it can; in order of posting. Callable from any thread.
  virtual void post(Callback fn) = 0;
  virtual bool on_this_thread() const = 0;

  // Runs `fn` on the scheduler's thread and waits for its result. REQUIRES: not called from an I/O core.
  template <class F>
  auto call(F fn) -> std::invoke_result_t<F> {
    using R = std::invoke_result_t<F>;
    if (on_this_thread()) return fn();
    std::packaged_task<R()> task(std::move(fn));
    auto future = task.get_future();
    auto shared = std::make_shared<std::packaged_task<R()>>(std::move(task));
    post([shared] { (*shared)(); });
    return future.get();
  }
};

// A thread of its own on a Clock (normally the SystemClock). The constructor starts the thread; `stop()` runs what was
// posted before it, drops timers, and joins. The destructor stops. When somebody sets the clock back, timers that were
// set before run when as much time has passed as they had to wait, as if it had not been; whoever needs the time of
// the clock finds that it is not there yet, and sets another. A clock set forward is a time that has come.
class EventLoop final : public Scheduler {
 public:
  EventLoop(const Clock& clock, std::string name);
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  const Clock& clock() const override { return clock_; }
  TimerId at(TimePoint when, Callback fn) override;
  void cancel(TimerId id) override;
  void post(Callback fn) override;
  bool on_this_thread() const override { return std::this_thread::get_id() == thread_.get_id(); }
  void stop();
  // Callbacks posted and not yet run.
  size_t backlog() const;

 private:
  void run();
  TimePoint follow_clock() REQUIRES_LOCK(mutex_);

  const Clock& clock_;
  const std::string name_;
  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Callback> posted_ GUARDED_BY(mutex_);
  std::map<std::pair<TimePoint, uint64_t>, Callback> timers_ GUARDED_BY(mutex_);
  std::map<uint64_t, TimePoint> due_by_id_ GUARDED_BY(mutex_);
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;
  bool stopping_ GUARDED_BY(mutex_) = false;
  TimePoint seen_ GUARDED_BY(mutex_);                 // the clock at the last look, and
  int64_t seen_monotonic_us_ GUARDED_BY(mutex_) = 0;  // the time that passes evenly
  std::thread thread_;
};

// Virtual time: nothing runs until `run_for` / `run_until` moves the clock from timer to timer. Single-threaded.
class SimScheduler final : public Scheduler {
 public:
  explicit SimScheduler(TimePoint start = FakeClock().now()) : clock_(start) {}

  const Clock& clock() const override { return clock_; }
  TimerId at(TimePoint when, Callback fn) override;
  void cancel(TimerId id) override;
  void post(Callback fn) override { at(clock_.now(), std::move(fn)); }
  bool on_this_thread() const override { return true; }

  // Runs all that is due up to and including `end`, in order, then leaves the clock at `end`.
  void run_until(TimePoint end);
  void run_for(Micros duration) { run_until(clock_.now() + duration); }
  // Runs what is due now and whatever that posts, without moving the clock.
  void run_ready() { run_until(clock_.now()); }
  size_t pending() const { return timers_.size(); }
  FakeClock& fake_clock() { return clock_; }

 private:
  FakeClock clock_;
  std::map<std::pair<TimePoint, uint64_t>, Callback> timers_;
  std::map<uint64_t, TimePoint> due_by_id_;
  uint64_t next_id_ = 1;
};

}  // namespace sentinel
