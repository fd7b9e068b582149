#pragma once
// /sentinel/v1/oncall: who is on call, what people change about it, and who is being told. See docs/api.md. Calendars
// to subscribe to are at /oncall/calendar/, where the secret in the address is what lets one in.

#include <functional>
#include <memory>
#include <utility>

#include <boost/json/object.hpp>

#include "api/handler.h"
#include "base/scheduler.h"
#include "incident/pager.h"
#include "incident/status_page.h"
#include "net/http_server.h"

namespace sentinel::api {

inline constexpr std::string_view kCalendarPrefix = "/oncall/calendar/";

// Handlers run on I/O cores and go to the control loop for what changes, to the pool for rendering schedules.
class OncallApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    incident::Pager& pager;
    std::function<std::shared_ptr<const incident::StatusPageOptions>()> status_page;  // whose components windows name
  };
  explicit OncallApi(Parts parts) : parts_(std::move(parts)) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer who(net::Exchange* exchange);
  Answer schedules(net::Exchange* exchange);
  Answer schedule(net::Exchange* exchange);
  // oncall_people.cc
  Answer users(net::Exchange* exchange);
  Answer user(net::Exchange* exchange);
  Answer change_user(net::Exchange* exchange);
  Answer reset_user(net::Exchange* exchange);
  Answer teams(net::Exchange* exchange);
  Answer change_team(net::Exchange* exchange);
  Answer reset_team(net::Exchange* exchange);
  Answer windows(net::Exchange* exchange);
  Answer add_window(net::Exchange* exchange);
  Answer remove_window(net::Exchange* exchange);
  Answer add_override(net::Exchange* exchange);
  Answer add_swap(net::Exchange* exchange);
  Answer take_swap(net::Exchange* exchange);
  Answer remove_change(net::Exchange* exchange);
  Answer escalations(net::Exchange* exchange);
  Answer escalation(net::Exchange* exchange);
  Answer escalate(net::Exchange* exchange);
  Answer reassign(net::Exchange* exchange);
  Answer test_page(net::Exchange* exchange);
  Answer page(net::Exchange* exchange);
  Answer calendars(net::Exchange* exchange);
  Answer calendar(net::Exchange* exchange);

  using Config = std::shared_ptr<const oncall::Config>;
  net::Task<Config> config();
  boost::json::object escalation_json(const oncall::Escalation& e);                         // on the control loop
  Result<net::Response> escalation_detail(std::string_view id);                             // on the control loop
  Result<net::Response> changed(oncall::ScheduleChange change, const alerting::Actor& by);  // on the control loop

  Parts parts_;
};

}  // namespace sentinel::api
