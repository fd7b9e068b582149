#include "gateway/call.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "gateway/attributes.h"
#include "gateway/limits.h"

namespace sentinel::gateway {

using net::Task;

namespace {

// Where our providers are is nobody's business out there: URLs leave a message that goes to a client.
std::string without_addresses(std::string_view message) {
  if (message.starts_with("cannot resolve ")) return "its name cannot be resolved";
  std::string out;
  for (const std::string_view word : split(message, ' ')) {
    if (!out.empty()) out += ' ';
    if (word.find("://") == std::string_view::npos) {
      out += word;
    } else {
      out += word.ends_with(':') ? "it:" : "it";
    }
  }
  return out;
}

}  // namespace

Call::Call(Gateway::Impl* gateway, net::Exchange* exchange, Asked asked)
    : gateway_(gateway),
      exchange_(exchange),
      asked_(std::move(asked)),
      core_(gateway->core(exchange->core())),
      plan_(gateway->plan.load()),
      started_us_(monotonic_us()),
      cancel_(std::make_shared<net::CancelToken>()) {}

Task<void> Call::run() {
  gateway_->call_begins(core_, *this);
  Outcome failure = prepare();
  exchange_->on_client_gone([cancel = cancel_] { cancel->cancel(); });
  if (!failure) failure = co_await try_targets();
  if (failure) co_await answer_failure(&*failure);
  gateway_->active.add(-1);
  record(failure);
  gateway_->call_ends(core_, *this);
}

void Call::break_off() {
  broken_off_ = true;
  cancel_->cancel();
}

// The call was given up: by its client, or by us.
Call::Failure Call::canceled() const {
  if (!broken_off_) return make_failure(ErrorType::kCallerDisconnected, "the client closed the connection");
  return shutting_down();
}

Call::Failure Call::shutting_down() const {
  Failure failure = make_failure(ErrorType::kGatewayShutdown, "the gateway is shutting down; please try again");
  failure.retry_after = kShutdownRetryAfter;
  return failure;
}

Call::Failure Call::make_failure(ErrorType type, std::string message) const {
  Failure failure;
  failure.type = type;
  failure.message = std::move(message);
  return failure;
}

double Call::elapsed_ms() const { return static_cast<double>(monotonic_us() - started_us_) / 1000.0; }

int64_t Call::left_ms() const { return route_->config.timeouts.total.count() - (monotonic_us() - started_us_) / 1000; }

Call::Outcome Call::prepare() {
  const TimePoint now = gateway_->clock.now();
  interaction_.request_id = make_request_id(now, core_.random);
  interaction_.timestamp_us = to_us(now);
  interaction_.service = plan_->config.service;
  interaction_.env = plan_->config.env;
  interaction_.endpoint = api_endpoint(asked_.api);
  interaction_.request_type = api_request_type(asked_.api);
  interaction_.guard_action = "none";
  net::Request& request = exchange_->request();
  read_attributes(request.headers, interaction_);
  interaction_.key_hash = key_hash(request);
  if (!interaction_.key_hash.empty()) interaction_.network = network_of(request.peer);
  if (interaction_.trace_id.empty()) interaction_.trace_id = make_trace_id(core_.random);

  auto info = read_request(asked_.api, request.body);
  if (!info) return make_failure(ErrorType::kCallerInvalidRequest, info.error().message());
  info_ = std::move(*info);
  if (api_family(asked_.api) == Family::kGemini) {
    info_.model = asked_.model;
    info_.stream = asked_.stream;
  }
  asked_.stream = info_.stream;
  interaction_.model = utf8_prefix(info_.model, kAttributeBytesMax);
  interaction_.stream = info_.stream;
  for (auto& flag : info_.simulate_flags) {
    auto& flags = interaction_.simulate_flags;
    if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.push_back(std::move(flag));
  }
  if (!info_.user.empty()) interaction_.user_hash = hex_encode(sha256(info_.user).substr(0, 8));
  route_ = plan_->find(info_.model);
  if (route_ == nullptr) {
    return make_failure(ErrorType::kGatewayNoRoute, "no route serves the model `" + interaction_.model + "`");
  }
  return check_policies();
}

Call::Outcome Call::check_policies() {
  const RouteConfig& config = route_->config;
  if (gateway_->draining.load()) return shutting_down();
  if (config.disabled) return make_failure(ErrorType::kPolicyRouteDisabled, "this model is switched off at the moment");
  if (config.max_prompt_chars > 0 && info_.prompt_chars > config.max_prompt_chars) {
    return make_failure(ErrorType::kPolicyPromptTooLong, "the prompt has " + std::to_string(info_.prompt_chars) +
                                                             " characters; at most " +
                                                             std::to_string(config.max_prompt_chars) + " are allowed");
  }
  if (config.injection != GuardAction::kOff && gateway_->injection_risk) {
    const double risk = gateway_->injection_risk(info_.prompt);
    interaction_.prompt_injection_risk = risk;
    if (risk >= config.injection_threshold) {
      interaction_.guard_action = config.injection == GuardAction::kBlock ? "block" : "flag";
      if (config.injection == GuardAction::kBlock) {
        return make_failure(ErrorType::kPolicyPromptBlocked,
                            "the prompt was blocked: it looks like a prompt injection");
      }
    }
  }
  return std::nullopt;
}

Task<Call::Outcome> Call::try_targets() {
  const auto targets = order_targets(*route_, core_.random);
  Outcome last;
  for (size_t i = 0; i < targets.size(); ++i) {
    interaction_.fallback_used = i > 0;
    if (i > 0) gateway_->fallbacks.add();
    Outcome outcome = co_await try_target(targets[i]);
    if (!outcome) co_return std::nullopt;
    // A closed door says less than the reason an earlier target gave.
    if (!last || outcome->type != ErrorType::kProviderCircuitOpen) last = std::move(outcome);
    if (!last->next || last->sent || cancel_->canceled() || left_ms() <= 0) break;
  }
  co_return last;
}

Task<Call::Outcome> Call::try_target(const Target* target) {
  target_ = target;
  const Provider& provider = *target->provider;
  if (attempts_ == 0) interaction_.provider = provider.config.name;
  if (Outcome cannot = begin_hop(*target)) co_return cannot;
  const RetryConfig& retries = route_->config.retries;
  for (int attempt = 1;; ++attempt) {
    Failure failure;
    failure.next = true;
    if (!provider.key_error.empty()) {
      failure.type = ErrorType::kGatewayMisconfigured;
      failure.message = provider.key_error;
      co_return failure;
    }
    if (!provider.breaker->allow(gateway_->clock.now())) {
      failure.type = ErrorType::kProviderCircuitOpen;
      failure.message = "provider " + provider.config.name + " is failing; it is not asked for a while";
      if (const auto until = provider.breaker->open_until()) {
        failure.retry_after = std::chrono::ceil<Millis>(std::max(*until - gateway_->clock.now(), Micros(0)));
      }
      co_return failure;
    }
    if (attempts_++ > 0) interaction_.retry_count = attempts_ - 1;
    if (attempt > 1) provider.retries->add();
    interaction_.provider = provider.config.name;
    Outcome outcome = co_await try_once();
    if (outcome && !outcome->sent && cancel_->canceled()) outcome = canceled();
    tell_breaker(provider, outcome);
    if (!outcome || outcome->sent || !outcome->retry || attempt >= retries.attempts) co_return outcome;
    Millis wait = backoff(retries, attempt, core_.random);
    if (outcome->retry_after) {
      if (*outcome->retry_after > retries.retry_after_max) co_return outcome;
      wait = std::max(wait, *outcome->retry_after);
    }
    if (wait.count() >= left_ms()) co_return outcome;
    co_await pause(wait);
    if (cancel_->canceled()) co_return canceled();
  }
}

Task<void> Call::pause(Millis wait) {
  gateway_->queue.add(1);
  const int64_t until_us = monotonic_us() + wait.count() * 1000;
  while (!cancel_->canceled()) {
    const Micros left(until_us - monotonic_us());
    if (left.count() <= 0) break;
    co_await net::sleep_for(std::min<Micros>(left, kBackoffSlice));
  }
  gateway_->queue.add(-1);
}

void Call::tell_breaker(const Provider& provider, const Outcome& outcome) {
  Breaker& breaker = *provider.breaker;
  const TimePoint now = gateway_->clock.now();
  if (!outcome) {
    breaker.succeeded();
  } else if (outcome->unhealthy) {
    breaker.failed(now);
  } else if (outcome->type == ErrorType::kCallerDisconnected || outcome->type == ErrorType::kProviderRateLimited ||
             outcome->type == ErrorType::kGatewayShutdown) {
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
       {"request_id", interaction_.request_id},
       {"trace_id", interaction_.trace_id}});
}

// What this target would be sent. A request that it cannot be asked for may suit the next one.
Call::Outcome Call::begin_hop(const Target& target) {
  auto hop = plan_hop(asked_, info_, exchange_->request().body, target);
  if (!hop) {
    const bool unsupported = hop.error().code() == ErrorCode::kUnprocessable;
    Failure failure = make_failure(unsupported ? ErrorType::kCallerUnsupported : ErrorType::kCallerInvalidRequest,
                                   hop.error().message());
    failure.next = true;
    return failure;
  }
  hop_ = std::move(*hop);
  served_model_ = hop_.model;
  return std::nullopt;
}

net::ClientRequest Call::make_request() {
  net::Request& original = exchange_->request();
  net::ClientRequest request;
  request.method = "POST";
  request.url = hop_url(hop_, asked_, original);
  request.headers = hop_headers(hop_, original, interaction_, core_.random);
  request.body = hop_.body ? *hop_.body : original.body;
  const TimeoutConfig& timeouts = route_->config.timeouts;
  request.timeouts.connect = hop_.provider->config.connect;
  request.timeouts.first_byte = info_.stream ? timeouts.first_token : timeouts.response;
  request.timeouts.idle = info_.stream ? timeouts.first_token : timeouts.response;
  request.timeouts.total = Millis(std::max<int64_t>(left_ms(), 1));
  request.body_bytes_max = kAnswerBytesMax;
  request.cancel = cancel_;
  return request;
}

Task<Call::Outcome> Call::add_token(net::ClientRequest* request) {
  const Provider& provider = *hop_.provider;
  auto token = co_await provider.tokens->token(&gateway_->client, &gateway_->clock);
  if (token) {
    request->headers.set("authorization", "Bearer " + *token);
    co_return std::nullopt;
  }
  if (cancel_->canceled()) co_return canceled();
  const bool refused =
      token.error().code() == ErrorCode::kUnauthenticated || token.error().code() == ErrorCode::kInvalidArgument;
  Failure failure = make_failure(refused ? ErrorType::kProviderAuthFailed : ErrorType::kProviderUnreachable,
                                 "provider " + interaction_.provider + ": no access token");
  failure.next = failure.unhealthy = true;
  failure.retry = !refused && route_->retry_connect;
  co_return failure;
}

Task<Call::Outcome> Call::try_once() {
  answer_ = AnswerInfo();
  attempt_started_us_ = monotonic_us();
  net::ClientRequest request = make_request();
  if (hop_.provider->tokens != nullptr) {
    if (Outcome failure = co_await add_token(&request)) co_return failure;
  }
  auto sent = co_await gateway_->client.send(std::move(request));
  if (!sent) co_return transport_failure(sent.error(), Stage::kNothing);
  Upstream upstream = std::move(*sent);
  if (upstream->status() < 200 || upstream->status() > 299) co_return co_await read_refusal(std::move(upstream));
  if (upstream->headers().get("content-type").starts_with("text/event-stream")) {
    co_return co_await relay_stream(std::move(upstream));
  }
  co_return co_await relay_whole(std::move(upstream));
}

Call::Failure Call::transport_failure(const Error& error, Stage stage) const {
  Failure failure = make_failure(ErrorType::kProviderUnreachable, error.message());
  failure.next = failure.unhealthy = true;
  const std::string& why = error.message();
  switch (error.code()) {
    case ErrorCode::kCanceled: return canceled();
    case ErrorCode::kTimeout:
      if (why.starts_with("connect")) {
        failure.retry = route_->retry_connect;
      } else if (stage == Stage::kSent) {
        failure.type = why.starts_with("total") ? ErrorType::kProviderTimeout : ErrorType::kProviderStreamStalled;
      } else {
        // A silent route stays silent: the next one is asked at once, this one is not asked again.
        const bool first_token = info_.stream && !why.starts_with("total");
        failure.type = first_token ? ErrorType::kProviderFirstTokenTimeout : ErrorType::kProviderTimeout;
      }
      break;
    case ErrorCode::kTooLarge:
      failure.type = ErrorType::kProviderBadResponse;
      failure.unhealthy = failure.next = false;
      break;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kInternal:
      failure.type = ErrorType::kGatewayMisconfigured;
      failure.unhealthy = false;
      break;
    default:
      if (why.find("not HTTP") != std::string::npos || why.starts_with("malformed")) {
        failure.type = ErrorType::kProviderBadResponse;
        failure.retry = route_->retry_5xx;
      } else if (stage != Stage::kNothing) {
        failure.type = ErrorType::kProviderStreamCut;
        failure.retry = route_->retry_cut;
      } else {
        failure.retry = route_->retry_connect;
      }
      break;
  }
  if (stage == Stage::kNothing && failure.unhealthy)  // bounded by the breaker
    log_warn("gateway", "provider does not answer", {{"provider", interaction_.provider}, {"error", why}});
  failure.message = "provider " + interaction_.provider + ": " + without_addresses(why);
  return failure;
}

Task<Call::Outcome> Call::read_refusal(Upstream upstream) {
  upstream->set_idle_timeout(std::min<Millis>(route_->config.timeouts.response, std::chrono::seconds(10)));
  auto body = co_await upstream->read_all();
  if (!body) {
    if (body.error().code() == ErrorCode::kCanceled) co_return canceled();
    body = std::string();  // the status says enough
  }
  if (body->size() > kErrorBodyBytesMax) body->resize(kErrorBodyBytesMax);
  co_return judge_refusal(upstream->status(), upstream->headers(), std::move(*body));
}

Call::Failure Call::judge_refusal(int status, const net::Headers& headers, std::string body) {
  const ProviderError said = read_provider_error(body);
  Failure failure = make_failure(ErrorType::kCallerInvalidRequest, said.message);
  if (failure.message.empty())
    failure.message = "provider " + interaction_.provider + " answered " + std::to_string(status);
  bool pass_on = true;
  if (status == 429) {
    failure.type = ErrorType::kProviderRateLimited;
    failure.next = true;
    failure.retry = route_->retry_429 && said.code != "insufficient_quota";
  } else if (status >= 500 || status == 408) {
    failure.type = ErrorType::kProviderError;
    failure.next = failure.unhealthy = true;
    failure.retry = route_->retry_5xx && status != 501;
  } else if (status == 401 || status == 403) {
    const bool our_key = target_->provider->has_key();
    if (status == 401 && target_->provider->tokens != nullptr) target_->provider->tokens->forget();
    failure.type = our_key ? ErrorType::kProviderAuthFailed : ErrorType::kCallerUnauthorized;
    failure.next = our_key;
    // What a provider says of a refused key may quote the key: it is not the caller's to see.
    if (our_key) failure.message = "provider " + interaction_.provider + " refused the credentials";
    pass_on = !our_key;
  } else if (status < 400) {
    failure.type = ErrorType::kProviderBadResponse;
    failure.next = failure.unhealthy = true;
    pass_on = false;
  } else if (said.kind() == ProviderError::Kind::kContentFilter) {
    failure.type = ErrorType::kPolicyContentFilter;
  } else if (said.kind() == ProviderError::Kind::kContextTooLong) {
    failure.type = ErrorType::kCallerContextTooLong;
  }
  if (failure.retry || failure.next) {
    failure.retry_after =
        parse_retry_after(headers.get("retry-after"), headers.get("retry-after-ms"), gateway_->clock.now());
  }
  if (pass_on && !body.empty()) {
    failure.answer = std::make_unique<net::Response>();
    failure.answer->status = status;
    failure.answer->headers = headers;
    failure.answer->body = std::move(body);
  }
  return failure;
}

net::Headers Call::answer_headers(const net::Headers& provider_headers) {
  net::Headers headers = downstream_headers(provider_headers, interaction_);
  add_own_headers(headers, interaction_, answer_.model.empty() ? served_model_ : answer_.model);
  return headers;
}

// A 200 that does not hold what was asked for: no success, neither for the client nor for the row.
Call::Failure Call::unusable_answer(bool readable) const {
  const std::string provider = "provider " + interaction_.provider;
  Failure failure =
      readable && answer_.error
          ? make_failure(ErrorType::kProviderError,
                         provider + ": " + (answer_.error->empty() ? "an error without a message" : *answer_.error))
          : make_failure(ErrorType::kProviderBadResponse,
                         provider + (readable ? " answered 200 without an answer: no choices or data are in it"
                                              : " answered 200 with something that is not JSON"));
  failure.next = failure.unhealthy = true;
  failure.retry = route_->retry_5xx;
  return failure;
}

StreamFacts Call::stream_facts() const {
  StreamFacts facts;
  facts.id = answer_id(asked_.api, interaction_.request_id);
  facts.model = served_model_;
  facts.created_s = interaction_.timestamp_us / 1'000'000;
  facts.include_usage = info_.include_usage;
  facts.json_array = asked_.json_array;
  return facts;
}

// The client's answer out of the provider's whole one.
Result<net::Response> Call::make_answer(const net::ClientResponse& upstream, std::string body) {
  net::Response response;
  response.status = upstream.status();
  if (!hop_.translated()) {
    response.headers = answer_headers(upstream.headers());
    response.body = std::move(body);
    return response;
  }
  std::string_view type = "application/json";
  if (info_.stream) {
    StreamRelay relay(hop_, asked_, stream_facts());
    type = relay.content_type();
    SENTINEL_TRY(relay.whole(body, response.body));
  } else {
    SENTINEL_ASSIGN(response.body, translate_answer(hop_, body, exchange_->request().body, answer_, stream_facts()));
  }
  response.headers = answer_headers(hop_answer_headers(upstream.headers(), type));
  return response;
}

Task<Call::Outcome> Call::relay_whole(Upstream upstream) {
  auto body = co_await upstream->read_all();
  if (!body) co_return transport_failure(body.error(), Stage::kBegun);
  const bool readable = read_answer(hop_.upstream, *body, answer_);
  if (!readable || !answer_.complete) co_return unusable_answer(readable);
  auto response = make_answer(*upstream, std::move(*body));
  if (!response) co_return unusable_answer(true);
  interaction_.http_status = response->status;
  const Status sent = co_await exchange_->respond(std::move(*response));
  if (sent) co_return std::nullopt;
  Failure failure = canceled();
  failure.sent = true;
  co_return failure;
}

Task<void> Call::answer_failure(Failure* failure) {
  if (failure->sent) co_return;
  if (failure->type == ErrorType::kCallerDisconnected) {
    interaction_.http_status = error_info(failure->type).http_status;
    exchange_->abort();
    co_return;
  }
  net::Response response;
  if (failure->answer && !hop_.translated()) {
    response.status = failure->answer->status;
    response.headers = downstream_headers(failure->answer->headers, interaction_);
    response.body = std::move(failure->answer->body);
  } else {
    // What a provider of another family says is told in the caller's words, with the provider's status.
    response.status = failure->answer ? failure->answer->status : error_info(failure->type).http_status;
    response.headers.add("content-type", "application/json");
    response.body = error_body(api_family(asked_.api), failure->type, failure->message, response.status);
    if (failure->retry_after) {
      response.headers.add("retry-after", std::to_string((failure->retry_after->count() + 999) / 1000));
    }
  }
  add_own_headers(response.headers, interaction_, served_model_);
  interaction_.http_status = response.status;
  (void)co_await exchange_->respond(std::move(response));
}

void Call::record(const Outcome& outcome) {
  interaction_.latency_ms = elapsed_ms();
  interaction_.status = outcome ? model::InteractionStatus::kError : model::InteractionStatus::kOk;
  if (outcome) interaction_.error_type = error_name(outcome->type);
  interaction_.prompt = std::move(info_.prompt);
  interaction_.context = std::move(info_.context);
  interaction_.tool_output = std::move(info_.tool_output);
  interaction_.response = std::move(answer_.text);
  interaction_.finish_reason = std::move(answer_.finish_reason);
  interaction_.model_version = std::string(utf8_prefix(answer_.model, kAttributeBytesMax));
  interaction_.tokens_input = answer_.tokens_input;
  interaction_.tokens_output = answer_.tokens_output;
  interaction_.tokens_cached_input = answer_.tokens_cached;
  interaction_.tokens_reasoning = answer_.tokens_reasoning;
  interaction_.response_length = std::count_if(interaction_.response.begin(), interaction_.response.end(),
                                               [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  interaction_.empty_response = !outcome && api_info(asked_.api).answers_text && answer_.tool_names.empty() &&
                                trim(interaction_.response).empty();
  if (answer_.refusal) interaction_.tags.emplace_back("refusal", "true");
  if (!answer_.tool_names.empty()) interaction_.tags.emplace_back("tool_calls", join(answer_.tool_names, ","));
  if (answer_.tokens_cache_write.value_or(0) > 0)
    interaction_.tags.emplace_back("tokens_cache_write", std::to_string(*answer_.tokens_cache_write));
  if (!interaction_.test_mode) {  // no rule may page for a test
    gateway_->count(core_, asked_.api, interaction_.http_status, interaction_.latency_ms / 1000.0);
    if (outcome) gateway_->count_error(asked_.api, outcome->type);
  }
  log_call();
  gateway_->sink.record(std::move(interaction_));
}

// No prompt, no answer, no header: what correlates it, and how it went.
void Call::log_call() const {
  if (!gateway_->log_calls) return;
  log_debug("gateway", "call",
            {{"request_id", interaction_.request_id},
             {"trace_id", interaction_.trace_id},
             {"endpoint", interaction_.endpoint},
             {"provider", interaction_.provider},
             {"model", interaction_.model},
             {"http_status", interaction_.http_status},
             {"error_type", interaction_.error_type},
             {"latency_ms", interaction_.latency_ms},
             {"retries", interaction_.retry_count},
             {"stream", interaction_.stream}});
}

}  // namespace sentinel::gateway
