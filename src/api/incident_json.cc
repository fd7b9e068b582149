#include "api/incident_json.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "net/http.h"
#include "text/json_text.h"
#include "text/labels_json.h"

namespace sentinel::api {
namespace json = boost::json;
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

}  // namespace

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

json::array external_json(const std::vector<connect::LinkView>& links) {
  json::array out;
  for (const connect::LinkView& link : links) {
    // Nothing is there yet, and nothing is wrong: it is on its way.
    if (link.title.empty() && link.error.empty()) continue;
    out.push_back(json::object{{"integration", link.connection},
                               {"kind", link.kind},
                               {"title", link.title},
                               {"url", link.url.empty() ? json::value(nullptr) : json::value(link.url)},
                               {"pending", link.pending},
                               {"error", link.error.empty() ? json::value(nullptr) : json::value(link.error)}});
  }
  return out;
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

json::value summary_json(const std::optional<incident::Summary>& summary) {
  if (!summary) return nullptr;
  return json::object{{"text", summary->text}, {"model", summary->model}, {"at", format_rfc3339(summary->at)}};
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

json::object attachment_json(const incident::Attachment& a) {
  return {{"id", a.id},         {"name", a.name},
          {"type", a.type},     {"size_bytes", a.size_bytes},
          {"sha256", a.sha256}, {"at", format_rfc3339(a.at)},
          {"actor", a.by}};
}

void add_case(json::object& out, const incident::Case& known) {
  json::array roles, links, subscribers, updates, attachments;
  json::object fields;
  for (const incident::RoleHolder& r : known.roles) {
    roles.push_back(json::object{{"role", incident::role_name(r.role)},
                                 {"person", r.person},
                                 {"since", format_rfc3339(r.since)},
                                 {"given_by", r.by}});
  }
  for (const auto& [name, value] : known.fields) fields[name] = parse_or_null(value);
  for (const incident::Link& l : known.links) {
    links.push_back(json::object{{"relation", l.relation},
                                 {"id", l.id},
                                 {"name", fmt::format("INC-{}", l.number)},
                                 {"title", l.title},
                                 {"status", model::incident_status_name(l.status)},
                                 {"severity", model::severity_name(l.severity)},
                                 {"at", format_rfc3339(l.at)},
                                 {"actor", l.by}});
  }
  for (const incident::Subscriber& s : known.subscribers) {
    subscribers.push_back(
        json::object{{"user", s.user}, {"name", s.name}, {"channel", s.channel}, {"since", format_rfc3339(s.since)}});
  }
  for (const incident::Update& u : known.updates) {
    updates.push_back(json::object{{"id", u.id},
                                   {"at", format_rfc3339(u.at)},
                                   {"actor", u.by},
                                   {"public", u.is_public},
                                   {"title", u.title},
                                   {"text", u.text},
                                   {"status", model::incident_status_name(u.status)}});
  }
  for (const incident::Attachment& a : known.attachments) attachments.push_back(attachment_json(a));
  json::array deadlines;
  for (const incident::Deadline& d : known.deadlines) {
    deadlines.push_back(json::object{{"kind", incident::deadline_name(d.kind)},
                                     {"due_at", format_rfc3339(d.due_at)},
                                     {"reminded", d.reminded_at.has_value()},
                                     {"missed_at", optional_time(d.missed_at)}});
  }
  out["deadlines"] = std::move(deadlines);
  out["useful"] = known.useful ? boost::json::value(*known.useful) : boost::json::value(nullptr);
  out["roles"] = std::move(roles);
  out["fields"] = std::move(fields);
  out["links"] = std::move(links);
  out["subscribers"] = std::move(subscribers);
  out["updates"] = std::move(updates);
  out["attachments"] = std::move(attachments);
}

json::object settings_json(const incident::Options& options) {
  json::array fields, types;
  for (const incident::FieldDefinition& f : options.fields) {
    json::array values;
    for (const std::string& value : f.values) values.emplace_back(value);
    fields.push_back(json::object{{"name", f.name},
                                  {"title", f.title},
                                  {"type", incident::field_type_name(f.type)},
                                  {"values", std::move(values)}});
  }
  for (const std::string& type : options.attachments.types) types.emplace_back(type);
  return {{"fields", std::move(fields)},
          {"attachments", json::object{{"max_bytes", options.attachments.bytes_max},
                                       {"max_count", options.attachments.count_max},
                                       {"types", std::move(types)}}}};
}

}  // namespace sentinel::api
