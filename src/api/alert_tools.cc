#include "api/alert_tools.h"

#include <map>

#include <boost/json.hpp>

#include "api/alertmanager_json.h"
#include "base/strings.h"
#include "text/json.h"

namespace sentinel::api {
namespace {

constexpr size_t kPreviewAlertsMax = 500;  // shown; the count is of all
constexpr size_t kPreviewEventsMax = 10'000;

void write_labels(text::JsonWriter& w, std::string_view name, const model::Labels& labels) {
  w.key(name).begin_object();
  for (const model::Label& label : labels) w.field(label.name, label.value);
  w.end_object();
}

void write_strings(text::JsonWriter& w, std::string_view name, const std::vector<std::string>& list) {
  w.key(name).begin_array();
  for (const std::string& item : list) w.string(item);
  w.end_array();
}

void write_event(text::JsonWriter& w, const alerting::AlertEvent& event) {
  w.begin_object().field("id", event.id).field("at", format_rfc3339(event.at));
  w.field("kind", alerting::alert_change_name(event.kind)).field("fingerprint", event.alert.fingerprint_hex());
  write_labels(w, "labels", event.alert.labels);
  write_labels(w, "annotations", event.alert.annotations);
  w.field("starts_at", format_rfc3339(event.alert.starts_at)).field("ends_at", format_rfc3339(event.alert.ends_at));
  write_strings(w, "receivers", event.receivers);
  w.end_object();
}

Result<std::optional<alerting::AlertChange::Kind>> kind_param(std::string_view text) {
  using Kind = alerting::AlertChange::Kind;
  if (text.empty()) return std::nullopt;
  for (const Kind kind : {Kind::kFired, Kind::kUpdated, Kind::kResolved}) {
    if (alerting::alert_change_name(kind) == text) return kind;
  }
  return fail(ErrorCode::kInvalidArgument, "parameter \"kind\" must be fired, updated or resolved");
}

Result<alerting::HistoryQuery> history_query(const net::Params& params, TimePoint now) {
  alerting::HistoryQuery query;
  SENTINEL_ASSIGN(query.from, time_param(params, "from", now - std::chrono::hours(24)));
  SENTINEL_ASSIGN(query.to, time_param(params, "to", now + std::chrono::seconds(1)));
  SENTINEL_ASSIGN(query.limit, limit_param(params, 100, 1000));
  SENTINEL_ASSIGN(query.kind, kind_param(params.get("kind")));
  auto matchers = parse_filter(params.all("filter"));
  if (!matchers) return fail(ErrorCode::kInvalidArgument, matchers.error().message);
  query.matchers = std::move(*matchers);
  if (!params.get("rule").empty())
    query.matchers.push_back(
        model::Matcher::equal(std::string(model::kAlertNameLabel), std::string(params.get("rule"))));
  if (!params.get("cursor").empty()) {
    const auto before = parse_int(params.get("cursor"));
    if (!before || *before < 0) return fail(ErrorCode::kInvalidArgument, "parameter \"cursor\" is not one of ours");
    query.before_id = *before;
  }
  return query;
}

std::string preview_json(const alerting::SilencePreview& preview, const std::vector<alerting::AlertEvent>& past,
                         TimePoint from) {
  std::string body;
  text::JsonWriter w(body);
  w.begin_object().field("alert_count", static_cast<int64_t>(preview.alerts.size())).key("alerts").begin_array();
  for (size_t i = 0; i < std::min(preview.alerts.size(), kPreviewAlertsMax); ++i) {
    const alerting::AlertView& view = preview.alerts[i];
    w.begin_object().field("fingerprint", view.alert.fingerprint_hex());
    write_labels(w, "labels", view.alert.labels);
    w.field("state", view.state == alerting::AlertVisibility::kActive ? "active" : "suppressed");
    w.field("starts_at", format_rfc3339(view.alert.starts_at));
    write_strings(w, "receivers", view.receivers);
    w.end_object();
  }
  w.end_array().key("groups_silent").begin_array();
  for (const alerting::GroupView& group : preview.groups_silent) {
    w.begin_object().field("receiver", group.receiver);
    write_labels(w, "labels", group.labels);
    w.end_object();
  }
  std::map<std::string, int64_t> fired;
  for (const alerting::AlertEvent& event : past) ++fired[std::string(event.alert.name())];
  w.end_array().key("past").begin_object().field("from", format_rfc3339(from));
  w.field("fired", static_cast<int64_t>(past.size())).key("by_rule").begin_object();
  for (const auto& [rule, count] : fired) w.field(rule, count);
  w.end_object().end_object().end_object();
  return body;
}

}  // namespace

void AlertToolsApi::add_routes(net::Router& router, const std::string& prefix) {
  route(router, "GET", prefix + "/sentinel/v1/alerts/history", this, &AlertToolsApi::history);
  route(router, "POST", prefix + "/sentinel/v1/silences/preview", this, &AlertToolsApi::preview);
}

AlertToolsApi::Answer AlertToolsApi::history(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const alerting::HistoryQuery query, history_query(exchange->request().query, parts_.clock.now()));
  SENTINEL_CO_ASSIGN(const auto events,
                     co_await net::on_loop(&parts_.control, [this, query] { return parts_.alerting.history(query); }));
  std::string body;
  text::JsonWriter w(body);
  w.begin_object().key("items").begin_array();
  for (const alerting::AlertEvent& event : events) write_event(w, event);
  w.end_array().key("next_cursor");
  if (events.size() < query.limit)
    w.null();
  else
    w.string(std::to_string(events.back().id));
  w.end_object();
  co_return net::json_response(200, std::move(body));
}

AlertToolsApi::Answer AlertToolsApi::preview(net::Exchange* exchange) {
  auto sets = parse_matcher_sets(exchange->request().body);
  if (!sets) co_return fail(ErrorCode::kInvalidArgument, sets.error().message);
  const TimePoint from = parts_.clock.now() - std::chrono::hours(24 * 7);
  struct Found {
    alerting::SilencePreview preview;
    Result<std::vector<alerting::AlertEvent>> past;
  };
  const Found found = co_await net::on_loop(&parts_.control, [this, from, sets = std::move(*sets)] {
    alerting::HistoryQuery query;
    query.from = from;
    query.kind = alerting::AlertChange::Kind::kFired;
    query.any_of = sets;
    query.limit = kPreviewEventsMax;
    return Found{parts_.alerting.preview_silence(sets), parts_.alerting.history(query)};
  });
  SENTINEL_CO_TRY(found.past);
  co_return net::json_response(200, preview_json(found.preview, *found.past, from));
}

}  // namespace sentinel::api
