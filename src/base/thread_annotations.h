#pragma once
// Clang thread-safety annotations (-Wthread-safety) and a mutex they understand.

#include <mutex>

#if defined(__clang__)
#define SENTINEL_TSA(x) __attribute__((x))
#else
#define SENTINEL_TSA(x)
#endif

#ifndef GUARDED_BY  // abseil's headers define the same
#define GUARDED_BY(x) SENTINEL_TSA(guarded_by(x))
#endif
#define REQUIRES_LOCK(x) SENTINEL_TSA(requires_capability(x))
#define EXCLUDES_LOCK(x) SENTINEL_TSA(locks_excluded(x))

namespace sentinel {

class SENTINEL_TSA(capability("mutex")) Mutex {
 public:
  void lock() SENTINEL_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() SENTINEL_TSA(release_capability()) { mutex_.unlock(); }
  bool try_lock() SENTINEL_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

// Holds a Mutex for a scope. Never alive across co_await.
class SENTINEL_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SENTINEL_TSA(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() SENTINEL_TSA(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace sentinel
