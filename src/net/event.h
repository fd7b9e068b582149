#pragma once
// Something one task waits for and another on the same core brings about.

#include <boost/asio/steady_timer.hpp>

#include "net/task.h"

namespace sentinel::net {

// Lives on one core; at most one task waits at a time. Setting it more than once is the same as once.
class Event {
 public:
  explicit Event(asio::io_context& core) : timer_(core) {}
  void set();
  bool is_set() const { return set_; }
  // Waits begin anew from here.
  void clear() { set_ = false; }
  // True: it was set; false: `most` has passed before. The event outlives the task.
  Task<bool> wait_for(Micros most);
  Task<void> wait();

 private:
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
  Timer timer_;
  bool set_ = false;
};

}  // namespace sentinel::net
