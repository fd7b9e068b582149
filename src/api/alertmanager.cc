#include "api/alertmanager.h"

#include <algorithm>

#include <fmt/format.h>

#include "alerting/shown_config.h"
#include "base/strings.h"
#include "text/json.h"

namespace sentinel::api {
namespace {

// Above this, JSON is written and read on the pool: a core has other connections to serve.
constexpr size_t kAlertsInlineMax = 1000;
constexpr size_t kBodyInlineBytesMax = 256 * 1024;

constexpr std::string_view kPaths[][2] = {{"alerts", "GET,POST"},   {"alerts/groups", "GET"},
                                          {"silences", "GET,POST"}, {"silence/", "DELETE,GET"},
                                          {"receivers", "GET"},     {"status", "GET"}};

net::Response string_error(int status, std::string message) {
  return alertmanager_response({status, 0, std::move(message)});
}

// Everything of Alertmanager's that refuses JSON says so in these words.
std::optional<net::Response> wrong_media_type(const net::Request& request) {
  const std::string_view type = request.headers.get("content-type");
  if (type.empty() || type.starts_with("application/json")) return std::nullopt;
  return alertmanager_response(
      {415, 415, fmt::format("unsupported media type {}, only [application/json] are allowed", go_quote(type))});
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

AlertmanagerResult<alerting::AlertQuery> read_query(const net::Params& params) {
  alerting::AlertQuery query;
  auto matchers = parse_filter(params.all("filter"));
  if (!matchers) return tl::unexpected(matchers.error());
  query.matchers = std::move(*matchers);
  auto receiver_labels = parse_filter(params.all("receiver_matchers"));
  if (!receiver_labels) return tl::unexpected(receiver_labels.error());
  query.receiver_label_matchers = std::move(*receiver_labels);
  if (params.has("receiver")) {
    const std::string expression(params.get("receiver"));
    auto matcher = model::Matcher::make(model::MatchType::kRegexp, "receiver", expression);
    if (!matcher) {
      return tl::unexpected(AlertmanagerError{
          400, 0, fmt::format("failed to parse receiver param: error parsing regexp: {}", matcher.error().message())});
    }
    query.receiver_matchers.push_back(std::move(*matcher));
  }
  query.active = parse_flag(params.get("active"), true);
  query.silenced = parse_flag(params.get("silenced"), true);
  query.inhibited = parse_flag(params.get("inhibited"), true);
  query.muted = parse_flag(params.get("muted"), true);
  return query;
}

// For all matchers of the filter the silence has the same one, in any of its sets.
bool has_matchers(const alerting::Silence& silence, const model::Matchers& filter) {
  return std::any_of(silence.matcher_sets.begin(), silence.matcher_sets.end(), [&](const model::Matchers& set) {
    return std::all_of(filter.begin(), filter.end(),
                       [&](const model::Matcher& m) { return std::find(set.begin(), set.end(), m) != set.end(); });
  });
}

// Active ones first, the next to expire leading; then pending ones, the next to start leading; then the latest expired.
bool shown_before(const alerting::Silence& a, const alerting::Silence& b, TimePoint now) {
  const auto state = a.state(now);
  const auto order = [](alerting::SilenceState s) {
    return s == alerting::SilenceState::kActive ? 1 : s == alerting::SilenceState::kPending ? 2 : 3;
  };
  if (state != b.state(now)) return order(state) < order(b.state(now));
  const auto tie = [&](TimePoint x, TimePoint y) { return x != y ? x < y : a.id < b.id; };
  switch (state) {
    case alerting::SilenceState::kActive: return tie(a.ends_at, b.ends_at);
    case alerting::SilenceState::kPending: return tie(a.starts_at, b.starts_at);
    case alerting::SilenceState::kExpired: return tie(b.ends_at, a.ends_at);
  }
  return false;
}

net::Response put_error(const Error& error) {
  return string_error(error.code() == ErrorCode::kInvalidArgument ? 400 : 500, error.message());
}

}  // namespace

void AlertmanagerApi::add_routes(net::Router& router, const std::string& prefix) {
  const std::string base = prefix + "/api/v2";
  route(router, "GET", base + "/status", this, &AlertmanagerApi::status);
  route(router, "GET", base + "/receivers", this, &AlertmanagerApi::receivers);
  route(router, "GET", base + "/alerts", this, &AlertmanagerApi::get_alerts);
  route(router, "POST", base + "/alerts", this, &AlertmanagerApi::post_alerts);
  route(router, "GET", base + "/alerts/groups", this, &AlertmanagerApi::get_groups);
  route(router, "GET", base + "/silences", this, &AlertmanagerApi::get_silences);
  route(router, "POST", base + "/silences", this, &AlertmanagerApi::post_silence);
  route(router, "GET", base + "/silence/{id}", this, &AlertmanagerApi::get_silence);
  route(router, "DELETE", base + "/silence/{id}", this, &AlertmanagerApi::delete_silence);
  router.add_any(base + "/{rest...}",
                 [this](net::Exchange* exchange) { return respond_with(exchange, unknown(exchange)); });
  // What only the old API had; GET /api/v1/alerts belongs to Prometheus.
  for (const auto& [method, path] : {std::pair{"POST", "/api/v1/alerts"},
                                     {"GET", "/api/v1/alerts/groups"},
                                     {"GET", "/api/v1/silences"},
                                     {"POST", "/api/v1/silences"},
                                     {"GET", "/api/v1/silence/{id}"},
                                     {"DELETE", "/api/v1/silence/{id}"},
                                     {"GET", "/api/v1/receivers"},
                                     {"GET", "/api/v1/status"}}) {
    route(router, method, prefix + path, this, &AlertmanagerApi::gone);
  }
}

AlertmanagerApi::Answer AlertmanagerApi::status(net::Exchange*) {
  struct FromControl {
    std::string config;
    alerting::ClusterStatus cluster;
  };
  const FromControl known = co_await net::on_loop(&parts_.control, [this] {
    return FromControl{parts_.alerting.config().text, parts_.cluster ? parts_.cluster() : alerting::ClusterStatus{}};
  });
  std::string body;
  text::JsonWriter w(body);
  w.begin_object().key("cluster").begin_object();
  if (!known.cluster.name.empty()) w.field("name", known.cluster.name);
  w.key("peers").begin_array();
  for (const auto& [name, address] : known.cluster.peers)
    w.begin_object().field("address", address).field("name", name).end_object();
  w.end_array().field("status", known.cluster.status).end_object();
  w.key("config").begin_object().field("original", alerting::shown_config(known.config)).end_object();
  w.field("uptime", alertmanager_time(parts_.started_at));
  w.key("versionInfo").begin_object();
  w.field("branch", "sentinel").field("buildDate", "").field("buildUser", "");
  w.field("goVersion", "").field("revision", kVersion).field("version", parts_.version);
  w.end_object().end_object();
  co_return alertmanager_json(200, body + "\n");
}

AlertmanagerApi::Answer AlertmanagerApi::receivers(net::Exchange* exchange) {
  const auto matchers = parse_filter(exchange->request().query.all("receiver_matchers"));
  if (!matchers) co_return alertmanager_response(matchers.error());
  using Receiver = std::pair<std::string, model::Labels>;
  const std::vector<Receiver> receivers = co_await net::on_loop(&parts_.control, [this] {
    std::vector<Receiver> out;
    for (const auto& receiver : parts_.alerting.config().receivers)
      out.emplace_back(receiver.name, alerting::receiver_labels(receiver));
    return out;
  });
  std::string body;
  text::JsonWriter w(body);
  w.begin_array();
  for (const auto& [receiver, labels] : receivers) {
    if (!model::matches_all(*matchers, labels)) continue;
    w.begin_object().field("name", receiver).key("labels").begin_object();
    for (const model::Label& label : labels) w.field(label.name, label.value);
    w.end_object().end_object();
  }
  w.end_array();
  co_return alertmanager_json(200, body + "\n");
}

AlertmanagerApi::Answer AlertmanagerApi::get_alerts(net::Exchange* exchange) {
  const auto query = read_query(exchange->request().query);
  if (!query) co_return alertmanager_response(query.error());
  const std::vector<alerting::AlertView> alerts =
      co_await net::on_loop(&parts_.control, [this, q = *query] { return parts_.alerting.alerts(q); });
  if (alerts.size() <= kAlertsInlineMax) co_return alertmanager_json(200, alerts_json(alerts));
  co_return alertmanager_json(200, co_await net::blocking(&parts_.runtime, [&alerts] { return alerts_json(alerts); }));
}

void AlertmanagerApi::expand_route_labels(std::vector<alerting::GroupView>& groups) const {
  const auto templates = parts_.templates ? parts_.templates() : nullptr;
  if (templates == nullptr) return;
  for (alerting::GroupView& group : groups) {
    if (group.members.empty()) continue;
    receivers::Notification n;
    n.receiver = group.receiver;
    n.group_labels = group.labels;
    n.route_labels = group.route_labels;
    n.alerts = std::move(group.members);
    n.external_url = parts_.alerting.external_url();
    group.route_labels =
        receivers::expand_route_labels(templates->base(text::TemplateMode::kText), receivers::template_data(n));
  }
}

AlertmanagerApi::Answer AlertmanagerApi::get_groups(net::Exchange* exchange) {
  const auto query = read_query(exchange->request().query);
  if (!query) co_return alertmanager_response(query.error());
  std::vector<alerting::GroupView> groups =
      co_await net::on_loop(&parts_.control, [this, q = *query] { return parts_.alerting.groups(q); });
  co_return alertmanager_json(200, co_await net::blocking(&parts_.runtime, [this, &groups] {
                                expand_route_labels(groups);
                                return groups_json(groups);
                              }));
}

AlertmanagerApi::Answer AlertmanagerApi::post_alerts(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  if (auto refused = wrong_media_type(request)) co_return std::move(*refused);
  using Parsed = AlertmanagerResult<std::vector<model::Alert>>;
  Parsed alerts = std::vector<model::Alert>();
  if (request.body.size() <= kBodyInlineBytesMax)
    alerts = parse_alerts(request.body);
  else
    alerts = co_await net::blocking(&parts_.runtime, [&request] { return parse_alerts(request.body); });
  if (!alerts) co_return alertmanager_response(alerts.error());
  const Status stored = co_await net::on_loop(
      &parts_.control, [this, list = std::move(*alerts)]() mutable { return parts_.alerting.put(std::move(list)); });
  if (!stored) co_return put_error(stored.error());
  co_return alertmanager_json(200, "");
}

AlertmanagerApi::Answer AlertmanagerApi::get_silences(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const auto filter = parse_filter(params.all("filter"));
  if (!filter) co_return alertmanager_response(filter.error());
  const bool active = parse_flag(params.get("active"), true);
  const bool pending = parse_flag(params.get("pending"), true);
  const bool expired = parse_flag(params.get("expired"), true);
  std::vector<alerting::Silence> silences =
      co_await net::on_loop(&parts_.control, [this] { return parts_.alerting.silences(); });
  const TimePoint now = parts_.clock.now();
  std::erase_if(silences, [&](const alerting::Silence& s) {
    const auto state = s.state(now);
    const bool wanted = state == alerting::SilenceState::kActive    ? active
                        : state == alerting::SilenceState::kPending ? pending
                                                                    : expired;
    return !wanted || !has_matchers(s, *filter);
  });
  std::sort(silences.begin(), silences.end(), [now](const auto& a, const auto& b) { return shown_before(a, b, now); });
  co_return alertmanager_json(200, silences_json(silences, now));
}

AlertmanagerApi::Answer AlertmanagerApi::post_silence(net::Exchange* exchange) {
  if (auto refused = wrong_media_type(exchange->request())) co_return std::move(*refused);
  auto silence = parse_silence(exchange->request().body);
  if (!silence) co_return alertmanager_response(silence.error());
  if (silence->starts_at >= silence->ends_at)
    co_return string_error(400, "Failed to create silence: start time must be before end time");
  if (silence->ends_at < parts_.clock.now())
    co_return string_error(400, "Failed to create silence: end time can't be in the past");
  alerting::Actor by = alert_actor_of(exchange->request(), {});
  if (exchange->request().headers.get("x-sentinel-user").empty()) by.name = silence->created_by;
  const Result<std::string> id = co_await net::on_loop(&parts_.control, [this, by, s = std::move(*silence)]() mutable {
    return parts_.alerting.set_silence(std::move(s), by);
  });
  if (!id) {
    const ErrorCode code = id.error().code();
    const bool theirs = code == ErrorCode::kInvalidArgument || code == ErrorCode::kTooLarge;
    co_return string_error(code == ErrorCode::kNotFound ? 404 : theirs ? 400 : 500, id.error().message());
  }
  std::string body;
  text::JsonWriter(body).begin_object().field("silenceID", *id).end_object();
  co_return alertmanager_json(200, body + "\n");
}

AlertmanagerApi::Answer AlertmanagerApi::get_silence(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  if (!is_uuid(id))
    co_return alertmanager_response({422, 601, "silenceID in path must be of type uuid: " + go_quote(id)});
  const auto silence = co_await net::on_loop(&parts_.control, [this, id] { return parts_.alerting.silence(id); });
  if (!silence) co_return alertmanager_json(404, "");
  co_return alertmanager_json(200, silence_json(*silence, parts_.clock.now()));
}

AlertmanagerApi::Answer AlertmanagerApi::delete_silence(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  if (!is_uuid(id))
    co_return alertmanager_response({422, 601, "silenceID in path must be of type uuid: " + go_quote(id)});
  const alerting::Actor by = alert_actor_of(exchange->request(), {});
  const Status ended =
      co_await net::on_loop(&parts_.control, [this, id, by] { return parts_.alerting.expire_silence(id, by); });
  if (ended) co_return alertmanager_json(200, "");
  if (ended.error().code() == ErrorCode::kNotFound) co_return alertmanager_json(404, "");
  if (ended.error().code() == ErrorCode::kConflict) co_return alertmanager_json(200, "");  // it has ended already
  co_return string_error(500, ended.error().message());
}

AlertmanagerApi::Answer AlertmanagerApi::unknown(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string_view rest = request.path_params.get("rest");
  for (const auto& [path, methods] : kPaths) {
    if (rest != path && !(path.ends_with('/') && rest.starts_with(path))) continue;
    net::Response refused = alertmanager_response(
        {405, 405, fmt::format("method {} is not allowed, but [{}] are", request.method, methods)});
    refused.headers.set("Allow", methods);
    co_return refused;
  }
  co_return alertmanager_response({404, 404, fmt::format("path {} was not found", request.path)});
}

AlertmanagerApi::Answer AlertmanagerApi::gone(net::Exchange*) {
  co_return alertmanager_json(
      410,
      R"({"status":"deprecated","error":"The Alertmanager v1 API was deprecated in version 0.16.0 and is removed as of version 0.27.0 - please use the equivalent route in the v2 API"})"
      "\n");
}

}  // namespace sentinel::api
