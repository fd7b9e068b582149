#pragma once
// The demo application: a small product that uses an LLM through the gateway, with toggles that make it fail at will.
//   POST /qa        {"question","document"?}   an answer grounded in the document
//   POST /reason    {"question"}               latency and retries
//   POST /stress    {"question"?,"repetitions"} blows the context up: tokens and cost
//   POST /api/chat  {"message"}                plain chat
// Each takes "simulate_latency", "simulate_retry", "simulate_bad_prompt", "simulate_long_context" (booleans) and
// "user", "test". Answers {"answer","request_id","model","latency_ms"} or the gateway's error.

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/metrics.h"
#include "base/result.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace sentinel::app {

inline constexpr std::array<std::string_view, 4> kSimulateToggles{"simulate_latency", "simulate_retry",
                                                                  "simulate_bad_prompt", "simulate_long_context"};

// What an endpoint asks the model, and the prompt template it says it used: version 1, or with "simulate_bad_prompt"
// the careless version 2, whose answers the simulated provider spoils.
struct DemoPrompt {
  boost::json::array messages;
  std::string prompt_template;
};
Result<DemoPrompt> make_demo_prompt(std::string_view path, const boost::json::object& body);

struct DemoAppOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  std::string gateway_url;  // http://127.0.0.1:8080
  std::string model = "sim-large";
  std::string service = "shop-assistant";
  std::string env = "demo";
};

class DemoApp {
 public:
  static Result<std::unique_ptr<DemoApp>> start(net::Runtime& runtime, net::HttpClient& client, MetricRegistry& metrics,
                                                DemoAppOptions options);
  uint16_t port() const { return server_->port(); }
  void stop() { server_->stop(std::chrono::seconds(2)); }

 private:
  DemoApp(net::HttpClient& client, DemoAppOptions options) : client_(client), options_(std::move(options)) {}
  net::Task<void> handle(net::Exchange* exchange);
  net::Task<Result<net::Response>> answer(net::Exchange* exchange);

  net::HttpClient& client_;
  const DemoAppOptions options_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace sentinel::app
