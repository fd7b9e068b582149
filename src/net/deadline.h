#pragma once
// One coarse wheel of deadlines a core, instead of a timer for each socket operation: arming is a store or a list move.
// Two rings: 10 ms steps for what is due within 10 s, 1 s steps for the rest; the steps only tick while something is
// armed. A deadline fires at its time or up to one step (10 ms) later.

#include <boost/asio/execution_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "net/task.h"

namespace sentinel::net {

class DeadlineWheel;

// Base of an object that waits for something on one core. Intrusive; disarms itself when destroyed.
class Deadline {
 public:
  explicit Deadline(DeadlineWheel& wheel) : wheel_(wheel) {}
  virtual ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Replaces what was armed. Moving it further away costs only a store.
  void arm(Millis delay);
  void arm_until(int64_t when_ms);  // of now_ms()
  void disarm() { due_ms_ = 0; }
  static int64_t now_ms();  // monotonic

 protected:
  // On the core. The deadline is then disarmed; the object may destroy itself.
  virtual void on_deadline() = 0;

 private:
  friend class DeadlineWheel;
  DeadlineWheel& wheel_;
  Deadline* previous_ = nullptr;
  Deadline* next_ = nullptr;
  int64_t due_ms_ = 0;     // 0: not armed (it may still lie in a slot and is dropped when that comes round)
  int64_t linked_ms_ = 0;  // the time by which its slot is looked at; 0: in no slot
  bool coarse_ = false;
};

class DeadlineWheel final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  explicit DeadlineWheel(asio::execution_context& context);
  // The wheel of this core, made on first use.
  static DeadlineWheel& of(asio::io_context& core);

 private:
  friend class Deadline;
  static constexpr int64_t kFineStepMs = 10;
  static constexpr int64_t kCoarseStepMs = 1000;
  static constexpr size_t kSlots = 1024;
  struct Ring {
    int64_t step_ms = 0;
    int64_t done_step = 0;  // every step up to this one has been looked at
    size_t count = 0;
    std::array<Deadline*, kSlots> slots{};
    std::unique_ptr<
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>>
        timer;
    bool ticking = false;
  };
  using Timer = decltype(Ring::timer)::element_type;

  void shutdown() override;
  void link(Deadline& deadline);
  void unlink(Deadline& deadline);
  void start_ticking(Ring& ring);
  void tick(Ring& ring);
  void look_at(Ring& ring, size_t slot, int64_t now);

  asio::io_context& core_;
  Ring fine_;
  Ring coarse_;
};

}  // namespace sentinel::net
