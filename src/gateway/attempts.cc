#include "gateway/attempts.h"

#include <algorithm>

#include "base/log.h"
#include "gateway/attempt.h"
#include "gateway/balance.h"
#include "gateway/hedge.h"
#include "gateway/limits.h"

namespace sentinel::gateway {

using net::Task;

namespace {

// Until a failed target may be asked again.
Task<void> pause(CallState* call, Leg* leg, Millis wait) {
  call->gateway->queue.add(1);
  co_await wait_on(leg, wait);
  call->gateway->queue.add(-1);
}

// Says nothing of the provider: the call was broken off, or there is too much of us.
bool is_silent(const Failure& failure) {
  return failure.lost || failure.type == ErrorType::kCallerDisconnected ||
         failure.type == ErrorType::kProviderRateLimited || failure.type == ErrorType::kGatewayShutdown;
}

void log_breaker(const CallState& call, const Lane& lane, Lane::Shown shown, const Outcome& outcome) {
  log(shown.now == BreakerState::kOpen ? LogLevel::kWarn : LogLevel::kInfo, "gateway", "circuit breaker changed",
      {{"provider", lane.provider},
       {"model", lane.model},
       {"from", breaker_state_name(shown.before)},
       {"to", breaker_state_name(shown.now)},
       {"error_type", outcome ? error_name(outcome->type) : ""},
       {"request_id", call.interaction.request_id},
       {"trace_id", call.interaction.trace_id}});
}

void tell_breaker(const CallState& call, const Provider& provider, Lane& lane, Breaker::Pass pass,
                  const Outcome& outcome) {
  const TimePoint now = call.gateway->clock.now();
  if (outcome && outcome->unhealthy) {
    lane.breaker.failed(pass, now);
  } else if (outcome && is_silent(*outcome)) {
    lane.breaker.withdrawn(pass);
  } else {
    lane.breaker.succeeded(pass, now);  // it answered, if only to refuse
  }
  Counter* const answered = outcome ? provider.attempts_refused : provider.attempts_ok;
  (outcome && outcome->unhealthy ? provider.attempts_failed : answered)->add();
  const Lane::Shown shown = lane.show(now);
  if (shown.before != shown.now) log_breaker(call, lane, shown, outcome);
}

Failure circuit_open(const Lane& lane, TimePoint now) {
  Failure failure = make_failure(ErrorType::kProviderCircuitOpen,
                                 "provider " + lane.provider + " is failing; it is not asked for a while");
  failure.next = true;
  if (const auto until = lane.breaker.open_until())
    failure.retry_after = std::chrono::ceil<Millis>(std::max(*until - now, Micros(0)));
  return failure;
}

// How long to wait before the target is asked again; nullopt: it is not.
std::optional<Millis> wait_before_retry(const CallState& call, const Provider& provider, const Failure& failure,
                                        int attempt) {
  const RetryConfig& retries = call.route->config.retries;
  if (failure.sent || failure.lost || !failure.retry || attempt >= retries.attempts) return std::nullopt;
  Millis wait = backoff(retries, attempt, call.core.random);
  if (failure.retry_after) {
    if (*failure.retry_after > retries.retry_after_max) return std::nullopt;
    wait = std::max(wait, *failure.retry_after);
  }
  if (wait.count() >= call.left_ms()) return std::nullopt;
  if (provider.health->budget.take(call.gateway->clock.now())) return wait;
  provider.retries_refused->add();
  return std::nullopt;
}

void begin_attempt(CallState& call, const Leg& leg, Attempt& attempt, Lane& lane, bool first, TimePoint now) {
  if (!(leg.hedge && first) && call.attempts++ > 0) call.interaction.retry_count = call.attempts - 1;
  if (first && !leg.hedge) {
    attempt.provider().health->budget.asked(now);
  } else if (!first) {
    attempt.provider().retries->add();
  }
  attempt.adopt();
  lane.under_way.fetch_add(1, std::memory_order_relaxed);
}

// A target that fails fast must not look like a fast one, nor one that loses a race as if it had answered.
void measure(Attempt& attempt, Lane& lane, const Outcome& outcome, TimePoint now) {
  if (outcome && !outcome->unhealthy && !outcome->lost) return;
  const Micros took = attempt.took();
  lane.latency.observe(outcome && outcome->unhealthy ? std::max<Micros>(took, kFailureLatency) : took, now);
}

void end_attempt(CallState& call, Leg& leg, Attempt& attempt, Lane& lane, Breaker::Pass pass, Outcome& outcome) {
  lane.under_way.fetch_sub(1, std::memory_order_relaxed);
  if (outcome && !outcome->sent && leg.cancel->canceled()) outcome = attempt.canceled();
  tell_breaker(call, attempt.provider(), lane, pass, outcome);
  if (call.route->measures_latency) measure(attempt, lane, outcome, call.gateway->clock.now());
  if (outcome && outcome->lost) return;
  attempt.adopt();
  call.answer = std::move(attempt.answer());
}

// A key that was refused or limited: the same target is asked at once with another, as often as there are keys.
bool try_other_key(Attempt& attempt, const Failure& failure, size_t& rotations) {
  const Provider& provider = attempt.provider();
  if (provider.keys == nullptr || failure.sent || failure.lost) return false;
  if (failure.type != ErrorType::kProviderAuthFailed && failure.type != ErrorType::kProviderRateLimited) return false;
  if (!attempt.rotate_key(failure) || ++rotations >= provider.keys->size()) return false;
  provider.key_rotations->add();
  return true;
}

}  // namespace

Task<Outcome> ask_target(CallState* call, Leg* leg, const Target* target) {
  Attempt attempt(call, leg, target);
  const Provider& provider = *target->provider;
  if (call->interaction.provider.empty()) call->interaction.provider = provider.config.name;
  if (Outcome cannot = attempt.plan()) co_return cannot;
  if (!provider.key_error.empty()) {
    Failure failure = make_failure(ErrorType::kGatewayMisconfigured, provider.key_error);
    failure.next = true;
    co_return failure;
  }
  Lane& lane = lane_of(*target, call->interaction.model);
  size_t rotations = 0;
  for (int count = 1;; ++count) {
    const TimePoint now = call->gateway->clock.now();
    const Breaker::Pass pass = lane.breaker.allow(now);
    if (pass == Breaker::Pass::kNo) co_return circuit_open(lane, now);
    begin_attempt(*call, *leg, attempt, lane, count == 1 && rotations == 0, now);
    Outcome outcome = co_await attempt.run();
    end_attempt(*call, *leg, attempt, lane, pass, outcome);
    if (!outcome) co_return outcome;
    if (try_other_key(attempt, *outcome, rotations)) {
      --count;
      continue;
    }
    const auto wait = wait_before_retry(*call, provider, *outcome, count);
    if (!wait) co_return outcome;
    co_await pause(call, leg, *wait);
    if (leg->cancel->canceled()) co_return attempt.canceled();
  }
}

namespace {

// What a later target says that cannot serve the request tells less than why an earlier one failed: a closed door, or a
// model that does not take what the first one would have taken.
bool says_less(const Failure& later, const Failure& earlier) {
  if (later.type == ErrorType::kProviderCircuitOpen) return true;
  const bool of_the_request = later.type == ErrorType::kCallerInvalidRequest ||
                              later.type == ErrorType::kCallerUnsupported ||
                              later.type == ErrorType::kCallerContextTooLong;
  return of_the_request && !later.sent && error_name(earlier.type).starts_with("provider_");
}

// What is told when nobody answers.
class LastWord {
 public:
  explicit LastWord(CallState& call) : call_(call) {}
  // True: another target may be asked.
  bool hear(Failure failure) {
    const bool over = failure.sent || failure.lost || call_.canceled() || call_.left_ms() <= 0;
    const bool masked = failure_ && !over && says_less(failure, *failure_);
    const bool next = failure.next || masked;
    if (!masked) {
      provider_ = call_.interaction.provider;
      model_ = call_.served_model;
      translated_ = call_.translated;
      failure_ = std::move(failure);
    }
    return next && !over;
  }
  bool context_too_long() const { return failure_ && failure_->type == ErrorType::kCallerContextTooLong; }
  Outcome take() {
    if (failure_) {
      call_.interaction.provider = provider_;
      call_.served_model = model_;
      call_.translated = translated_;
    }
    return std::move(failure_);
  }

 private:
  CallState& call_;
  Outcome failure_;
  std::string provider_, model_;
  bool translated_ = false;
};

TargetOrder larger_targets(const Route& route) {
  TargetOrder order;
  for (const Target& target : route.larger) order.add(&target);
  return order;
}

}  // namespace

Task<void> wait_on(Leg* leg, Millis wait) {
  const int64_t until_us = monotonic_us() + wait.count() * 1000;
  while (!leg->cancel->canceled()) {
    const Micros left(until_us - monotonic_us());
    if (left.count() <= 0) break;
    co_await net::sleep_for(std::min<Micros>(left, kBackoffSlice));
  }
}

Task<Outcome> ask_targets(CallState* call) {
  TargetOrder order = order_targets(*call->route, call->interaction.model, call->gateway->clock.now(),
                                    call->core.random, call->gateway->policies.cost_of);
  Leg leg{.cancel = call->cancel};
  LastWord last(*call);
  bool larger = false;
  for (size_t i = 0; i < order.count; ++i) {
    call->interaction.fallback_used = i > 0 || larger;
    if (call->interaction.fallback_used) call->gateway->fallbacks.add();
    Outcome outcome;
    const auto delay = i == 0 && !larger ? hedge_delay(*call, *order.targets[0]) : std::nullopt;
    if (delay) {
      const Target* const second = order.targets[order.count > 1 ? 1 : 0];
      HedgedOutcome both = co_await ask_hedged(call, order.targets[0], second, *delay);
      outcome = std::move(both.outcome);
      if (both.second_asked && order.count > 1) ++i;
    } else {
      outcome = co_await ask_target(call, &leg, order.targets[i]);
    }
    if (!outcome) co_return std::nullopt;
    const bool next = last.hear(std::move(*outcome));
    if (last.context_too_long() && !larger && !call->route->larger.empty() && !call->canceled()) {
      larger = true;
      order = larger_targets(*call->route);
      i = static_cast<size_t>(-1);
    } else if (!next) {
      break;
    }
  }
  co_return last.take();
}

}  // namespace sentinel::gateway
