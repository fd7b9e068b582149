#include "gateway/breaker.h"

namespace sentinel::gateway {

std::string_view breaker_state_name(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed: return "closed";
    case BreakerState::kHalfOpen: return "half_open";
    case BreakerState::kOpen: return "open";
  }
  return "closed";
}

bool Breaker::allow(TimePoint now) {
  MutexLock lock(mutex_);
  if (held_open_) return false;
  if (!open_ || config_.threshold == 0) return true;
  if (now < open_until_ || probing_) return false;
  probing_ = true;
  return true;
}

void Breaker::succeeded() {
  MutexLock lock(mutex_);
  failures_ = 0;
  open_ = probing_ = false;
}

void Breaker::failed(TimePoint now) {
  MutexLock lock(mutex_);
  if (config_.threshold == 0) return;
  ++failures_;
  // A call sent before it opened may still fail now; that does not prolong the pause unless it was the probe.
  if (open_ && !probing_) return;
  if (probing_ || failures_ >= config_.threshold) {
    open_ = true;
    probing_ = false;
    open_until_ = now + config_.open;
  }
}

void Breaker::withdrawn() {
  MutexLock lock(mutex_);
  probing_ = false;
}

BreakerState Breaker::state(TimePoint now) const {
  MutexLock lock(mutex_);
  if (held_open_) return BreakerState::kOpen;
  if (!open_ || config_.threshold == 0) return BreakerState::kClosed;
  return now < open_until_ ? BreakerState::kOpen : BreakerState::kHalfOpen;
}

std::optional<TimePoint> Breaker::open_until() const {
  MutexLock lock(mutex_);
  if (!open_) return std::nullopt;
  return open_until_;
}

void Breaker::force(std::optional<BreakerState> state) {
  MutexLock lock(mutex_);
  held_open_ = state == BreakerState::kOpen;
  if (state == BreakerState::kClosed) {
    failures_ = 0;
    open_ = probing_ = false;
  }
}

void Breaker::reconfigure(BreakerConfig config) {
  MutexLock lock(mutex_);
  config_ = config;
}

}  // namespace sentinel::gateway
