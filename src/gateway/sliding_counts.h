#pragma once
// How many events, and how many of them were marked, within the last `span`. Ten slots: what is old falls out a tenth
// at a time. Not thread-safe; time is given and must not run backwards by more than the span.

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/clock.h"

namespace sentinel::gateway {

class SlidingCounts {
 public:
  explicit SlidingCounts(Millis span) { resize(span); }

  void add(TimePoint now, bool marked) {
    turn(now);
    Slot& slot = slots_[static_cast<size_t>(newest_ % kSlots)];
    ++slot.total;
    slot.marked += marked;
  }
  int64_t total(TimePoint now) {
    turn(now);
    int64_t sum = 0;
    for (const Slot& slot : slots_) sum += slot.total;
    return sum;
  }
  int64_t marked(TimePoint now) {
    turn(now);
    int64_t sum = 0;
    for (const Slot& slot : slots_) sum += slot.marked;
    return sum;
  }
  void clear() { slots_ = {}; }
  // Forgets what was counted when the span is another one.
  void resize(Millis span) {
    const int64_t slot_us = std::max<int64_t>(span.count() * 1000 / kSlots, 1);
    if (slot_us == slot_us_) return;
    slot_us_ = slot_us;
    newest_ = 0;
    clear();
  }

 private:
  static constexpr int64_t kSlots = 10;
  struct Slot {
    int64_t total = 0;
    int64_t marked = 0;
  };

  void turn(TimePoint now) {
    const int64_t current = to_us(now) / slot_us_;
    if (current <= newest_) return;
    const int64_t first = std::max(newest_ + 1, current - kSlots + 1);
    for (int64_t i = first; i <= current; ++i) slots_[static_cast<size_t>(i % kSlots)] = {};
    newest_ = current;
  }

  std::array<Slot, kSlots> slots_{};
  int64_t slot_us_ = 0;
  int64_t newest_ = 0;
};

}  // namespace sentinel::gateway
