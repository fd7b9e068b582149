#include "gateway/call.h"

#include "gateway/admission.h"
#include "gateway/attempts.h"
#include "gateway/attributes.h"
#include "gateway/last_resort.h"
#include "gateway/limits.h"

namespace sentinel::gateway {

using net::Task;

CallState::CallState(Gateway::Impl* impl, net::Exchange* with, Asked what)
    : gateway(impl),
      exchange(with),
      asked(std::move(what)),
      core(impl->core(with->core())),
      plan(impl->plan.load()),
      started_us(monotonic_us()),
      cancel(std::make_shared<net::CancelToken>()) {}

double CallState::elapsed_ms() const { return static_cast<double>(monotonic_us() - started_us) / 1000.0; }

int64_t CallState::left_ms() const {
  return route->config.timeouts.total.count() - (monotonic_us() - started_us) / 1000;
}

Failure CallState::canceled_failure() const {
  if (!broken_off) return make_failure(ErrorType::kCallerDisconnected, "the client closed the connection");
  return shutting_down();
}

Failure shutting_down() {
  Failure failure = make_failure(ErrorType::kGatewayShutdown, "the gateway is shutting down; please try again");
  failure.retry_after = kShutdownRetryAfter;
  return failure;
}

Task<void> Call::run() {
  Gateway::Impl& gateway = *state_.gateway;
  gateway.call_begins(state_.core, *this);
  Outcome failure = admit(state_);
  state_.exchange->on_client_gone([cancel = state_.cancel] { cancel->cancel(); });
  if (!failure) {
    CallStage::Verdict verdict = ask_stages();
    if (verdict.answer) {
      failure = co_await answer_from_stage(std::move(verdict.answer));
    } else if (verdict.refusal) {
      failure = std::move(verdict.refusal);
    } else {
      failure = co_await ask_targets(&state_);
    }
  }
  if (failure) {
    state_.kept.reset();
    co_await answer_failure(&*failure);
  } else {
    keep_for_last_resort(state_);
  }
  gateway.active.add(-1);
  record(failure);
  gateway.call_ends(state_.core, *this);
}

void Call::break_off() {
  state_.broken_off = true;
  state_.cancel->cancel();
}

CallStage::Verdict Call::ask_stages() {
  for (CallStage* const stage : state_.gateway->stages) {
    CallStage::Verdict verdict = stage->before(state_);
    if (verdict.refusal || verdict.answer) return verdict;
  }
  state_.hold_stream = state_.hold_stream || state_.route->config.conduct.hold_streams;
  prepare_last_resort(state_);
  return {};
}

Task<Outcome> Call::answer_from_stage(std::unique_ptr<net::Response> response) {
  add_own_headers(response->headers, state_.interaction, state_.served_model);
  set_headers(response->headers, state_.own_headers);
  state_.interaction.http_status = response->status;
  const Status sent = co_await state_.exchange->respond(std::move(*response));
  if (sent) co_return std::nullopt;
  Failure failure = state_.canceled_failure();
  failure.sent = true;
  co_return failure;
}

}  // namespace sentinel::gateway
