#pragma once
// Automations over HTTP: what there is, asking for one (from a runbook's step or by itself), agreeing, cancelling,
// taking back, and the chain of who did what.
//
// GET  /sentinel/v1/automations                       the catalogue
// GET  /sentinel/v1/executions?incident=&limit=       newest first
// POST /sentinel/v1/executions                        {automation, incident, step, parameters, dry_run}
// GET  /sentinel/v1/executions/{id}?wait=              until it has ended, at most so long (60s)
// POST /sentinel/v1/executions/{id}/{action}          approve, reject, cancel, rollback
// GET  /sentinel/v1/automation/audit?after=&limit=    with `verified` of the whole chain

#include <functional>
#include <memory>

#include <boost/json/object.hpp>

#include "api/handler.h"
#include "automation/executions.h"

namespace sentinel::api {

boost::json::object execution_json(const automation::Execution& execution);

class AutomationApi {
 public:
  // They outlive it. `executions` lives on `control`.
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    automation::Executions& executions;
    incident::Service& incidents;
    std::function<std::shared_ptr<const automation::Catalogue>()> catalogue;  // in force; from any thread
    std::function<bool()> enabled;                                            // the same
  };
  explicit AutomationApi(Parts parts) : parts_(std::move(parts)) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer catalogue(net::Exchange* exchange);
  Answer list(net::Exchange* exchange);
  Answer request(net::Exchange* exchange);
  Answer show(net::Exchange* exchange);
  Answer act(net::Exchange* exchange);
  Answer audit(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
