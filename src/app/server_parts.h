#pragma once
// What a server is made of. Only the files of the server itself include this.

#include <optional>
#include <thread>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "alerting/alerting.h"
#include "alerting/dead_man.h"
#include "alerting/heartbeats.h"
#include "analysis/analyzer.h"
#include "api/alert_quality.h"
#include "api/alert_tools.h"
#include "api/alertmanager.h"
#include "api/alerts.h"
#include "api/automation.h"
#include "api/calls.h"
#include "api/changes.h"
#include "api/feedback.h"
#include "api/gateway_breakers.h"
#include "api/gateway_policy.h"
#include "api/heartbeats.h"
#include "api/incidents.h"
#include "api/integrations.h"
#include "api/live.h"
#include "api/oncall.h"
#include "api/oncall_answers.h"
#include "api/operations.h"
#include "api/postmortems.h"
#include "api/prometheus.h"
#include "api/remote_write.h"
#include "api/status_page.h"
#include "app/calendar_reader.h"
#include "app/change_watch.h"
#include "app/data_dir.h"
#include "app/drift_store.h"
#include "app/drift_watch.h"
#include "app/judge_panel.h"
#include "app/loaded_files.h"
#include "app/ping_sender.h"
#include "app/remedies.h"
#include "app/server.h"
#include "app/summary_writer.h"
#include "app/text_inspector.h"
#include "base/thread_annotations.h"
#include "base/work_crew.h"
#include "connect/hub.h"
#include "connect/series_out.h"
#include "detection/rule_manager.h"
#include "detection/sql_rule_state.h"
#include "gateway/gateway.h"
#include "gateway/policy/policies.h"
#include "gateway/policy/policy_store.h"
#include "incident/diagnosis_runner.h"
#include "incident/pager.h"
#include "incident/synthetic_page.h"
#include "ingest/access_watch.h"
#include "ingest/collector.h"
#include "ingest/feedback.h"
#include "ingest/pipeline.h"
#include "ingest/remote_write.h"
#include "ingest/scrape_manager.h"
#include "ingest/span_export.h"
#include "ingest/write_out.h"
#include "receivers/net_sender.h"
#include "runbook/runs.h"

namespace sentinel::app {

inline constexpr std::string_view kAccessKey = "ingest/access";
inline constexpr size_t kOtherBlockingThreads = 4;  // beside those that evaluate queries

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

// What OpenTelemetry calls the providers, and which of its names are wanted.
ingest::SpanNames span_names(const gateway::GatewayConfig& config);

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
  Status open_control(LoadedFiles loaded);
  void open_desk();
  Status open_watches();
  void open_hub();
  void open_series_export();
  std::string who_is_on_call();
  Status open_detection(LoadedFiles& loaded);
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
  void note_files(const LoadedFiles& loaded, const incident::Actor& by);
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
  std::unique_ptr<incident::ChangeLog> changes;
  std::unique_ptr<ChangeWatch> change_watch;
  std::unique_ptr<incident::Service> incidents;
  std::unique_ptr<incident::ActionItems> action_items;
  std::unique_ptr<runbook::Runs> runs;
  std::unique_ptr<Remedies> remedies;
  std::unique_ptr<incident::DiagnosisRunner> diagnosis;
  std::unique_ptr<SummaryWriter> summaries;
  std::unique_ptr<receivers::NetSender> sender;
  std::unique_ptr<receivers::NetSender> page_sender;  // its own rates: notifications do not hold up a page
  std::unique_ptr<incident::Pager> pager;
  std::unique_ptr<connect::NetCaller> connect_caller;
  std::unique_ptr<connect::Hub> hub;
  std::unique_ptr<connect::SeriesExport> series_export;
  std::atomic<std::shared_ptr<const oncall::Config>> oncall_in_force;
  std::shared_ptr<const oncall::Config> covered;  // whose gaps are published; one upkeep at a time
  std::unique_ptr<CalendarReader> calendar_reader;
  std::unique_ptr<alerting::Alerting> alerting;
  std::unique_ptr<alerting::Heartbeats> heartbeats;
  std::unique_ptr<incident::SyntheticPages> synthetic_pages;
  std::unique_ptr<PingSender> ping_sender;
  std::unique_ptr<alerting::DeadMan> dead_man;
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
  std::unique_ptr<api::PostmortemApi> postmortem_api;
  std::unique_ptr<api::AlertQualityApi> alert_quality_api;
  std::unique_ptr<api::IntegrationsApi> integrations_api;
  std::unique_ptr<api::OncallApi> oncall_api;
  std::unique_ptr<api::OncallAnswers> oncall_answers;
  std::unique_ptr<api::HeartbeatApi> heartbeat_api;
  std::unique_ptr<api::StatusPageApi> status_page;
  std::unique_ptr<api::AutomationApi> automation_api;
  std::unique_ptr<api::ChangesApi> changes_api;
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

}  // namespace sentinel::app
