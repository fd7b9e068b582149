#pragma once
// Deferred freeing: readers pin the present epoch; garbage is freed when all epochs up to the one it was thrown away in
// have no pins left. Cost for a reader: one short lock.

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

}  // namespace sentinel::tsdb
