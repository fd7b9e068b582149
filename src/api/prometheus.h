#pragma once
// Prometheus's HTTP API over our engine, store, rules and targets, with its forms, envelope, error types and words.
// docs/prometheus.md says what is the same and what is not.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "api/handler.h"
#include "api/prometheus_json.h"
#include "base/metrics.h"
#include "detection/rule_manager.h"
#include "ingest/metadata.h"
#include "ingest/target.h"
#include "net/gate.h"
#include "net/http_server.h"
#include "promql/engine.h"
#include "tsdb/store.h"

namespace sentinel::api {

// What the server says of itself. Callbacks are safe on any thread.
struct PrometheusServerInfo {
  TimePoint started_at;
  std::string external_url;
  std::string retention;  // "15d"
  std::function<std::string()> config_yaml;
  std::function<std::map<std::string, std::string>()> flags;
  std::function<std::vector<ingest::TargetStatus>()> targets;  // sorted by pool
  std::function<std::vector<std::string>()> scrape_pools;
  size_t queries_max = 4;      // evaluated at once; more wait, at most for the engine's timeout
  bool admin_enabled = false;  // delete_series, clean_tombstones, snapshot
  std::string cors_origin;     // regular expression of origins that pages may read from; empty: none
  model::Labels external_labels;
};

// Works on the blocking pool, so that a slow query holds up no core.
class PrometheusApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    const promql::Engine& engine;
    tsdb::Store& store;
    MetricRegistry& metrics;
    const ingest::MetadataStore& metadata;
    const detection::RuleManager& rules;  // groups() and alerts() from any thread
    PrometheusServerInfo server;
  };
  explicit PrometheusApi(Parts parts) : parts_(std::move(parts)), gate_(parts_.server.queries_max) {}
  void add_routes(net::Router& router);

 private:
  // One request; copied to the pool's thread.
  struct Call {
    net::Params params;
    std::string name;  // of the path: {name}
    bool gzip = false;
    std::string origin;
    std::shared_ptr<std::atomic<bool>> canceled;  // the client has gone
  };
  // What a handler answers; an Error gets Prometheus's envelope.
  using Answer = Result<net::Response>;
  using Work = Answer (PrometheusApi::*)(const Call& call) const;
  enum Methods { kGet = 1, kPost = 2, kPut = 4 };
  void add(net::Router& router, int methods, std::string_view pattern, Work work);
  void add_query(net::Router& router, int methods, std::string_view pattern, Work work);
  net::Task<void> run(net::Exchange* exchange, Work work);
  // The same through the gate that bounds how many queries are evaluated at once.
  net::Task<void> run_query(net::Exchange* exchange, Work work);
  net::Task<void> options(net::Exchange* exchange);
  void finish(const Call& call, net::Response& response) const;
  void set_cors(std::string_view origin, net::Response& response) const;

  // prometheus.cc: queries
  Answer query(const Call& call) const;
  Answer query_range(const Call& call) const;
  Answer format_query(const Call& call) const;
  Answer parse_query(const Call& call) const;
  struct QueryOptions {
    promql::EngineOptions engine;
    bool stats = false;
    size_t limit = 0;
  };
  Result<QueryOptions> query_options(const Call& call) const;
  static Answer answer(const QueryOptions& options, Result<promql::QueryResult> result, int64_t started_us);

  // prometheus_series.cc: what there is
  Answer series(const Call& call) const;
  Answer labels(const Call& call) const;
  Answer label_values(const Call& call) const;
  Answer query_exemplars(const Call& call) const;
  Answer metadata(const Call& call) const;
  Answer federate(const Call& call) const;
  Answer delete_series(const Call& call) const;
  Answer clean_tombstones(const Call& call) const;
  Answer snapshot(const Call& call) const;

  // prometheus_rules.cc
  Answer rules(const Call& call) const;
  Answer alerts(const Call& call) const;

  // prometheus_status.cc
  Answer targets(const Call& call) const;
  Answer target_metadata(const Call& call) const;
  Answer scrape_pools(const Call& call) const;
  Answer alertmanagers(const Call& call) const;
  Answer status_config(const Call& call) const;
  Answer status_flags(const Call& call) const;
  Answer status_runtime(const Call& call) const;
  Answer status_build(const Call& call) const;
  Answer status_tsdb(const Call& call) const;
  Answer status_replay(const Call& call) const;

  Parts parts_;
  net::Gate gate_;
};

}  // namespace sentinel::api
