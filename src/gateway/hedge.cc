#include "gateway/hedge.h"

#include <algorithm>

#include "gateway/attempt.h"
#include "gateway/balance.h"
#include "net/event.h"

namespace sentinel::gateway {

using net::Task;

namespace {

// Both legs and what they tell each other. Lives in the frame of ask_hedged, which waits for both.
struct Race {
  explicit Race(CallState* of)
      : call(of),
        first{.cancel = std::make_shared<net::CancelToken>()},
        second{.cancel = std::make_shared<net::CancelToken>(), .hedge = true},
        decided(of->exchange->core()),
        second_over(of->exchange->core()) {
    first.rival = &second;
    second.rival = &first;
  }
  CallState* const call;
  Leg first, second;
  net::Event decided;  // the second need not begin any more
  net::Event second_over;
  HedgedOutcome result;
};

void count_hedge(const CallState& call, const Target& target, std::string_view result) {
  call.gateway->metrics
      .counter("sentinel_gateway_hedges_total", "Second attempts beside a slow first one, by which served the call.",
               {{"provider", target.provider->config.name}, {"result", std::string(result)}})
      .add();
}

Task<void> run_second(Race* race, const Target* target, Micros delay) {
  // Whoever breaks this leg off while it waits wakes it.
  race->second.cancel->on_cancel([race] { race->decided.set(); }, race);
  const bool decided = co_await race->decided.wait_for(delay);
  race->second.cancel->on_cancel(nullptr, race);
  RetryBudget& budget = target->provider->health->budget;
  if (!decided && !race->second.cancel->canceled()) {
    if (budget.take(race->call->gateway->clock.now())) {
      race->result.second_asked = true;
      race->result.outcome = co_await ask_target(race->call, &race->second, target);
      count_hedge(*race->call, *target, race->result.outcome ? "lost" : "won");
    } else {
      target->provider->retries_refused->add();
    }
  }
  race->second_over.set();
}

// What the pair says when nobody has served the client.
Outcome worse_of(Outcome first, Outcome second) {
  if (first->lost) return second;
  if (!second || second->lost || second->type == ErrorType::kProviderCircuitOpen) return first;
  return second;
}

}  // namespace

std::optional<Micros> hedge_delay(const CallState& call, const Target& first) {
  const HedgeConfig& config = call.route->config.conduct.hedge;
  if (!config.on()) return std::nullopt;
  if (config.quantile > 0) {
    if (const auto known = lane_of(first, call.interaction.model).latency.quantile(config.quantile)) return known;
  }
  return Micros(config.after);
}

Task<HedgedOutcome> ask_hedged(CallState* call, const Target* first, const Target* second, Micros delay) {
  Race race(call);
  if (call->canceled()) co_return HedgedOutcome{call->canceled_failure()};
  call->cancel->on_cancel(
      [&race] {
        race.first.cancel->cancel();
        race.second.cancel->cancel();
      },
      &race);
  call->gateway->runtime.spawn_owned(call->exchange->core(), "hedge", run_second(&race, second, delay));
  Outcome outcome = co_await ask_target(call, &race.first, first);
  race.decided.set();
  // What is refused for good is not routed around.
  if (outcome && !outcome->next && !outcome->lost) {
    race.second.lost = true;
    race.second.cancel->cancel();
  }
  co_await race.second_over.wait();
  call->cancel->on_cancel(nullptr, &race);
  HedgedOutcome result = std::move(race.result);
  if (result.second_asked) call->interaction.tags.emplace_back("hedged", outcome ? "second" : "first");
  if (!outcome || (result.second_asked && !result.outcome)) {
    if (outcome && second != first) call->interaction.fallback_used = true;
    result.outcome.reset();
    co_return result;
  }
  result.outcome = worse_of(std::move(outcome), std::move(result.outcome));
  co_return result;
}

}  // namespace sentinel::gateway
