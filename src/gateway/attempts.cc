#include "gateway/attempts.h"

#include <algorithm>

#include "base/log.h"
#include "gateway/attempt.h"
#include "gateway/limits.h"

namespace sentinel::gateway {

using net::Task;

namespace {

// Until a failed target may be asked again; ends early when the leg is broken off.
Task<void> pause(CallState* call, Leg* leg, Millis wait) {
  call->gateway->queue.add(1);
  const int64_t until_us = monotonic_us() + wait.count() * 1000;
  while (!leg->cancel->canceled()) {
    const Micros left(until_us - monotonic_us());
    if (left.count() <= 0) break;
    co_await net::sleep_for(std::min<Micros>(left, kBackoffSlice));
  }
  call->gateway->queue.add(-1);
}

// Says nothing of the provider: the call was broken off, or there is too much of us.
bool is_silent(const Failure& failure) {
  return failure.lost || failure.type == ErrorType::kCallerDisconnected ||
         failure.type == ErrorType::kProviderRateLimited || failure.type == ErrorType::kGatewayShutdown;
}

void tell_breaker(const CallState& call, const Provider& provider, const Outcome& outcome) {
  Breaker& breaker = *provider.breaker;
  const TimePoint now = call.gateway->clock.now();
  if (outcome && outcome->unhealthy) {
    breaker.failed(now);
  } else if (outcome && is_silent(*outcome)) {
    breaker.withdrawn();
  } else {
    breaker.succeeded();  // it answered, if only to refuse
  }
  Counter* const answered = outcome ? provider.attempts_refused : provider.attempts_ok;
  (outcome && outcome->unhealthy ? provider.attempts_failed : answered)->add();
  const BreakerState state = breaker.state(now);
  const auto before = static_cast<BreakerState>(provider.breaker_state->value());
  if (before == state) return;
  provider.breaker_state->set(static_cast<double>(state));
  log(state == BreakerState::kOpen ? LogLevel::kWarn : LogLevel::kInfo, "gateway", "circuit breaker changed",
      {{"provider", provider.config.name},
       {"from", breaker_state_name(before)},
       {"to", breaker_state_name(state)},
       {"error_type", outcome ? error_name(outcome->type) : ""},
       {"request_id", call.interaction.request_id},
       {"trace_id", call.interaction.trace_id}});
}

// Why a target cannot be asked at the moment.
Outcome check_provider(const CallState& call, const Provider& provider) {
  if (!provider.key_error.empty()) {
    Failure failure = make_failure(ErrorType::kGatewayMisconfigured, provider.key_error);
    failure.next = true;
    return failure;
  }
  const TimePoint now = call.gateway->clock.now();
  if (provider.breaker->allow(now)) return std::nullopt;
  Failure failure = make_failure(ErrorType::kProviderCircuitOpen,
                                 "provider " + provider.config.name + " is failing; it is not asked for a while");
  failure.next = true;
  if (const auto until = provider.breaker->open_until())
    failure.retry_after = std::chrono::ceil<Millis>(std::max(*until - now, Micros(0)));
  return failure;
}

// How long to wait before the target is asked again; nullopt: it is not.
std::optional<Millis> wait_before_retry(const CallState& call, const Failure& failure, int attempt) {
  const RetryConfig& retries = call.route->config.retries;
  if (failure.sent || failure.lost || !failure.retry || attempt >= retries.attempts) return std::nullopt;
  Millis wait = backoff(retries, attempt, call.core.random);
  if (failure.retry_after) {
    if (*failure.retry_after > retries.retry_after_max) return std::nullopt;
    wait = std::max(wait, *failure.retry_after);
  }
  if (wait.count() >= call.left_ms()) return std::nullopt;
  return wait;
}

Task<Outcome> ask_target(CallState* call, Leg* leg, const Target* target) {
  Attempt attempt(call, leg, target);
  const Provider& provider = *target->provider;
  if (call->interaction.provider.empty()) call->interaction.provider = provider.config.name;
  if (Outcome cannot = attempt.plan()) co_return cannot;
  for (int count = 1;; ++count) {
    if (Outcome cannot = check_provider(*call, provider)) co_return cannot;
    if (call->attempts++ > 0) call->interaction.retry_count = call->attempts - 1;
    if (count > 1) provider.retries->add();
    attempt.adopt();
    Outcome outcome = co_await attempt.run();
    if (outcome && !outcome->sent && leg->cancel->canceled()) outcome = attempt.canceled();
    tell_breaker(*call, provider, outcome);
    if (!outcome || !outcome->lost) call->answer = std::move(attempt.answer());
    if (!outcome) co_return outcome;
    const auto wait = wait_before_retry(*call, *outcome, count);
    if (!wait) co_return outcome;
    co_await pause(call, leg, *wait);
    if (leg->cancel->canceled()) co_return attempt.canceled();
  }
}

}  // namespace

Task<Outcome> ask_targets(CallState* call) {
  const auto targets = order_targets(*call->route, call->core.random);
  Leg leg{.cancel = call->cancel};
  Outcome last;
  for (size_t i = 0; i < targets.size(); ++i) {
    call->interaction.fallback_used = i > 0;
    if (i > 0) call->gateway->fallbacks.add();
    Outcome outcome = co_await ask_target(call, &leg, targets[i]);
    if (!outcome) co_return std::nullopt;
    // A closed door says less than the reason an earlier target gave.
    if (!last || outcome->type != ErrorType::kProviderCircuitOpen) last = std::move(outcome);
    if (!last->next || last->sent || call->canceled() || call->left_ms() <= 0) break;
  }
  co_return last;
}

}  // namespace sentinel::gateway
