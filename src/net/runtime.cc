#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "net/limits.h"
#include "net/task.h"

namespace sentinel::net {

// What runs, by core. The signal lists belong to their cores; the rest is guarded.
struct Runtime::Running {
  struct Core {
    std::list<asio::cancellation_signal> signals;
  };
  std::vector<Core> cores;
  std::mutex mutex;
  std::condition_variable ended;
  std::map<uint64_t, std::function<void()>> stop_hooks;
  uint64_t next_hook = 1;
  bool stopped = false;
};

namespace {

Task<void> guarded(std::string name, Task<void> task, std::atomic<uint64_t>* failed,
                   const std::atomic<bool>* stopping) {
  try {
    co_await std::move(task);
  } catch (const std::exception& e) {
    if (stopping->load()) co_return;
    failed->fetch_add(1);
    log_error("net", "task failed", {{"task", name}, {"error", e.what()}});
  } catch (...) {
    failed->fetch_add(1);
    log_error("net", "task failed", {{"task", name}, {"error", "unknown exception"}});
  }
}

}  // namespace

Runtime::Runtime(RuntimeOptions options)
    : options_(options), pool_(std::max<size_t>(options.blocking_threads, 1)), running_(std::make_shared<Running>()) {
  if (options_.cores == 0) options_.cores = std::max(1U, std::thread::hardware_concurrency());
  running_->cores = std::vector<Running::Core>(options_.cores);
  for (size_t i = 0; i < options_.cores; ++i) {
    contexts_.push_back(std::make_unique<asio::io_context>(1));
    guards_.emplace_back(contexts_.back()->get_executor());
  }
  for (size_t i = 0; i < options_.cores; ++i) threads_.emplace_back([this, i] { run_core(i); });
}

Runtime::~Runtime() { stop(); }

void Runtime::run_core(size_t index) {
  pthread_setname_np(pthread_self(), ("core-" + std::to_string(index)).c_str());
  while (true) {
    try {
      contexts_[index]->run();
      return;
    } catch (const std::exception& e) {
      tasks_failed_.fetch_add(1);
      log_error("net", "handler failed", {{"error", e.what()}});
    }
  }
}

asio::io_context& Runtime::any_core() {
  return *contexts_[next_core_.fetch_add(1, std::memory_order_relaxed) % contexts_.size()];
}

size_t Runtime::index_of(const asio::io_context& core) const {
  for (size_t i = 0; i < contexts_.size(); ++i) {
    if (contexts_[i].get() == &core) return i;
  }
  return contexts_.size();
}

void Runtime::spawn(asio::io_context& core, std::string name, Task<void> task) {
  tasks_.fetch_add(1);
  asio::dispatch(core, [this, &core, name = std::move(name), task = std::move(task)]() mutable {
    start_on_core(core, std::move(name), std::move(task));
  });
}

void Runtime::start_on_core(asio::io_context& core, std::string name, Task<void> task) {
  auto& signals = running_->cores[index_of(core)].signals;
  const auto signal = signals.emplace(signals.end());
  auto done = [this, &signals, signal](const std::exception_ptr&) {
    signals.erase(signal);
    task_ended();
  };
  asio::co_spawn(core.get_executor(), guarded(std::move(name), std::move(task), &tasks_failed_, &stopping_),
                 asio::bind_cancellation_slot(signal->slot(), std::move(done)));
}

void Runtime::spawn_owned(asio::io_context& core, std::string name, Task<void> task) {
  tasks_.fetch_add(1);
  asio::co_spawn(core.get_executor(), guarded(std::move(name), std::move(task), &tasks_failed_, &stopping_),
                 [this](const std::exception_ptr&) { task_ended(); });
}

void Runtime::task_ended() {
  if (tasks_.fetch_sub(1) != 1 || !stopping_.load()) return;
  const std::lock_guard lock(running_->mutex);
  running_->ended.notify_all();
}

uint64_t Runtime::add_stop_hook(std::function<void()> fn) {
  const std::lock_guard lock(running_->mutex);
  running_->stop_hooks.emplace(running_->next_hook, std::move(fn));
  return running_->next_hook++;
}

void Runtime::remove_stop_hook(uint64_t id) {
  const std::lock_guard lock(running_->mutex);
  running_->stop_hooks.erase(id);
}

void Runtime::stop() {
  std::map<uint64_t, std::function<void()>> hooks;
  {
    const std::lock_guard lock(running_->mutex);
    if (running_->stopped) return;
    running_->stopped = true;
    hooks = running_->stop_hooks;
  }
  for (auto& [id, hook] : hooks) hook();
  stopping_.store(true);
  for (size_t i = 0; i < contexts_.size(); ++i) {
    asio::post(*contexts_[i], [running = running_, i] {
      auto& signals = running->cores[i].signals;
      for (auto it = signals.begin(); it != signals.end();) {
        auto& signal = *it++;  // emitting may end the task, which removes its signal
        signal.emit(asio::cancellation_type::terminal);
      }
    });
  }
  {
    std::unique_lock lock(running_->mutex);
    if (!running_->ended.wait_for(lock, kStopHardMax, [this] { return tasks_.load() == 0; })) {
      log_warn("net", "tasks still run at stop and are dropped", {{"tasks", tasks_.load()}});
    }
  }
  pool_.join();
  guards_.clear();
  for (auto& context : contexts_) context->stop();
  for (auto& thread : threads_) thread.join();
}

Task<void> sleep_for(Micros duration) {
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
  Timer timer(co_await asio::this_coro::executor);
  timer.expires_after(duration);
  co_await timer.async_wait(use_task);
}

}  // namespace sentinel::net
