#include "api/handler.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "text/json.h"

namespace sentinel::api {

net::Task<void> respond_with(net::Exchange* exchange, net::Task<Result<net::Response>> answer) {
  Result<net::Response> response = co_await std::move(answer);
  // A client that has gone does not read the answer; there is nobody to tell.
  (void)co_await exchange->respond(response ? std::move(*response) : net::problem_response(response.error()));
}

Result<boost::json::object> json_body(const net::Request& request) {
  if (trim(request.body).empty()) return boost::json::object();
  auto body = text::parse_json_object(request.body);
  if (!body) return fail(body.error().with_context("request body"));
  return body;
}

Result<std::string> string_field(const boost::json::object& body, std::string_view name) {
  const boost::json::value* value = body.if_contains(name);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return fail(ErrorCode::kInvalidArgument, fmt::format("field \"{}\" must be a string", name));
  return std::string(value->get_string());
}

Result<std::string> required_string(const boost::json::object& body, std::string_view name) {
  SENTINEL_ASSIGN(std::string value, string_field(body, name));
  if (trim(value).empty()) return fail(ErrorCode::kInvalidArgument, fmt::format("field \"{}\" is needed", name));
  return value;
}

net::Params request_params(const net::Request& request) {
  net::Params params = request.query;
  if (request.headers.get("content-type").starts_with("application/x-www-form-urlencoded")) {
    const net::Params form = net::Params::parse(request.body);
    for (const auto& [name, value] : form.pairs()) params.add(name, value);
  }
  return params;
}

Result<TimePoint> time_param(const net::Params& params, std::string_view name, TimePoint fallback) {
  if (params.get(name).empty()) return fallback;
  auto time = parse_time(params.get(name));
  if (!time) return fail(time.error().with_context(fmt::format("parameter \"{}\"", name)));
  return time;
}

Result<size_t> limit_param(const net::Params& params, size_t fallback, size_t max) {
  if (params.get("limit").empty()) return fallback;
  const auto limit = parse_int(params.get("limit"));
  if (!limit || *limit < 1)
    return fail(ErrorCode::kInvalidArgument, "parameter \"limit\" must be a whole number from 1");
  return std::min(static_cast<size_t>(*limit), max);
}

incident::Actor actor_of(const net::Request& request, const boost::json::object& body) {
  const auto named = string_field(body, "actor");
  std::string name(request.headers.get("x-sentinel-user"));
  if (named && !named->empty()) name = *named;
  if (!request.user.empty()) name = request.user;
  if (name.empty()) name = "someone";
  const std::string_view source = request.headers.get("x-sentinel-source");
  return {std::move(name), source.empty() ? "api" : std::string(source)};
}

alerting::Actor alert_actor_of(const net::Request& request, const boost::json::object& body) {
  incident::Actor actor = actor_of(request, body);
  return {std::move(actor.name), std::move(actor.source), request.peer};
}

}  // namespace sentinel::api
