#pragma once
// Coroutines on the I/O cores. One io_context and one thread a core; a connection lives and dies on its core, so code
// on a core needs no locks for what that core owns.
//
// Rules (checked by clang-tidy): coroutine parameters by value or pointer, no capturing lambda coroutines, no lock
// alive at a suspension point, tasks are started only with spawn().

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "base/scheduler.h"

namespace sentinel::net {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
template <class T>
using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_task{};

struct RuntimeOptions {
  size_t cores = 0;             // 0: one for each processor
  size_t blocking_threads = 4;  // for SQL, fsync and other work that blocks
  size_t blocking_queue_max = 4096;
};

// The I/O threads of the process. Owned by app; outlives every server and client. `stop()` ends when all spawned tasks
// have ended (they are cancelled first; after kStopHardMax what still runs is logged and dropped).
class Runtime {
 public:
  explicit Runtime(RuntimeOptions options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  size_t cores() const { return contexts_.size(); }
  asio::io_context& core(size_t index) { return *contexts_[index]; }
  asio::io_context& any_core();  // round robin
  // Which core this is; cores() when it is none of ours.
  size_t index_of(const asio::io_context& core) const;
  asio::thread_pool& blocking_pool() { return pool_; }
  const RuntimeOptions& options() const { return options_; }
  // REQUIRES: not called from a core. Idempotent.
  void stop();

  // Starts `task` on `core`. What it throws is logged with `name` and counted; only that task ends. From any thread.
  void spawn(asio::io_context& core, std::string name, Task<void> task);
  // The same for a task that its owner ends by itself, from a stop hook: not cancelled by stop(), and so cheaper.
  void spawn_owned(asio::io_context& core, std::string name, Task<void> task);
  size_t tasks_running() const { return tasks_.load(); }
  uint64_t tasks_failed() const { return tasks_failed_.load(); }
  bool stopping() const { return stopping_.load(); }
  // Called first by stop(), on the stopping thread; the result removes it again. For servers and clients.
  uint64_t add_stop_hook(std::function<void()> fn);
  void remove_stop_hook(uint64_t id);

 private:
  struct Running;
  void run_core(size_t index);
  void start_on_core(asio::io_context& core, std::string name, Task<void> task);
  void task_ended();

  RuntimeOptions options_;
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<asio::executor_work_guard<Executor>> guards_;
  std::vector<std::thread> threads_;
  asio::thread_pool pool_;
  std::shared_ptr<Running> running_;
  std::atomic<size_t> next_core_{0};
  std::atomic<size_t> tasks_{0};
  std::atomic<uint64_t> tasks_failed_{0};
  std::atomic<bool> stopping_{false};
};

// Suspends for `duration` on the calling core.
Task<void> sleep_for(Micros duration);

// Runs `fn` elsewhere and resumes on the calling core with its result.
//   on_loop:  on a Scheduler's thread (detection, alerting, incidents).
//   blocking: on the runtime's pool; kUnavailable semantics are the caller's: `fn` returns what it wants.
// REQUIRES: the scheduler and pool outlive the call; R is movable and not void-like references.
namespace internal {
template <class F, class Post>
Task<std::invoke_result_t<F>> run_elsewhere(F fn, Post post_to) {
  using R = std::invoke_result_t<F>;
  auto executor = co_await asio::this_coro::executor;
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(R)>(
      [executor](auto handler, F inner, Post poster) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        poster([executor, shared, inner = std::move(inner)]() mutable {
          auto result = std::make_shared<R>(inner());
          asio::post(executor, [shared, result]() mutable { (*shared)(std::move(*result)); });
        });
      },
      use_task, std::move(fn), std::move(post_to));
}
}  // namespace internal

template <class F>
Task<std::invoke_result_t<F>> on_loop(Scheduler* scheduler, F fn) {
  return internal::run_elsewhere(std::move(fn), [scheduler](auto work) { scheduler->post(std::move(work)); });
}
template <class F>
Task<std::invoke_result_t<F>> blocking(Runtime* runtime, F fn) {
  return internal::run_elsewhere(std::move(fn),
                                 [runtime](auto work) { asio::post(runtime->blocking_pool(), std::move(work)); });
}

}  // namespace sentinel::net
