#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "net/http_server.h"

namespace sentinel::net {
namespace {

bool is_parameter(std::string_view part) { return part.size() > 2 && part.front() == '{' && part.back() == '}'; }
bool is_tail(std::string_view part) { return is_parameter(part) && part.ends_with("...}"); }
std::string_view parameter_name(std::string_view part) {
  part = part.substr(1, part.size() - 2);
  if (part.ends_with("...")) part.remove_suffix(3);
  return part;
}

std::vector<std::string_view> path_parts(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  return split(path, '/');
}

bool serves(std::string_view route_method, std::string_view method) {
  return route_method == "*" || route_method == method || (method == "HEAD" && route_method == "GET");
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  SENTINEL_CHECK(pattern.starts_with('/'));
  Route route{std::string(method), std::string(pattern), {}, std::move(handler)};
  for (auto part : path_parts(pattern)) route.parts.emplace_back(part);
  // Kept in order of precedence, so that the first match is the right one; a HEAD of its own goes before GET.
  auto after = std::find_if(routes_.begin(), routes_.end(), [&](const Route& other) {
    const std::string mine = route.rank();
    const std::string theirs = other.rank();
    if (mine != theirs) return mine < theirs;
    return (other.method == "*" && route.method != "*") || (route.method == "HEAD" && other.method == "GET");
  });
  routes_.insert(after, std::move(route));
}

void Router::add_any(std::string_view pattern, Handler handler) { add("*", pattern, std::move(handler)); }
void Router::set_fallback(Handler handler) { fallback_ = std::move(handler); }

std::string Router::Route::rank() const {
  std::string rank;
  for (const auto& part : parts) rank += is_tail(part) ? '2' : is_parameter(part) ? '1' : '0';
  return rank;
}

bool Router::Route::matches(const std::vector<std::string_view>& path, Params* params) const {
  const bool tail = !parts.empty() && is_tail(parts.back());
  if (tail ? path.size() < parts.size() : path.size() != parts.size()) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (is_tail(parts[i])) break;
    if (is_parameter(parts[i]) ? path[i].empty() : parts[i] != path[i]) return false;
  }
  if (params == nullptr) return true;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!is_parameter(parts[i])) continue;
    std::string_view value = path[i];
    if (is_tail(parts[i])) {
      value = std::string_view(path[i].data(),
                               static_cast<size_t>(path.back().data() + path.back().size() - path[i].data()));
    }
    params->add(std::string(parameter_name(parts[i])), std::string(value));
  }
  return true;
}

const Handler* Router::find(Request& request, std::vector<std::string>* allowed) const {
  const auto path = path_parts(request.path);
  for (const auto& route : routes_) {
    if (!serves(route.method, request.method) || !route.matches(path, nullptr)) continue;
    request.path_params.clear();
    route.matches(path, &request.path_params);
    return &route.handler;
  }
  if (allowed != nullptr) {
    for (const auto& route : routes_) {
      if (!route.matches(path, nullptr)) continue;
      if (std::find(allowed->begin(), allowed->end(), route.method) == allowed->end()) allowed->push_back(route.method);
    }
  }
  return nullptr;
}

namespace {
Task<void> answer_no_route(Exchange* exchange, std::vector<std::string> allowed) {
  (void)co_await exchange->respond(no_route_response(exchange->request(), allowed));
}
}  // namespace

Task<void> Router::serve(Exchange* exchange) const {
  std::vector<std::string> allowed;
  if (const Handler* handler = find(exchange->request(), &allowed); handler != nullptr) return (*handler)(exchange);
  if (fallback_ && allowed.empty()) return fallback_(exchange);
  return answer_no_route(exchange, std::move(allowed));
}

std::vector<std::string> Router::routes() const {
  std::vector<std::string> all;
  for (const auto& route : routes_) all.push_back(route.method + " " + route.pattern);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace sentinel::net
