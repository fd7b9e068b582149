#include "api/incidents.h"

#include <array>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "incident/analytics.h"
#include "incident/diagnosis_runner.h"
#include "incident/postmortem.h"
#include "text/json_text.h"
#include "text/labels_json.h"
#include "text/markdown.h"

namespace sentinel::api {
namespace json = boost::json;

// What every change of an incident is given beside its own fields.
struct ActionCall {
  std::string id;
  std::string note;
  incident::Actor actor;
  int64_t version = 0;  // the caller saw; 0: any
};

// POST .../{id}/NAME. `run` is called on the control loop.
struct IncidentAction {
  std::string_view name;
  Result<incident::IncidentRecord> (*run)(incident::Service& desk, const ActionCall& call, const json::object& body);
};

namespace {

json::value optional_time(const std::optional<TimePoint>& t) {
  return t ? json::value(format_rfc3339(*t)) : json::value(nullptr);
}

json::value seconds_or_null(const std::optional<TimePoint>& end, TimePoint start) {
  return end ? json::value(std::chrono::duration<double>(*end - start).count()) : json::value(nullptr);
}

// Rules put their expression into the generator's link: .../graph?g0.expr=EXPR&g0.tab=1.
std::string expression_of(const model::Alert& alert) {
  const size_t query = alert.generator_url.find('?');
  if (query == std::string::npos) return "";
  return std::string(net::Params::parse(std::string_view(alert.generator_url).substr(query + 1)).get("g0.expr"));
}

json::object alert_json(const incident::IncidentAlert& entry) {
  const model::Alert& a = entry.alert;
  return {{"fingerprint", a.fingerprint_hex()},
          {"name", a.name()},
          {"labels", text::labels_object(a.labels)},
          {"annotations", text::labels_object(a.annotations)},
          {"state", entry.firing ? "firing" : "resolved"},
          {"starts_at", format_rfc3339(a.starts_at)},
          {"ends_at", entry.firing ? json::value(nullptr) : json::value(format_rfc3339(a.ends_at))},
          {"value", entry.value()},
          {"expr", expression_of(a)},
          {"generator_url", a.generator_url}};
}

json::value parse_or_null(const std::string& text) {
  boost::system::error_code ec;
  json::value value = json::parse(text, ec);
  return ec ? json::value(nullptr) : value;
}

json::object timeline_json(const model::TimelineEntry& e) {
  return {{"sequence", e.sequence},
          {"at", format_rfc3339(e.at)},
          {"kind", e.kind},
          {"actor", e.actor},
          {"source", e.source},
          {"text", e.text},
          {"data", parse_or_null(e.data_json)}};
}

json::value runbook_json(const std::optional<runbook::Run>& run) {
  if (!run) return nullptr;
  json::array steps;
  for (const runbook::Step& s : run->runbook.steps) {
    const auto it = run->progress.find(s.step_id);
    const runbook::StepProgress progress = it == run->progress.end() ? runbook::StepProgress{} : it->second;
    const bool touched = progress.state != runbook::StepState::kTodo;
    steps.push_back(json::object{{"step_id", s.step_id},
                                 {"description", s.description},
                                 {"action", s.action},
                                 {"expected_result", s.expected_result},
                                 {"troubleshooting", s.troubleshooting},
                                 {"automated", !s.automation_script.empty()},
                                 {"automation", s.automation_script},
                                 {"state", runbook::step_state_name(progress.state)},
                                 {"note", progress.note},
                                 {"actor", progress.actor},
                                 {"at", touched ? json::value(format_rfc3339(progress.at)) : json::value(nullptr)}});
  }
  return json::object{{"id", run->runbook.id},
                      {"title", run->runbook.title},
                      {"description", run->runbook.description},
                      {"estimated_time", run->runbook.estimated_time},
                      {"steps", std::move(steps)},
                      {"markdown", run->runbook.markdown}};
}

json::object stats_json(const incident::DurationStats& s) {
  if (s.count == 0) return {{"count", 0}, {"p50", nullptr}, {"p90", nullptr}, {"mean", nullptr}};
  return {{"count", s.count}, {"p50", s.p50_s}, {"p90", s.p90_s}, {"mean", s.mean_s}};
}

Result<model::Severity> severity_from(std::string_view word) {
  const auto severity = model::parse_severity(word);
  if (severity) return *severity;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown severity \"{}\"; expected SEV1..SEV4, P1..P4 or critical, high, medium, low", word));
}

Result<incident::ListFilter> list_filter(const net::Params& params) {
  incident::ListFilter filter;
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

using Changed = Result<incident::IncidentRecord>;

Changed acknowledge(incident::Service& desk, const ActionCall& c, const json::object&) {
  return desk.acknowledge(c.id, c.note, c.actor, c.version);
}

Changed reopen(incident::Service& desk, const ActionCall& c, const json::object&) {
  return desk.reopen(c.id, c.note, c.actor, c.version);
}

Changed resolve(incident::Service& desk, const ActionCall& c, const json::object& body) {
  incident::ResolveRequest request;
  SENTINEL_ASSIGN(request.root_cause, string_field(body, "root_cause"));
  SENTINEL_ASSIGN(request.resolution, string_field(body, "resolution"));
  return desk.resolve(c.id, request, c.actor, c.version);
}

Changed set_status(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string word, required_string(body, "status"));
  const auto status = model::parse_incident_status(word);
  if (!status) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("unknown status \"{}\"; expected open, acknowledged, investigating, identified, monitoring "
                            "or resolved",
                            word));
  }
  return desk.set_status(c.id, *status, c.note, c.actor, c.version);
}

Changed assign(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string assignee, required_string(body, "assignee"));
  return desk.assign(c.id, assignee, c.actor, c.version);
}

Changed set_severity(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string word, required_string(body, "severity"));
  SENTINEL_ASSIGN(const model::Severity severity, severity_from(word));
  return desk.set_severity(c.id, severity, c.actor, c.version);
}

Changed add_note(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string text, required_string(body, "text"));
  return desk.add_note(c.id, text, c.actor, c.version);
}

Changed merge(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string into, required_string(body, "into"));
  return desk.merge(c.id, into, c.actor, c.version);
}

constexpr std::array kActions{
    IncidentAction{"acknowledge", acknowledge}, IncidentAction{"status", set_status},
    IncidentAction{"assign", assign},           IncidentAction{"severity", set_severity},
    IncidentAction{"notes", add_note},          IncidentAction{"resolve", resolve},
    IncidentAction{"reopen", reopen},           IncidentAction{"merge", merge},
};

}  // namespace

json::object incident_json(const incident::IncidentRecord& record) {
  const model::Incident& i = record.incident;
  return {{"id", i.id},
          {"number", i.number},
          {"name", fmt::format("INC-{}", i.number)},
          {"title", i.title},
          {"status", model::incident_status_name(i.status)},
          {"severity", model::severity_name(i.severity)},
          {"priority", model::severity_name(i.severity, model::SeverityStyle::kPriority)},
          {"assignee", i.assignee},
          {"channel", i.channel},
          {"labels", text::labels_object(i.labels)},
          {"root_cause", i.root_cause},
          {"resolution", i.resolution},
          {"runbook_id", i.runbook_id},
          {"test_mode", i.test_mode},
          {"created_at", format_rfc3339(i.created_at)},
          {"detected_at", format_rfc3339(i.detected_at)},
          {"impact_started_at", optional_time(i.impact_started_at)},
          {"acknowledged_at", optional_time(i.acknowledged_at)},
          {"resolved_at", optional_time(i.resolved_at)},
          {"updated_at", format_rfc3339(i.updated_at)},
          {"version", i.version},
          {"time_to_acknowledge_s", seconds_or_null(i.acknowledged_at, i.created_at)},
          {"time_to_resolve_s", seconds_or_null(i.resolved_at, i.created_at)},
          {"what_failed", record.headline.what_failed},
          {"why", record.headline.why},
          {"next_step", record.headline.next_step}};
}

void IncidentApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/incidents", this, &IncidentApi::list);
  route(router, "POST", "/sentinel/v1/incidents", this, &IncidentApi::create);
  route(router, "GET", "/sentinel/v1/incidents/{id}", this, &IncidentApi::get);
  route(router, "GET", "/sentinel/v1/incidents/{id}/postmortem", this, &IncidentApi::postmortem);
  for (const IncidentAction& action : kActions) {
    router.add("POST", fmt::format("/sentinel/v1/incidents/{{id}}/{}", action.name),
               [this, &action](net::Exchange* exchange) { return respond_with(exchange, act(exchange, &action)); });
  }
  route(router, "POST", "/sentinel/v1/incidents/{id}/runbook/steps/{step}", this, &IncidentApi::runbook_step);
  route(router, "GET", "/sentinel/v1/analytics", this, &IncidentApi::analytics);
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
  SENTINEL_ASSIGN(const incident::IncidentDetail d, parts_.incidents.get(id));
  SENTINEL_ASSIGN(const std::optional<runbook::Run> run, parts_.runs.get(d.record.incident.id));
  json::object out = incident_json(d.record);
  json::array alerts, timeline;
  for (const incident::IncidentAlert& alert : d.alerts) alerts.push_back(alert_json(alert));
  for (const model::TimelineEntry& entry : d.timeline) timeline.push_back(timeline_json(entry));
  out["alerts"] = std::move(alerts);
  out["timeline"] = std::move(timeline);
  out["diagnosis"] = d.diagnosis ? parse_or_null(incident::to_json(*d.diagnosis)) : json::value(nullptr);
  out["runbook"] = runbook_json(run);
  net::Response response = net::json_response(status, text::serialize(out));
  response.headers.set("ETag", fmt::format("\"{}\"", d.record.incident.version));
  return response;
}

IncidentApi::Answer IncidentApi::get(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  co_return co_await net::on_loop(&parts_.control, [this, id] { return detail(id); });
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
    SENTINEL_ASSIGN(const incident::IncidentDetail before, parts_.incidents.get(id));
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

IncidentApi::Answer IncidentApi::postmortem(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  const bool as_json = exchange->request().headers.get("accept").find("application/json") != std::string_view::npos;
  SENTINEL_CO_ASSIGN(const incident::IncidentDetail d,
                     co_await net::on_loop(&parts_.control, [this, id] { return parts_.incidents.get(id); }));
  const TimePoint now = parts_.control.now();
  const std::string markdown = co_await net::blocking(&parts_.runtime, [this, d, now] {
    const model::Incident& i = d.record.incident;
    std::string condition = d.diagnosis ? d.diagnosis->failing_condition : std::string();
    auto impact = incident::measure_impact(parts_.events, incident::scope_of(i), condition,
                                           i.impact_started_at.value_or(i.detected_at), i.resolved_at.value_or(now));
    if (!impact) log_warn("postmortem", "impact not measured", {{"error", impact.error().to_string()}});
    return incident::postmortem_markdown(d, impact ? std::optional(*impact) : std::nullopt, now);
  });
  if (!as_json) {
    net::Response response = net::text_response(200, markdown);
    response.headers.set("Content-Type", "text/markdown; charset=utf-8");
    co_return response;
  }
  SENTINEL_CO_ASSIGN(const std::string html, text::markdown_to_html(markdown));
  co_return net::json_response(200, text::serialize(json::object{{"markdown", markdown}, {"html", html}}));
}

IncidentApi::Answer IncidentApi::analytics(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const TimePoint now = parts_.control.now();
  incident::ListFilter filter;
  filter.limit = 100'000;
  SENTINEL_CO_ASSIGN(filter.created_from, time_param(params, "from", now - std::chrono::hours(24 * 28)));
  SENTINEL_CO_ASSIGN(filter.created_to, time_param(params, "to", now));
  SENTINEL_CO_ASSIGN(const auto records,
                     co_await net::on_loop(&parts_.control, [this, filter] { return parts_.incidents.list(filter); }));
  const incident::Analytics a = incident::analyze(records);
  json::object by_severity;
  for (const auto& [severity, count] : a.by_severity) by_severity[model::severity_name(severity)] = count;
  co_return net::json_response(200, text::serialize(json::object{{"from", format_rfc3339(*filter.created_from)},
                                                                 {"to", format_rfc3339(*filter.created_to)},
                                                                 {"incidents", a.incidents},
                                                                 {"by_severity", std::move(by_severity)},
                                                                 {"mttd_s", stats_json(a.time_to_detect)},
                                                                 {"mtta_s", stats_json(a.time_to_acknowledge)},
                                                                 {"mttr_s", stats_json(a.time_to_resolve)},
                                                                 {"open", a.open},
                                                                 {"unacknowledged", a.unacknowledged}}));
}

}  // namespace sentinel::api
