#include "gateway/simulated_provider.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"
#include "base/thread_annotations.h"
#include "gateway/attributes.h"
#include "gateway/errors.h"
#include "gateway/hop.h"
#include "gateway/models.h"
#include "gateway/protocol/info.h"
#include "gateway/protocol/protocol.h"
#include "gateway/sim_text.h"
#include "net/http_server.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

using net::Exchange;
using net::Task;

constexpr size_t kSeenMax = 100'000;  // contents and traces remembered; then all are forgotten
constexpr size_t kWordsPerChunk = 3;
constexpr size_t kEmbeddingSize = 64;

struct RateField {
  std::string_view name;
  double SimulatedBehaviour::* member;
  double max;
};
constexpr RateField kFields[] = {
    {"error_rate", &SimulatedBehaviour::error_rate, 1},
    {"rate_limit_rate", &SimulatedBehaviour::rate_limit_rate, 1},
    {"block_rate", &SimulatedBehaviour::block_rate, 1},
    {"empty_rate", &SimulatedBehaviour::empty_rate, 1},
    {"unsafe_rate", &SimulatedBehaviour::unsafe_rate, 1},
    {"pii_rate", &SimulatedBehaviour::pii_rate, 1},
    {"ungrounded_rate", &SimulatedBehaviour::ungrounded_rate, 1},
    {"off_topic_rate", &SimulatedBehaviour::off_topic_rate, 1},
    {"drift_share", &SimulatedBehaviour::drift_share, 1},
    {"latency_scale", &SimulatedBehaviour::latency_scale, 1000},
    {"ttft_median_ms", &SimulatedBehaviour::ttft_median_ms, 600'000},
    {"tokens_per_second", &SimulatedBehaviour::tokens_per_second, 1'000'000},
};

// What one request will get, decided before anything is sent.
struct Reply {
  int status = 200;
  bool rate_limited = false;
  std::string model;
  std::string text;
  std::string finish_reason = "stop";
  int64_t tokens_input = 0;
  int64_t tokens_cached = 0;
  int64_t tokens_output = 0;
  double ttft_ms = 0;
  double ms_per_token = 0;
};

class Simulated final : public SimulatedProvider {
 public:
  explicit Simulated(SimulatedOptions options) : options_(std::move(options)), behaviour_(options_.behaviour) {}
  ~Simulated() override { stop(); }

  Status listen(net::Runtime& runtime, MetricRegistry& metrics);
  uint16_t port() const override { return server_->port(); }
  std::string base_url() const override { return "http://" + options_.address + ":" + std::to_string(port()); }
  SimulatedBehaviour behaviour() const override {
    MutexLock lock(mutex_);
    return behaviour_;
  }
  void set_behaviour(SimulatedBehaviour behaviour) override {
    MutexLock lock(mutex_);
    behaviour_ = std::move(behaviour);
  }
  Status control(std::string_view json) override;
  void stop() override {
    if (server_) server_->stop(Millis(0));
  }

  Reply decide(const RequestInfo& info, const std::vector<std::string>& flags, std::string_view trace,
               std::string_view body);
  Micros scaled(double ms) const { return Micros(static_cast<int64_t>(ms * 1000 * options_.time_scale)); }
  std::string state_json() const;

 private:
  uint64_t times_seen(uint64_t key) EXCLUDES_LOCK(mutex_);

  const SimulatedOptions options_;
  mutable Mutex mutex_;
  SimulatedBehaviour behaviour_ GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, uint64_t> seen_ GUARDED_BY(mutex_);
  std::unique_ptr<net::HttpServer> server_;
};

// How often this was asked for before.
uint64_t Simulated::times_seen(uint64_t key) {
  MutexLock lock(mutex_);
  if (seen_.size() > kSeenMax) seen_.clear();
  return seen_[key]++;
}

Status Simulated::control(std::string_view json) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(boost::json::string_view(json.data(), json.size()), error);
  if (error || !value.is_object()) return fail(ErrorCode::kInvalidArgument, "the body must be a JSON object");
  SimulatedBehaviour next = behaviour();
  for (const auto& field : value.get_object()) {
    const std::string_view name(field.key().data(), field.key().size());
    if (name == "model_version") {
      if (!field.value().is_string()) return fail(ErrorCode::kInvalidArgument, "model_version must be a string");
      next.model_version = std::string(field.value().get_string());
      continue;
    }
    const auto known =
        std::find_if(std::begin(kFields), std::end(kFields), [&](const auto& f) { return f.name == name; });
    if (known == std::end(kFields))
      return fail(ErrorCode::kInvalidArgument, "unknown field \"" + std::string(name) + "\"");
    double number = 0;
    boost::system::error_code not_number;
    number = field.value().to_number<double>(not_number);
    if (not_number || !(number >= 0 && number <= known->max)) {
      return fail(ErrorCode::kInvalidArgument,
                  std::string(name) + " must be a number from 0 to " + format_double(known->max));
    }
    next.*(known->member) = number;
  }
  if (next.tokens_per_second < 1) return fail(ErrorCode::kInvalidArgument, "tokens_per_second must be at least 1");
  set_behaviour(std::move(next));
  return {};
}

std::string Simulated::state_json() const {
  const SimulatedBehaviour now = behaviour();
  std::string out = "{\"model_version\":" + json_quote(now.model_version);
  for (const auto& field : kFields) out += ",\"" + std::string(field.name) + "\":" + format_double(now.*(field.member));
  return out + "}";
}

bool flagged(const std::vector<std::string>& flags, std::string_view name) {
  return std::find(flags.begin(), flags.end(), name) != flags.end();
}

// The kind of answer for one request. Each share takes its part of one draw, so that they do not hide one another.
AnswerKind choose_kind(const SimulatedBehaviour& now, const std::vector<std::string>& flags, bool later_version,
                       std::string_view prompt, Random& random) {
  if (flagged(flags, "simulate_bad_prompt")) return random.chance(0.5) ? AnswerKind::kUnsafe : AnswerKind::kOffTopic;
  if (flagged(flags, "simulate_ungrounded")) return AnswerKind::kUngrounded;
  if (flagged(flags, "simulate_pii")) return AnswerKind::kPiiLeak;
  const double draw = random.uniform();
  double edge = now.unsafe_rate;
  if (draw < edge) return AnswerKind::kUnsafe;
  if (draw < (edge += now.pii_rate)) return AnswerKind::kPiiLeak;
  if (draw < (edge += now.ungrounded_rate)) return AnswerKind::kUngrounded;
  if (draw < (edge += now.off_topic_rate)) return AnswerKind::kOffTopic;
  if (is_hostile_prompt(prompt)) return AnswerKind::kRefusal;
  return later_version ? AnswerKind::kNewVersion : AnswerKind::kGood;
}

Reply Simulated::decide(const RequestInfo& info, const std::vector<std::string>& flags, std::string_view trace,
                        std::string_view body) {
  const SimulatedBehaviour now = behaviour();
  const uint64_t content = hash64(body, options_.seed);
  Random random(content + times_seen(content) * 0x9E3779B97F4A7C15ULL);
  Reply reply;
  const double error_draw = random.uniform();
  bool retry_fails = false;
  if (flagged(flags, "simulate_retry")) {
    // The first attempt always fails, one call in eight fails twice. Attempts of one call share its trace id.
    const uint64_t attempt = times_seen(hash64(trace.empty() ? body : trace, options_.seed ^ 0x5EED));
    retry_fails = attempt == 0 || (attempt == 1 && hash64(trace, options_.seed) % 8 == 0);
  }
  if (flagged(flags, "simulate_error") || error_draw < now.error_rate) {
    reply.status = 500;
  } else if (error_draw < now.error_rate + now.rate_limit_rate) {
    reply.status = 429;
  } else if (retry_fails) {
    reply.status = random.chance(0.5) ? 500 : 429;
  }

  const bool drift = flagged(flags, "simulate_drift") || random.chance(now.drift_share);
  const bool small = info.model == "sim-small";
  const std::string version = drift ? std::string(kSimVersionLater) : now.model_version;
  reply.model = (small                       ? "sim-small-2026-08"
                 : info.model == "sim-large" ? "sim-large-" + version
                                             : info.model + "-" + version);
  const bool later = !small && version != kSimVersionFirst;
  const double blocked = random.uniform();
  if (flagged(flags, "simulate_block") || blocked < now.block_rate) {
    reply.finish_reason = "content_filter";
  } else if (!flagged(flags, "simulate_empty") && blocked >= now.block_rate + now.empty_rate) {
    reply.text = compose_answer(choose_kind(now, flags, later, info.prompt, random), info.prompt, info.context, random);
  }
  reply.tokens_input = std::max<int64_t>(1, (info.prompt_chars + 3) / 4 + 8);
  if (flagged(flags, "simulate_long_context")) reply.tokens_input += 12'000 + static_cast<int64_t>(random.below(8000));
  if (random.chance(0.2)) reply.tokens_cached = reply.tokens_input / 2;
  reply.tokens_output = estimate_tokens(reply.text);

  const double spread = std::exp(0.35 * random.normal());
  reply.ttft_ms = now.ttft_median_ms * (small ? 0.5 : 1) * spread * now.latency_scale;
  if (flagged(flags, "simulate_latency")) reply.ttft_ms += 2000 + 2000 * random.uniform();
  const double rate = now.tokens_per_second * (small ? 2 : 1) * (0.85 + 0.3 * random.uniform());
  reply.ms_per_token = 1000.0 / rate * now.latency_scale;
  return reply;
}

std::string usage_json(const Reply& reply) {
  return "{\"prompt_tokens\":" + std::to_string(reply.tokens_input) +
         ",\"completion_tokens\":" + std::to_string(reply.tokens_output) +
         ",\"total_tokens\":" + std::to_string(reply.tokens_input + reply.tokens_output) +
         ",\"prompt_tokens_details\":{\"cached_tokens\":" + std::to_string(reply.tokens_cached) +
         "},\"completion_tokens_details\":{\"reasoning_tokens\":0}}";
}

std::string begin_object(std::string_view object, std::string_view id, const Reply& reply) {
  return "{\"id\":" + json_quote(id) + ",\"object\":\"" + std::string(object) +
         "\",\"created\":" + std::to_string(to_us(SystemClock().now()) / 1'000'000) +
         ",\"model\":" + json_quote(reply.model);
}

std::string chunk_event(std::string_view head, std::string_view delta, std::string_view finish) {
  std::string out = "data: ";
  out += head;
  out += ",\"choices\":[{\"index\":0,\"delta\":";
  out += delta;
  out += ",\"logprobs\":null,\"finish_reason\":";
  out += finish.empty() ? std::string("null") : json_quote(finish);
  out += "}]}\n\n";
  return out;
}

// Pieces of a few words that together are the text.
std::vector<std::string_view> pieces_of(std::string_view text) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  size_t words = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ' ' || ++words % kWordsPerChunk != 0) continue;
    pieces.push_back(text.substr(begin, i - begin));
    begin = i;
  }
  if (begin < text.size()) pieces.push_back(text.substr(begin));
  return pieces;
}

Task<void> send_failure(Exchange* exchange, int status) {
  const bool limited = status == 429;
  net::Response response = net::json_response(
      status,
      limited
          ? R"({"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}})"
          : R"({"error":{"message":"The server had an error while processing your request","type":"server_error","param":null,"code":null}})");
  if (limited) {
    response.headers.add("retry-after", "1");
    response.headers.add("retry-after-ms", "300");
  }
  (void)co_await exchange->respond(std::move(response));
}

Task<void> send_whole(Simulated* sim, Exchange* exchange, const Reply* reply, std::string id) {
  const double ms = reply->ttft_ms + reply->ms_per_token * static_cast<double>(reply->tokens_output);
  if (const Micros wait = sim->scaled(ms); wait.count() > 0) co_await net::sleep_for(wait);
  std::string body = begin_object("chat.completion", id, *reply);
  body += ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":";
  body += reply->finish_reason == "content_filter" ? std::string("null") : json_quote(reply->text);
  body +=
      ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":" + json_quote(reply->finish_reason) + "}],\"usage\":";
  body += usage_json(*reply) + ",\"system_fingerprint\":\"sim\"}";
  net::Response response = net::json_response(200, std::move(body));
  response.headers.add("x-request-id", id);
  (void)co_await exchange->respond(std::move(response));
}

Task<void> send_stream(Simulated* sim, Exchange* exchange, const Reply* reply, std::string id, bool usage) {
  if (const Micros wait = sim->scaled(reply->ttft_ms); wait.count() > 0) co_await net::sleep_for(wait);
  net::Headers headers;
  headers.add("content-type", "text/event-stream; charset=utf-8");
  headers.add("x-request-id", id);
  if (!co_await exchange->begin_stream(200, std::move(headers))) co_return;
  const std::string head = begin_object("chat.completion.chunk", id, *reply);
  std::string role = "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}";
  if (!co_await exchange->write(chunk_event(head, role, {}))) co_return;
  const int64_t started_us = monotonic_us();
  double due_ms = 0;
  for (const std::string_view piece : pieces_of(reply->text)) {
    due_ms += reply->ms_per_token * static_cast<double>(estimate_tokens(piece));
    const Micros wait = sim->scaled(due_ms) - Micros(monotonic_us() - started_us);
    if (wait.count() > 0 && sim->scaled(1).count() > 0) co_await net::sleep_for(wait);
    if (!co_await exchange->write(chunk_event(head, "{\"content\":" + json_quote(piece) + "}", {}))) co_return;
  }
  std::string tail = chunk_event(head, "{}", reply->finish_reason);
  if (usage) tail += "data: " + head + ",\"choices\":[],\"usage\":" + usage_json(*reply) + "}\n\n";
  tail += "data: [DONE]\n\n";
  if (!co_await exchange->write(std::move(tail))) co_return;
  (void)co_await exchange->end_stream();
}

std::vector<std::string> flags_of(const net::Request& request, RequestInfo& info) {
  std::vector<std::string> flags = std::move(info.simulate_flags);
  for (const auto flag : split(request.headers.get("x-sentinel-simulate"), ',')) {
    if (!trim(flag).empty()) flags.emplace_back(trim(flag));
  }
  return flags;
}

Task<void> serve_chat(Simulated* sim, Exchange* exchange) {
  net::Request& request = exchange->request();
  auto info = read_request(Api::kChat, request.body);
  if (!info) {
    (void)co_await exchange->respond(
        net::json_response(400, error_body(ErrorType::kCallerInvalidRequest, info.error().message())));
    co_return;
  }
  const std::vector<std::string> flags = flags_of(request, *info);
  const std::string_view trace = parse_traceparent(request.headers.get("traceparent"));
  const Reply reply = sim->decide(*info, flags, trace, request.body);
  if (reply.status != 200) {
    if (const Micros wait = sim->scaled(reply.ttft_ms / 4); wait.count() > 0) co_await net::sleep_for(wait);
    co_await send_failure(exchange, reply.status);
    co_return;
  }
  const std::string id = "chatcmpl-sim" + std::to_string(hash64(request.body, static_cast<uint64_t>(monotonic_us())));
  if (info->stream) {
    co_await send_stream(sim, exchange, &reply, id, info->include_usage);
  } else {
    co_await send_whole(sim, exchange, &reply, id);
  }
}

// Everything but OpenAI's chat: the same answers, written by the codec of the API that was asked.
Answer answer_of(const Reply& reply, std::string id) {
  Answer answer;
  answer.id = std::move(id);
  answer.model = reply.model;
  if (!reply.text.empty()) answer.parts.push_back({.text = reply.text});
  if (reply.finish_reason == "content_filter") answer.finish = Finish::kContentFilter;
  answer.usage.input = reply.tokens_input;
  answer.usage.output = reply.tokens_output;
  answer.usage.cached = reply.tokens_cached;
  return answer;
}

StreamFacts sim_facts(const Asked& asked) {
  StreamFacts facts;
  facts.created_s = to_us(SystemClock().now()) / 1'000'000;
  facts.json_array = asked.json_array;
  return facts;
}

Task<void> send_whole_by(Simulated* sim, Exchange* exchange, const Reply* reply, const Asked* asked, Answer answer) {
  const double ms = reply->ttft_ms + reply->ms_per_token * static_cast<double>(reply->tokens_output);
  if (const Micros wait = sim->scaled(ms); wait.count() > 0) co_await net::sleep_for(wait);
  const auto body = protocol_of(asked->api).codec()->write_answer(answer, sim_facts(*asked));
  (void)co_await exchange->respond(net::json_response(200, text::serialize(body)));
}

Task<void> send_stream_by(Simulated* sim, Exchange* exchange, const Reply* reply, const Asked* asked, Answer answer) {
  if (const Micros wait = sim->scaled(reply->ttft_ms); wait.count() > 0) co_await net::sleep_for(wait);
  net::Headers headers;
  headers.add("content-type", asked->json_array ? "application/json" : "text/event-stream");
  if (!co_await exchange->begin_stream(200, std::move(headers))) co_return;
  const auto writer = protocol_of(asked->api).codec()->piece_writer(sim_facts(*asked));
  std::string out;
  writer->write({.kind = Piece::Kind::kStart, .id = answer.id, .name = answer.model}, out);
  for (const std::string_view piece : pieces_of(reply->text)) {
    const double ms = reply->ms_per_token * static_cast<double>(estimate_tokens(piece));
    if (const Micros wait = sim->scaled(ms); wait.count() > 0) co_await net::sleep_for(wait);
    writer->write({.kind = Piece::Kind::kText, .text = std::string(piece)}, out);
    if (!co_await exchange->write(std::exchange(out, {}))) co_return;
  }
  writer->write({.kind = Piece::Kind::kUsage, .usage = answer.usage}, out);
  writer->write({.kind = Piece::Kind::kFinish, .finish = answer.finish}, out);
  writer->finish(out);
  if (!co_await exchange->write(std::move(out))) co_return;
  (void)co_await exchange->end_stream();
}

Task<void> send_failure_by(Exchange* exchange, Family family, int status, std::string_view message) {
  const ErrorType type = status == 429   ? ErrorType::kProviderRateLimited
                         : status >= 500 ? ErrorType::kProviderError
                                         : ErrorType::kCallerInvalidRequest;
  net::Response response = net::json_response(status, error_body(family, type, message, status));
  if (status == 429) response.headers.add("retry-after", "1");
  (void)co_await exchange->respond(std::move(response));
}

Task<void> serve_conversation(Simulated* sim, Exchange* exchange, Asked asked) {
  net::Request& request = exchange->request();
  const Family family = api_family(asked.api);
  auto info = read_request(asked.api, request.body);
  if (!info) {
    co_await send_failure_by(exchange, family, 400, info.error().message());
    co_return;
  }
  if (family == Family::kGemini) info->model = asked.model;
  const bool stream = family == Family::kGemini ? asked.stream : info->stream;
  const auto flags = flags_of(request, *info);
  const Reply reply = sim->decide(*info, flags, parse_traceparent(request.headers.get("traceparent")), request.body);
  if (reply.status != 200) {
    if (const Micros wait = sim->scaled(reply.ttft_ms / 4); wait.count() > 0) co_await net::sleep_for(wait);
    co_await send_failure_by(exchange, family, reply.status, "The simulated provider fails as it was asked to");
    co_return;
  }
  const uint64_t number = hash64(request.body, static_cast<uint64_t>(monotonic_us()));
  Answer answer = answer_of(reply, answer_id(asked.api, "sim" + std::to_string(number)));
  if (stream) {
    co_await send_stream_by(sim, exchange, &reply, &asked, std::move(answer));
  } else {
    co_await send_whole_by(sim, exchange, &reply, &asked, std::move(answer));
  }
}

std::vector<double> embed(std::string_view text) {
  Random random(hash64(text));
  std::vector<double> vector(kEmbeddingSize);
  double square = 0;
  for (double& v : vector) {
    v = random.normal();
    square += v * v;
  }
  for (double& v : vector) v /= std::sqrt(square);
  return vector;
}

std::string numbers_json(const std::vector<double>& vector) {
  std::string out = "[";
  for (size_t i = 0; i < vector.size(); ++i) out += (i > 0 ? "," : "") + format_double(vector[i]);
  return out + "]";
}

// Counts, vectors and verdicts.
Task<void> serve_small(Simulated* sim, Exchange* exchange, Asked asked) {
  auto info = read_request(asked.api, exchange->request().body);
  if (!info) {
    co_await send_failure_by(exchange, api_family(asked.api), 400, info.error().message());
    co_return;
  }
  if (const Micros wait = sim->scaled(20); wait.count() > 0) co_await net::sleep_for(wait);
  const std::string tokens = std::to_string(std::max<int64_t>(1, (info->prompt_chars + 3) / 4 + 8));
  std::string body;
  switch (asked.api) {
    case Api::kCountTokens: body = "{\"input_tokens\":" + tokens + "}"; break;
    case Api::kGeminiCount: body = "{\"totalTokens\":" + tokens + "}"; break;
    case Api::kGeminiEmbed: body = "{\"embedding\":{\"values\":" + numbers_json(embed(info->prompt)) + "}}"; break;
    case Api::kGeminiBatchEmbed:
      for (const auto text : split(info->prompt, '\n'))
        body += (body.empty() ? "{\"embeddings\":[" : ",") + ("{\"values\":" + numbers_json(embed(text)) + "}");
      body += "]}";
      break;
    default:
      body = "{\"id\":\"modr-sim\",\"model\":" + json_quote(info->model) +
             ",\"results\":[{\"flagged\":" + (is_hostile_prompt(info->prompt) ? "true" : "false") +
             ",\"categories\":{},\"category_scores\":{}}]}";
  }
  (void)co_await exchange->respond(net::json_response(200, std::move(body)));
}

Task<void> serve_gemini(Simulated* sim, Exchange* exchange) {
  const net::Request& request = exchange->request();
  auto asked = parse_gemini_action(request.path_params.get("action"), request.query.get("alt") == "sse");
  if (!asked) {
    co_await send_failure_by(exchange, Family::kGemini, 404, "no such method");
  } else if (asked->api == Api::kGenerate) {
    co_await serve_conversation(sim, exchange, std::move(*asked));
  } else {
    co_await serve_small(sim, exchange, std::move(*asked));
  }
}

Task<void> serve_embeddings(Simulated* sim, Exchange* exchange) {
  auto info = read_request(Api::kEmbedding, exchange->request().body);
  if (!info) {
    (void)co_await exchange->respond(
        net::json_response(400, error_body(ErrorType::kCallerInvalidRequest, info.error().message())));
    co_return;
  }
  if (const Micros wait = sim->scaled(20); wait.count() > 0) co_await net::sleep_for(wait);
  const std::vector<double> vector = embed(info->prompt);
  std::string body = R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":)";
  // OpenAI's SDKs ask for base64 of little-endian floats by themselves.
  if (exchange->request().body.find("\"base64\"") != std::string::npos) {
    std::string bytes;
    for (const double v : vector) {
      const float value = static_cast<float>(v);
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    body += json_quote(base64_encode(bytes));
  } else {
    body += numbers_json(vector);
  }
  const std::string tokens = std::to_string(estimate_tokens(info->prompt));
  body += "}],\"model\":" + json_quote(info->model) + ",\"usage\":{\"prompt_tokens\":" + tokens +
          ",\"total_tokens\":" + tokens + "}}";
  (void)co_await exchange->respond(net::json_response(200, std::move(body)));
}

Task<void> serve_models(Exchange* exchange) {
  const net::Request& request = exchange->request();
  if (request.path.starts_with("/v1beta/") || request.headers.has("anthropic-version")) {
    const Family family = request.path.starts_with("/v1beta/") ? Family::kGemini : Family::kAnthropic;
    std::vector<ModelEntry> models;
    for (const char* id : {"sim-large", "sim-small"}) models.push_back({id, {}, 1'785'542'400});
    (void)co_await exchange->respond(net::json_response(200, write_models(family, models)));
    co_return;
  }
  (void)co_await exchange->respond(net::json_response(
      200, R"({"object":"list","data":[{"id":"sim-large","object":"model","created":1785542400,"owned_by":"sentinel"},)"
           R"({"id":"sim-small","object":"model","created":1785542400,"owned_by":"sentinel"}]})"));
}

Task<void> serve_control(Simulated* sim, Exchange* exchange) {
  if (exchange->request().method == "POST") {
    if (const Status changed = sim->control(exchange->request().body); !changed) {
      (void)co_await exchange->respond(net::problem_response(changed.error()));
      co_return;
    }
  }
  (void)co_await exchange->respond(net::json_response(200, sim->state_json()));
}

Status Simulated::listen(net::Runtime& runtime, MetricRegistry& metrics) {
  auto router = std::make_shared<net::Router>();
  router->add("POST", "/v1/chat/completions", [this](Exchange* e) { return serve_chat(this, e); });
  router->add("POST", "/v1/embeddings", [this](Exchange* e) { return serve_embeddings(this, e); });
  for (const Api api : {Api::kResponses, Api::kMessages}) {
    router->add("POST", api_endpoint(api),
                [this, api](Exchange* e) { return serve_conversation(this, e, {.api = api}); });
  }
  for (const Api api : {Api::kCountTokens, Api::kModeration}) {
    router->add("POST", api_endpoint(api), [this, api](Exchange* e) { return serve_small(this, e, {.api = api}); });
  }
  router->add("POST", "/v1beta/models/{action...}", [this](Exchange* e) { return serve_gemini(this, e); });
  router->add("GET", "/v1/models", [](Exchange* e) { return serve_models(e); });
  router->add("GET", "/v1beta/models", [](Exchange* e) { return serve_models(e); });
  router->add("GET", "/sim/control", [this](Exchange* e) { return serve_control(this, e); });
  router->add("POST", "/sim/control", [this](Exchange* e) { return serve_control(this, e); });
  net::ServerOptions server;
  server.address = options_.address;
  server.port = options_.port;
  SENTINEL_ASSIGN(server_, net::HttpServer::start(runtime, metrics, std::move(server), std::move(router)));
  return {};
}

}  // namespace

Result<std::unique_ptr<SimulatedProvider>> SimulatedProvider::start(net::Runtime& runtime, MetricRegistry& metrics,
                                                                    SimulatedOptions options) {
  auto provider = std::make_unique<Simulated>(std::move(options));
  SENTINEL_TRY(provider->listen(runtime, metrics));
  return std::unique_ptr<SimulatedProvider>(std::move(provider));
}

}  // namespace sentinel::gateway
