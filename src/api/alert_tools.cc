#include "api/alert_tools.h"

#include <charconv>
#include <map>

#include <boost/json.hpp>

#include "alerting/codec.h"
#include "api/alertmanager_json.h"
#include "base/duration.h"
#include "base/strings.h"
#include "text/json.h"

namespace sentinel::api {
namespace {

constexpr size_t kPreviewAlertsMax = 500;  // shown; the count is of all
constexpr size_t kPreviewEventsMax = 10'000;
constexpr size_t kSelectionMax = 10'000;

void write_labels(text::JsonWriter& w, std::string_view name, const model::Labels& labels) {
  w.key(name).begin_object();
  for (const model::Label& label : labels) w.field(label.name, label.value);
  w.end_object();
}

void write_time_or_null(text::JsonWriter& w, std::string_view name, const std::optional<TimePoint>& time) {
  w.key(name);
  time ? w.string(format_rfc3339(*time)) : w.null();
}

void write_strings(text::JsonWriter& w, std::string_view name, const std::vector<std::string>& list) {
  w.key(name).begin_array();
  for (const std::string& item : list) w.string(item);
  w.end_array();
}

void write_acknowledgement(text::JsonWriter& w, const alerting::Acknowledgement& a) {
  w.begin_object().field("fingerprint", alerting::fingerprint_text(a.fingerprint)).field("by", a.by.name);
  w.field("source", a.by.source).field("at", format_rfc3339(a.at)).field("note", a.note);
  write_time_or_null(w, "until", a.until);
  w.end_object();
}

std::string acknowledgements_json(const std::vector<alerting::Acknowledgement>& list) {
  std::string body;
  text::JsonWriter w(body);
  w.begin_object().key("items").begin_array();
  for (const alerting::Acknowledgement& a : list) write_acknowledgement(w, a);
  w.end_array().key("next_cursor").null().end_object();
  return body;
}

Result<alerting::AlertSelection> selection(const boost::json::object& body) {
  alerting::AlertSelection which;
  if (body.contains("fingerprints")) {
    SENTINEL_ASSIGN(const std::vector<std::string> list, text::json_strings(body, "fingerprints"));
    if (list.size() > kSelectionMax)
      return fail(ErrorCode::kTooLarge, "more than " + std::to_string(kSelectionMax) + " fingerprints");
    for (const std::string& text : list) {
      const alerting::Fingerprints one = alerting::decode_fingerprints(text);
      if (one.size() != 1 || text.size() != 16)
        return fail(ErrorCode::kInvalidArgument, go_quote(text) + " is no fingerprint: 16 hexadecimal digits");
      which.fingerprints.push_back(*one.begin());
    }
  }
  if (body.contains("group")) {
    SENTINEL_ASSIGN(const boost::json::object* group, text::json_object(body, "group"));
    alerting::AlertSelection::Group named;
    SENTINEL_ASSIGN(named.receiver, text::json_string(*group, "receiver"));
    SENTINEL_ASSIGN(const boost::json::object* labels, text::json_object(*group, "labels"));
    for (const auto& [name, value] : *labels) {
      if (!value.is_string()) return fail(ErrorCode::kInvalidArgument, "a label's value must be a string");
      named.labels.set(name, value.get_string());
    }
    which.group = std::move(named);
  }
  if (which.fingerprints.empty() && !which.group)
    return fail(ErrorCode::kInvalidArgument, "name \"fingerprints\" or a \"group\" of receiver and labels");
  return which;
}

struct ActionRequest {
  alerting::AlertSelection which;
  alerting::AlertAction action;
};

Result<ActionRequest> action_request(const net::Request& request) {
  SENTINEL_ASSIGN(const boost::json::object body, json_body(request));
  ActionRequest out;
  SENTINEL_ASSIGN(out.which, selection(body));
  out.action.by = alert_actor_of(request, body);
  SENTINEL_ASSIGN(out.action.note, string_field(body, "note"));
  SENTINEL_ASSIGN(const std::string until, string_field(body, "until"));
  if (!until.empty()) {
    auto time = parse_time(until);
    if (!time) return fail(time.error().with_context("field \"until\""));
    out.action.until = *time;
  }
  return out;
}

void write_event(text::JsonWriter& w, const alerting::AlertEvent& event) {
  w.begin_object().field("id", event.id).field("at", format_rfc3339(event.at));
  w.field("kind", alerting::alert_change_name(event.kind)).field("fingerprint", event.alert.fingerprint_hex());
  write_labels(w, "labels", event.alert.labels);
  write_labels(w, "annotations", event.alert.annotations);
  w.field("starts_at", format_rfc3339(event.alert.starts_at)).field("ends_at", format_rfc3339(event.alert.ends_at));
  write_strings(w, "receivers", event.receivers);
  w.key("action");
  if (event.action) {
    w.begin_object().field("by", event.action->by.name).field("source", event.action->by.source);
    w.field("address", event.action->by.address).field("note", event.action->note);
    write_time_or_null(w, "until", event.action->until);
    w.end_object();
  } else {
    w.null();
  }
  w.end_object();
}

Result<std::optional<alerting::AlertChange::Kind>> kind_param(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto kind = alerting::parse_alert_change(text);
  if (kind) return kind;
  return fail(ErrorCode::kInvalidArgument,
              "parameter \"kind\" must be fired, updated, resolved, acknowledged, unacknowledged, flapping or calm");
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
  if (const std::string_view text = params.get("fingerprint"); !text.empty()) {
    uint64_t fingerprint = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fingerprint, 16);
    if (error != std::errc() || end != text.data() + text.size() || text.size() != 16)
      return fail(ErrorCode::kInvalidArgument, "parameter \"fingerprint\" must be 16 hexadecimal digits");
    query.fingerprint = fingerprint;
  }
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

std::string ending_json(const std::vector<alerting::EndingSilence>& list, TimePoint now) {
  std::string body;
  text::JsonWriter w(body);
  w.begin_object().key("items").begin_array();
  for (const alerting::EndingSilence& e : list) {
    w.begin_object().key("silence").raw(silence_json(e.silence, now));
    w.field("ends_at", format_rfc3339(e.silence.ends_at)).field("firing_alerts", static_cast<int64_t>(e.firing));
    write_time_or_null(w, "remind_at", e.remind_at);
    w.key("receiver");
    e.remind_at ? w.string(e.receiver) : w.null();
    w.field("reminded", e.reminded).end_object();
  }
  w.end_array().key("next_cursor").null().end_object();
  return body;
}

}  // namespace

void AlertToolsApi::add_routes(net::Router& router, const std::string& prefix) {
  route(router, "GET", prefix + "/sentinel/v1/alerts/history", this, &AlertToolsApi::history);
  route(router, "POST", prefix + "/sentinel/v1/silences/preview", this, &AlertToolsApi::preview);
  route(router, "GET", prefix + "/sentinel/v1/silences/ending", this, &AlertToolsApi::ending);
  route(router, "POST", prefix + "/sentinel/v1/alerts/acknowledge", this, &AlertToolsApi::acknowledge);
  route(router, "POST", prefix + "/sentinel/v1/alerts/unacknowledge", this, &AlertToolsApi::unacknowledge);
  route(router, "GET", prefix + "/sentinel/v1/alerts/acknowledgements", this, &AlertToolsApi::acknowledgements);
  route(router, "GET", prefix + "/sentinel/v1/alerts/flapping", this, &AlertToolsApi::flapping);
  route(router, "GET", prefix + "/sentinel/v1/audit", this, &AlertToolsApi::audit);
  route(router, "GET", prefix + "/sentinel/v1/silences/recurring", this, &AlertToolsApi::recurring);
  route(router, "POST", prefix + "/sentinel/v1/silences/recurring", this, &AlertToolsApi::add_recurring);
  route(router, "DELETE", prefix + "/sentinel/v1/silences/recurring/{id}", this, &AlertToolsApi::remove_recurring);
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

AlertToolsApi::Answer AlertToolsApi::ending(net::Exchange* exchange) {
  const std::string text(exchange->request().query.get("within"));
  auto within = parse_duration(text.empty() ? "24h" : text);
  if (!within) co_return fail(within.error().with_context("parameter \"within\""));
  const std::vector<alerting::EndingSilence> list =
      co_await net::on_loop(&parts_.control, [this, w = *within] { return parts_.alerting.ending_silences(w); });
  co_return net::json_response(200, ending_json(list, parts_.clock.now()));
}

AlertToolsApi::Answer AlertToolsApi::acknowledge(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const ActionRequest wanted, action_request(exchange->request()));
  SENTINEL_CO_ASSIGN(const auto done, co_await net::on_loop(&parts_.control, [this, wanted] {
                       return parts_.alerting.acknowledge(wanted.which, wanted.action);
                     }));
  co_return net::json_response(200, acknowledgements_json(done));
}

AlertToolsApi::Answer AlertToolsApi::unacknowledge(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const ActionRequest wanted, action_request(exchange->request()));
  SENTINEL_CO_ASSIGN(const auto done, co_await net::on_loop(&parts_.control, [this, wanted] {
                       return parts_.alerting.unacknowledge(wanted.which, wanted.action);
                     }));
  co_return net::json_response(200, acknowledgements_json(done));
}

AlertToolsApi::Answer AlertToolsApi::acknowledgements(net::Exchange*) {
  const auto list = co_await net::on_loop(&parts_.control, [this] { return parts_.alerting.acknowledgements(); });
  co_return net::json_response(200, acknowledgements_json(list));
}

AlertToolsApi::Answer AlertToolsApi::flapping(net::Exchange*) {
  const auto list = co_await net::on_loop(&parts_.control, [this] { return parts_.alerting.flapping_alerts(); });
  std::string body;
  text::JsonWriter w(body);
  w.begin_object().key("items").begin_array();
  for (const alerting::FlappingAlert& f : list) {
    w.begin_object().field("fingerprint", f.alert.fingerprint_hex());
    write_labels(w, "labels", f.alert.labels);
    w.field("firing", f.firing).field("changes", static_cast<int64_t>(f.changes));
    w.field("since", format_rfc3339(f.since)).field("calm_at", format_rfc3339(f.calm_at)).end_object();
  }
  w.end_array().key("next_cursor").null().end_object();
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
