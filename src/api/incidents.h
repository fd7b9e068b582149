#pragma once
// /sentinel/v1/incidents: the desk over HTTP. See docs/api.md.

#include <memory>
#include <string>

#include <boost/json/object.hpp>

#include "api/handler.h"
#include "events/event_store.h"
#include "incident/service.h"
#include "net/http_server.h"
#include "runbook/runs.h"

namespace sentinel::api {

struct IncidentAction;

boost::json::object incident_json(const incident::IncidentRecord& record);

// Handlers run on I/O cores and go to the control loop for the desk, to the pool for event queries.
class IncidentApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    incident::Service& incidents;
    runbook::Runs& runs;
    events::EventStore& events;
  };
  explicit IncidentApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer list(net::Exchange* exchange);
  Answer create(net::Exchange* exchange);
  Answer get(net::Exchange* exchange);
  Answer act(net::Exchange* exchange, const IncidentAction* action);  // acknowledge, status, assign, ...
  Answer runbook_step(net::Exchange* exchange);
  Answer postmortem(net::Exchange* exchange);
  Answer analytics(net::Exchange* exchange);

  Result<net::Response> detail(std::string_view id, int status = 200);  // on the control loop

  Parts parts_;
};

}  // namespace sentinel::api
