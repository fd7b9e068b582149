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

std::optional<BreakerState> parse_breaker_state(std::string_view name) {
  for (const BreakerState state : {BreakerState::kClosed, BreakerState::kHalfOpen, BreakerState::kOpen}) {
    if (breaker_state_name(state) == name) return state;
  }
  return std::nullopt;
}

Breaker::Pass Breaker::allow(TimePoint now) {
  const MutexLock lock(mutex_);
  if (held_open_) return Pass::kNo;
  if (!open_ || off()) return Pass::kCall;
  if (now < open_until_ || probing_) return Pass::kNo;
  probing_ = true;
  return Pass::kProbe;
}

void Breaker::close() {
  in_a_row_ = probes_good_ = 0;
  open_ = probing_ = false;
  counts_.clear();
}

void Breaker::succeeded(Pass pass, TimePoint now) {
  const MutexLock lock(mutex_);
  counts_.add(now, false);
  in_a_row_ = 0;
  // A call that was sent before it opened says nothing of now.
  if (!open_ || pass != Pass::kProbe) return;
  probing_ = false;
  if (++probes_good_ >= config_.probes) close();
}

bool Breaker::too_many(TimePoint now) {
  if (config_.threshold > 0 && in_a_row_ >= config_.threshold) return true;
  if (config_.failure_percent <= 0) return false;
  const int64_t total = counts_.total(now);
  if (total < config_.minimum_requests) return false;
  return static_cast<double>(counts_.marked(now)) * 100 >= config_.failure_percent * static_cast<double>(total);
}

void Breaker::failed(Pass pass, TimePoint now) {
  const MutexLock lock(mutex_);
  counts_.add(now, true);
  ++in_a_row_;
  // A call sent before it opened may still fail now; that does not prolong the pause unless it was the probe.
  if (off() || (open_ && pass != Pass::kProbe)) return;
  if (pass != Pass::kProbe && !too_many(now)) return;
  open_ = true;
  probing_ = false;
  probes_good_ = 0;
  open_until_ = now + config_.open;
}

void Breaker::withdrawn(Pass pass) {
  const MutexLock lock(mutex_);
  if (pass == Pass::kProbe) probing_ = false;
}

BreakerState Breaker::state(TimePoint now) const {
  const MutexLock lock(mutex_);
  if (held_open_) return BreakerState::kOpen;
  if (!open_ || off()) return BreakerState::kClosed;
  return now < open_until_ ? BreakerState::kOpen : BreakerState::kHalfOpen;
}

std::optional<TimePoint> Breaker::open_until() const {
  const MutexLock lock(mutex_);
  if (!open_ || held_open_) return std::nullopt;
  return open_until_;
}

bool Breaker::held() const {
  const MutexLock lock(mutex_);
  return held_open_;
}

Breaker::Counts Breaker::counts(TimePoint now) const {
  const MutexLock lock(mutex_);
  return {counts_.total(now), counts_.marked(now), in_a_row_};
}

void Breaker::force(std::optional<BreakerState> state, TimePoint now) {
  const MutexLock lock(mutex_);
  held_open_ = state == BreakerState::kOpen;
  if (state == BreakerState::kClosed) close();
  if (state != BreakerState::kHalfOpen) return;
  open_ = true;
  probing_ = false;
  probes_good_ = 0;
  open_until_ = now;
}

void Breaker::reconfigure(BreakerConfig config) {
  const MutexLock lock(mutex_);
  config_ = config;
  counts_.resize(config.window);
}

}  // namespace sentinel::gateway
