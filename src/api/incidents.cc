#include "api/incidents.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "incident/analytics.h"
#include "incident/limits.h"
#include "text/json_text.h"
#include "text/labels_json.h"

namespace sentinel::api {
namespace json = boost::json;

namespace {

constexpr std::chrono::days kAnalyticsMax{366};

json::object stats_json(const incident::DurationStats& s) {
  if (s.count == 0) return {{"count", 0}, {"p50", nullptr}, {"p90", nullptr}, {"mean", nullptr}};
  return {{"count", s.count}, {"p50", s.p50_s}, {"p90", s.p90_s}, {"mean", s.mean_s}};
}

void add_figures(json::object& out, const incident::Analytics& a) {
  json::object by_severity;
  for (const auto& [severity, count] : a.by_severity) by_severity[model::severity_name(severity)] = count;
  out["incidents"] = a.incidents;
  out["by_severity"] = std::move(by_severity);
  out["mttd_s"] = stats_json(a.time_to_detect);
  out["mtta_s"] = stats_json(a.time_to_acknowledge);
  out["mttr_s"] = stats_json(a.time_to_resolve);
  out["open"] = a.open;
  out["unacknowledged"] = a.unacknowledged;
}

Result<incident::ListFilter> list_filter(const net::Params& params) {
  incident::ListFilter filter;
  filter.tests = params.get("tests") == "true";
  for (const std::string_view word : split(params.get("status"), ',')) {
    if (word.empty() || word == "all") continue;
    if (word == "active") {
      const std::vector<model::IncidentStatus> active = model::active_incident_statuses();
      filter.statuses.insert(filter.statuses.end(), active.begin(), active.end());
      continue;
    }
    const auto status = model::parse_incident_status(word);
    if (!status) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown status \"{}\"; expected active, open, acknowledged, investigating, identified, "
                              "monitoring or resolved",
                              word));
    }
    filter.statuses.push_back(*status);
  }
  for (const std::string_view word : split(params.get("severity"), ',')) {
    if (word.empty()) continue;
    SENTINEL_ASSIGN(const model::Severity severity, severity_from(word));
    filter.severities.push_back(severity);
  }
  filter.text = std::string(params.get("q"));
  SENTINEL_ASSIGN(filter.limit, limit_param(params, 50, 500));
  if (const auto cursor = params.get("cursor"); !cursor.empty()) {
    const auto number = parse_int(cursor);
    if (!number) return fail(ErrorCode::kInvalidArgument, "parameter \"cursor\" is not one we gave");
    filter.before_number = *number;
  }
  return filter;
}

}  // namespace

IncidentApi::IncidentApi(Parts parts)
    : parts_(std::move(parts)), casework_(parts_.incidents), folder_(posix_env(), parts_.attachments_dir) {
  const Status swept = folder_.sweep([this](const std::string& content) { return casework_.content_wanted(content); });
  if (!swept) log_warn("incident", "attachments were not swept", {{"error", swept.error().to_string()}});
}

void IncidentApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/incidents", this, &IncidentApi::list);
  route(router, "POST", "/sentinel/v1/incidents", this, &IncidentApi::create);
  route(router, "GET", "/sentinel/v1/incidents/{id}", this, &IncidentApi::get);
  for (const IncidentAction& action : incident_actions()) {
    router.add("POST", fmt::format("/sentinel/v1/incidents/{{id}}/{}", action.name),
               [this, &action](net::Exchange* exchange) { return respond_with(exchange, act(exchange, &action)); });
  }
  route(router, "POST", "/sentinel/v1/incidents/{id}/diagnose", this, &IncidentApi::diagnose);
  route(router, "POST", "/sentinel/v1/incidents/{id}/runbook/steps/{step}", this, &IncidentApi::runbook_step);
  route(router, "GET", "/sentinel/v1/analytics", this, &IncidentApi::analytics);
  route(router, "GET", "/sentinel/v1/incidents/settings", this, &IncidentApi::settings);
  route(router, "GET", "/sentinel/v1/incidents/{id}/alerts", this, &IncidentApi::alerts);
  route(router, "POST", "/sentinel/v1/incidents/{id}/attachments", this, &IncidentApi::attach);
  route(router, "GET", "/sentinel/v1/incidents/{id}/attachments/{attachment}", this, &IncidentApi::attachment);
  route(router, "DELETE", "/sentinel/v1/incidents/{id}/attachments/{attachment}", this,
        &IncidentApi::remove_attachment);
}

IncidentApi::Answer IncidentApi::list(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const incident::ListFilter filter, list_filter(exchange->request().query));
  SENTINEL_CO_ASSIGN(const auto records,
                     co_await net::on_loop(&parts_.control, [this, filter] { return parts_.incidents.list(filter); }));
  json::array items;
  for (const incident::IncidentRecord& record : records) items.push_back(incident_json(record));
  const bool more = records.size() == filter.limit;
  json::object body{{"items", std::move(items)}};
  body["next_cursor"] = more ? json::value(std::to_string(records.back().incident.number)) : json::value(nullptr);
  co_return net::json_response(200, text::serialize(body));
}

IncidentApi::Answer IncidentApi::create(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  incident::NewIncident request;
  SENTINEL_CO_ASSIGN(request.title, required_string(body, "title"));
  SENTINEL_CO_ASSIGN(const std::string severity, string_field(body, "severity"));
  if (!severity.empty()) {
    SENTINEL_CO_ASSIGN(request.severity, severity_from(severity));
  }
  SENTINEL_CO_ASSIGN(request.assignee, string_field(body, "assignee"));
  SENTINEL_CO_ASSIGN(request.note, string_field(body, "note"));
  if (const json::value* labels = body.if_contains("labels")) {
    SENTINEL_CO_ASSIGN(request.labels, text::labels_from_value(*labels));
  }
  const incident::Actor actor = actor_of(exchange->request(), body);
  co_return co_await net::on_loop(&parts_.control, [this, request, actor]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const incident::IncidentRecord record, parts_.incidents.create(request, actor));
    return detail(record.incident.id, 201);
  });
}

Result<net::Response> IncidentApi::detail(std::string_view id, int status) {
  SENTINEL_ASSIGN(const incident::IncidentDetail d, parts_.incidents.get(id, incident::kAlertsShownMax));
  SENTINEL_ASSIGN(const incident::Case known, casework_.get(d.record.incident.id));
  SENTINEL_ASSIGN(const std::optional<runbook::Run> run, parts_.runs.get(d.record.incident.id));
  json::object out = incident_json(d.record);
  json::array alerts, timeline;
  for (const incident::IncidentAlert& alert : d.alerts) alerts.push_back(alert_json(alert));
  for (const model::TimelineEntry& entry : d.timeline) timeline.push_back(timeline_json(entry));
  out["alerts"] = std::move(alerts);
  out["alert_count"] = d.alert_count;
  out["firing_count"] = d.firing_count;
  add_case(out, known);
  out["timeline"] = std::move(timeline);
  out["summary"] = summary_json(d.summary);
  out["diagnosis"] = d.diagnosis ? parse_or_null(incident::to_json(*d.diagnosis)) : json::value(nullptr);
  out["runbook"] = runbook_json(run);
  SENTINEL_ASSIGN(const std::vector<connect::LinkView> elsewhere, parts_.hub.links(d.record.incident.id));
  out["external"] = external_json(elsewhere);
  net::Response response = net::json_response(status, text::serialize(out));
  response.headers.set("ETag", fmt::format("\"{}\"", d.record.incident.version));
  return response;
}

IncidentApi::Answer IncidentApi::get(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  co_return co_await net::on_loop(&parts_.control, [this, id] { return detail(id); });
}

IncidentApi::Answer IncidentApi::alerts(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string id(request.path_params.get("id"));
  const std::string cursor(request.query.get("cursor"));
  const std::string_view state = request.query.get("state");
  if (!state.empty() && state != "firing" && state != "resolved")
    co_return fail(ErrorCode::kInvalidArgument, "parameter \"state\": expected firing or resolved");
  const auto firing = state.empty() ? std::nullopt : std::optional(state == "firing");
  SENTINEL_CO_ASSIGN(const size_t limit,
                     limit_param(request.query, incident::kAlertsShownMax, incident::kAlertsPageMax));
  SENTINEL_CO_ASSIGN(const incident::AlertsPage page, co_await net::on_loop(&parts_.control, [=, this] {
                       return parts_.incidents.alerts(id, firing, cursor, limit);
                     }));
  json::array items;
  for (const incident::IncidentAlert& alert : page.alerts) items.push_back(alert_json(alert));
  json::object body{{"items", std::move(items)}};
  body["next_cursor"] = page.next.empty() ? json::value(nullptr) : json::value(page.next);
  co_return net::json_response(200, text::serialize(body));
}

IncidentApi::Answer IncidentApi::settings(net::Exchange*) {
  const incident::Options options =
      co_await net::on_loop(&parts_.control, [this] { return parts_.incidents.options(); });
  co_return net::json_response(200, text::serialize(settings_json(options)));
}

IncidentApi::Answer IncidentApi::act(net::Exchange* exchange, const IncidentAction* action) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  ActionCall call;
  if (const std::string_view match = request.headers.get("if-match"); !match.empty() && match != "*") {
    const auto parsed = parse_int(match.size() > 2 && match.front() == '"' ? match.substr(1, match.size() - 2) : match);
    if (!parsed) co_return fail(ErrorCode::kInvalidArgument, "If-Match must be a version number");
    call.version = *parsed;
  }
  call.id = std::string(request.path_params.get("id"));
  call.actor = actor_of(request, body);
  SENTINEL_CO_ASSIGN(call.note, string_field(body, "note"));
  co_return co_await net::on_loop(&parts_.control, [=, this]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const incident::IncidentRecord record, action->run(parts_.incidents, call, body));
    return detail(record.incident.id);
  });
}

// Now, by who looks at it; also where no alert says what failing means, and after the end.
IncidentApi::Answer IncidentApi::diagnose(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  SENTINEL_CO_ASSIGN(const incident::DiagnosisRequest asked,
                     co_await net::on_loop(&parts_.control, [this, id] { return parts_.diagnosis.request_of(id); }));
  const Result<incident::Diagnosis> found =
      co_await net::blocking(&parts_.runtime, [this, asked] { return incident::diagnose(parts_.events, asked); });
  co_return co_await net::on_loop(&parts_.control, [this, id, asked, found]() -> Result<net::Response> {
    SENTINEL_TRY(parts_.diagnosis.store(id, asked, found));
    return detail(id);
  });
}

IncidentApi::Answer IncidentApi::runbook_step(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  SENTINEL_CO_ASSIGN(const std::string word, required_string(body, "state"));
  SENTINEL_CO_ASSIGN(const std::string note, string_field(body, "note"));
  const auto state = runbook::parse_step_state(word);
  if (!state)
    co_return fail(ErrorCode::kInvalidArgument,
                   fmt::format("unknown step state \"{}\"; expected todo, done, skipped or failed", word));
  const std::string id(request.path_params.get("id"));
  const std::string step(request.path_params.get("step"));
  const incident::Actor actor = actor_of(request, body);
  co_return co_await net::on_loop(&parts_.control, [=, this]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const incident::IncidentDetail before, parts_.incidents.get(id, 0));
    const std::string& key = before.record.incident.id;
    SENTINEL_ASSIGN(const runbook::Run run, parts_.runs.set_step(key, step, *state, note, actor.name, actor.source));
    const runbook::Step* next = run.next_step();
    SENTINEL_TRY(parts_.incidents.set_next_step(
        key, run.runbook.id,
        next == nullptr ? "The runbook is done: resolve the incident, or escalate." : next->description));
    parts_.incidents.notify_changed(key);
    return detail(key);
  });
}

IncidentApi::Answer IncidentApi::analytics(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const TimePoint now = parts_.control.now();
  SENTINEL_CO_ASSIGN(const TimePoint from, time_param(params, "from", now - std::chrono::hours(24 * 28)));
  SENTINEL_CO_ASSIGN(const TimePoint to, time_param(params, "to", now));
  if (to <= from || to - from > kAnalyticsMax)
    co_return fail(ErrorCode::kInvalidArgument, "\"from\" must lie before \"to\", at most 366 days");
  incident::ListFilter filter;
  filter.limit = 100'000;
  filter.created_from = from;
  filter.created_to = to;
  SENTINEL_CO_ASSIGN(const auto records,
                     co_await net::on_loop(&parts_.control, [this, filter] { return parts_.incidents.list(filter); }));
  json::object out{{"from", format_rfc3339(from)}, {"to", format_rfc3339(to)}};
  add_figures(out, incident::analyze(records));
  const Micros step = incident::usual_period(to - from);
  json::array periods;
  for (const incident::AnalyticsPeriod& period : incident::analyze_over_time(records, from, to, step)) {
    json::object one{{"start", format_rfc3339(period.start)}};
    add_figures(one, period.figures);
    periods.push_back(std::move(one));
  }
  out["period_s"] = std::chrono::duration<double>(step).count();
  out["periods"] = std::move(periods);
  co_return net::json_response(200, text::serialize(out));
}

}  // namespace sentinel::api
