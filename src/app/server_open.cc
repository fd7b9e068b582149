// The parts of a server, opened in their order.

#include "app/server_parts.h"
#include "base/log.h"
#include "base/strings.h"
#include "state/kv.h"

namespace sentinel::app {
namespace {

constexpr size_t kQueryHelpersMax = 8;

// Threads beside the one that a query runs on, for all queries together.
size_t query_helpers() {
  return std::min<size_t>(std::max(1u, std::thread::hardware_concurrency()) - 1, kQueryHelpersMax);
}

}  // namespace

// What OpenTelemetry calls the providers, and which of its names are wanted.
ingest::SpanNames span_names(const gateway::GatewayConfig& config) {
  ingest::SpanNames names;
  names.latest = ingest::latest_genai_from_environment();
  for (const gateway::ProviderConfig& provider : config.providers) {
    switch (provider.kind) {
      case gateway::ProviderKind::kOpenAi: names.providers[provider.name] = "openai"; break;
      case gateway::ProviderKind::kAzureOpenAi: names.providers[provider.name] = "azure.ai.openai"; break;
      case gateway::ProviderKind::kAnthropic: names.providers[provider.name] = "anthropic"; break;
      case gateway::ProviderKind::kGemini: names.providers[provider.name] = "gcp.gemini"; break;
      case gateway::ProviderKind::kVertex: names.providers[provider.name] = "gcp.vertex_ai"; break;
      default: break;  // as it is called here
    }
  }
  return names;
}

Status Server::Parts::open_state() {
  SENTINEL_ASSIGN(lock, lock_data_dir(posix_env(), config.data_dir));
  events::EmbeddedOptions event_store;
  event_store.dir = config.data_dir + "/events";
  event_store.retention = config.events_retention;
  event_store.hot_rows = config.events_hot_rows;
  SENTINEL_ASSIGN(events, events::open_embedded(clock, metrics, event_store));
  SENTINEL_ASSIGN(database, state::open_sqlite(config.data_dir + "/state.db", metrics));
  SENTINEL_TRY(state::KeyValue::migrate(*database));
  SENTINEL_TRY(ingest::FeedbackDesk::migrate(*database));
  feedback = std::make_unique<ingest::FeedbackDesk>(*database, *events, metrics, clock);
  SENTINEL_TRY(JudgePanel::migrate(*database));
  judges = std::make_unique<JudgePanel>(runtime, client, *database, clock, metrics);
  return judges->restore();
}

// Seconds, where the log is long.
Status Server::Parts::open_series() {
  tsdb::StoreOptions metrics_store;
  metrics_store.dir = config.data_dir + "/metrics";
  metrics_store.retention = config.metrics_retention;
  metrics_store.log.keep_from =
      ingest::oldest_unread_segment(posix_env(), remote_write_positions(), config.remote_write);
  metrics_store.retention_bytes = config.metrics_retention_bytes;
  metrics_store.block_range = config.metrics_block_range;
  metrics_store.out_of_order_window = config.out_of_order_window;
  metrics_store.series_max = config.metrics_series_max;
  metrics_store.exemplars_max = config.exemplars_max;
  SENTINEL_ASSIGN(tsdb, tsdb::Store::open(posix_env(), clock, metrics, metrics_store));
  return {};
}

// REQUIRES: open_series().
void Server::Parts::open_metrics() {
  promql::EngineOptions engine_options = config.query;
  engine_options.default_step = config.evaluation_interval;
  query_crew = std::make_unique<WorkCrew>("query", query_helpers());
  engine_options.crew = query_crew.get();
  engine = std::make_unique<promql::Engine>(*tsdb, engine_options);
  ingest::CollectorOptions collect_options;
  collect_options.target =
      model::Labels{{"job", "sentinel"}, {"instance", fmt::format("{}:{}", config.address, config.port)}};
  collect_options.disk_path = config.data_dir;
  collect_options.interval = config.collect_interval;
  scraper = std::make_unique<ingest::ScrapeManager>(runtime, clock, *tsdb, metadata, metrics);
  write_out = std::make_unique<ingest::RemoteWriteOut>(
      runtime, clock, posix_env(), *tsdb, metadata, metrics,
      ingest::RemoteWriteOut::Dirs{.store = config.data_dir + "/metrics", .positions = remote_write_positions()});
  collector = std::make_unique<ingest::Collector>(metrics, *tsdb, clock, collect_options);
}

Status Server::Parts::open_gateway() {
  sink = std::make_unique<PipelineSink>(*pipeline);
  gateway = std::make_unique<gateway::Gateway>(runtime, client, clock, metrics, *sink, config.gateway);
  gateway->set_injection_risk(
      [this](std::string_view prompt) { return analyzer->check_prompt(prompt).injection.risk; });
  gateway->log_calls(config.log_level == LogLevel::kDebug);
  SENTINEL_ASSIGN(inspector, make_text_inspector());
  gateway::Policies& policies = gateway->policies();
  policies.inspector = inspector.get();
  policies.cost_of = [this](const model::Interaction& call) { return prices.load()->cost_microusd(call); };
  SENTINEL_TRY(gateway::PolicyStore::migrate(*database));
  SENTINEL_ASSIGN(policy_store, gateway::PolicyStore::open(*database, clock, policies.keys, policies.switches));
  SENTINEL_ASSIGN(const std::vector<gateway::Spending> spent, policy_store->load_spending());
  policies.budgets.restore(spent);
  return {};
}

Status Server::Parts::open_pipeline() {
  ingest::SpillOptions options;
  options.dir = config.data_dir + "/telemetry-spill";
  options.bytes_max = config.spill_max_mb << 20;
  SENTINEL_ASSIGN(std::unique_ptr<ingest::Spill> spill, ingest::Spill::open(posix_env(), options));
  if (const uint64_t left = spill->stats().leftover; left > 0)
    log_info("telemetry", "calls of the last run wait in the spill", {{"calls", left}});
  metrics.gauge("sentinel_telemetry_spill_limit_bytes", "What the spill may take on disk.")
      .set(static_cast<double>(options.bytes_max));
  ingest::PipelineOptions pipeline_options;
  pipeline_options.names = span_names(config.gateway);
  pipeline_options.on_read_back = [this](const model::Interaction& i) { spans->submit(i); };
  pipeline = std::make_unique<ingest::Pipeline>(*analyzer, events.get(), std::move(spill), metrics, pipeline_options);
  return {};
}

Status Server::Parts::open_control(LoadedFiles loaded) {
  SENTINEL_TRY(incident::Service::migrate(*database));
  SENTINEL_TRY(incident::Pager::migrate(*database));
  SENTINEL_TRY(connect::Hub::migrate(*database));
  SENTINEL_TRY(runbook::Runs::migrate(*database));
  SENTINEL_TRY(Remedies::migrate(*database));
  SENTINEL_TRY(alerting::Alerting::migrate(*database));
  live = std::make_unique<api::LiveApi>(clock);
  runbooks = loaded.runbooks;
  const auto memory = std::make_shared<receivers::StateMemory>(*database, clock);
  sender = std::make_unique<receivers::NetSender>(runtime, client, clock, memory);
  SENTINEL_TRY(sender->configure(loaded.alerting.receivers, loaded.alerting.template_globs));
  page_sender = std::make_unique<receivers::NetSender>(runtime, client, clock, memory);
  SENTINEL_TRY(page_sender->configure(incident::channel_configs(*loaded.oncall), {}));
  // At once: what is overdue, such as an incident that is calm, must not be done before whoever has to hear of it.
  return control.call([&]() -> Status {
    open_desk();
    open_hub();
    SENTINEL_ASSIGN(pager, incident::Pager::open(control, *database, metrics, *page_sender, *incidents, loaded.oncall,
                                                 external_url(), config.integrations->reply_address()));
    oncall_in_force = pager->shared_config();
    action_items = std::make_unique<incident::ActionItems>(*incidents, control, *database, metrics);
    calendar_reader = std::make_unique<CalendarReader>(runtime, client, control, *pager, metrics);
    calendar_reader->start();
    pager->on_config([this] { oncall_in_force = pager->shared_config(); });
    SENTINEL_ASSIGN(remedies, Remedies::open(control, *database, metrics, *incidents, *runs, loaded.automations,
                                             config.automation));
    alerting::Options routing = config.routing;
    routing.external_url = external_url();
    SENTINEL_ASSIGN(alerting, alerting::Alerting::open(control, *database, metrics, *sender, {incidents.get()},
                                                       std::move(loaded.alerting), std::move(routing)));
    SENTINEL_TRY(open_watches());
    // What was under way before a restart is looked at again.
    SENTINEL_ASSIGN(const auto open, incidents->list({.statuses = model::active_incident_statuses()}));
    for (const incident::IncidentRecord& record : open) diagnosis->watch(record.incident.id);
    return {};
  });
}

// Jobs that are to be heard of, and who is to hear of us. On the control loop.
Status Server::Parts::open_watches() {
  SENTINEL_ASSIGN(heartbeats, alerting::Heartbeats::open(
                                  control, *database, metrics,
                                  [this](std::vector<model::Alert> alerts) { return alerting->put(std::move(alerts)); },
                                  config.heartbeats, [] { return monotonic_us(); }));
  SENTINEL_ASSIGN(synthetic_pages, incident::SyntheticPages::open(control, *database, metrics, *incidents, *pager,
                                                                  [this](std::vector<model::Alert> alerts) {
                                                                    return alerting->put(std::move(alerts));
                                                                  }));
  ping_sender = std::make_unique<PingSender>(runtime, client);
  ping_sender->set_urls(config.dead_man.urls);
  dead_man = std::make_unique<alerting::DeadMan>(
      control, *database, metrics, *ping_sender,
      [this](const std::string& name) {
        alerting::AlertQuery query;
        query.matchers.push_back(model::Matcher::equal(std::string(model::kAlertNameLabel), name));
        std::optional<TimePoint> heard;
        for (const alerting::AlertView& v : alerting->alerts(query))
          heard = std::max(heard.value_or(v.alert.updated_at), v.alert.updated_at);
        return heard;
      },
      config.dead_man);
  return {};
}

// Incidents and what belongs to each of them. On the control loop.
void Server::Parts::open_desk() {
  changes = std::make_unique<incident::ChangeLog>(*database);
  change_watch = std::make_unique<ChangeWatch>(*database, *changes);
  incidents = std::make_unique<incident::Service>(control, *database, metrics, config.incidents);
  incidents->on_change(
      [this](const incident::IncidentRecord& record, bool created) { incident_changed(record, created); });
  incidents->on_lead_change([this](const incident::IncidentDetail& detail) {
    follow_lead(detail);
    if (remedies) remedies->lead_is(detail);
    diagnosis->watch(detail.record.incident.id);
  });
  runs = std::make_unique<runbook::Runs>(
      control, *database,
      [this](state::Tx& tx, std::string_view id, std::string_view text, std::string_view data, std::string_view actor,
             std::string_view source) {
        return incidents->add_timeline(tx, id, "runbook", text, data, {std::string(actor), std::string(source)});
      });
  diagnosis = std::make_unique<incident::DiagnosisRunner>(
      control, *incidents, *changes, *events,
      [this](std::function<void()> job) { net::asio::post(runtime.blocking_pool(), std::move(job)); });
  summaries = std::make_unique<SummaryWriter>(control, *incidents, runtime, client, metrics, [this] {
    if (!ready) return std::string();  // `http` is there from then on
    return fmt::format("{}://{}:{}", scheme(), config.address == "0.0.0.0" ? "127.0.0.1" : config.address,
                       http->port());
  });
  summaries->set_config(config.summary);
  diagnosis->on_diagnosed([this](const std::string& id) { summaries->diagnosed(id); });
}

// What other services know of incidents, and what people do there. On the control loop, before anything overdue is
// done.
void Server::Parts::open_hub() {
  connect_caller = std::make_unique<connect::NetCaller>(runtime, client, clock);
  hub = std::make_unique<connect::Hub>(
      connect::Hub::Parts{
          control, *database, metrics, *incidents, *connect_caller, external_url(), [this] { return who_is_on_call(); },
          [this](const std::string& id, const std::string& who) { return pager->escalations().escalate(id, who); },
          [this](const std::string& token) {
            return pager->page_of_reply(token).map(
                [](const oncall::PageRecord& page) { return connect::PageOwner{page.key, page.user}; });
          }},
      config.integrations);
}

// Series for services that want some, once there are any to read.
void Server::Parts::open_series_export() {
  const auto kinds = [this] {
    connect::FamilyKinds out;
    for (const auto& [family, said] : metadata.all()) out.emplace(family, said.front().kind);
    for (const MetricFamily& family : metrics.collect()) {
      out[family.name] = family.type == MetricType::kCounter     ? ingest::MetricKind::kCounter
                         : family.type == MetricType::kHistogram ? ingest::MetricKind::kHistogram
                                                                 : ingest::MetricKind::kGauge;
    }
    return out;
  };
  connect::SeriesExport::Parts parts{
      control,
      *database,
      metrics,
      *tsdb,
      *connect_caller,
      [this](std::function<void()> job) { net::asio::post(runtime.blocking_pool(), std::move(job)); },
      kinds};
  (void)control.call([&]() -> Status {
    series_export = std::make_unique<connect::SeriesExport>(std::move(parts), config.integrations);
    return {};
  });
}

std::string Server::Parts::who_is_on_call() {
  std::string out;
  for (const auto& [id, schedule] : pager->config().schedules) {
    std::vector<std::string> names;
    for (const std::string& user : oncall::who_is_on_call(schedule, clock.now())) names.push_back(pager->name_of(user));
    out += fmt::format("{}{}: {}", out.empty() ? "" : "\n", id, names.empty() ? "nobody" : join(names, ", "));
  }
  return out.empty() ? "There are no schedules." : out;
}

Status Server::Parts::open_detection(LoadedFiles& loaded) {
  alert_bridge = std::make_unique<AlertBridge>(control, *alerting);
  SENTINEL_ASSIGN(rule_state, detection::SqlRuleStateStore::open(*database));
  detection::RuleManagerOptions options;
  options.evaluation_interval = config.evaluation_interval;
  options.arrival.enabled = config.evaluate_on_arrival;
  options.external_url = external_url();
  options.external_labels = config.scrape.external_labels;
  rules =
      std::make_unique<detection::RuleManager>(detection, *engine, *tsdb, *rule_state, *alert_bridge, metrics, options);
  return detection.call([&] { return rules->apply(loaded.rules); });
}

}  // namespace sentinel::app
