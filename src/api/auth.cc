#include "api/auth.h"

#include <algorithm>

#include "api/page.h"
#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::api {
namespace {

bool is_gateway_path(std::string_view path) { return path.starts_with("/v1/") || path.starts_with("/v1beta/"); }

// The page's own files are open, so that it can ask for the token; probes of an orchestrator have none.
bool is_open_path(std::string_view path, bool gateway_open) {
  if (path == "/-/healthy" || path == "/-/ready" || is_page_path(path)) return true;
  return gateway_open && is_gateway_path(path);
}

class Guard {
 public:
  Guard(std::shared_ptr<const net::Router> routes, std::vector<std::string> hashes, bool gateway_open,
        MetricRegistry& metrics)
      : routes_(std::move(routes)),
        hashes_(std::move(hashes)),
        gateway_open_(gateway_open),
        refused_by_api_(refusals(metrics, "api")),
        refused_by_gateway_(refusals(metrics, "gateway")) {}

  net::Task<void> handle(net::Exchange* exchange) const {
    net::Request& request = exchange->request();
    if (!is_open_path(request.path, gateway_open_) && !allowed(request)) {
      (is_gateway_path(request.path) ? refused_by_gateway_ : refused_by_api_).add();
      net::Response refused = net::problem_response(
          Error(ErrorCode::kUnauthenticated, "a bearer token is needed: Authorization: Bearer TOKEN"));
      refused.headers.set("WWW-Authenticate", "Bearer");
      (void)co_await exchange->respond(std::move(refused));
      co_return;
    }
    std::vector<std::string> methods;
    const net::Handler* handler = routes_->find(request, &methods);
    if (handler != nullptr) {
      co_await (*handler)(exchange);
      co_return;
    }
    (void)co_await exchange->respond(net::no_route_response(request, methods));
  }

 private:
  static Counter& refusals(MetricRegistry& metrics, const char* where) {
    return metrics.counter("sentinel_authentication_failures_total", "Requests without a token that is known.",
                           {{"where", where}});
  }
  bool allowed(const net::Request& request) const {
    const std::string_view header = request.headers.get("authorization");
    if (!header.starts_with("Bearer ")) return false;
    const std::string hash = hex_encode(sha256(header.substr(7)));
    // Every hash is compared, in the same time.
    bool found = false;
    for (const std::string& known : hashes_) found |= constant_time_equals(known, hash);
    return found;
  }

  const std::shared_ptr<const net::Router> routes_;
  const std::vector<std::string> hashes_;
  const bool gateway_open_;
  Counter& refused_by_api_;
  Counter& refused_by_gateway_;
};

}  // namespace

std::shared_ptr<const net::Router> with_auth(std::shared_ptr<const net::Router> routes,
                                             std::vector<std::string> token_sha256, bool gateway_open,
                                             MetricRegistry& metrics) {
  if (token_sha256.empty()) return routes;
  auto guard = std::make_shared<const Guard>(std::move(routes), std::move(token_sha256), gateway_open, metrics);
  auto guarded = std::make_shared<net::Router>();
  guarded->set_fallback([guard](net::Exchange* exchange) { return guard->handle(exchange); });
  return guarded;
}

}  // namespace sentinel::api
