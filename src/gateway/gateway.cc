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

namespace sentinel::gateway {

using net::Task;

std::string_view endpoint_path(RequestType type) {
  switch (type) {
    case RequestType::kChat: return "/v1/chat/completions";
    case RequestType::kCompletion: return "/v1/completions";
    case RequestType::kEmbedding: return "/v1/embeddings";
  }
  return "";
}

Gateway::Impl::Impl(net::Runtime& rt, net::HttpClient& http, const Clock& time, MetricRegistry& registry,
                    InteractionSink& out)
    : runtime(rt),
      client(http),
      clock(time),
      metrics(registry),
      sink(out),
      cores(rt.cores()),
      active(registry.gauge("active_requests", "Calls being served.")),
      queue(registry.gauge("request_queue_depth", "Calls waiting to be sent again to a provider.")),
      fallbacks(registry.counter("sentinel_gateway_fallbacks_total", "Times a call went on to its next target.")) {
  for (auto& core : cores) {
    const std::string seed = secure_random(8);
    uint64_t number = 0;
    std::memcpy(&number, seed.data(), sizeof number);
    core.random = Random(number);
  }
  const std::vector<double> bounds = {0.1, 0.5, 1, 2, 5, 10, 30, 60};
  for (size_t i = 0; i < kRequestTypes; ++i) {
    const std::string endpoint(endpoint_path(static_cast<RequestType>(i)));
    durations[i] = &registry.histogram("request_duration_seconds", "From the request read to the last byte sent.",
                                       bounds, {{"endpoint", endpoint}});
  }
}

void Gateway::Impl::count(CoreState& core, RequestType type, int status, double seconds) {
  const auto index = static_cast<size_t>(type);
  durations[index]->observe(seconds);
  if (status < 0 || static_cast<size_t>(status) >= kStatusMax) status = 0;
  Counter*& counter = core.requests[index][static_cast<size_t>(status)];
  if (counter == nullptr) {
    counter = &metrics.counter(
        "http_requests_total", "Requests answered.",
        {{"method", "POST"}, {"endpoint", std::string(endpoint_path(type))}, {"status", std::to_string(status)}});
  }
  counter->add();
}

// Failures are rare enough to be looked up each time.
void Gateway::Impl::count_error(RequestType type, ErrorType error) {
  metrics
      .counter("errors_total", "Requests that failed, by whose fault it was.",
               {{"error_type", std::string(error_name(error))}, {"endpoint", std::string(endpoint_path(type))}})
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
  auto plan = make_plan(std::move(config), impl_->breakers, metrics, false);
  for (const auto& provider : (*plan)->providers) {
    if (!provider->key_error.empty()) log_warn("gateway", "no key for a provider", {{"why", provider->key_error}});
  }
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
  return make_plan(std::move(config), impl_->breakers, impl_->metrics, true);
}

void Gateway::install(std::shared_ptr<const Plan> plan) {
  MutexLock lock(impl_->mutex);
  for (const auto& provider : plan->providers) provider->breaker->reconfigure(plan->config.breaker);
  impl_->plan.store(std::move(plan));
}

std::shared_ptr<const GatewayConfig> Gateway::config() const {
  auto plan = impl_->plan.load();
  return {plan, &plan->config};
}

void Gateway::set_injection_risk(InjectionRisk fn) { impl_->injection_risk = std::move(fn); }

void Gateway::log_calls(bool on) { impl_->log_calls = on; }

std::vector<BreakerView> Gateway::breakers() const {
  std::vector<BreakerView> views;
  const auto plan = impl_->plan.load();
  for (const auto& provider : plan->providers) {
    views.push_back(
        {provider->config.name, provider->breaker->state(impl_->clock.now()), provider->breaker->open_until()});
  }
  return views;
}

Status Gateway::force_breaker(std::string_view provider, std::optional<BreakerState> state) {
  const auto plan = impl_->plan.load();
  for (const auto& each : plan->providers) {
    if (each->config.name != provider) continue;
    each->breaker->force(state);
    const BreakerState now = each->breaker->state(impl_->clock.now());
    each->breaker_state->set(static_cast<double>(now));
    log_info("gateway", "circuit breaker set by hand", {{"provider", provider}, {"to", breaker_state_name(now)}});
    return {};
  }
  return fail(ErrorCode::kNotFound, "no provider is called \"" + std::string(provider) + "\"");
}

namespace {

Task<void> serve_call(Gateway::Impl* gateway, net::Exchange* exchange, RequestType type) {
  Call call(gateway, exchange, type);
  co_await call.run();
}

// The models of the provider that serves what no other route does. Not an LLM call: no Interaction.
Task<void> serve_models(Gateway::Impl* gateway, net::Exchange* exchange) {
  const auto plan = gateway->plan.load();
  CoreState& core = gateway->core(exchange->core());
  const Provider* provider = nullptr;
  for (const Route& route : plan->routes) {
    if (!route.targets.empty()) provider = route.targets.front().provider;
  }
  if (provider == nullptr) {
    (void)co_await exchange->respond(
        net::json_response(404, error_body(ErrorType::kGatewayNoRoute, "no provider is configured")));
    co_return;
  }
  model::Interaction about;
  about.request_id = make_request_id(gateway->clock.now(), core.random);
  about.trace_id = make_trace_id(core.random);
  about.provider = provider->config.name;
  net::ClientRequest request;
  request.url = provider->url_prefix + exchange->request().target;
  request.headers = upstream_headers(exchange->request().headers, *provider, about, core.random);
  request.timeouts.connect = provider->config.connect;
  request.timeouts.total = std::chrono::seconds(30);
  auto answer = co_await gateway->client.fetch(std::move(request));
  net::Response response;
  if (answer) {
    response.status = answer->status;
    response.headers = downstream_headers(answer->headers, about);
    response.body = std::move(answer->body);
  } else {
    const bool late = answer.error().code() == ErrorCode::kTimeout;
    const ErrorType type = late ? ErrorType::kProviderTimeout : ErrorType::kProviderUnreachable;
    response = net::json_response(error_info(type).http_status, error_body(type, answer.error().message()));
  }
  add_own_headers(response.headers, about, {});
  (void)co_await exchange->respond(std::move(response));
}

}  // namespace

void Gateway::add_routes(net::Router& router) {
  Impl* const impl = impl_.get();
  for (const auto type : {RequestType::kChat, RequestType::kCompletion, RequestType::kEmbedding}) {
    router.add("POST", endpoint_path(type),
               [impl, type](net::Exchange* exchange) { return serve_call(impl, exchange, type); });
  }
  router.add("GET", "/v1/models", [impl](net::Exchange* exchange) { return serve_models(impl, exchange); });
  router.add("GET", "/v1/models/{id}", [impl](net::Exchange* exchange) { return serve_models(impl, exchange); });
}

}  // namespace sentinel::gateway
