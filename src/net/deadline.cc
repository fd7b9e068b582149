#include "net/deadline.h"

#include <algorithm>

namespace sentinel::net {

asio::execution_context::id DeadlineWheel::id;

int64_t Deadline::now_ms() {
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Deadline::arm(Millis delay) { arm_until(now_ms() + std::max<int64_t>(delay.count(), 1)); }

void Deadline::arm_until(int64_t when_ms) {
  due_ms_ = when_ms;
  // Later than the slot it lies in: the slot, when it comes round, moves it on. Earlier: it must move now.
  if (linked_ms_ != 0 && linked_ms_ <= when_ms) return;
  if (linked_ms_ != 0) wheel_.unlink(*this);
  wheel_.link(*this);
}

Deadline::~Deadline() {
  if (linked_ms_ != 0) wheel_.unlink(*this);
}

DeadlineWheel::DeadlineWheel(asio::execution_context& context)
    : asio::execution_context::service(context), core_(static_cast<asio::io_context&>(context)) {
  fine_.step_ms = kFineStepMs;
  coarse_.step_ms = kCoarseStepMs;
  fine_.timer = std::make_unique<Timer>(core_.get_executor());
  coarse_.timer = std::make_unique<Timer>(core_.get_executor());
}

DeadlineWheel& DeadlineWheel::of(asio::io_context& core) { return asio::use_service<DeadlineWheel>(core); }

void DeadlineWheel::shutdown() {
  fine_.timer.reset();
  coarse_.timer.reset();
}

void DeadlineWheel::link(Deadline& deadline) {
  const int64_t now = Deadline::now_ms();
  const int64_t horizon = kFineStepMs * static_cast<int64_t>(kSlots - 2);
  Ring& ring = deadline.due_ms_ - now < horizon ? fine_ : coarse_;
  if (ring.count == 0) ring.done_step = now / ring.step_ms;
  // The fine ring rounds up, so that nothing fires early; the coarse one rounds down, to hand over to the fine one.
  const bool fine = &ring == &fine_;
  int64_t step = fine ? (deadline.due_ms_ + ring.step_ms - 1) / ring.step_ms : deadline.due_ms_ / ring.step_ms - 1;
  step = std::clamp(step, ring.done_step + 1, ring.done_step + static_cast<int64_t>(kSlots) - 1);
  deadline.coarse_ = !fine;
  deadline.linked_ms_ = step * ring.step_ms;
  Deadline*& head = ring.slots[static_cast<size_t>(step) % kSlots];
  deadline.previous_ = nullptr;
  deadline.next_ = head;
  if (head != nullptr) head->previous_ = &deadline;
  head = &deadline;
  ++ring.count;
  if (!ring.ticking) start_ticking(ring);
}

void DeadlineWheel::unlink(Deadline& deadline) {
  Ring& ring = deadline.coarse_ ? coarse_ : fine_;
  if (deadline.previous_ != nullptr) {
    deadline.previous_->next_ = deadline.next_;
  } else {
    ring.slots[static_cast<size_t>(deadline.linked_ms_ / ring.step_ms) % kSlots] = deadline.next_;
  }
  if (deadline.next_ != nullptr) deadline.next_->previous_ = deadline.previous_;
  deadline.previous_ = deadline.next_ = nullptr;
  deadline.linked_ms_ = 0;
  --ring.count;
}

void DeadlineWheel::start_ticking(Ring& ring) {
  if (!ring.timer) return;  // shutting down
  ring.ticking = true;
  ring.timer->expires_after(Millis(ring.step_ms));
  ring.timer->async_wait([this, &ring](const boost::system::error_code& error) {
    ring.ticking = false;
    if (error) return;
    tick(ring);
    if (ring.count > 0 && !ring.ticking) start_ticking(ring);
  });
}

void DeadlineWheel::tick(Ring& ring) {
  const int64_t now = Deadline::now_ms();
  const int64_t step_now = now / ring.step_ms;
  // After a long pause one turn looks at every slot; more turns would find nothing new.
  const int64_t first = std::max(ring.done_step + 1, step_now - static_cast<int64_t>(kSlots) + 1);
  for (int64_t step = first; step <= step_now; ++step) {
    ring.done_step = step;
    look_at(ring, static_cast<size_t>(step) % kSlots, now);
  }
}

void DeadlineWheel::look_at(Ring& ring, size_t slot, int64_t now) {
  // Callbacks may arm, disarm and destroy any deadline, so the list is read from its head each time. What must wait on
  // is linked again under a later step, never under this one.
  while (Deadline* deadline = ring.slots[slot]) {
    unlink(*deadline);
    if (deadline->due_ms_ == 0) continue;
    if (deadline->due_ms_ <= now) {
      deadline->due_ms_ = 0;
      deadline->on_deadline();
    } else {
      link(*deadline);
    }
  }
}

}  // namespace sentinel::net
