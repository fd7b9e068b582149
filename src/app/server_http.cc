// What a server answers: every API on one listener, and what the overview and the health of its parts say.

#include "api/auth.h"
#include "api/openapi.h"
#include "api/page.h"
#include "app/server_parts.h"
#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

Result<boost::json::array> judgements_json(JudgePanel& panel, const std::string& request_id) {
  SENTINEL_ASSIGN(const std::vector<Judgement> found, panel.of_call(request_id));
  boost::json::array out;
  for (const Judgement& j : found) {
    out.push_back(boost::json::object{{"judge", j.judge},
                                      {"score", judged_score_name(j.score)},
                                      {"own", j.own},
                                      {"value", j.value},
                                      {"label", j.label},
                                      {"verdict", j.confirms() ? "confirms" : "contradicts"},
                                      {"cost_usd", static_cast<double>(j.cost_microusd) / 1e6},
                                      {"at", format_rfc3339(j.at)}});
  }
  return out;
}

}  // namespace

// What Prometheus's API shows of this server.
api::PrometheusServerInfo Server::Parts::prometheus_info() {
  api::PrometheusServerInfo info;
  info.started_at = started_at;
  info.external_url = external_url();
  info.retention = format_duration(config.metrics_retention);
  info.queries_max = config.query_concurrency_max;
  info.admin_enabled = config.admin_api;
  info.cors_origin = config.cors_origin;
  info.config_yaml = [this] { return effective_yaml(config); };
  info.flags = [this] {
    return std::map<std::string, std::string>{
        {"config.file", config.file},
        {"query.lookback-delta", format_duration(engine->options().lookback_delta)},
        {"query.max-concurrency", std::to_string(config.query_concurrency_max)},
        {"query.max-samples", std::to_string(engine->options().samples_max)},
        {"query.timeout", format_duration(engine->options().timeout)},
        {"storage.tsdb.min-block-duration", format_duration(config.metrics_block_range)},
        {"storage.tsdb.path", config.data_dir + "/metrics"},
        {"storage.tsdb.retention.time", format_duration(config.metrics_retention)},
        {"web.enable-admin-api", config.admin_api ? "true" : "false"},
        {"web.enable-remote-write-receiver", "true"},
        {"web.external-url", external_url()},
        {"web.listen-address", fmt::format("{}:{}", config.address, config.port)},
    };
  };
  info.targets = [this] { return scraper->targets(); };
  info.scrape_pools = [this] { return scraper->pools(); };
  info.external_labels = config.scrape.external_labels;
  return info;
}

Status Server::Parts::open_http() {
  auto router = std::make_shared<net::Router>();
  add_gateway_routes(*router);
  incident_api = std::make_unique<api::IncidentApi>(api::IncidentApi::Parts{
      runtime, control, *incidents, *runs, *events, config.data_dir + "/attachments", *hub, *diagnosis});
  postmortem_api = std::make_unique<api::PostmortemApi>(
      api::PostmortemApi::Parts{runtime, control, *incidents, *action_items, *events, *database});
  changes_api = std::make_unique<api::ChangesApi>(api::ChangesApi::Parts{runtime, clock, *changes});
  changes_api->add_routes(*router);
  calls_api = std::make_unique<api::CallsApi>(
      api::CallsApi::Parts{runtime, clock, *events, [this] { return overview_extras(); },
                           [this](const std::string& id) { return judgements_json(*judges, id); }});
  feedback_api = std::make_unique<api::FeedbackApi>(api::FeedbackApi::Parts{runtime, *feedback});
  prometheus_api = std::make_unique<api::PrometheusApi>(
      api::PrometheusApi::Parts{runtime, clock, *engine, *tsdb, metrics, metadata, *rules, prometheus_info()});
  remote_writer = std::make_unique<ingest::RemoteWriter>(*tsdb, metadata, clock, metrics, ingest::RemoteWriteOptions{});
  remote_write_api = std::make_unique<api::RemoteWriteApi>(runtime, *remote_writer);
  alerts_api = std::make_unique<api::AlertsApi>(
      api::AlertsApi::Parts{runtime, clock, control, *alerting, *rules, *incidents, *database});
  alertmanager_api = std::make_unique<api::AlertmanagerApi>(api::AlertmanagerApi::Parts{
      runtime, clock, control, *alerting, {}, started_at, [this] { return sender->templates(); }});
  alert_tools_api = std::make_unique<api::AlertToolsApi>(api::AlertToolsApi::Parts{runtime, clock, control, *alerting});
  operations_api = std::make_unique<api::OperationsApi>(api::OperationsApi::Parts{
      runtime, clock, metrics, [this] { return ready.load(); },
      [this](const alerting::Actor& by) { return reload(by); }, [this] { return components(); },
      [this] {
        return boost::json::object{
            {"file", config.file}, {"rule_files", config.rule_files.size()}, {"data_dir", config.data_dir}};
      },
      [this] { return http ? http->active_requests() : std::vector<net::HttpServer::ActiveRequest>{}; }, started_at,
      hooks.demo,
      [this](const analysis::DriftRoute& which, api::DriftChange change) { return change_drift(which, change); },
      [this] { return drift_report(); }});
  incident_api->add_routes(*router);
  postmortem_api->add_routes(*router);
  alert_quality_api = std::make_unique<api::AlertQualityApi>(
      api::AlertQualityApi::Parts{runtime, control, *database, *pager, *incidents});
  alert_quality_api->add_routes(*router);
  integrations_api = std::make_unique<api::IntegrationsApi>(
      api::IntegrationsApi::Parts{runtime, control, *hub, metrics, external_url()});
  integrations_api->add_routes(*router);
  add_oncall_routes(*router);
  automation_api = std::make_unique<api::AutomationApi>(
      api::AutomationApi::Parts{runtime, control, remedies->executions(), *incidents,
                                [this] { return remedies->catalogue(); }, [this] { return remedies->enabled(); }});
  automation_api->add_routes(*router);
  calls_api->add_routes(*router);
  feedback_api->add_routes(*router);
  prometheus_api->add_routes(*router);
  remote_write_api->add_routes(*router);
  alerts_api->add_routes(*router);
  alertmanager_api->add_routes(*router);
  alert_tools_api->add_routes(*router);
  operations_api->add_routes(*router);
  live->add_routes(*router);
  api::add_openapi_routes(*router);
  api::add_page_routes(*router);
  status_page->add_routes(*router, api::page_handler());
  if (hooks.add_routes) hooks.add_routes(*router);
  return listen(std::move(router));
}

Status Server::Parts::listen(std::shared_ptr<net::Router> router) {
  const auto gateway_open = [this] {
    const auto in_force = gateway->config();
    return in_force->policy.require_key || std::none_of(in_force->providers.begin(), in_force->providers.end(),
                                                        [](const auto& p) { return p.has_own_key(); });
  };
  net::ServerOptions options;
  options.address = config.address;
  options.port = config.port;
  options.connections = web.connections;
  SENTINEL_ASSIGN(http,
                  net::HttpServer::start(runtime, metrics, options,
                                         api::with_auth(std::move(router), config.tokens, gateway_open, metrics)));
  if (!config.web_config_file.empty()) {
    web_watch = std::make_unique<WebConfigWatch>(config.web_config_file, web, [this](const WebConfig& changed) {
      http->set_connection_options(changed.connections);
    });
  }
  return {};
}

void Server::Parts::add_gateway_routes(net::Router& router) {
  gateway->add_routes(router);
  gateway_policy_api =
      std::make_unique<api::GatewayPolicyApi>(api::GatewayPolicyApi::Parts{runtime, clock, *gateway, *policy_store});
  gateway_policy_api->add_routes(router);
  gateway_breakers_api =
      std::make_unique<api::GatewayBreakersApi>(api::GatewayBreakersApi::Parts{runtime, clock, *gateway, *database});
  gateway_breakers_api->add_routes(router);
}

void Server::Parts::add_oncall_routes(net::Router& router) {
  oncall_answers = std::make_unique<api::OncallAnswers>(control, *pager);
  oncall_answers->add_routes(router);
  oncall_api = std::make_unique<api::OncallApi>(
      api::OncallApi::Parts{runtime, control, *pager, [this] { return status_page->options(); }});
  oncall_api->add_routes(router);
  heartbeat_api = std::make_unique<api::HeartbeatApi>(api::HeartbeatApi::Parts{
      control, *heartbeats,
      [this](std::string_view name) { return pager->links().signature("heartbeat", std::string(name)); }});
  heartbeat_api->add_routes(router);
  status_page = std::make_unique<api::StatusPageApi>(api::StatusPageApi::Parts{
      runtime, control, *database, *pager, *incidents, [this] { return oncall_in_force.load(); }, config.status_page});
}

boost::json::object Server::Parts::overview_from_control() {
  boost::json::object out;
  const auto active = incidents->list({.statuses = model::active_incident_statuses()});
  const size_t count = active ? active->size() : 0;
  out["active_incidents"] = count;
  const incident::IncidentRecord* worst = nullptr;
  if (active) {
    for (const incident::IncidentRecord& record : *active) {
      if (worst == nullptr || record.incident.severity < worst->incident.severity) worst = &record;
    }
  }
  out["status"] = worst == nullptr ? "ok" : worst->incident.severity == model::Severity::kSev1 ? "down" : "degraded";
  if (worst == nullptr) {
    out["headline"] = nullptr;
  } else {
    out["headline"] = boost::json::object{{"what_failed", worst->headline.what_failed},
                                          {"why", worst->headline.why},
                                          {"next_step", worst->headline.next_step},
                                          {"incident", fmt::format("INC-{}", worst->incident.number)}};
  }
  return out;
}

net::Task<boost::json::object> Server::Parts::overview_extras() {
  boost::json::object out = co_await net::on_loop(&control, [this] { return overview_from_control(); });
  for (auto& [name, value] : api::monitor_counts(*rules)) out[name] = value;
  co_return out;
}

std::vector<api::ComponentState> Server::Parts::components() {
  std::vector<api::ComponentState> out;
  const auto add = [&](std::string name, bool ok, std::string detail) {
    out.push_back({std::move(name), ok ? "ok" : "degraded", std::move(detail)});
  };
  size_t open_breakers = 0;
  for (const gateway::BreakerView& breaker : gateway->breakers())
    open_breakers += breaker.state != gateway::BreakerState::kClosed;
  add("gateway", open_breakers == 0, fmt::format("{} circuit breakers open", open_breakers));
  const ingest::SpillStats spilled = pipeline->spill_stats();
  add("analysis", pipeline->queued() < 10'000 && spilled.calls == 0 && pipeline->held() == 0,
      fmt::format("{} calls waiting, {} spilled to disk, {} held in memory", pipeline->queued(), spilled.calls,
                  pipeline->held()));
  const events::StoreStats rows = events->stats();
  add("events", true, fmt::format("{} calls in {} segments", rows.rows, rows.segments));
  const tsdb::StoreStats series = tsdb->stats();
  add("metrics", true, fmt::format("{} series", series.series));
  add("detection", detection.backlog() < 100, "rules are evaluated");
  add("alerting", control.backlog() < 100, "alerts are routed");
  add("incidents", true, "");
  const state::DatabaseHealth state = database->health();
  add("state", !state.memory_only,
      state.memory_only
          ? fmt::format("in memory only, a crash would lose {} changes: {}", state.waiting_writes, state.reason)
          : "on disk");
  return out;
}

}  // namespace sentinel::app
