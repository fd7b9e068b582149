#include "net/event.h"

#include "net/socket.h"

namespace sentinel::net {

void Event::set() {
  set_ = true;
  timer_.cancel();
}

Task<bool> Event::wait_for(Micros most) {
  if (!set_) {
    timer_.expires_after(most);
    (void)co_await timer_.async_wait(use_tuple);
  }
  co_return set_;
}

Task<void> Event::wait() {
  while (!set_) {
    timer_.expires_at(std::chrono::steady_clock::time_point::max());
    (void)co_await timer_.async_wait(use_tuple);
  }
}

}  // namespace sentinel::net
