#include "api/postmortems.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/incident_json.h"
#include "base/log.h"
#include "base/strings.h"
#include "incident/diagnosis_runner.h"
#include "incident/limits.h"
#include "text/json_text.h"
#include "text/markdown.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1.25rem; color: #1b1f24; }}
h1 {{ font-size: 1.7rem; }} h2 {{ font-size: 1.2rem; margin-top: 1.8rem; border-bottom: 1px solid #d8dee4; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border: 1px solid #d8dee4; padding: .3rem .55rem; text-align: left; vertical-align: top; }}
code {{ font-family: ui-monospace, monospace; font-size: .92em; }}
@media print {{ body {{ margin: 0; max-width: none; }} h2 {{ break-after: avoid; }} tr {{ break-inside: avoid; }} }}
</style></head><body>
{}</body></html>
)";

json::value text_or_null(const std::optional<std::chrono::sys_days>& date) {
  return date ? json::value(fmt::format("{:%Y-%m-%d}", *date)) : json::value(nullptr);
}

json::object action_json(const incident::ActionItem& item, TimePoint now) {
  return {{"id", item.id},
          {"incident", json::object{{"id", item.incident_id},
                                    {"name", fmt::format("INC-{}", item.incident_number)},
                                    {"title", item.incident_title}}},
          {"text", item.text},
          {"type", incident::action_type_name(item.type)},
          {"owner", item.owner},
          {"due_date", text_or_null(item.due_date)},
          {"state", incident::action_state_name(item.state)},
          {"overdue", item.overdue(now)},
          {"link", item.link},
          {"created_at", format_rfc3339(item.created_at)},
          {"created_by", item.created_by},
          {"closed_at", item.closed_at ? json::value(format_rfc3339(*item.closed_at)) : json::value(nullptr)}};
}

json::array actions_json(const std::vector<incident::ActionItem>& items, TimePoint now) {
  json::array out;
  for (const incident::ActionItem& item : items) out.push_back(action_json(item, now));
  return out;
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::value impact_json(const std::optional<incident::Impact>& impact) {
  if (!impact) return nullptr;
  return json::object{{"calls", impact->calls},
                      {"failing", impact->failing},
                      {"users", impact->users},
                      {"cost_usd", impact->cost_usd},
                      {"tokens", impact->tokens},
                      {"latency_p95_ms", impact->latency_p95_ms ? json::value(*impact->latency_p95_ms) : nullptr},
                      {"fallbacks", impact->fallbacks},
                      {"models", texts_json(impact->models)},
                      {"endpoints", texts_json(impact->endpoints)},
                      {"providers", texts_json(impact->providers)},
                      {"prompts", texts_json(impact->prompts)}};
}

// markdown, json or html: as the query asks, else as `Accept` does; Markdown to who takes anything.
Result<std::string> wanted_format(const net::Request& request) {
  const std::string_view asked = request.query.get("format");
  if (asked == "markdown" || asked == "json" || asked == "html") return std::string(asked);
  if (!asked.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("unknown format \"{}\"; expected markdown, json or html", asked));
  }
  const std::string_view accept = request.headers.get("accept");
  if (accept.find("application/json") != accept.npos) return std::string("json");
  if (accept.find("text/html") != accept.npos) return std::string("html");
  return std::string("markdown");
}

Result<std::optional<std::string>> optional_string(const json::object& body, std::string_view name) {
  if (body.if_contains(name) == nullptr) return std::optional<std::string>();
  SENTINEL_ASSIGN(std::string text, string_field(body, name));
  return std::optional<std::string>(std::move(text));
}

Result<incident::ActionChange> action_change(const json::object& body) {
  incident::ActionChange out;
  SENTINEL_ASSIGN(out.text, optional_string(body, "text"));
  SENTINEL_ASSIGN(out.owner, optional_string(body, "owner"));
  SENTINEL_ASSIGN(out.due_date, optional_string(body, "due_date"));
  SENTINEL_ASSIGN(out.link, optional_string(body, "link"));
  SENTINEL_ASSIGN(const std::string type, string_field(body, "type"));
  if (!type.empty()) {
    SENTINEL_ASSIGN(out.type, incident::parse_action_type(type));
  }
  SENTINEL_ASSIGN(const std::string state, string_field(body, "state"));
  if (!state.empty()) {
    SENTINEL_ASSIGN(out.state, incident::parse_action_state(state));
  }
  return out;
}

}  // namespace

PostmortemApi::PostmortemApi(Parts parts)
    : parts_(parts),
      casework_(parts_.incidents),
      postmortems_(parts_.incidents, casework_, parts_.control, parts_.database) {}

void PostmortemApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/incidents/{id}/postmortem", this, &PostmortemApi::get);
  route(router, "PUT", "/sentinel/v1/incidents/{id}/postmortem", this, &PostmortemApi::put);
  route(router, "GET", "/sentinel/v1/incidents/{id}/action-items", this, &PostmortemApi::actions_of_incident);
  route(router, "POST", "/sentinel/v1/incidents/{id}/action-items", this, &PostmortemApi::add_action);
  route(router, "GET", "/sentinel/v1/action-items", this, &PostmortemApi::list_actions);
  route(router, "PATCH", "/sentinel/v1/action-items/{item}", this, &PostmortemApi::change_action);
}

net::Task<Result<PostmortemApi::Whole>> PostmortemApi::whole(std::string id, bool generated) {
  SENTINEL_CO_ASSIGN(Whole out, co_await net::on_loop(&parts_.control, [this, id]() -> Result<Whole> {
                       Whole all;
                       SENTINEL_ASSIGN(all.input.detail, parts_.incidents.get(id, incident::kAlertsShownMax));
                       SENTINEL_ASSIGN(all.input.known, casework_.get(id));
                       incident::ActionFilter filter;
                       filter.incident = id;
                       SENTINEL_ASSIGN(all.input.actions, parts_.actions.list(filter));
                       SENTINEL_ASSIGN(all.document, postmortems_.get(id));
                       return all;
                     }));
  const TimePoint now = parts_.control.now();
  co_return co_await net::blocking(&parts_.runtime, [this, out, now, generated]() -> Result<Whole> {
    Whole all = out;
    const incident::IncidentDetail& d = all.input.detail;
    const model::Incident& i = d.record.incident;
    const std::string condition = d.diagnosis ? d.diagnosis->failing_condition : std::string();
    auto impact = incident::measure_impact(parts_.events, incident::scope_of(i), condition,
                                           i.impact_started_at.value_or(i.detected_at), i.resolved_at.value_or(now));
    if (!impact) log_warn("postmortem", "impact not measured", {{"error", impact.error().to_string()}});
    if (impact) all.input.impact = std::move(*impact);
    all.generated = generated || all.document.text.empty();
    all.markdown = all.generated ? incident::postmortem_markdown(all.input, now) : all.document.text;
    return all;
  });
}

Result<net::Response> PostmortemApi::answer(const Whole& whole, std::string_view format) const {
  if (format == "markdown") {
    net::Response response = net::text_response(200, whole.markdown);
    response.headers.set("Content-Type", "text/markdown; charset=utf-8");
    return response;
  }
  SENTINEL_ASSIGN(const std::string html, text::markdown_to_html(whole.markdown));
  const model::Incident& i = whole.input.detail.record.incident;
  if (format == "html") {
    net::Response response =
        net::text_response(200, fmt::format(kPage, fmt::format("Postmortem of INC-{}", i.number), html));
    response.headers.set("Content-Type", "text/html; charset=utf-8");
    // What people wrote is markup without scripts already; a document that may load nothing says so twice.
    response.headers.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    return response;
  }
  const incident::PostmortemDocument& d = whole.document;
  json::array timeline;
  for (const model::TimelineEntry& entry : whole.input.detail.timeline) timeline.push_back(timeline_json(entry));
  json::object about = incident_json(whole.input.detail.record);
  add_case(about, whole.input.known);
  const bool saved = d.version > 0;
  return net::json_response(
      200, text::serialize(json::object{
               {"markdown", whole.markdown},
               {"html", html},
               {"generated", whole.generated},
               {"state", incident::postmortem_state_name(d.state)},
               {"authors", texts_json(d.authors)},
               {"version", d.version},
               {"saved_at", saved ? json::value(format_rfc3339(d.saved_at)) : json::value(nullptr)},
               {"saved_by", d.saved_by},
               {"incident", std::move(about)},
               {"timeline", std::move(timeline)},
               {"diagnosis", whole.input.detail.diagnosis ? parse_or_null(to_json(*whole.input.detail.diagnosis))
                                                          : json::value(nullptr)},
               {"impact", impact_json(whole.input.impact)},
               {"action_items", actions_json(whole.input.actions, parts_.control.now())}}));
}

PostmortemApi::Answer PostmortemApi::get(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const std::string format, wanted_format(request));
  const bool generated = request.query.get("generated") == "true";
  SENTINEL_CO_ASSIGN(const Whole all, co_await whole(std::string(request.path_params.get("id")), generated));
  co_return answer(all, format);
}

PostmortemApi::Answer PostmortemApi::put(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string id(request.path_params.get("id"));
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  incident::PostmortemChange change;
  SENTINEL_CO_ASSIGN(change.text, optional_string(body, "markdown"));
  SENTINEL_CO_ASSIGN(const std::string state, string_field(body, "state"));
  if (!state.empty()) {
    SENTINEL_CO_ASSIGN(change.state, incident::parse_postmortem_state(state));
  }
  int64_t version = 0;
  if (const std::string_view match = request.headers.get("if-match"); !match.empty() && match != "*") {
    const auto parsed = parse_int(trim(match));
    if (!parsed) co_return fail(ErrorCode::kInvalidArgument, "If-Match must be a version number");
    version = *parsed;
  }
  const incident::Actor actor = actor_of(request, body);
  SENTINEL_CO_TRY(co_await net::on_loop(&parts_.control, [this, id, change, actor, version]() -> Status {
    SENTINEL_ASSIGN(const incident::PostmortemDocument saved, postmortems_.change(id, change, actor, version));
    (void)saved;
    return {};
  }));
  SENTINEL_CO_ASSIGN(const Whole all, co_await whole(id, false));
  co_return answer(all, "json");
}

PostmortemApi::Answer PostmortemApi::list_actions(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const TimePoint now = parts_.control.now();
  incident::ActionFilter filter;
  filter.owner = std::string(params.get("owner"));
  const std::string_view state = params.get("state");
  if (state == "open" || state == "closed") {
    filter.closed = state == "closed";
  } else if (state == "overdue") {
    filter.overdue_at = now;
  } else if (!state.empty() && state != "all") {
    co_return fail(ErrorCode::kInvalidArgument,
                   fmt::format("unknown state \"{}\"; expected open, overdue, closed or all", state));
  }
  SENTINEL_CO_ASSIGN(filter.limit, limit_param(params, 100, 1000));
  SENTINEL_CO_ASSIGN(const auto items,
                     co_await net::on_loop(&parts_.control, [this, filter] { return parts_.actions.list(filter); }));
  co_return net::json_response(200, text::serialize(json::object{{"items", actions_json(items, now)}}));
}

PostmortemApi::Answer PostmortemApi::actions_of_incident(net::Exchange* exchange) {
  incident::ActionFilter filter;
  filter.incident = std::string(exchange->request().path_params.get("id"));
  SENTINEL_CO_ASSIGN(const auto items,
                     co_await net::on_loop(&parts_.control, [this, filter] { return parts_.actions.list(filter); }));
  co_return net::json_response(200,
                               text::serialize(json::object{{"items", actions_json(items, parts_.control.now())}}));
}

PostmortemApi::Answer PostmortemApi::add_action(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  SENTINEL_CO_ASSIGN(const incident::ActionChange change, action_change(body));
  const incident::Actor actor = actor_of(exchange->request(), body);
  SENTINEL_CO_ASSIGN(const incident::ActionItem item, co_await net::on_loop(&parts_.control, [this, id, change, actor] {
                       return parts_.actions.add(id, change, actor);
                     }));
  co_return net::json_response(201, text::serialize(action_json(item, parts_.control.now())));
}

PostmortemApi::Answer PostmortemApi::change_action(net::Exchange* exchange) {
  const auto id = parse_int(exchange->request().path_params.get("item"));
  if (!id) co_return fail(ErrorCode::kNotFound, "there is no such action item");
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  SENTINEL_CO_ASSIGN(const incident::ActionChange change, action_change(body));
  const incident::Actor actor = actor_of(exchange->request(), body);
  SENTINEL_CO_ASSIGN(const incident::ActionItem item,
                     co_await net::on_loop(&parts_.control, [this, id = *id, change, actor] {
                       return parts_.actions.change(id, change, actor);
                     }));
  co_return net::json_response(200, text::serialize(action_json(item, parts_.control.now())));
}

}  // namespace sentinel::api
