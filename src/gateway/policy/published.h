#pragma once
// A value that changes rarely and is read by every call on every core: keys, switches. Each core keeps a copy of the
// pointer and looks at one number to see whether it is still the present one, so reading takes no lock and writes to no
// memory that cores share.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/thread_annotations.h"

namespace sentinel::gateway {

template <class T>
class Published {
 public:
  // One a core; only that core touches it.
  struct Copy {
    std::shared_ptr<const T> value;
    uint64_t version = 0;
  };

  Published() : value_(std::make_shared<const T>()) {}

  // From any thread.
  void publish(std::shared_ptr<const T> value) {
    const MutexLock lock(mutex_);
    value_ = std::move(value);
    version_.fetch_add(1, std::memory_order_release);
  }
  std::shared_ptr<const T> get() const {
    const MutexLock lock(mutex_);
    return value_;
  }
  // Stays valid until the next get() with the same copy.
  const T& get(Copy& copy) const {
    if (const uint64_t version = version_.load(std::memory_order_acquire); copy.version != version) {
      copy.value = get();
      copy.version = version;
    }
    return *copy.value;
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const T> value_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> version_{1};
};

}  // namespace sentinel::gateway
