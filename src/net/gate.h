#pragma once
// How many tasks may be inside at once; the others wait in the order they came. For work that is bounded on purpose,
// such as queries. Thread-safe: tasks on different cores share one gate.

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "net/task.h"

namespace sentinel::net {

class Gate {
 public:
  // REQUIRES: limit > 0.
  explicit Gate(size_t limit) : limit_(limit) {}

  // Suspends until there is room; kTimeout when there was none for `patience`. Each ok is followed by one leave().
  Task<Status> enter(Micros patience);
  void leave();
  size_t waiting() const;

 private:
  struct Waiter;
  const size_t limit_;
  mutable std::mutex mutex_;
  size_t inside_ = 0;
  std::deque<std::shared_ptr<Waiter>> waiting_;
};

}  // namespace sentinel::net
