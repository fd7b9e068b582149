#include "api/auth.h"

#include <algorithm>

#include "api/heartbeats.h"
#include "api/integrations.h"
#include "api/oncall.h"
#include "api/oncall_answers.h"
#include "api/page.h"
#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::api {
namespace {

bool is_gateway_path(std::string_view path) { return path.starts_with("/v1/") || path.starts_with("/v1beta/"); }

// The page's own files are open, so that it can ask for the token; probes of an orchestrator have none.
bool is_open_path(std::string_view path, const std::function<bool()>& gateway_open) {
  if (path == "/-/healthy" || path == "/-/ready" || is_page_path(path)) return true;
  // The secret is in the address.
  if (path.starts_with(kAnswerPrefix) || path.starts_with(kCalendarPrefix) || path.starts_with(kHeartbeatPrefix))
    return true;
  if (path.starts_with(kInboundPrefix)) return true;  // the signature is that of the service
  return is_gateway_path(path) && gateway_open();
}

// Questions that are asked by POST, since they are long.
bool changes_something(const net::Request& request) {
  if (request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS") return false;
  const std::string_view path = request.path;
  for (const std::string_view question :
       {"/api/v1/query", "/api/v1/query_range", "/api/v1/query_exemplars", "/api/v1/labels", "/api/v1/series",
        "/api/v1/format_query", "/api/v1/parse_query", "/sentinel/v1/sql", "/sentinel/v1/silences/preview"}) {
    if (path == question) return false;
  }
  return true;
}
bool may_change(const net::Request& request) { return is_gateway_path(request.path) || may_act(request); }

// In the words of the API that was called, so that its client's own error handling works.
net::Response refusal(const net::Request& request) {
  constexpr std::string_view kWhy = "a bearer token is needed: Authorization: Bearer TOKEN";
  if (!is_gateway_path(request.path))
    return net::problem_response(Error(ErrorCode::kUnauthenticated, std::string(kWhy)));
  std::string body;
  if (request.path.starts_with("/v1beta/")) {
    body = R"({"error":{"code":401,"message":"a token is needed, as the API key","status":"UNAUTHENTICATED"}})";
  } else if (request.path.starts_with("/v1/messages")) {
    body = R"({"type":"error","error":{"type":"authentication_error","message":"a token is needed, as the API key"}})";
  } else {
    body = R"({"error":{"message":"a token is needed, as the API key","type":"caller_unauthorized","param":null,)"
           R"("code":"caller_unauthorized"}})";
  }
  return net::json_response(401, std::move(body));
}

class Guard {
 public:
  Guard(std::shared_ptr<const net::Router> routes, std::vector<Token> tokens, std::function<bool()> gateway_open,
        MetricRegistry& metrics)
      : routes_(std::move(routes)),
        tokens_(std::move(tokens)),
        gateway_open_(std::move(gateway_open)),
        refused_by_api_(refusals(metrics, "api")),
        refused_by_gateway_(refusals(metrics, "gateway")) {}

  net::Task<void> handle(net::Exchange* exchange) const {
    net::Request& request = exchange->request();
    if (!is_open_path(request.path, gateway_open_) && !admit(request)) {
      (is_gateway_path(request.path) ? refused_by_gateway_ : refused_by_api_).add();
      net::Response refused = refusal(request);
      refused.headers.set("WWW-Authenticate", "Bearer");
      (void)co_await exchange->respond(std::move(refused));
      co_return;
    }
    if (changes_something(request) && !may_change(request)) {
      (void)co_await exchange->respond(net::problem_response(
          Error(ErrorCode::kPermissionDenied, "this token may look, and change nothing: its role is viewer")));
      co_return;
    }
    co_await routes_->serve(exchange);
  }

 private:
  static Counter& refusals(MetricRegistry& metrics, const char* where) {
    return metrics.counter("sentinel_authentication_failures_total", "Requests without a token that is known.",
                           {{"where", where}});
  }
  // Clients of the gateway show their token as they show it to their provider.
  static std::string_view token_of(const net::Request& request) {
    const std::string_view header = request.headers.get("authorization");
    if (header.starts_with("Bearer ")) return header.substr(7);
    if (!is_gateway_path(request.path)) return {};
    for (const std::string_view name : {"x-api-key", "x-goog-api-key", "api-key"}) {
      if (const std::string_view shown = request.headers.get(name); !shown.empty()) return shown;
    }
    return request.path.starts_with("/v1beta/") ? request.query.get("key") : std::string_view();
  }
  // Also says whose token it is.
  bool admit(net::Request& request) const {
    const std::string_view shown = token_of(request);
    if (shown.empty()) return false;
    const std::string hash = hex_encode(sha256(shown));
    // Every hash is compared, in the same time.
    const Token* found = nullptr;
    for (const Token& token : tokens_) {
      if (constant_time_equals(token.sha256, hash)) found = &token;
    }
    if (found == nullptr) return false;
    request.user = found->user;
    request.roles = found->roles;
    return true;
  }

  const std::shared_ptr<const net::Router> routes_;
  const std::vector<Token> tokens_;
  const std::function<bool()> gateway_open_;
  Counter& refused_by_api_;
  Counter& refused_by_gateway_;
};

}  // namespace

bool may_act(const net::Request& request) {
  const auto& roles = request.roles;
  return roles.empty() || std::any_of(roles.begin(), roles.end(), [](const std::string& r) { return r != "viewer"; });
}

std::shared_ptr<const net::Router> with_auth(std::shared_ptr<const net::Router> routes, std::vector<Token> tokens,
                                             std::function<bool()> gateway_open, MetricRegistry& metrics) {
  if (tokens.empty()) return routes;
  auto guard = std::make_shared<const Guard>(std::move(routes), std::move(tokens), std::move(gateway_open), metrics);
  auto guarded = std::make_shared<net::Router>();
  guarded->set_fallback([guard](net::Exchange* exchange) { return guard->handle(exchange); });
  return guarded;
}

}  // namespace sentinel::api
