#pragma once
// A bounded queue between threads. A full queue refuses instead of growing; the caller decides what that means.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/thread_annotations.h"

namespace sentinel {

// Many producers, many consumers. Thread-safe.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False when full or closed; `value` is then untouched.
  bool try_push(T&& value) {
    MutexLock lock(mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(value));
    ready_.notify_one();
    return true;
  }

  // Waits up to `timeout` for the first item, then takes up to `max_items` without waiting. Empty: timed out, or closed
  // and drained.
  std::vector<T> pop_batch(size_t max_items, std::chrono::milliseconds timeout)
      SENTINEL_TSA(no_thread_safety_analysis) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, timeout,
                    [this]() SENTINEL_TSA(no_thread_safety_analysis) { return closed_ || !items_.empty(); });
    std::vector<T> batch;
    while (!items_.empty() && batch.size() < max_items) {
      batch.push_back(std::move(items_.front()));
      items_.pop_front();
    }
    return batch;
  }

  // No more pushes; waiting consumers wake and drain.
  void close() {
    MutexLock lock(mutex_);
    closed_ = true;
    ready_.notify_all();
  }
  bool closed() const {
    MutexLock lock(mutex_);
    return closed_;
  }
  size_t size() const {
    MutexLock lock(mutex_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  const size_t capacity_;
  mutable Mutex mutex_;
  std::condition_variable_any ready_;
  std::deque<T> items_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace sentinel
