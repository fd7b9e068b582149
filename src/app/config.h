#pragma once
// sentinel.yml: what the server is told. Everything has a default; unknown fields are errors with a position.

#include <optional>
#include <string>
#include <vector>

#include "alerting/dead_man.h"
#include "alerting/heartbeats.h"
#include "alerting/options.h"
#include "api/auth.h"
#include "app/analysis_config.h"
#include "app/budgets.h"
#include "app/summary_config.h"
#include "automation/executions.h"
#include "base/file.h"
#include "base/log.h"
#include "base/result.h"
#include "connect/config.h"
#include "events/event_store.h"
#include "gateway/config.h"
#include "incident/options.h"
#include "incident/status_page.h"
#include "ingest/scrape_config.h"
#include "ingest/span_export.h"
#include "ingest/write_config.h"
#include "promql/engine.h"

namespace sentinel::app {

struct Config {
  std::string file;  // where it was read from; empty: the defaults
  std::string address = "127.0.0.1";
  uint16_t port = 8080;
  std::string external_url;     // how users reach us; empty: http://<listen>
  std::string web_config_file;  // TLS of the listener (web_config.h); empty: plain
  std::string data_dir = "./sentinel-data";
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kJson;

  gateway::GatewayConfig gateway = gateway::default_config();

  Millis collect_interval = std::chrono::seconds(1);
  Millis metrics_retention = std::chrono::hours(24 * 15);
  uint64_t metrics_retention_bytes = 0;                // of blocks; 0: by time alone
  Millis metrics_block_range = std::chrono::hours(2);  // the newest 0.5 to 1.5 of these are in memory
  Millis out_of_order_window{0};
  uint64_t metrics_series_max = 2'000'000;
  uint64_t exemplars_max = 100'000;
  Millis events_retention = std::chrono::hours(24 * 30);
  uint64_t events_hot_rows = 20'000;
  uint64_t spill_max_mb =
      256;  // calls on disk that wait for analysis or for the store; what is beyond is lost, counted
  ingest::SpanExportConfig spans;  // read at the start

  AnalysisConfig analysis;

  std::vector<std::string> rule_files{"builtin:rules/*.yml"};
  Millis evaluation_interval = std::chrono::seconds(15);
  bool evaluate_on_arrival = true;  // alerting rules also when a sample of theirs comes, not at their interval only
  std::string alertmanager = "builtin:alertmanager.yml";
  alerting::Options routing;  // its external_url is not used
  std::vector<alerting::HeartbeatDefinition> heartbeats;
  alerting::DeadManOptions dead_man;
  std::string oncall;  // who is told of incidents; empty: nobody
  std::string runbooks = "builtin:runbooks";
  std::string prices = "builtin:prices.yml";
  std::vector<Budget> budgets;

  // The Prometheus API: delete_series, clean_tombstones and snapshot are off unless asked for, and no page of another
  // origin (a regular expression) may read from it.
  bool admin_api = false;
  promql::EngineOptions query;         // limits of one query
  uint64_t query_concurrency_max = 4;  // evaluated at once for the API; rules have a thread of their own
  std::string cors_origin;

  // `global`, `scrape_configs` and `remote_write`, as in prometheus.yml.
  ingest::ScrapeConfig scrape;
  std::vector<ingest::WriteTarget> remote_write;

  incident::Options incidents;
  SummaryConfig summary;
  incident::StatusPageOptions status_page;
  std::shared_ptr<const connect::Config> integrations = std::make_shared<const connect::Config>();

  Millis drain = std::chrono::seconds(30);  // at a stop: what calls under way get to end by themselves

  // Bearer tokens, for everything but the gateway's own paths; empty: only loopback is served.
  std::vector<api::Token> tokens;

  automation::ExecutionOptions automation;
  std::string automation_file;  // automations.yml; "": there are none
};

// `text` after ${...} was expanded. File paths inside are relative to the folder of `file`.
Result<Config> parse_config(std::string_view text, const std::string& file);
// kInvalidArgument when it would be unsafe or cannot work: a public address without auth, ...
Status validate_config(const Config& config);

// What is in force in Prometheus's own syntax, for its /api/v1/status/config; no secrets.
std::string effective_yaml(const Config& config);

// "host:port", ":port" or "port".
Status parse_listen(std::string_view text, Config& config);

}  // namespace sentinel::app
