#pragma once
// For tests only: a gateway on loopback between two scripted upstreams.

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gateway/gateway.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace sentinel::gateway {

using net::ClientRequest;
using net::Exchange;
using net::Task;

class Recorder final : public InteractionSink {
 public:
  void record(model::Interaction interaction) noexcept override {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(interaction));
    ready_.notify_all();
  }
  // The n-th recorded, waiting for it: the sink is told after the client has its last byte.
  model::Interaction at(size_t index) {
    std::unique_lock lock(mutex_);
    if (!ready_.wait_for(lock, std::chrono::seconds(20), [&] { return all_.size() > index; })) {
      ADD_FAILURE() << "no interaction " << index;
      return {};
    }
    return all_[index];
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<model::Interaction> all_;
};

// One answer of the scripted upstream. Parts are written one by one; "CUT" breaks the connection, "HANG" waits for the
// client to go.
struct Scripted {
  int status = 200;
  std::string body = {};
  std::vector<std::string> parts = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

class ScriptedUpstream {
 public:
  ScriptedUpstream(net::Runtime& runtime, MetricRegistry& metrics) {
    auto router = std::make_shared<net::Router>();
    router->set_fallback([this](Exchange* e) { return serve(this, e); });
    server_ = *net::HttpServer::start(runtime, metrics, {}, router);
  }
  ~ScriptedUpstream() { stop(); }
  void stop() {
    if (server_) server_->stop(Millis(0));
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  void add(Scripted answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
  }
  void drop_first() {
    const std::lock_guard lock(mutex_);
    answers_.erase(answers_.begin());
  }
  size_t requests() {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  net::Request request(size_t index) {
    const std::lock_guard lock(mutex_);
    return requests_.at(index);
  }
  int64_t time_us(size_t index) {
    const std::lock_guard lock(mutex_);
    return times_.at(index);
  }
  bool wait_gone() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return gone_; });
  }

 private:
  static Task<void> serve(ScriptedUpstream* self, Exchange* exchange) {
    Scripted answer;
    {
      const std::lock_guard lock(self->mutex_);
      self->requests_.push_back(exchange->request());
      self->times_.push_back(monotonic_us());
      if (!self->answers_.empty()) {
        answer = self->answers_.front();
        // The last answer is given again and again.
        if (self->answers_.size() > 1) self->answers_.erase(self->answers_.begin());
      }
    }
    net::Headers headers;
    for (const auto& [name, value] : answer.headers) headers.add(name, value);
    if (answer.parts.empty()) {
      if (!headers.has("content-type")) headers.add("content-type", "application/json");
      (void)co_await exchange->respond({answer.status, std::move(headers), answer.body});
      co_return;
    }
    if (answer.parts.front() != "HANG") {
      if (!headers.has("content-type")) headers.add("content-type", "text/event-stream");
      (void)co_await exchange->begin_stream(answer.status, std::move(headers));
    }
    for (const std::string& part : answer.parts) {
      if (part == "CUT") {
        exchange->abort();
        co_return;
      }
      if (part == "HANG") {
        co_await hang(self, exchange);
        co_return;
      }
      (void)co_await exchange->write(part);
    }
    (void)co_await exchange->end_stream();
  }
  static Task<void> hang(ScriptedUpstream* self, Exchange* exchange) {
    while (!exchange->client_gone()) co_await net::sleep_for(Millis(1));
    const std::lock_guard lock(self->mutex_);
    self->gone_ = true;
    self->changed_.notify_all();
    exchange->abort();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Scripted> answers_;
  std::vector<net::Request> requests_;
  std::vector<int64_t> times_;
  bool gone_ = false;
  std::unique_ptr<net::HttpServer> server_;
};

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    ProviderConfig a;
    a.name = "a";
    a.base_url = a_.url() + "/v1";
    a.api_key = "secret-a";
    ProviderConfig b;
    b.name = "b";
    b.base_url = b_.url();
    config_.providers = {a, b};
    RouteConfig route;
    route.targets = {{"a", "", 1}};
    route.retries.backoff_base = Millis(1);
    route.retries.jitter = 0;
    config_.routes = {route};
  }
  RouteConfig& route() { return config_.routes[0]; }
  void with_fallback() { route().fallback = {{"b", "other", 1}}; }

  void start() {
    gateway_ = std::make_unique<Gateway>(runtime_, client_, clock_, metrics_, sink_, config_);
    auto router = std::make_shared<net::Router>();
    gateway_->add_routes(*router);
    auto server = net::HttpServer::start(runtime_, metrics_, {}, router);
    ASSERT_TRUE(server);
    server_ = std::move(*server);
  }
  void TearDown() override {
    if (server_) server_->stop(Millis(500));
    a_.stop();
    b_.stop();
    runtime_.stop();
  }

  ClientRequest chat(
      std::string body = R"({"model":"m","messages":[{"role":"user","content":"What colour is the sky?"}]})") {
    ClientRequest request;
    request.method = "POST";
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1/chat/completions";
    request.headers.add("content-type", "application/json");
    request.headers.add("authorization", "Bearer caller-key");
    request.body = std::move(body);
    return request;
  }
  ClientRequest stream_chat() {
    return chat(R"({"model":"m","stream":true,"messages":[{"role":"user","content":"What colour is the sky?"}]})");
  }
  struct Got {
    Result<net::Response> result;
    std::string partial;  // what came before an error
  };
  Got exchange(ClientRequest request) {
    std::promise<Got> promise;
    auto future = promise.get_future();
    runtime_.spawn(runtime_.core(0), "client", run_exchange(&client_, std::move(request), &promise));
    return future.get();
  }
  net::Response ok(ClientRequest request) {
    auto got = exchange(std::move(request));
    if (!got.result) {
      ADD_FAILURE() << got.result.error().to_string() << " after " << got.partial;
      return {};
    }
    return *got.result;
  }
  static Task<void> run_exchange(net::HttpClient* client, ClientRequest request, std::promise<Got>* promise) {
    Got got{net::Response{}, {}};
    auto sent = co_await client->send(std::move(request));
    if (!sent) {
      got.result = fail(sent.error());
      promise->set_value(std::move(got));
      co_return;
    }
    while (true) {
      auto chunk = co_await (*sent)->next_chunk();
      if (!chunk) {
        got.result = fail(chunk.error());
        break;
      }
      if (chunk->empty()) {
        got.result = net::Response{(*sent)->status(), (*sent)->headers(), got.partial};
        break;
      }
      got.partial += *chunk;
    }
    promise->set_value(std::move(got));
  }

  net::Runtime runtime_{net::RuntimeOptions{.cores = 2, .blocking_threads = 1}};
  MetricRegistry metrics_;
  FakeClock clock_;
  net::HttpClient client_{runtime_, metrics_, {}};
  Recorder sink_;
  ScriptedUpstream a_{runtime_, metrics_};
  ScriptedUpstream b_{runtime_, metrics_};
  GatewayConfig config_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace sentinel::gateway
