#include "app/demo_app.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/handler.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr int64_t kRepetitionsMax = 2000;
// The second version of every template, which nobody reviewed.
constexpr std::string_view kCarelessInstruction =
    "Write whatever comes to mind. You need not keep to the question, nor to a document.";

json::object message(std::string_view role, std::string_view content) { return {{"role", role}, {"content", content}}; }

Result<std::string> toggles(const json::object& body) {
  std::string out;
  for (const std::string_view name : kSimulateToggles) {
    const json::value* value = body.if_contains(name);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_bool())
      return fail(ErrorCode::kInvalidArgument, fmt::format("field \"{}\" must be true or false", name));
    if (!value->get_bool()) continue;
    if (!out.empty()) out += ',';
    out += name;
  }
  return out;
}

}  // namespace

Result<DemoPrompt> make_demo_prompt(std::string_view path, const json::object& body) {
  SENTINEL_ASSIGN(std::string question, api::string_field(body, path == "/api/chat" ? "message" : "question"));
  SENTINEL_ASSIGN(const std::string document, api::string_field(body, "document"));
  if (path == "/stress" && question.empty()) question = "Summarise the report below in one paragraph.";
  if (trim(question).empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("field \"{}\" is needed", path == "/api/chat" ? "message" : "question"));
  }
  const json::value* careless = body.if_contains("simulate_bad_prompt");
  const bool bad = careless != nullptr && careless->is_bool() && careless->get_bool();
  DemoPrompt prompt;
  const auto open = [&](std::string_view name, std::string_view instruction) {
    prompt.prompt_template = fmt::format("{}-{}", name, bad ? "v2" : "v1");
    if (bad) instruction = kCarelessInstruction;
    if (!instruction.empty()) prompt.messages.push_back(message("system", instruction));
  };
  if (path == "/qa") {
    open("qa", "Answer only from the document.");
    if (!document.empty()) prompt.messages.push_back(message("system", "Document:\n" + document));
  } else if (path == "/reason") {
    open("reason", "Think it through, then answer in two sentences.");
  } else if (path == "/stress") {
    open("stress", "");
    int64_t repetitions = 1;
    if (const json::value* value = body.if_contains("repetitions")) {
      if (!value->is_int64() || value->get_int64() < 1 || value->get_int64() > kRepetitionsMax) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("field \"repetitions\" must be a whole number from 1 to {}", kRepetitionsMax));
      }
      repetitions = value->get_int64();
    }
    std::string report;
    for (int64_t i = 0; i < repetitions; ++i)
      report += " The quarterly report repeats the same paragraph about warehouse costs and delivery times.";
    question += "\n" + report;
  } else {
    open("chat", "You are a friendly assistant of an online shop.");
  }
  prompt.messages.push_back(message("user", question));
  return prompt;
}

Result<std::unique_ptr<DemoApp>> DemoApp::start(net::Runtime& runtime, net::HttpClient& client, MetricRegistry& metrics,
                                                DemoAppOptions options) {
  std::unique_ptr<DemoApp> app(new DemoApp(client, std::move(options)));
  auto router = std::make_shared<net::Router>();
  for (const std::string_view path : {"/qa", "/reason", "/stress", "/api/chat"}) {
    router->add("POST", path, [self = app.get()](net::Exchange* exchange) { return self->handle(exchange); });
  }
  net::ServerOptions server;
  server.address = app->options_.address;
  server.port = app->options_.port;
  SENTINEL_ASSIGN(app->server_, net::HttpServer::start(runtime, metrics, server, router));
  return app;
}

net::Task<void> DemoApp::handle(net::Exchange* exchange) { return api::respond_with(exchange, answer(exchange)); }

net::Task<Result<net::Response>> DemoApp::answer(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, api::json_body(request));
  SENTINEL_CO_ASSIGN(DemoPrompt prompt, make_demo_prompt(request.path, body));
  SENTINEL_CO_ASSIGN(const std::string simulate, toggles(body));
  SENTINEL_CO_ASSIGN(const std::string user, api::string_field(body, "user"));

  net::ClientRequest call;
  call.method = "POST";
  call.url = options_.gateway_url + "/v1/chat/completions";
  call.headers.set("Content-Type", "application/json");
  call.headers.set("x-sentinel-service", options_.service);
  call.headers.set("x-sentinel-env", options_.env);
  call.headers.set("x-sentinel-endpoint", request.path);
  call.headers.set("x-sentinel-prompt-template", prompt.prompt_template);
  if (!simulate.empty()) call.headers.set("x-sentinel-simulate", simulate);
  if (const json::value* test = body.if_contains("test"); test != nullptr && test->is_bool() && test->get_bool()) {
    call.headers.set("x-sentinel-test", "1");
  }
  json::object llm{{"model", options_.model}, {"messages", std::move(prompt.messages)}};
  if (!user.empty()) llm["user"] = user;
  call.body = text::serialize(llm);

  const int64_t start = monotonic_us();
  SENTINEL_CO_ASSIGN(net::Response upstream, co_await client_.fetch(std::move(call)));
  if (upstream.status != 200) co_return net::json_response(upstream.status, upstream.body);
  boost::system::error_code ec;
  const json::value parsed = json::parse(upstream.body, ec);
  const json::value* text = ec ? nullptr : parsed.find_pointer("/choices/0/message/content", ec);
  if (text == nullptr)
    co_return fail(ErrorCode::kUnavailable, "the gateway's answer has no choices[0].message.content");
  json::object out{{"answer", *text}, {"request_id", upstream.headers.get("x-request-id")}};
  out["model"] = parsed.at("model");
  out["latency_ms"] = static_cast<double>(monotonic_us() - start) / 1000;
  co_return net::json_response(200, text::serialize(out));
}

}  // namespace sentinel::app
