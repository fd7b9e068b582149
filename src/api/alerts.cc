#include "api/alerts.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "oncall/channels.h"
#include "receivers/notification.h"
#include "state/outbox.h"
#include "text/json_text.h"
#include "text/labels_json.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

using detection::ActiveAlert;
using detection::GroupStatusPtr;
using detection::RuleStatus;

json::object texts_json(const detection::NamedTexts& texts) {
  json::object out;
  for (const auto& [name, text] : texts) out[name] = text;
  return out;
}

double seconds(Millis d) { return static_cast<double>(d.count()) / 1000; }

// How an alert reads to people in the event stream.
std::string_view alert_type(const alerting::AlertEvent& event) {
  if (event.kind == alerting::AlertChange::Kind::kResolved) return "success";
  if (event.action || event.kind == alerting::AlertChange::Kind::kCalm) return "info";
  const auto severity = model::parse_severity(event.alert.labels.get("severity")).value_or(model::Severity::kSev3);
  if (severity <= model::Severity::kSev2) return "error";
  return severity == model::Severity::kSev3 ? "warning" : "info";
}

json::object acknowledgement_json(const alerting::Acknowledgement& a) {
  return {{"by", a.by.name},
          {"source", a.by.source},
          {"at", format_rfc3339(a.at)},
          {"note", a.note},
          {"until", a.until ? json::value(format_rfc3339(*a.until)) : json::value(nullptr)}};
}

std::string event_title(const alerting::AlertEvent& event, std::string_view summary) {
  using Kind = alerting::AlertChange::Kind;
  const std::string by = event.action ? " by " + event.action->by.name : "";
  switch (event.kind) {
    case Kind::kFired:
    case Kind::kUpdated: return std::string(summary);
    case Kind::kResolved: return fmt::format("Resolved: {}", summary);
    case Kind::kAcknowledged: return fmt::format("Acknowledged{}: {}", by, summary);
    case Kind::kUnacknowledged: return fmt::format("No longer acknowledged{}: {}", by, summary);
    case Kind::kFlapping: return fmt::format("Flapping: {}", summary);
    case Kind::kCalm: return fmt::format("Calm again: {}", summary);
  }
  return std::string(summary);
}

json::object event_json(const alerting::AlertEvent& event) {
  const model::Alert& a = event.alert;
  json::array tags;
  for (const model::Label& label : a.labels) tags.emplace_back(label.name + ":" + label.value);
  std::string text(a.annotations.get("description"));
  if (const auto action = a.annotations.get("action"); !action.empty())
    text += fmt::format("\nRecommended: {}", action);
  const std::string_view summary = a.annotations.get("summary").empty() ? a.name() : a.annotations.get("summary");
  if (event.action && !event.action->note.empty()) text = event.action->note;
  return {{"id", event.id},
          {"at", format_rfc3339(event.at)},
          {"source", "sentinel"},
          {"title", event_title(event, summary)},
          {"text", text},
          {"alert_type", alert_type(event)},
          {"kind", alerting::alert_change_name(event.kind)},
          {"fingerprint", a.fingerprint_hex()},
          {"tags", std::move(tags)}};
}

// "source:sentinel alert_type:error service:shop words": every term must hold.
bool matches_query(const json::object& event, std::string_view query) {
  for (const std::string_view term : split(query, ' ')) {
    if (term.empty()) continue;
    const size_t colon = term.find(':');
    const std::string_view name = term.substr(0, colon);
    if (colon != std::string_view::npos && (name == "source" || name == "alert_type" || name == "kind")) {
      if (event.at(name).as_string() != term.substr(colon + 1)) return false;
    } else if (colon != std::string_view::npos) {
      const json::array& tags = event.at("tags").as_array();
      if (std::none_of(tags.begin(), tags.end(), [&](const json::value& tag) { return tag.as_string() == term; }))
        return false;
    } else {
      const std::string all =
          to_lower(std::string(event.at("title").as_string()) + " " + std::string(event.at("text").as_string()));
      if (all.find(to_lower(term)) == std::string::npos) return false;
    }
  }
  return true;
}

json::object evaluation_json(const detection::Evaluation& e) {
  json::array changes;
  for (const detection::AlertChange& change : e.changes) {
    changes.push_back(json::object{{"labels", text::labels_object(change.labels)},
                                   {"from", model::alert_state_name(change.from)},
                                   {"to", model::alert_state_name(change.to)},
                                   {"value", std::isfinite(change.value) ? json::value(change.value) : json::value()}});
  }
  return {{"at", format_rfc3339(e.at)},
          {"duration_ms", static_cast<double>(e.took.count()) / 1000},
          {"occasion", detection::occasion_name(e.occasion)},
          {"samples", e.samples},
          {"error", e.error},
          {"changes", std::move(changes)},
          {"changes_left_out", e.changes_left_out}};
}

}  // namespace

json::object monitor_counts(const detection::RuleManager& manager) {
  size_t ok = 0, pending = 0, firing = 0, error = 0, alerts = 0;
  for (const GroupStatusPtr& group : manager.groups()) {
    for (const RuleStatus& rule : group->rules) {
      if (!rule.alerting || rule.name == "Watchdog") continue;
      if (rule.health == detection::RuleHealth::kBad)
        ++error;
      else if (rule.state == model::AlertState::kFiring)
        ++firing;
      else if (rule.state == model::AlertState::kPending)
        ++pending;
      else
        ++ok;
      alerts += static_cast<size_t>(std::count_if(rule.alerts.begin(), rule.alerts.end(), [](const ActiveAlert& a) {
        return a.state == model::AlertState::kFiring;
      }));
    }
  }
  return {{"monitors", json::object{{"ok", ok}, {"pending", pending}, {"firing", firing}, {"error", error}}},
          {"firing_alerts", alerts}};
}

json::object alert_counts(const detection::RuleManager& manager) {
  size_t pending = 0, firing = 0;
  for (const GroupStatusPtr& group : manager.groups()) {
    for (const RuleStatus& rule : group->rules) {
      if (!rule.alerting || rule.name == "Watchdog") continue;
      for (const ActiveAlert& alert : rule.alerts) ++(alert.state == model::AlertState::kFiring ? firing : pending);
    }
  }
  return {{"firing", firing}, {"pending", pending}};
}

void AlertsApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/alerts", this, &AlertsApi::alerts);
  route(router, "GET", "/sentinel/v1/rules", this, &AlertsApi::rules);
  route(router, "GET", "/sentinel/v1/rules/{key}/history", this, &AlertsApi::rule_history);
  route(router, "GET", "/sentinel/v1/events", this, &AlertsApi::events);
  route(router, "GET", "/sentinel/v1/notifications", this, &AlertsApi::notifications);
}

AlertsApi::Answer AlertsApi::alerts(net::Exchange*) {
  struct FromControl {
    std::map<std::string, alerting::AlertView> views;  // by fingerprint
    std::map<std::string, std::string> incidents;      // fingerprint to INC-n
  };
  const FromControl known = co_await net::on_loop(&parts_.control, [this] {
    FromControl out;
    for (alerting::AlertView& view : parts_.alerting.alerts({})) {
      const std::string fingerprint = view.alert.fingerprint_hex();
      out.views.emplace(fingerprint, std::move(view));
    }
    const auto active = parts_.incidents.list({.statuses = model::active_incident_statuses()});
    if (!active) return out;
    for (const incident::IncidentRecord& record : *active) {
      const auto detail = parts_.incidents.get(record.incident.id);
      if (!detail) continue;
      for (const incident::IncidentAlert& a : detail->alerts) {
        if (a.firing) out.incidents[a.alert.fingerprint_hex()] = fmt::format("INC-{}", record.incident.number);
      }
    }
    return out;
  });
  json::array items;
  for (const GroupStatusPtr& group : parts_.rules.groups()) {
    for (const RuleStatus& rule : group->rules) {
      for (const ActiveAlert& a : rule.alerts) {
        model::Alert as_alert;
        as_alert.labels = a.labels;
        const std::string fingerprint = as_alert.fingerprint_hex();
        json::object item{{"fingerprint", fingerprint},
                          {"name", rule.name},
                          {"labels", text::labels_object(a.labels)},
                          {"annotations", text::labels_object(a.annotations)},
                          {"state", model::alert_state_name(a.state)},
                          {"active_at", format_rfc3339(a.active_at)},
                          {"value", a.value},
                          {"severity", a.labels.get("severity")},
                          {"rule", json::object{{"group", group->name},
                                                {"name", rule.name},
                                                {"expr", rule.query},
                                                {"for_s", seconds(rule.for_duration)}}}};
        const auto incident = known.incidents.find(fingerprint);
        item["incident"] = incident == known.incidents.end() ? json::value(nullptr) : json::value(incident->second);
        json::array silenced, receivers;
        json::value acknowledged = nullptr;
        if (const auto view = known.views.find(fingerprint); view != known.views.end()) {
          for (const std::string& id : view->second.silenced_by) silenced.emplace_back(id);
          for (const std::string& name : view->second.receivers) receivers.emplace_back(name);
          if (view->second.acknowledged) acknowledged = acknowledgement_json(*view->second.acknowledged);
        }
        item["silenced_by"] = std::move(silenced);
        item["receiver"] = std::move(receivers);
        item["acknowledged"] = std::move(acknowledged);
        items.push_back(std::move(item));
      }
    }
  }
  co_return net::json_response(200,
                               text::serialize(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}}));
}

AlertsApi::Answer AlertsApi::rules(net::Exchange*) {
  json::array items;
  for (const GroupStatusPtr& group : parts_.rules.groups()) {
    for (const RuleStatus& r : group->rules) {
      items.push_back(json::object{{"key", r.key},
                                   {"group", group->name},
                                   {"file", group->file},
                                   {"name", r.name},
                                   {"type", r.alerting ? "alerting" : "recording"},
                                   {"expr", r.query},
                                   {"for_s", seconds(r.for_duration)},
                                   {"labels", texts_json(r.labels)},
                                   {"annotations", texts_json(r.annotations)},
                                   {"state", model::alert_state_name(r.state)},
                                   {"health", detection::rule_health_name(r.health)},
                                   {"last_error", r.last_error},
                                   {"last_evaluation", format_rfc3339(r.last_evaluation)},
                                   {"evaluation_ms", r.evaluation_seconds * 1000}});
    }
  }
  co_return net::json_response(200,
                               text::serialize(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}}));
}

AlertsApi::Answer AlertsApi::rule_history(net::Exchange* exchange) {
  const std::string key(exchange->request().path_params.get("key"));
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(exchange->request().query, 50, 500));
  for (const GroupStatusPtr& group : parts_.rules.groups()) {
    for (const RuleStatus& rule : group->rules) {
      if (rule.key != key) continue;
      json::array items;
      for (const detection::Evaluation& e : rule.history->newest(limit)) items.push_back(evaluation_json(e));
      co_return net::json_response(
          200, text::serialize(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}}));
    }
  }
  co_return fail(ErrorCode::kNotFound, "no rule has the key " + key);
}

AlertsApi::Answer AlertsApi::events(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const TimePoint now = parts_.clock.now();
  alerting::HistoryQuery query;
  SENTINEL_CO_ASSIGN(query.from, time_param(params, "from", now - std::chrono::hours(24)));
  SENTINEL_CO_ASSIGN(query.to, time_param(params, "to", now + std::chrono::seconds(1)));
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(params, 50, 500));
  query.limit = 2000;
  const std::string words(params.get("q"));
  SENTINEL_CO_ASSIGN(const auto found,
                     co_await net::on_loop(&parts_.control, [this, query] { return parts_.alerting.history(query); }));
  json::array items;
  for (const alerting::AlertEvent& event : found) {
    json::object item = event_json(event);
    if (matches_query(item, words)) items.push_back(std::move(item));
    if (items.size() == limit) break;
  }
  co_return net::json_response(200,
                               text::serialize(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}}));
}

AlertsApi::Answer AlertsApi::notifications(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(exchange->request().query, 50, 500));
  using Messages = Result<std::vector<state::OutboxMessage>>;
  SENTINEL_CO_ASSIGN(const std::vector<state::OutboxMessage> messages,
                     co_await net::blocking(&parts_.runtime, [this, limit]() -> Messages {
                       std::vector<state::OutboxMessage> out;
                       SENTINEL_TRY(parts_.database.read([&](state::Tx& tx) -> Status {
                         SENTINEL_ASSIGN(out, state::Outbox::list(tx, std::nullopt, limit));
                         return {};
                       }));
                       return out;
                     }));
  json::array items;
  for (const state::OutboxMessage& m : messages) {
    const auto notification = receivers::decode_notification(m.payload);
    const std::string_view status = m.status == state::OutboxStatus::kDelivered ? "delivered"
                                    : m.status == state::OutboxStatus::kFailed  ? "failed"
                                                                                : "pending";
    std::string title;
    if (notification)
      title = fmt::format("[{}] {}", notification->status(), notification->common_labels().get(model::kAlertNameLabel));
    else if (const auto page = oncall::decode_page(m.payload))
      title = page->title;
    items.push_back(json::object{
        {"id", m.id},
        {"key", m.key},
        {"receiver", m.receiver},
        {"status", status},
        {"attempts", m.attempts},
        {"created_at", format_rfc3339(m.created_at)},
        {"finished_at", m.finished_at ? json::value(format_rfc3339(*m.finished_at)) : json::value(nullptr)},
        {"last_error", m.last_error},
        {"title", title}});
  }
  co_return net::json_response(200,
                               text::serialize(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}}));
}

}  // namespace sentinel::api
