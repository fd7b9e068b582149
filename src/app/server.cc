#include "app/server.h"

#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "alerting/alerting.h"
#include "analysis/analyzer.h"
#include "analysis/price_table.h"
#include "api/alert_tools.h"
#include "api/alertmanager.h"
#include "api/alerts.h"
#include "api/auth.h"
#include "api/automation.h"
#include "api/calls.h"
#include "api/feedback.h"
#include "api/gateway_breakers.h"
#include "api/gateway_policy.h"
#include "api/incidents.h"
#include "api/live.h"
#include "api/oncall.h"
#include "api/oncall_answers.h"
#include "api/openapi.h"
#include "api/operations.h"
#include "api/page.h"
#include "api/prometheus.h"
#include "api/remote_write.h"
#include "app/builtin_files.h"
#include "app/calendar_reader.h"
#include "app/data_dir.h"
#include "app/drift_store.h"
#include "app/drift_watch.h"
#include "app/judge_panel.h"
#include "app/remedies.h"
#include "app/text_inspector.h"
#include "app/web_config.h"
#include "base/duration.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/thread_annotations.h"
#include "base/work_crew.h"
#include "detection/rule_file.h"
#include "detection/rule_manager.h"
#include "detection/sql_rule_state.h"
#include "gateway/gateway.h"
#include "gateway/policy/policies.h"
#include "gateway/policy/policy_store.h"
#include "incident/diagnosis_runner.h"
#include "incident/pager.h"
#include "ingest/access_watch.h"
#include "ingest/collector.h"
#include "ingest/feedback.h"
#include "ingest/pipeline.h"
#include "ingest/remote_write.h"
#include "ingest/scrape_manager.h"
#include "ingest/span_export.h"
#include "ingest/write_out.h"
#include "oncall/coverage_metrics.h"
#include "receivers/net_sender.h"
#include "runbook/runs.h"
#include "state/kv.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace {

constexpr std::string_view kAccessKey = "ingest/access";
constexpr size_t kOtherBlockingThreads = 4;  // beside those that evaluate queries
constexpr Micros kDriftSaveInterval = std::chrono::minutes(1);
constexpr Micros kEarlyPassSpacing = std::chrono::milliseconds(50);  // passes of the collector between its own
constexpr Micros kAlertCountsInterval = std::chrono::seconds(1);
constexpr Micros kUpkeepInterval = std::chrono::minutes(1);
constexpr Micros kCoverageAhead = std::chrono::days(14);  // in which gaps of schedules are looked for
constexpr size_t kQueryHelpersMax = 8;
constexpr int kLiveCallsPerSecond = 5;
constexpr Micros kWorkerPatience = std::chrono::seconds(10);
constexpr Millis kSpanPatience = std::chrono::seconds(2);  // at a stop, for spans that wait to be sent
constexpr Millis kHttpGrace = std::chrono::seconds(5);     // at a stop, for requests that are not LLM calls

// Everything that configuration files say, parsed; made before anything of it is put in force.
struct Loaded {
  std::vector<detection::RuleFile> rules;
  alerting::Config alerting;
  std::shared_ptr<const oncall::Config> oncall;
  std::shared_ptr<const automation::Catalogue> automations;
  std::shared_ptr<const runbook::Library> runbooks;
  std::shared_ptr<const analysis::PriceTable> prices;
};

Result<std::shared_ptr<const automation::Catalogue>> load_automations(Env& env, const std::string& path) {
  if (path.empty()) return std::make_shared<const automation::Catalogue>();
  SENTINEL_ASSIGN(const ConfigText file, read_config(env, path));
  return automation::Catalogue::parse(file.text, file.path);
}

Result<std::shared_ptr<const oncall::Config>> load_oncall(Env& env, const std::string& path) {
  if (path.empty()) return std::make_shared<const oncall::Config>();
  SENTINEL_ASSIGN(const ConfigText file, read_config(env, path));
  SENTINEL_ASSIGN(oncall::Config config, oncall::parse_config(file.text, file.path));
  const Status reachable = oncall::check_reachable(config);
  if (!reachable) return fail(reachable.error().in_file(file.path));
  return std::make_shared<const oncall::Config>(std::move(config));
}

// Its users have tokens, which every path and role knows.
Result<WebConfig> read_listener(const Config& config) {
  if (config.web_config_file.empty()) return WebConfig();
  SENTINEL_ASSIGN(WebConfig web, read_web_config(config.web_config_file));
  if (!web.users.empty())
    return fail(Error(ErrorCode::kInvalidArgument, "basic_auth_users: use bearer tokens, auth.tokens",
                      Position{config.web_config_file, 0, 0}));
  return web;
}

Result<Loaded> load_all(const Config& config) {
  Env& env = posix_env();
  Loaded loaded;
  for (const std::string& pattern : config.rule_files) {
    SENTINEL_ASSIGN(const std::vector<ConfigText> files, read_config_glob(env, pattern));
    for (const ConfigText& file : files) {
      SENTINEL_ASSIGN(loaded.rules.emplace_back(), detection::parse_rule_file(file.text, file.path));
    }
  }
  SENTINEL_ASSIGN(const ConfigText alertmanager, read_config(env, config.alertmanager));
  SENTINEL_ASSIGN(loaded.alerting, alerting::parse_config(alertmanager.text, alertmanager.path));
  SENTINEL_ASSIGN(loaded.oncall, load_oncall(env, config.oncall));
  SENTINEL_ASSIGN(loaded.automations, load_automations(env, config.automation_file));
  SENTINEL_ASSIGN(const std::vector<ConfigText> books, read_config_dir(env, config.runbooks));
  std::vector<runbook::SourceFile> sources;
  for (const ConfigText& book : books) sources.push_back({book.path, book.text});
  SENTINEL_ASSIGN(loaded.runbooks, runbook::Library::parse(sources));
  SENTINEL_ASSIGN(const ConfigText prices, read_config(env, config.prices));
  SENTINEL_ASSIGN(analysis::PriceTable table, analysis::PriceTable::parse(prices.text, prices.path));
  loaded.prices = std::make_shared<const analysis::PriceTable>(std::move(table));
  return loaded;
}

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

// Threads beside the one that a query runs on, for all queries together.
size_t query_helpers() {
  return std::min<size_t>(std::max(1u, std::thread::hardware_concurrency()) - 1, kQueryHelpersMax);
}

// From the gateway's cores to the telemetry worker.
class PipelineSink final : public gateway::InteractionSink {
 public:
  explicit PipelineSink(ingest::Pipeline& pipeline) : pipeline_(pipeline) {}
  void record(model::Interaction interaction) noexcept override { pipeline_.submit(std::move(interaction)); }

 private:
  ingest::Pipeline& pipeline_;
};

// From the detection loop to the control loop; ok means stored.
class AlertBridge final : public detection::AlertSink {
 public:
  AlertBridge(Scheduler& control, alerting::Alerting& alerting) : control_(control), alerting_(alerting) {}
  Status put(std::vector<model::Alert> alerts) override {
    return control_.call([&] { return alerting_.put(std::move(alerts)); });
  }

 private:
  Scheduler& control_;
  alerting::Alerting& alerting_;
};

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

Result<Config> load_config(const std::string& path) {
  if (path.empty()) return Config{};
  SENTINEL_ASSIGN(const ConfigText file, read_config(posix_env(), path));
  return parse_config(file.text, file.path);
}

Status check_all(const Config& config) {
  SENTINEL_TRY(validate_config(config));
  SENTINEL_TRY(load_all(config));
  SENTINEL_TRY(read_listener(config));
  return {};
}

// In the order of construction; destroyed in reverse, after stop() has quieted every thread.
struct Server::Parts {
  Parts(Config c, ServerHooks h) : config(std::move(c)), hooks(std::move(h)), started_at(clock.now()) {}

  const char* scheme() const { return web.connections.tls ? "https" : "http"; }
  std::string external_url() const {
    return config.external_url.empty() ? fmt::format("{}://{}:{}", scheme(), config.address, config.port)
                                       : config.external_url;
  }
  Status open_state();
  Status open_series();
  void open_metrics();
  std::string remote_write_positions() const { return config.data_dir + "/remote-write"; }
  Status open_pipeline();
  Status open_control(Loaded loaded);
  void open_desk();
  Status open_detection(Loaded& loaded);
  Status open_gateway();
  Status open_http();
  Status listen(std::shared_ptr<net::Router> router);
  void add_gateway_routes(net::Router& router);
  void add_oncall_routes(net::Router& router);
  api::PrometheusServerInfo prometheus_info();
  void start_upkeep();
  void save_drift();
  void write_drift();
  // Waits for the worker that owns the analyzer; blocks.
  template <class T>
  Result<T> ask_worker(std::function<T()> question);
  Result<size_t> change_drift(const analysis::DriftRoute& which, api::DriftChange change);
  Result<boost::json::object> drift_report();
  void save_spending();
  void collect();
  void collect_soon();
  void tell_alerts();
  void upkeep();
  void publish_oncall();
  void incident_changed(const incident::IncidentRecord& record, bool created);
  void follow_lead(const incident::IncidentDetail& detail);
  void call_scored(const model::Interaction& interaction);
  net::Task<boost::json::object> overview_extras();
  boost::json::object overview_from_control();
  std::vector<api::ComponentState> components();
  Status reload(const alerting::Actor& by);
  Status reload_files(const alerting::Actor& by);
  void stop();

  Config config;
  const ServerHooks hooks;
  SystemClock clock;
  const TimePoint started_at;
  MetricRegistry metrics;
  net::Runtime runtime{net::RuntimeOptions{.blocking_threads = kOtherBlockingThreads + config.query_concurrency_max}};
  net::HttpClient client{runtime, metrics, {}};
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<tsdb::Store> tsdb;
  std::unique_ptr<events::EventStore> events;
  std::unique_ptr<state::Database> database;
  std::unique_ptr<WorkCrew> query_crew;  // all queries share it
  std::unique_ptr<promql::Engine> engine;
  std::unique_ptr<analysis::Analyzer> analyzer;
  std::unique_ptr<ingest::Pipeline> pipeline;
  std::unique_ptr<ingest::SpanExporter> spans;
  std::unique_ptr<ingest::Collector> collector;
  std::unique_ptr<ingest::FeedbackDesk> feedback;
  std::unique_ptr<JudgePanel> judges;
  DriftWatch drift{metrics};            // of the telemetry worker
  DriftStore drift_store;               // the same
  ingest::AccessWatch access{metrics};  // of the telemetry worker
  ingest::MetadataStore metadata;
  std::unique_ptr<ingest::RemoteWriter> remote_writer;
  std::unique_ptr<ingest::ScrapeManager> scraper;
  std::unique_ptr<ingest::RemoteWriteOut> write_out;

  EventLoop control{clock, "control"};
  EventLoop detection{clock, "detection"};
  EventLoop upkeep_loop{clock, "collector"};

  std::shared_ptr<const runbook::Library> runbooks;  // control loop
  std::unique_ptr<incident::Service> incidents;
  std::unique_ptr<runbook::Runs> runs;
  std::unique_ptr<Remedies> remedies;
  std::unique_ptr<incident::DiagnosisRunner> diagnosis;
  std::unique_ptr<receivers::NetSender> sender;
  std::unique_ptr<receivers::NetSender> page_sender;  // its own rates: notifications do not hold up a page
  std::unique_ptr<incident::Pager> pager;
  std::atomic<std::shared_ptr<const oncall::Config>> oncall_in_force;
  std::shared_ptr<const oncall::Config> covered;  // whose gaps are published; one upkeep at a time
  std::unique_ptr<CalendarReader> calendar_reader;
  std::unique_ptr<alerting::Alerting> alerting;
  std::unique_ptr<AlertBridge> alert_bridge;
  std::unique_ptr<detection::SqlRuleStateStore> rule_state;
  std::unique_ptr<detection::RuleManager> rules;

  std::unique_ptr<PipelineSink> sink;
  std::unique_ptr<gateway::TextInspector> inspector;
  std::atomic<std::shared_ptr<const analysis::PriceTable>> prices;  // of the gateway's budgets
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<gateway::PolicyStore> policy_store;

  std::unique_ptr<api::LiveApi> live;
  std::unique_ptr<api::IncidentApi> incident_api;
  std::unique_ptr<api::OncallApi> oncall_api;
  std::unique_ptr<api::OncallAnswers> oncall_answers;
  std::unique_ptr<api::AutomationApi> automation_api;
  std::unique_ptr<api::CallsApi> calls_api;
  std::unique_ptr<api::FeedbackApi> feedback_api;
  std::unique_ptr<api::PrometheusApi> prometheus_api;
  std::unique_ptr<api::RemoteWriteApi> remote_write_api;
  std::unique_ptr<api::AlertsApi> alerts_api;
  std::unique_ptr<api::AlertmanagerApi> alertmanager_api;
  std::unique_ptr<api::AlertToolsApi> alert_tools_api;
  std::unique_ptr<api::OperationsApi> operations_api;
  std::unique_ptr<api::GatewayPolicyApi> gateway_policy_api;
  std::unique_ptr<api::GatewayBreakersApi> gateway_breakers_api;
  WebConfig web;  // as it was at the start
  std::unique_ptr<net::HttpServer> http;
  std::unique_ptr<WebConfigWatch> web_watch;  // upkeep's
  Mutex reloading;
  std::vector<Budget> budgets_in_force = config.budgets;  // changed by reloads, one at a time
  std::atomic<bool> ready{false};
  std::atomic<bool> stopped{false};
  std::atomic<int64_t> drain_ms{config.drain.count()};
  TimePoint next_drift_save;
  size_t saved_references = 0;  // frozen ones in the state store; belongs to the telemetry worker
  TimePoint next_upkeep;
  std::atomic<bool> early_pass_due{false};
  std::atomic<int64_t> early_pass_after_us{0};
};

// ---- start ----

Result<std::unique_ptr<Server>> Server::start(Config config, ServerHooks hooks) {
  SENTINEL_TRY(validate_config(config));
  SENTINEL_ASSIGN(Loaded loaded, load_all(config));
  SENTINEL_ASSIGN(WebConfig web, read_listener(config));
  std::unique_ptr<Server> server(new Server());
  server->parts_ = std::make_unique<Parts>(std::move(config), std::move(hooks));
  Parts& p = *server->parts_;
  p.web = std::move(web);
  SENTINEL_TRY(p.open_state());
  // What waits for delivery, alerts and incidents do not wait for a long log of samples.
  std::future<Status> series = std::async(std::launch::async, [&p] { return p.open_series(); });
  analysis::AnalyzerOptions analysis;
  analysis.prices = loaded.prices;
  analysis.drift = p.config.analysis.drift;
  analysis.policies = p.config.analysis.policies;
  analysis.drift_window_closed = [&p](const analysis::DriftWindow& window) { p.drift.window_closed(window); };
  SENTINEL_ASSIGN(p.analyzer, analysis::Analyzer::open(analysis));
  p.judges->install(p.config.analysis.judges, loaded.prices);
  SENTINEL_TRY(p.database->read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const auto access, state::KeyValue::get(tx, kAccessKey));
    if (access) SENTINEL_TRY(p.access.load(*access));
    return p.drift_store.load(tx, *p.analyzer);
  }));
  p.spans = std::make_unique<ingest::SpanExporter>(p.runtime, p.client, p.metrics, p.config.spans,
                                                   span_names(p.config.gateway));
  SENTINEL_TRY(p.open_control(loaded));
  SENTINEL_TRY(series.get());
  p.open_metrics();
  SENTINEL_TRY(p.open_pipeline());
  p.pipeline->on_counted([&p] { p.collect_soon(); });
  p.pipeline->on_scored([&p](const model::Interaction& i) { p.call_scored(i); });
  SENTINEL_TRY(p.open_detection(loaded));
  p.prices = loaded.prices;
  SENTINEL_TRY(p.open_gateway());
  SENTINEL_TRY(p.open_http());
  publish_budgets(p.metrics, {}, p.config.budgets);
  p.publish_oncall();
  p.start_upkeep();
  SENTINEL_TRY(p.write_out->apply(p.config.remote_write, p.config.scrape.external_labels));
  p.scraper->apply(p.config.scrape);
  p.ready = true;
  log_info("server", "serving", {{"url", server->url()}, {"data_dir", p.config.data_dir}, {"version", "0.1.0"}});
  return server;
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

Status Server::Parts::open_control(Loaded loaded) {
  SENTINEL_TRY(incident::Service::migrate(*database));
  SENTINEL_TRY(incident::Pager::migrate(*database));
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
    SENTINEL_ASSIGN(pager, incident::Pager::open(control, *database, metrics, *page_sender, *incidents, loaded.oncall,
                                                 external_url()));
    oncall_in_force = pager->shared_config();
    calendar_reader = std::make_unique<CalendarReader>(runtime, client, control, *pager, metrics);
    calendar_reader->start();
    pager->on_config([this] { oncall_in_force = pager->shared_config(); });
    SENTINEL_ASSIGN(remedies, Remedies::open(control, *database, metrics, *incidents, *runs, loaded.automations,
                                             config.automation));
    alerting::Options routing = config.routing;
    routing.external_url = external_url();
    SENTINEL_ASSIGN(alerting, alerting::Alerting::open(control, *database, metrics, *sender, {incidents.get()},
                                                       std::move(loaded.alerting), std::move(routing)));
    // What was under way before a restart is looked at again.
    SENTINEL_ASSIGN(const auto open, incidents->list({.statuses = model::active_incident_statuses()}));
    for (const incident::IncidentRecord& record : open) diagnosis->watch(record.incident.id);
    return {};
  });
}

// Incidents and what belongs to each of them. On the control loop.
void Server::Parts::open_desk() {
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
      control, *incidents, *events,
      [this](std::function<void()> job) { net::asio::post(runtime.blocking_pool(), std::move(job)); });
}

Status Server::Parts::open_detection(Loaded& loaded) {
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
  incident_api =
      std::make_unique<api::IncidentApi>(api::IncidentApi::Parts{runtime, control, *incidents, *runs, *events});
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
  oncall_api = std::make_unique<api::OncallApi>(api::OncallApi::Parts{runtime, control, *pager});
  oncall_api->add_routes(router);
}

// ---- while it runs ----

// A series that had come to rest is stored as soon as it moves: a first error is not a second old before a rule sees
// it. What moves all the time keeps the interval.
void Server::Parts::collect_soon() {
  if (early_pass_due.exchange(true)) return;
  upkeep_loop.at(std::max(clock.now(), time_from_us(early_pass_after_us.load())), [this] {
    early_pass_due = false;
    const int64_t started = monotonic_us();
    const Status status = collector->collect_moved("llm_");
    if (!status) log_warn("collector", "own series were not stored", {{"error", status.error().to_string()}});
    const Micros rest = std::max(Micros(kEarlyPassSpacing), 20 * Micros(monotonic_us() - started));
    early_pass_after_us = to_us(clock.now() + rest);
  });
}

void Server::Parts::start_upkeep() {
  next_drift_save = clock.now() + kDriftSaveInterval;
  next_upkeep = clock.now() + kUpkeepInterval;
  upkeep_loop.post([this] { collect(); });
  upkeep_loop.post([this] { tell_alerts(); });
}

// What the page shows beside "Alerts", as it changes.
void Server::Parts::tell_alerts() {
  if (live->has_subscribers()) live->publish_state("alerts", text::serialize(api::alert_counts(*rules)));
  upkeep_loop.at(clock.now() + kAlertCountsInterval, [this] { tell_alerts(); });
}

// One pass of the collector, and now and then the upkeep of the stores; then sets itself again on the grid of the
// interval.
void Server::Parts::collect() {
  const Status means = feedback->refresh();
  if (!means) log_warn("collector", "feedback was not summed up", {{"error", means.error().to_string()}});
  const Status status = collector->collect();
  if (!status) log_warn("collector", "own series were not stored", {{"error", status.error().to_string()}});
  database->tend();
  if (web_watch) web_watch->look();
  save_spending();
  const TimePoint now = clock.now();
  if (now >= next_drift_save) {
    next_drift_save = now + kDriftSaveInterval;
    save_drift();
  }
  if (now >= next_upkeep) {
    next_upkeep = now + kUpkeepInterval;
    net::asio::post(runtime.blocking_pool(), [this] { upkeep(); });
  }
  const int64_t interval = std::chrono::duration_cast<Micros>(config.collect_interval).count();
  upkeep_loop.at(time_from_us((to_us(clock.now()) / interval + 1) * interval), [this] { collect(); });
}

void Server::Parts::upkeep() {
  for (const Status& status :
       {tsdb->maintain(), events->maintain(), feedback->prune(clock.now() - config.events_retention),
        judges->prune(clock.now() - config.events_retention)}) {
    if (!status) log_error("server", "upkeep of a store failed", {{"error", status.error().to_string()}});
  }
  release_free_memory();
  publish_oncall();
}

// Gaps ahead, while there is time to fill them.
void Server::Parts::publish_oncall() {
  auto now = oncall_in_force.load();
  oncall::publish_coverage(*now, clock.now(), kCoverageAhead, metrics, covered.get());
  covered = std::move(now);
}

// The references are read on the worker that owns the analyzer.
void Server::Parts::save_drift() {
  pipeline->run_on_worker([this] { write_drift(); });
}

void Server::Parts::write_drift() {
  const std::optional<std::string> networks = access.changed() ? std::optional(access.save()) : std::nullopt;
  const Status saved = database->write([&](state::Tx& tx) -> Status {
    if (networks) SENTINEL_TRY(state::KeyValue::put(tx, kAccessKey, *networks, clock.now()));
    return drift_store.save(tx, *analyzer, clock.now());
  });
  if (saved) analyzer->drift_saved();
  if (!saved) log_warn("server", "drift references were not saved", {{"error", saved.error().to_string()}});
}

template <class T>
Result<T> Server::Parts::ask_worker(std::function<T()> question) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<T> value;
  };
  const auto answer = std::make_shared<Answer>();
  pipeline->run_on_worker([question = std::move(question), answer] {
    T value = question();
    const std::lock_guard guard(answer->mutex);
    answer->value = std::move(value);
    answer->ready.notify_all();
  });
  std::unique_lock waiting(answer->mutex);
  if (!answer->ready.wait_for(waiting, kWorkerPatience, [&] { return answer->value.has_value(); }))
    return fail(ErrorCode::kTimeout, "analysis is too far behind to answer now; try again");
  return std::move(*answer->value);
}

// What was changed is changed on disk as well before it is answered.
Result<size_t> Server::Parts::change_drift(const analysis::DriftRoute& which, api::DriftChange change) {
  return ask_worker<size_t>([this, which, change] {
    const size_t count =
        change == api::DriftChange::kReset ? analyzer->reset_drift(which) : analyzer->adopt_drift(which);
    saved_references = analyzer->frozen_references();
    write_drift();
    return count;
  });
}

Result<boost::json::object> Server::Parts::drift_report() {
  using Summaries = std::vector<analysis::DriftTracker::Summary>;
  SENTINEL_ASSIGN(const Summaries references, ask_worker<Summaries>([this] { return analyzer->drift_summaries(); }));
  return drift_json(references);
}

// What budgets have spent since the last time; a crash forgets the last second.
void Server::Parts::save_spending() {
  const std::vector<gateway::Spending> changed = gateway->policies().budgets.changed();
  const Status saved = policy_store->save_spending(changed);
  if (saved) return;
  gateway->policies().budgets.mark_changed(changed);
  log_warn("server", "what budgets have spent was not saved", {{"error", saved.error().to_string()}});
}

void Server::Parts::incident_changed(const incident::IncidentRecord& record, bool created) {
  live->publish("incident", text::serialize(api::incident_json(record)));
  if (!created) return;
  const std::string& id = record.incident.id;
  if (const auto detail = incidents->get(id)) {
    follow_lead(*detail);
    if (remedies) remedies->lead_is(*detail);
  }
  diagnosis->watch(id);
}

// The runbook of the alert the incident is called after; one that somebody is in the middle of stays.
void Server::Parts::follow_lead(const incident::IncidentDetail& detail) {
  const model::Alert* lead = incident::lead_alert(detail);
  if (lead == nullptr) return;
  const runbook::Runbook* book = runbooks->match(lead->labels, lead->annotations);
  if (book == nullptr) return;
  const std::string& id = detail.record.incident.id;
  const auto run = runs->attach(id, *book);
  if (!run) {
    log_error("runbook", "not attached", {{"incident", id}, {"error", run.error().to_string()}});
  } else if (run->next_step() != nullptr) {
    (void)incidents->set_next_step(id, run->runbook.id, run->next_step()->description);
  }
}

void Server::Parts::call_scored(const model::Interaction& interaction) {
  access.observe(interaction);
  judges->offer(interaction);
  spans->submit(interaction);
  // A reference just frozen is kept at once: collected anew after a crash, it would be made of what is failing now.
  if (analyzer->frozen_references() != saved_references) {
    saved_references = analyzer->frozen_references();
    save_drift();
  }
  if (!live || !live->has_subscribers()) return;
  live->publish_sampled("call", text::serialize(api::call_json(interaction)), kLiveCallsPerSecond);
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

// ---- reload and stop ----

Status Server::Parts::reload(const alerting::Actor& by) {
  const Status reloaded = reload_files(by);
  if (!reloaded) {
    const Status noted = control.call([&] { return alerting->note_refused_reload(reloaded.error(), by); });
    if (!noted) log_warn("server", "a refused reload is not in the audit", {{"error", noted.error().to_string()}});
    return reloaded;
  }
  log_info("server", "configuration reloaded", {{"file", config.file}});
  return {};
}

// In two steps. Everything is read, parsed and built; then it is put in force, beginning with the only part that can
// still fail: alerting, which writes its groups. So an error changes nothing. One reload at a time.
Status Server::Parts::reload_files(const alerting::Actor& by) {
  MutexLock one_at_a_time(reloading);
  auto fresh = config.file.empty() ? Result<Config>(config) : load_config(config.file);
  if (!fresh) return fail(fresh.error());
  SENTINEL_TRY(validate_config(*fresh));
  SENTINEL_ASSIGN(Loaded loaded, load_all(*fresh));
  SENTINEL_ASSIGN(auto plan, gateway->prepare(fresh->gateway));
  SENTINEL_ASSIGN(auto receivers, sender->prepare(loaded.alerting.receivers, loaded.alerting.template_globs));
  SENTINEL_ASSIGN(auto channels, page_sender->prepare(incident::channel_configs(*loaded.oncall), {}));

  SENTINEL_TRY(control.call([&]() -> Status {
    const auto told_before = pager->written_config();
    SENTINEL_TRY(pager->reload(loaded.oncall));
    if (Status routed = alerting->reload(std::move(loaded.alerting), by); !routed) {
      if (const Status back = pager->reload(told_before); !back)
        log_error("server", "on-call was not put back", {{"error", back.error().to_string()}});
      return routed;
    }
    sender->install(std::move(receivers));
    page_sender->install(std::move(channels));
    remedies->reload(loaded.automations, fresh->automation);
    runbooks = loaded.runbooks;
    incidents->set_options(fresh->incidents);
    return {};
  }));
  // Only the first apply() can fail, and the server has started.
  SENTINEL_TRY(detection.call([&] { return rules->apply(loaded.rules); }));
  gateway->install(std::move(plan));
  judges->install(fresh->analysis.judges, loaded.prices);
  const ingest::SpanNames names = span_names(fresh->gateway);
  spans->apply(fresh->spans, names);
  pipeline->set_names(names);
  pipeline->run_on_worker([this, policies = fresh->analysis.policies] { analyzer->set_policies(policies); });
  analyzer->set_prices(loaded.prices);
  prices = loaded.prices;
  publish_budgets(metrics, budgets_in_force, fresh->budgets);
  budgets_in_force = fresh->budgets;
  drain_ms = fresh->drain.count();
  scraper->apply(fresh->scrape);
  const Status sending = write_out->apply(fresh->remote_write, fresh->scrape.external_labels);
  if (!sending) log_error("server", "remote write was not set up", {{"error", sending.error().to_string()}});
  return {};
}

void Server::Parts::stop() {
  if (stopped.exchange(true)) return;
  ready = false;  // and the listener stays open, so that /-/ready can say so while calls end
  if (gateway) {
    const Millis patience(drain_ms.load());
    if (const size_t cut = gateway->drain(patience); cut > 0)
      log_warn("server", "calls were broken off at shutdown", {{"calls", cut}, {"drain", format_duration(patience)}});
  }
  if (live) live->close();
  if (http) http->stop(kHttpGrace);
  detection.stop();
  upkeep_loop.stop();
  if (policy_store) save_spending();
  if (pipeline) {
    save_drift();
    pipeline->stop();
  }
  if (remedies) remedies->stop();
  control.stop();
  if (write_out) write_out->stop();
  if (spans) spans->stop(kSpanPatience);
  runtime.stop();
  if (tsdb) (void)tsdb->sync();
  log_info("server", "stopped");
}

Server::Server() = default;
Server::~Server() { stop(); }
void Server::stop() {
  if (parts_) parts_->stop();
}
Status Server::reload() { return parts_->reload({"operator", "signal"}); }
uint16_t Server::port() const { return parts_->http->port(); }
std::string Server::url() const { return fmt::format("{}://{}:{}", parts_->scheme(), parts_->config.address, port()); }
net::Runtime& Server::runtime() { return parts_->runtime; }
net::HttpClient& Server::client() { return parts_->client; }
MetricRegistry& Server::metrics() { return parts_->metrics; }

}  // namespace sentinel::app
