#include "api/changes.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

constexpr std::chrono::hours kWindowUsual{24};
constexpr size_t kListUsual = 100;
constexpr size_t kListMax = 1000;

json::object change_json(const incident::ChangeEvent& e) {
  json::object labels;
  for (const model::Label& l : e.labels) labels[l.name] = l.value;
  return {{"id", e.id},
          {"at", format_rfc3339(e.at)},
          {"kind", incident::change_kind_name(e.kind)},
          {"subject", e.subject},
          {"text", e.text},
          {"sentence", e.describe()},
          {"link", e.link},
          {"labels", std::move(labels)},
          {"actor", e.actor}};
}

Result<incident::ChangeEvent> event_of(const json::object& body, TimePoint now) {
  incident::ChangeEvent event;
  SENTINEL_ASSIGN(const std::string kind, required_string(body, "kind"));
  SENTINEL_ASSIGN(event.kind, incident::parse_change_kind(kind));
  SENTINEL_ASSIGN(event.subject, required_string(body, "subject"));
  SENTINEL_ASSIGN(event.text, string_field(body, "text"));
  SENTINEL_ASSIGN(event.link, string_field(body, "link"));
  for (const char* label : {"service", "env"}) {
    SENTINEL_ASSIGN(const std::string value, string_field(body, label));
    event.labels.set(label, value);
  }
  SENTINEL_ASSIGN(const std::string at, string_field(body, "at"));
  event.at = now;
  if (!at.empty()) {
    const auto time = parse_time(at);
    if (!time) return fail(ErrorCode::kInvalidArgument, fmt::format("\"at\" is no time: \"{}\"", at));
    event.at = *time;
  }
  if (event.at > now + std::chrono::hours(1))
    return fail(ErrorCode::kInvalidArgument, "\"at\" is in the future: a change is told of when it is made");
  return event;
}

}  // namespace

void ChangesApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/changes", this, &ChangesApi::list);
  route(router, "POST", "/sentinel/v1/changes", this, &ChangesApi::add);
}

net::Task<Result<net::Response>> ChangesApi::list(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const TimePoint now = parts_.clock.now();
  incident::ChangeQuery query;
  SENTINEL_CO_ASSIGN(query.from, time_param(params, "from", now - kWindowUsual));
  SENTINEL_CO_ASSIGN(query.to, time_param(params, "to", now));
  SENTINEL_CO_ASSIGN(query.limit, limit_param(params, kListUsual, kListMax));
  if (const std::string_view kind = params.get("kind"); !kind.empty()) {
    SENTINEL_CO_ASSIGN(query.kind, incident::parse_change_kind(kind));
  }
  for (const char* label : {"service", "env"}) {
    if (const std::string value(params.get(label)); !value.empty()) query.scope.emplace_back(label, value);
  }
  SENTINEL_CO_ASSIGN(const auto events,
                     co_await net::blocking(&parts_.runtime, [this, query] { return parts_.log.list(query); }));
  json::array items;
  for (const incident::ChangeEvent& event : events) items.push_back(change_json(event));
  co_return net::json_response(200, text::serialize(json::object{{"items", std::move(items)}}));
}

net::Task<Result<net::Response>> ChangesApi::add(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  SENTINEL_CO_ASSIGN(const incident::ChangeEvent event, event_of(body, parts_.clock.now()));
  SENTINEL_CO_ASSIGN(const std::string key, string_field(body, "key"));
  const incident::Actor actor = actor_of(request, body);
  SENTINEL_CO_ASSIGN(
      const incident::ChangeEvent added,
      co_await net::blocking(&parts_.runtime, [this, event, key, actor] { return parts_.log.add(event, key, actor); }));
  co_return net::json_response(201, text::serialize(change_json(added)));
}

}  // namespace sentinel::api
