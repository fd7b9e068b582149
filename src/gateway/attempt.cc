#include "gateway/attempt.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "gateway/attributes.h"
#include "gateway/limits.h"

namespace sentinel::gateway {

using net::Task;

Outcome Attempt::plan() {
  auto hop = plan_hop(call_.asked, call_.info, call_.exchange->request().body, target_);
  if (!hop) {
    const bool unsupported = hop.error().code() == ErrorCode::kUnprocessable;
    Failure failure = make_failure(unsupported ? ErrorType::kCallerUnsupported : ErrorType::kCallerInvalidRequest,
                                   hop.error().message());
    failure.next = true;
    return failure;
  }
  hop_ = std::move(*hop);
  return std::nullopt;
}

void Attempt::adopt() {
  call_.interaction.provider = provider().config.name;
  call_.interaction.ttft_ms = ttft_ms_;
  call_.interaction.chunk_gaps = gaps_;
  call_.served_model = hop_.model;
  call_.translated = hop_.translated();
}

bool Attempt::claim() {
  if (leg_.lost) return false;
  if (leg_.rival != nullptr) {
    Leg& rival = *std::exchange(leg_.rival, nullptr);
    rival.lost = true;
    rival.rival = nullptr;
    rival.cancel->cancel();
    adopt();
  }
  call_.interaction.ttft_ms = ttft_ms_;
  return true;
}

Failure Attempt::canceled() const {
  if (!leg_.lost) return call_.canceled_failure();
  Failure failure = make_failure(ErrorType::kNone, "another attempt was faster");
  failure.lost = true;
  return failure;
}

// The client did not take what it was given.
Failure Attempt::gone() const {
  Failure failure = call_.canceled_failure();
  failure.sent = true;
  return failure;
}

// A failure of the provider that shows in its answer.
Failure Attempt::unwell(ErrorType type, std::string_view why) const {
  Failure failure = make_failure(type, "provider " + provider().config.name + ": " + std::string(why));
  failure.next = failure.unhealthy = true;
  return failure;
}

Micros Attempt::took() const { return Micros((answered_us_ != 0 ? answered_us_ : monotonic_us()) - started_us_); }

void Attempt::choose_key() {
  if (provider().keys == nullptr) return;
  key_index_ = provider().keys->pick(call_.gateway->clock.now());
  hop_.key = &provider().keys->key(key_index_);
}

bool Attempt::rotate_key(const Failure& why) {
  const KeysConfig& config = provider().config.keys;
  KeyRing& keys = *provider().keys;
  const TimePoint now = call_.gateway->clock.now();
  Millis rest = config.limited_rest;
  if (why.type == ErrorType::kProviderAuthFailed || why.key_spent) {
    rest = config.refused_rest;
  } else if (why.retry_after) {
    rest = *why.retry_after;
  }
  keys.rest(key_index_, now, rest);
  return keys.any_ready(now);
}

net::ClientRequest Attempt::make_request() {
  net::Request& original = call_.exchange->request();
  net::ClientRequest request;
  request.method = "POST";
  request.url = hop_url(hop_, call_.asked, original);
  request.headers = hop_headers(hop_, original, call_.interaction, call_.core.random);
  request.body = hop_.body ? *hop_.body : original.body;
  const TimeoutConfig& timeouts = call_.route->config.timeouts;
  request.timeouts.connect = provider().config.connect;
  request.timeouts.first_byte = call_.info.stream ? timeouts.first_token : timeouts.response;
  request.timeouts.idle = request.timeouts.first_byte;
  request.timeouts.total = Millis(std::max<int64_t>(call_.left_ms(), 1));
  request.body_bytes_max = kAnswerBytesMax;
  request.http2 = provider().config.http2;
  request.cancel = leg_.cancel;
  return request;
}

Task<Outcome> Attempt::add_token(net::ClientRequest* request) {
  auto token = co_await provider().tokens->token(&call_.gateway->client, &call_.gateway->clock);
  if (token) {
    request->headers.set("authorization", "Bearer " + *token);
    co_return std::nullopt;
  }
  if (leg_.cancel->canceled()) co_return canceled();
  const bool refused =
      token.error().code() == ErrorCode::kUnauthenticated || token.error().code() == ErrorCode::kInvalidArgument;
  Failure failure =
      unwell(refused ? ErrorType::kProviderAuthFailed : ErrorType::kProviderUnreachable, "no access token");
  failure.retry = !refused && call_.route->retry_connect;
  co_return failure;
}

Task<Outcome> Attempt::run() {
  answer_ = AnswerInfo();
  ttft_ms_.reset();
  started_us_ = monotonic_us();
  answered_us_ = 0;
  if (!call_.route->config.conduct.faults.empty()) {
    if (Outcome injected = co_await inject_before()) co_return injected;
  }
  choose_key();
  net::ClientRequest request = make_request();
  if (provider().tokens != nullptr) {
    if (Outcome failure = co_await add_token(&request)) co_return failure;
  }
  auto sent = co_await call_.gateway->client.send(std::move(request));
  if (!sent) co_return broken(sent.error(), Stage::kNothing);
  Upstream upstream = std::move(*sent);
  if (upstream->status() < 200 || upstream->status() > 299) co_return co_await read_refusal(std::move(upstream));
  if (upstream->headers().get("content-type").starts_with("text/event-stream")) {
    co_return co_await relay_stream(std::move(upstream));
  }
  co_return co_await relay_whole(std::move(upstream));
}

Failure Attempt::broken(const Error& error, Stage stage) const {
  if (error.code() == ErrorCode::kCanceled) return canceled();
  const std::string& name = provider().config.name;
  Failure failure = judge_transport(error, stage, call_.info.stream, *call_.route, name);
  if (stage == Stage::kNothing && failure.unhealthy)  // bounded by the breaker
    log_warn("gateway", "provider does not answer", {{"provider", name}, {"error", error.message()}});
  return failure;
}

Task<Outcome> Attempt::read_refusal(Upstream upstream) {
  upstream->set_idle_timeout(std::min<Millis>(call_.route->config.timeouts.response, std::chrono::seconds(10)));
  auto body = co_await upstream->read_all();
  if (!body) {
    if (body.error().code() == ErrorCode::kCanceled) co_return canceled();
    body = std::string();  // the status says enough
  }
  if (body->size() > kErrorBodyBytesMax) body->resize(kErrorBodyBytesMax);
  if (upstream->status() == 401 && provider().tokens != nullptr) provider().tokens->forget();
  co_return judge_refusal(upstream->status(), upstream->headers(), std::move(*body), *call_.route, provider(),
                          call_.gateway->clock.now());
}

net::Headers Attempt::answer_headers(const net::Headers& provider_headers) {
  net::Headers headers = downstream_headers(provider_headers, call_.interaction);
  add_own_headers(headers, call_.interaction, answer_.model.empty() ? hop_.model : answer_.model);
  set_headers(headers, call_.own_headers);
  return headers;
}

StreamFacts Attempt::stream_facts() const {
  StreamFacts facts;
  facts.id = answer_id(call_.asked.api, call_.interaction.request_id);
  facts.model = hop_.model;
  facts.created_s = call_.interaction.timestamp_us / 1'000'000;
  facts.include_usage = call_.info.include_usage;
  facts.json_array = call_.asked.json_array;
  return facts;
}

// The client's answer out of the provider's whole one.
Result<net::Response> Attempt::make_answer(const net::ClientResponse& upstream, std::string body) {
  net::Response response;
  response.status = upstream.status();
  if (!hop_.translated()) {
    response.headers = answer_headers(upstream.headers());
    response.body = std::move(body);
    return response;
  }
  std::string_view type = "application/json";
  if (call_.info.stream) {
    StreamRelay relay(hop_, call_.asked, stream_facts());
    type = relay.content_type();
    SENTINEL_TRY(relay.whole(body, response.body));
  } else {
    SENTINEL_ASSIGN(response.body,
                    translate_answer(hop_, body, call_.exchange->request().body, answer_, stream_facts()));
  }
  response.headers = answer_headers(hop_answer_headers(upstream.headers(), type));
  return response;
}

Task<Outcome> Attempt::relay_whole(Upstream upstream) {
  auto body = co_await upstream->read_all();
  if (!body) co_return broken(body.error(), Stage::kBegun);
  if (fault_ != nullptr) {
    if (Outcome injected = co_await inject_into_whole()) co_return injected;
  }
  const bool readable = read_answer(hop_.upstream, *body, answer_);
  const std::string& name = provider().config.name;
  if (!readable || !answer_.complete) co_return judge_unusable(readable, answer_, *call_.route, name);
  answered_us_ = monotonic_us();
  if (!claim()) co_return canceled();
  auto response = make_answer(*upstream, std::move(*body));
  if (!response) co_return judge_unusable(true, answer_, *call_.route, name);
  for (CallStage* const stage : call_.gateway->stages) {
    if (Outcome refused = stage->on_answer(call_, *response)) co_return refused;
  }
  call_.interaction.http_status = response->status;
  if (call_.keep_answer) call_.kept = std::make_unique<net::Response>(*response);
  const Status sent = co_await call_.exchange->respond(std::move(*response));
  if (sent) co_return std::nullopt;
  co_return gone();
}

}  // namespace sentinel::gateway
