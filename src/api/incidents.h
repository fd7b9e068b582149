#pragma once
// /sentinel/v1/incidents: the desk over HTTP. See docs/api.md.

#include <memory>
#include <string>

#include "api/handler.h"
#include "api/incident_actions.h"
#include "api/incident_json.h"
#include "connect/hub.h"
#include "events/event_store.h"
#include "incident/attachments.h"
#include "incident/casework.h"
#include "incident/diagnosis_runner.h"
#include "incident/service.h"
#include "net/http_server.h"
#include "runbook/runs.h"

namespace sentinel::api {

// Handlers run on I/O cores and go to the control loop for the desk, to the pool for event queries.
class IncidentApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    incident::Service& incidents;
    runbook::Runs& runs;
    events::EventStore& events;
    std::string attachments_dir;
    connect::Hub& hub;
    incident::DiagnosisRunner& diagnosis;
  };
  // Blocks: attachments that no incident has are swept.
  explicit IncidentApi(Parts parts);
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer list(net::Exchange* exchange);
  Answer create(net::Exchange* exchange);
  Answer get(net::Exchange* exchange);
  Answer act(net::Exchange* exchange, const IncidentAction* action);  // acknowledge, status, assign, ...
  Answer diagnose(net::Exchange* exchange);
  Answer runbook_step(net::Exchange* exchange);
  Answer analytics(net::Exchange* exchange);
  Answer alerts(net::Exchange* exchange);
  Answer settings(net::Exchange* exchange);
  // incident_files.cc
  Answer attach(net::Exchange* exchange);
  Answer attachment(net::Exchange* exchange);
  Answer remove_attachment(net::Exchange* exchange);

  Result<net::Response> detail(std::string_view id, int status = 200);  // on the control loop

  Parts parts_;
  incident::Casework casework_;
  incident::AttachmentFolder folder_;
};

}  // namespace sentinel::api
