#include "gateway/gateway.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/strings.h"
#include "gateway/attributes.h"
#include "gateway/call.h"
#include "gateway/errors.h"
#include "gateway/gateway_impl.h"
#include "gateway/limits.h"
#include "gateway/models.h"
#include "gateway/policy/policy_stage.h"

namespace sentinel::gateway {

using net::Task;

namespace {

Histogram& duration_of(MetricRegistry& metrics, Api api) {
  return metrics.histogram("request_duration_seconds", "From the request read to the last byte sent.",
                           {0.1, 0.5, 1, 2, 5, 10, 30, 60}, {{"endpoint", std::string(api_endpoint(api))}});
}

}  // namespace

Gateway::Impl::Impl(net::Runtime& rt, net::HttpClient& http, const Clock& time, MetricRegistry& registry,
                    InteractionSink& out)
    : runtime(rt),
      client(http),
      clock(time),
      metrics(registry),
      sink(out),
      last_answers(kLastAnswersBytesMax),
      policies(registry),
      policy_stage(std::make_unique<PolicyStage>(policies, time)),
      cores(rt.cores()),
      active(registry.gauge("active_requests", "Calls being served.")),
      queue(registry.gauge("request_queue_depth", "Calls waiting to be sent again to a provider.")),
      fallbacks(registry.counter("sentinel_gateway_fallbacks_total", "Times a call went on to its next target.")) {
  stages.push_back(policy_stage.get());
  for (auto& core : cores) {
    const std::string seed = secure_random(8);
    uint64_t number = 0;
    std::memcpy(&number, seed.data(), sizeof number);
    core.random = Random(number);
  }
  // Those that every deployment has are there from the beginning, the others once they are used.
  for (const Api api : {Api::kChat, Api::kCompletion, Api::kEmbedding}) (void)duration_of(registry, api);
}

Gateway::Impl::~Impl() = default;

void Gateway::Impl::count(CoreState& core, Api type, int status, double seconds) {
  const auto index = static_cast<size_t>(type);
  if (core.durations[index] == nullptr) core.durations[index] = &duration_of(metrics, type);
  core.durations[index]->observe(seconds);
  if (status < 0 || static_cast<size_t>(status) >= kStatusMax) status = 0;
  Counter*& counter = core.requests[index][static_cast<size_t>(status)];
  if (counter == nullptr) {
    counter = &metrics.counter(
        "http_requests_total", "Requests answered.",
        {{"method", "POST"}, {"endpoint", std::string(api_endpoint(type))}, {"status", std::to_string(status)}});
  }
  counter->add();
}

// Failures are rare enough to be looked up each time.
void Gateway::Impl::count_error(Api type, ErrorType error) {
  metrics
      .counter("errors_total", "Requests that failed, by whose fault it was.",
               {{"error_type", std::string(error_name(error))}, {"endpoint", std::string(api_endpoint(type))}})
      .add();
}

void Gateway::Impl::call_begins(CoreState& core, Call& call) {
  active.add(1);
  calls_open.fetch_add(1);
  core.calls.push_back(&call);
}

// The last thing of a call: whoever waits for the drain may take everything down.
void Gateway::Impl::call_ends(CoreState& core, Call& call) {
  std::erase(core.calls, &call);
  if (calls_open.fetch_sub(1) != 1 || !draining.load()) return;
  const std::lock_guard lock(drain_mutex);
  drained.notify_all();
}

bool Gateway::Impl::wait_for_calls(Millis patience) {
  std::unique_lock lock(drain_mutex);
  return drained.wait_for(lock, patience, [this] { return calls_open.load() == 0; });
}

size_t Gateway::drain(Millis patience) {
  Impl& impl = *impl_;
  impl.draining.store(true);
  if (impl.wait_for_calls(patience)) return 0;
  const size_t left = impl.calls_open.load();
  for (size_t i = 0; i < impl.cores.size(); ++i) {
    net::asio::post(impl.runtime.core(i), [core = &impl.cores[i]] {
      const std::vector<Call*> calls = core->calls;  // one that ends at once leaves the list
      for (Call* call : calls) {
        if (std::find(core->calls.begin(), core->calls.end(), call) != core->calls.end()) call->break_off();
      }
    });
  }
  if (!impl.wait_for_calls(kBreakOffMax))
    log_warn("gateway", "calls do not end at shutdown", {{"calls", impl.calls_open.load()}});
  return left;
}

Gateway::Gateway(net::Runtime& runtime, net::HttpClient& client, const Clock& clock, MetricRegistry& metrics,
                 InteractionSink& sink, GatewayConfig config)
    : impl_(std::make_unique<Impl>(runtime, client, clock, metrics, sink)) {
  MutexLock lock(impl_->mutex);
  auto plan = make_plan(std::move(config), impl_->health, metrics, false);
  for (const auto& provider : (*plan)->providers) {
    if (!provider->key_error.empty()) log_warn("gateway", "no key for a provider", {{"why", provider->key_error}});
  }
  impl_->policies.cache.set_bytes_max((*plan)->config.policy.cache_bytes);
  impl_->plan.store(std::move(*plan));
}

Gateway::~Gateway() = default;

Status Gateway::configure(GatewayConfig config) {
  SENTINEL_ASSIGN(auto plan, prepare(std::move(config)));
  install(std::move(plan));
  return {};
}

Result<std::shared_ptr<const Plan>> Gateway::prepare(GatewayConfig config) {
  SENTINEL_TRY(check_config(config));
  MutexLock lock(impl_->mutex);
  return make_plan(std::move(config), impl_->health, impl_->metrics, true);
}

void Gateway::install(std::shared_ptr<const Plan> plan) {
  MutexLock lock(impl_->mutex);
  for (const auto& provider : plan->providers)
    provider->health->reconfigure(plan->config.breaker, plan->config.retry_budget);
  impl_->policies.cache.set_bytes_max(plan->config.policy.cache_bytes);
  impl_->plan.store(std::move(plan));
}

std::shared_ptr<const GatewayConfig> Gateway::config() const {
  auto plan = impl_->plan.load();
  return {plan, &plan->config};
}

void Gateway::set_injection_risk(InjectionRisk fn) { impl_->injection_risk = std::move(fn); }

Policies& Gateway::policies() { return impl_->policies; }

void Gateway::log_calls(bool on) { impl_->log_calls = on; }

std::vector<BreakerView> Gateway::breakers() const {
  std::vector<BreakerView> views;
  const auto plan = impl_->plan.load();
  const TimePoint now = impl_->clock.now();
  for (const auto& provider : plan->providers) {
    for (const Lane* lane : provider->health->lanes()) {
      views.push_back({lane->provider, lane->model, lane->breaker.state(now), lane->breaker.held(),
                       lane->breaker.open_until(), lane->breaker.counts(now), lane->under_way.load()});
    }
  }
  return views;
}

Status Gateway::force_breaker(std::string_view provider, std::string_view model, std::optional<BreakerState> state) {
  const auto plan = impl_->plan.load();
  for (const auto& each : plan->providers) {
    if (each->config.name != provider) continue;
    SENTINEL_TRY(each->health->force(model, state, impl_->clock.now()));
    log_info("gateway", "circuit breaker set by hand",
             {{"provider", provider},
              {"model", model},
              {"to", state ? breaker_state_name(*state) : std::string_view("auto")}});
    return {};
  }
  return fail(ErrorCode::kNotFound, "no provider is called \"" + std::string(provider) + "\"");
}

namespace {

Task<void> serve_call(Gateway::Impl* gateway, net::Exchange* exchange, Asked asked) {
  Call call(gateway, exchange, std::move(asked));
  co_await call.run();
}

// POST /v1beta/models/{model}:{action}
Task<void> serve_gemini(Gateway::Impl* gateway, net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  auto asked = parse_gemini_action(request.path_params.get("action"), request.query.get("alt") == "sse");
  if (asked) {
    co_await serve_call(gateway, exchange, std::move(*asked));
    co_return;
  }
  (void)co_await exchange->respond(net::json_response(
      404, error_body(Family::kGemini, ErrorType::kCallerUnsupported, "no such method: " + request.path, 404)));
}

}  // namespace

void Gateway::add_routes(net::Router& router) {
  Impl* const impl = impl_.get();
  for (const Api api : {Api::kChat, Api::kCompletion, Api::kEmbedding, Api::kResponses, Api::kModeration,
                        Api::kMessages, Api::kCountTokens}) {
    router.add("POST", api_endpoint(api),
               [impl, api](net::Exchange* exchange) { return serve_call(impl, exchange, Asked{.api = api}); });
  }
  router.add("POST", "/v1beta/models/{action...}",
             [impl](net::Exchange* exchange) { return serve_gemini(impl, exchange); });
  for (const std::string_view path : {"/v1/models", "/v1/models/{id...}", "/v1beta/models", "/v1beta/models/{id...}"}) {
    router.add("GET", path, [impl](net::Exchange* exchange) { return serve_models(impl, exchange); });
  }
}

}  // namespace sentinel::gateway
