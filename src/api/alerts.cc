#include "api/alerts.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "alerting/heartbeats.h"
#include "base/strings.h"
#include "oncall/channels.h"
#include "oncall/config.h"
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

constexpr size_t kAlertsDefault = 500;
constexpr size_t kAlertsMax = 1000;

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

// ---- alerts ----

using Place = AlertsApi::Place;

std::string cursor_of(const Place& place) {
  const auto& [pending, severity, newest, fingerprint] = place;
  return fmt::format("{}.{}.{}.{:016x}", int{pending}, static_cast<int>(severity), newest, fingerprint);
}

Result<Place> place_of(std::string_view cursor) {
  const std::vector<std::string_view> parts = split(cursor, '.');
  const auto number = [&](size_t i) { return parts.size() == 4 ? parse_int(parts[i]) : std::nullopt; };
  uint64_t fingerprint = 0;
  const bool whole = parts.size() == 4 && parts[3].size() == 16 &&
                     std::from_chars(parts[3].begin(), parts[3].end(), fingerprint, 16).ptr == parts[3].end();
  if (!whole || !number(0) || !number(1) || !number(2))
    return fail(ErrorCode::kInvalidArgument, "parameter \"cursor\" is not one we gave");
  return Place{*number(0) != 0, static_cast<model::Severity>(*number(1)), *number(2), fingerprint};
}

// Who says so. Alertmanager's API takes no word for it: what neither we nor a heartbeat raises was posted.
std::string_view source_of(const model::Alert& alert) {
  if (alert.labels.has(oncall::kSyntheticLabel)) return "synthetic_page";
  const bool heartbeat = alert.name() == alerting::kHeartbeatAlertName && alert.labels.has("heartbeat");
  return heartbeat ? "heartbeat" : "api";
}

json::object rule_alert_json(const detection::GroupStatus& group, const RuleStatus& rule, const ActiveAlert& a) {
  return {
      {"fingerprint", fmt::format("{:016x}", model::label_fingerprint(a.labels))},
      {"name", rule.name},
      {"source", "rule"},
      {"labels", text::labels_object(a.labels)},
      {"annotations", text::labels_object(a.annotations)},
      {"state", model::alert_state_name(a.state)},
      {"active_at", format_rfc3339(a.active_at)},
      {"value", a.value},
      {"severity", a.labels.get("severity")},
      {"generator_url", nullptr},
      {"rule",
       json::object{
           {"group", group.name}, {"name", rule.name}, {"expr", rule.query}, {"for_s", seconds(rule.for_duration)}}}};
}

json::object posted_alert_json(const model::Alert& a) {
  return {{"fingerprint", a.fingerprint_hex()},
          {"name", a.name()},
          {"source", source_of(a)},
          {"labels", text::labels_object(a.labels)},
          {"annotations", text::labels_object(a.annotations)},
          {"state", model::alert_state_name(model::AlertState::kFiring)},
          {"active_at", format_rfc3339(a.starts_at)},
          {"value", nullptr},
          {"severity", a.labels.get("severity")},
          {"generator_url", a.generator_url.empty() ? json::value(nullptr) : json::value(a.generator_url)},
          {"rule", nullptr}};
}

// What alerting makes of it; null: it does not have it, since it is pending.
void add_judgement(json::object& item, const alerting::AlertView* view) {
  json::array silenced, receivers;
  json::value acknowledged = nullptr;
  if (view != nullptr) {
    for (const std::string& id : view->silenced_by) silenced.emplace_back(id);
    for (const std::string& name : view->receivers) receivers.emplace_back(name);
    if (view->acknowledged) acknowledged = acknowledgement_json(*view->acknowledged);
  }
  item["silenced_by"] = std::move(silenced);
  item["receiver"] = std::move(receivers);
  item["acknowledged"] = std::move(acknowledged);
}

// ---- events ----

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

// What can be told without asking alerting about each: those of the rules, also pending ones, then all that alerting
// holds, which others have posted.
std::vector<AlertsApi::Listed> AlertsApi::listed(const std::vector<GroupStatusPtr>& groups,
                                                 const std::vector<alerting::AlertPlace>& held) {
  std::vector<Listed> all;
  std::unordered_set<uint64_t> known;
  for (const GroupStatusPtr& group : groups) {
    for (const RuleStatus& rule : group->rules) {
      for (const ActiveAlert& a : rule.alerts) {
        const uint64_t fingerprint = model::label_fingerprint(a.labels);
        if (!known.insert(fingerprint).second) continue;
        const auto severity = model::parse_severity(a.labels.get("severity")).value_or(model::Severity::kSev3);
        all.push_back({{a.state == model::AlertState::kPending, severity, -to_us(a.active_at), fingerprint},
                       group.get(),
                       &rule,
                       &a});
      }
    }
  }
  for (const alerting::AlertPlace& p : held) {
    if (!known.contains(p.fingerprint)) all.push_back({{false, p.severity, -to_us(p.starts_at), p.fingerprint}});
  }
  std::sort(all.begin(), all.end(), [](const Listed& a, const Listed& b) { return a.place < b.place; });
  return all;
}

AlertsApi::Answer AlertsApi::alerts(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(params, kAlertsDefault, kAlertsMax));
  std::optional<Place> after;
  if (const std::string_view cursor = params.get("cursor"); !cursor.empty()) {
    SENTINEL_CO_ASSIGN(after, place_of(cursor));
  }
  const std::vector<GroupStatusPtr> groups = parts_.rules.groups();
  const auto held = co_await net::on_loop(&parts_.control, [this] { return parts_.alerting.places(); });
  std::vector<Listed> all = listed(groups, held);
  if (after) std::erase_if(all, [&](const Listed& one) { return one.place <= *after; });
  const bool more = all.size() > limit;
  if (more) all.resize(limit);
  std::vector<uint64_t> shown;
  for (const Listed& one : all) shown.push_back(one.fingerprint());
  const Judged judged = co_await net::on_loop(&parts_.control, [this, shown] { return judge(shown); });
  json::array items;
  for (const Listed& one : all) {
    const auto view = judged.views.find(one.fingerprint());
    if (one.alert == nullptr && view == judged.views.end()) continue;  // ended meanwhile
    const auto incident = judged.incidents.find(one.fingerprint());
    json::object item = one.alert != nullptr ? rule_alert_json(*one.group, *one.rule, *one.alert)
                                             : posted_alert_json(view->second.alert);
    item["incident"] = incident == judged.incidents.end() ? json::value(nullptr) : json::value(incident->second);
    add_judgement(item, view == judged.views.end() ? nullptr : &view->second);
    items.push_back(std::move(item));
  }
  json::object body{{"items", std::move(items)}};
  body["next_cursor"] = more ? json::value(cursor_of(all.back().place)) : json::value(nullptr);
  co_return net::json_response(200, text::serialize(body));
}

// On the control loop.
AlertsApi::Judged AlertsApi::judge(const std::vector<uint64_t>& fingerprints) {
  Judged out;
  std::vector<std::string> in_hex;
  for (alerting::AlertView& view : parts_.alerting.views(fingerprints)) {
    in_hex.push_back(view.alert.fingerprint_hex());
    out.views.emplace(view.alert.fingerprint(), std::move(view));
  }
  const auto numbers = parts_.incidents.numbers_of(in_hex);
  if (!numbers) return out;
  for (const auto& [fingerprint, view] : out.views) {
    const auto number = numbers->find(view.alert.fingerprint_hex());
    if (number != numbers->end()) out.incidents.emplace(fingerprint, fmt::format("INC-{}", number->second));
  }
  return out;
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
