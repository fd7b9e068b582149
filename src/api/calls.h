#pragma once
// /sentinel/v1/sql, /calls, /overview: questions to llm_events. All of it runs on the blocking pool; none of it can
// slow detection or paging down.

#include <functional>
#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "api/handler.h"
#include "events/event_store.h"
#include "model/interaction.h"
#include "net/http_server.h"

namespace sentinel::api {

// A call as /calls/{id} and the live stream show it: every column of llm_events as a field.
boost::json::object call_json(const model::Interaction& interaction);
boost::json::object sql_result_json(const events::SqlResult& result);

class CallsApi {
 public:
  // What the overview shows beside the calls; asked for on the calling core through the control loop.
  struct Extras {
    boost::json::object fields;  // active_incidents, firing_alerts, headline, monitors, status
  };
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    events::EventStore& events;
    std::function<net::Task<boost::json::object>()> overview_extras;
    // What outside judges said of a call; blocks.
    std::function<Result<boost::json::array>(const std::string& request_id)> judgements;
  };
  explicit CallsApi(Parts parts) : parts_(std::move(parts)) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer sql(net::Exchange* exchange);
  Answer list(net::Exchange* exchange);
  Answer get(net::Exchange* exchange);
  Answer overview(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
