#pragma once
// /sentinel/v1/incidents/{id}/postmortem and /sentinel/v1/action-items. See docs/api.md.

#include "api/handler.h"
#include "events/event_store.h"
#include "incident/action_items.h"
#include "incident/casework.h"
#include "incident/postmortem.h"
#include "incident/postmortems.h"
#include "net/http_server.h"

namespace sentinel::api {

// Handlers run on I/O cores and go to the control loop for the desk, to the pool for event queries.
class PostmortemApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    incident::Service& incidents;
    incident::ActionItems& actions;
    events::EventStore& events;
    state::Database& database;
  };
  explicit PostmortemApi(Parts parts);
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  // The document, and the text that it is or that is generated for it.
  struct Whole {
    incident::PostmortemDocument document;
    incident::PostmortemInput input;
    std::string markdown;
    bool generated = true;
  };
  Answer get(net::Exchange* exchange);
  Answer put(net::Exchange* exchange);
  Answer list_actions(net::Exchange* exchange);
  Answer actions_of_incident(net::Exchange* exchange);
  Answer add_action(net::Exchange* exchange);
  Answer change_action(net::Exchange* exchange);
  net::Task<Result<Whole>> whole(std::string id, bool generated);
  Result<net::Response> answer(const Whole& whole, std::string_view format) const;

  Parts parts_;
  incident::Casework casework_;
  incident::Postmortems postmortems_;
};

}  // namespace sentinel::api
