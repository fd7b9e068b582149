#pragma once
// Calls between the gateway's cores and the telemetry worker, bounded in number and bytes, each with the time it came.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "model/interaction.h"

namespace sentinel::ingest {

struct QueuedCall {
  model::Interaction interaction;
  int64_t since_us = 0;  // monotonic_us() when it was handed over
};

size_t size_bytes(const model::Interaction& interaction);  // what it holds in memory, roughly

// Thread-safe. Tasks wait beside the calls and are never spilled.
class CallQueue {
 public:
  CallQueue(size_t calls_max, size_t bytes_max) : calls_max_(calls_max), bytes_max_(bytes_max) {}

  // False when full or closed.
  bool push(QueuedCall call);
  bool post(std::function<void()> task);  // false when closed
  struct Work {
    std::vector<std::function<void()>> tasks;  // all that wait
    std::vector<QueuedCall> calls;             // oldest first
  };
  // Waits up to `timeout` for something, or for close().
  Work pop(size_t calls_max, Millis timeout);
  // The oldest calls that came before `before_us`; of any age while more than half of the room is taken. Does not wait.
  std::vector<QueuedCall> pop_for_spill(size_t calls_max, int64_t before_us);
  // Puts what pop_for_spill() gave back in front; may exceed the bounds, since it had been inside.
  void put_back(std::vector<QueuedCall> calls);
  // Waits up to `timeout`, less while more than half of the room is taken or once closed.
  void wait_for_pressure(Millis timeout);
  void wait_for_close(Millis timeout);
  void close();
  bool closed() const;
  size_t size() const;

 private:
  bool crowded() const REQUIRES_LOCK(mutex_);
  QueuedCall take_front() REQUIRES_LOCK(mutex_);

  const size_t calls_max_;
  const size_t bytes_max_;
  mutable Mutex mutex_;
  std::condition_variable_any ready_;
  std::condition_variable_any pressure_;
  std::deque<QueuedCall> calls_ GUARDED_BY(mutex_);
  std::vector<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace sentinel::ingest
