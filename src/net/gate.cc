#include "net/gate.h"

#include <algorithm>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sentinel::net {

// Its timer belongs to the core of its task; `admitted` to the gate's lock.
struct Gate::Waiter {
  explicit Waiter(const Executor& executor) : timer(executor) {}
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> timer;
  bool admitted = false;
};

Task<Status> Gate::enter(Micros patience) {
  const Executor executor = co_await asio::this_coro::executor;
  std::shared_ptr<Waiter> self;
  {
    const std::lock_guard lock(mutex_);
    if (inside_ < limit_) {
      ++inside_;
      co_return Status{};
    }
    self = std::make_shared<Waiter>(executor);
    self->timer.expires_after(patience);
    waiting_.push_back(self);
  }
  boost::system::error_code ended;  // by time, by leave(), or because the server stops
  co_await self->timer.async_wait(asio::redirect_error(use_task, ended));
  const std::lock_guard lock(mutex_);
  if (self->admitted) co_return Status{};
  std::erase(waiting_, self);
  co_return fail(ErrorCode::kTimeout, "no room for it in time");
}

void Gate::leave() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) {
    --inside_;
    return;
  }
  // The place goes to whoever has waited longest; its timer is touched on its own core only.
  const std::shared_ptr<Waiter> next = std::move(waiting_.front());
  waiting_.pop_front();
  next->admitted = true;
  asio::post(next->timer.get_executor(), [next] { next->timer.cancel(); });
}

size_t Gate::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace sentinel::net
