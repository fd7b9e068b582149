// Silences that come again: /sentinel/v1/silences/recurring.

#include <map>

#include <boost/json.hpp>

#include "api/alert_tools.h"
#include "api/alertmanager_json.h"
#include "base/strings.h"
#include "text/json.h"
#include "text/json_text.h"
#include "text/labels_json.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

constexpr size_t kUpcomingShown = 5;

// As stored, with the instances that are there by the start of their span.
struct Known {
  alerting::RecurringSilence recurring;
  std::map<TimePoint, std::string> silences;
};

Known known(const alerting::Alerting& alerting, alerting::RecurringSilence recurring) {
  Known out{std::move(recurring), {}};
  for (const alerting::Silence& s : alerting.silences()) {
    if (s.annotations.get(alerting::kRecurringAnnotation) == out.recurring.id) out.silences[s.starts_at] = s.id;
  }
  return out;
}

json::object recurring_json(const Known& k, TimePoint now) {
  const alerting::Silence& s = k.recurring.instance;
  const json::object shown = json::parse(silence_json(s, now)).as_object();
  json::array instances;
  // The one that is there may have begun already.
  TimePoint from = now;
  for (const auto& [start, id] : k.silences) {
    if (start <= now && k.recurring.next_from > now) from = start;
  }
  for (const alerting::TimeSpan& span : k.recurring.spans(from, kUpcomingShown)) {
    const auto made = k.silences.find(span.start);
    instances.push_back(
        json::object{{"starts_at", format_rfc3339(span.start)},
                     {"ends_at", format_rfc3339(span.end)},
                     {"silence", made == k.silences.end() ? json::value(nullptr) : json::value(made->second)}});
  }
  json::object out{
      {"id", k.recurring.id},
      {"matchers", shown.at("matchers")},
      {"time_intervals", json::parse(k.recurring.schedule_text)},
      {"starts_at", format_rfc3339(s.starts_at)},
      {"ends_at", k.recurring.ends_at ? json::value(format_rfc3339(*k.recurring.ends_at)) : json::value(nullptr)},
      {"created_by", s.created_by},
      {"comment", s.comment},
      {"annotations", text::labels_object(s.annotations)},
      {"instances", std::move(instances)}};
  if (const json::value* sets = shown.if_contains("matcherSets")) out["matcherSets"] = *sets;
  return out;
}

Result<std::optional<TimePoint>> time_field(const json::object& body, std::string_view name) {
  SENTINEL_ASSIGN(const std::string text, string_field(body, name));
  if (text.empty()) return std::nullopt;
  const auto time = parse_time(text);
  if (!time) return fail(time.error().with_context("field \"" + std::string(name) + "\""));
  return std::optional(*time);
}

Result<alerting::RecurringSilence> read_recurring(const net::Request& request) {
  SENTINEL_ASSIGN(const json::object body, json_body(request));
  alerting::RecurringSilence out;
  auto sets = parse_matcher_sets(request.body);
  if (!sets) return fail(ErrorCode::kInvalidArgument, sets.error().message);
  out.instance.matcher_sets = std::move(*sets);
  SENTINEL_ASSIGN(const json::array* intervals, text::json_array(body, "time_intervals"));
  out.schedule_text = text::serialize(*intervals);
  SENTINEL_ASSIGN(const std::optional<TimePoint> starts_at, time_field(body, "starts_at"));
  out.instance.starts_at = starts_at.value_or(TimePoint{});
  SENTINEL_ASSIGN(out.ends_at, time_field(body, "ends_at"));
  SENTINEL_ASSIGN(out.instance.comment, required_string(body, "comment"));
  out.instance.created_by = alert_actor_of(request, body).name;
  if (!body.contains("annotations")) return out;
  SENTINEL_ASSIGN(const json::object* annotations, text::json_object(body, "annotations"));
  for (const auto& [name, value] : *annotations) {
    if (!value.is_string()) return fail(ErrorCode::kInvalidArgument, "an annotation must be a string");
    out.instance.annotations.set(name, value.get_string());
  }
  return out;
}

}  // namespace

AlertToolsApi::Answer AlertToolsApi::add_recurring(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(alerting::RecurringSilence wanted, read_recurring(exchange->request()));
  alerting::Actor by = alert_actor_of(exchange->request(), {});
  by.name = wanted.instance.created_by;
  SENTINEL_CO_ASSIGN(const Known added,
                     co_await net::on_loop(&parts_.control, [this, by, wanted = std::move(wanted)]() -> Result<Known> {
                       SENTINEL_ASSIGN(alerting::RecurringSilence r, parts_.alerting.add_recurring_silence(wanted, by));
                       return known(parts_.alerting, std::move(r));
                     }));
  const TimePoint now = parts_.clock.now();
  std::string body =
      co_await net::blocking(&parts_.runtime, [&added, now] { return text::serialize(recurring_json(added, now)); });
  co_return net::json_response(201, std::move(body));
}

AlertToolsApi::Answer AlertToolsApi::recurring(net::Exchange*) {
  const std::vector<Known> all = co_await net::on_loop(&parts_.control, [this] {
    std::vector<Known> out;
    for (alerting::RecurringSilence& r : parts_.alerting.recurring_silences())
      out.push_back(known(parts_.alerting, std::move(r)));
    return out;
  });
  const TimePoint now = parts_.clock.now();
  // Rare schedules take a while to look for.
  std::string body = co_await net::blocking(&parts_.runtime, [&all, now] {
    json::array items;
    for (const Known& k : all) items.push_back(recurring_json(k, now));
    return text::serialize(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}});
  });
  co_return net::json_response(200, std::move(body));
}

AlertToolsApi::Answer AlertToolsApi::remove_recurring(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  const alerting::Actor by = alert_actor_of(exchange->request(), {});
  const Status removed = co_await net::on_loop(
      &parts_.control, [this, id, by] { return parts_.alerting.remove_recurring_silence(id, by); });
  SENTINEL_CO_TRY(removed);
  co_return net::json_response(200, text::serialize(json::object{{"id", id}}));
}

}  // namespace sentinel::api
