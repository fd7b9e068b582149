#include "api/heartbeats.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/auth.h"
#include "base/hash.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

json::value time_or_null(const std::optional<TimePoint>& t) {
  return t ? json::value(format_rfc3339(*t)) : json::value(nullptr);
}
double seconds(Micros d) { return static_cast<double>(d.count()) / 1e6; }

// `address` "": whoever asks may not know it.
json::object heartbeat_json(const alerting::HeartbeatView& v, const std::string& address) {
  json::object labels;
  for (const model::Label& l : v.definition.labels) labels[l.name] = l.value;
  const auto& schedule = v.definition.schedule;
  return {{"name", v.definition.name},
          {"state", alerting::heartbeat_state_name(v.state)},
          {"every_s", schedule ? json::value(nullptr) : json::value(seconds(v.definition.every))},
          {"schedule", schedule ? json::value(schedule->text()) : json::value(nullptr)},
          {"time_zone", schedule ? json::value(schedule->zone()) : json::value(nullptr)},
          {"grace_s", seconds(v.definition.grace)},
          {"last_beat", time_or_null(v.last_beat)},
          {"started_at", time_or_null(v.started_at)},
          {"expected_at", format_rfc3339(v.expected_at)},
          {"due_at", format_rfc3339(v.due_at)},
          {"detail", v.detail},
          {"labels", std::move(labels)},
          {"path", address.empty() ? json::value(nullptr) : json::value(address)}};
}

net::Response answer(const json::value& body) { return net::json_response(200, text::serialize(body)); }

}  // namespace

void HeartbeatApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/heartbeats", this, &HeartbeatApi::list);
  route(router, "GET", "/sentinel/v1/heartbeats/{name}", this, &HeartbeatApi::show);
  route(router, "POST", "/sentinel/v1/heartbeats/{name}", this, &HeartbeatApi::beat);
  route(router, "POST", "/sentinel/v1/heartbeats/{name}/{what}", this, &HeartbeatApi::beat);
  for (const char* method : {"GET", "HEAD", "POST"}) {
    route(router, method, "/heartbeat/{token}/{name}", this, &HeartbeatApi::open_beat);
    route(router, method, "/heartbeat/{token}/{name}/{what}", this, &HeartbeatApi::open_beat);
  }
}

HeartbeatApi::Answer HeartbeatApi::list(net::Exchange* exchange) {
  // Whoever may only look may not speak for a job either.
  const bool with_path = may_act(exchange->request());
  co_return co_await net::on_loop(&parts_.control, [this, with_path]() -> Result<net::Response> {
    json::array items;
    for (const alerting::HeartbeatView& v : parts_.heartbeats.list()) {
      const std::string& name = v.definition.name;
      items.push_back(heartbeat_json(
          v, with_path ? fmt::format("{}{}/{}", kHeartbeatPrefix, parts_.secret_of(name), url_encode(name)) : ""));
    }
    return answer(json::object{{"items", std::move(items)}});
  });
}

HeartbeatApi::Answer HeartbeatApi::show(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const bool with_path = may_act(request);
  const std::string name(request.path_params.get("name"));
  co_return co_await net::on_loop(&parts_.control, [this, name, with_path]() -> Result<net::Response> {
    for (const alerting::HeartbeatView& v : parts_.heartbeats.list()) {
      if (v.definition.name != name) continue;
      return answer(heartbeat_json(
          v, with_path ? fmt::format("{}{}/{}", kHeartbeatPrefix, parts_.secret_of(name), url_encode(name)) : ""));
    }
    return fail(ErrorCode::kNotFound, fmt::format("no heartbeat \"{}\"", name));
  });
}

HeartbeatApi::Answer HeartbeatApi::beat(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string name(request.path_params.get("name"));
  SENTINEL_CO_ASSIGN(const alerting::Beat beat, alerting::parse_beat(request.path_params.get("what"), request.body));
  co_return co_await net::on_loop(&parts_.control, [this, name, beat]() -> Result<net::Response> {
    SENTINEL_TRY(parts_.heartbeats.beat(name, beat));
    return answer(json::object{{"name", name}});
  });
}

// Says "not found" of a wrong secret as of a wrong name.
HeartbeatApi::Answer HeartbeatApi::open_beat(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string name(request.path_params.get("name"));
  const std::string token(request.path_params.get("token"));
  SENTINEL_CO_ASSIGN(const alerting::Beat beat, alerting::parse_beat(request.path_params.get("what"), request.body));
  co_return co_await net::on_loop(&parts_.control, [this, name, token, beat]() -> Result<net::Response> {
    const Error unknown(ErrorCode::kNotFound, "no such heartbeat, or the secret in its address is another");
    if (!constant_time_equals(token, parts_.secret_of(name))) return fail(unknown);
    if (const Status taken = parts_.heartbeats.beat(name, beat); !taken)
      return fail(taken.error().code() == ErrorCode::kNotFound ? unknown : taken.error());
    net::Response response;
    response.body = "OK\n";
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.headers.set("Cache-Control", "no-store");
    return response;
  });
}

}  // namespace sentinel::api
