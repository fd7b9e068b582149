#pragma once
// Pins: what somebody still looks at is not freed, what somebody is about to use is not removed. Each costs its holder
// one short lock.
//
// Deferred freeing (EpochChain): readers pin the present epoch; garbage is freed when all epochs up to the one it was
// thrown away in have no pins left.

#include <memory>
#include <mutex>
#include <utility>

namespace sentinel::tsdb {

using EpochPin = std::shared_ptr<const void>;

// Thread-safe. Pins must not outlive what the garbage itself refers to.
template <class Garbage>
class EpochChain {
 public:
  EpochPin pin() const {
    std::lock_guard lock(mutex_);
    return now_;
  }
  // REQUIRES: nobody who pins from now on can reach what is in `garbage`.
  void retire(Garbage garbage) {
    auto next = std::make_shared<Epoch>();
    std::shared_ptr<Epoch> old;  // freed outside the lock
    std::lock_guard lock(mutex_);
    old = std::exchange(now_, next);
    old->garbage = std::move(garbage);
    old->next = std::move(next);  // who pins an older epoch keeps the garbage of all later ones
  }

 private:
  struct Epoch {
    Garbage garbage;
    std::shared_ptr<Epoch> next;
  };
  mutable std::mutex mutex_;
  std::shared_ptr<Epoch> now_ = std::make_shared<Epoch>();
};

// Says whether somebody who began before the end of the last round is still at it. Thread-safe.
class RoundPins {
 public:
  EpochPin pin() const {
    std::lock_guard lock(mutex_);
    return now_;
  }
  // True when every pin that was taken before the last end_round() has been let go.
  bool settled() const {
    std::lock_guard lock(mutex_);
    return last_.expired();
  }
  // REQUIRES: settled(). One caller at a time.
  void end_round() {
    std::lock_guard lock(mutex_);
    last_ = std::exchange(now_, std::make_shared<const char>());
  }

 private:
  mutable std::mutex mutex_;
  EpochPin now_ = std::make_shared<const char>();
  std::weak_ptr<const void> last_;
};

}  // namespace sentinel::tsdb
