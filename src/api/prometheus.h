#pragma once
// Prometheus's HTTP API over our engine and store: query, query_range, series, labels, label values, metadata,
// format_query, status. GET and POST forms; answers have Prometheus's envelope and error types. Rules and alerts are in
// rules.h.

#include <string>

#include "api/handler.h"
#include "base/metrics.h"
#include "net/http_server.h"
#include "promql/engine.h"
#include "tsdb/store.h"

namespace sentinel::api {

// {"status":"success","data":<data>}; `data` is JSON text.
net::Response prometheus_success(std::string_view data, const std::vector<std::string>& warnings = {},
                                 const std::vector<std::string>& infos = {});
// {"status":"error","errorType":...,"error":...} with Prometheus's status codes.
net::Response prometheus_error(const Error& error);

// Evaluates on the blocking pool, so that a slow query holds up no core.
class PrometheusApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    const promql::Engine& engine;
    tsdb::Store& store;
    MetricRegistry& metrics;
  };
  explicit PrometheusApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  // What a handler answers; an Error gets Prometheus's envelope.
  using Answer = Result<net::Response>;
  using Work = Answer (PrometheusApi::*)(const net::Params& params, const std::string& path_name) const;
  void add(net::Router& router, std::string_view pattern, Work work);
  net::Task<void> run(net::Exchange* exchange, Work work);

  Answer query(const net::Params& params, const std::string& path_name) const;
  Answer query_range(const net::Params& params, const std::string& path_name) const;
  Answer series(const net::Params& params, const std::string& path_name) const;
  Answer labels(const net::Params& params, const std::string& path_name) const;
  Answer label_values(const net::Params& params, const std::string& path_name) const;
  Answer metadata(const net::Params& params, const std::string& path_name) const;
  Answer format_query(const net::Params& params, const std::string& path_name) const;
  Answer build_info(const net::Params& params, const std::string& path_name) const;
  Answer tsdb_status(const net::Params& params, const std::string& path_name) const;

  Parts parts_;
};

}  // namespace sentinel::api
