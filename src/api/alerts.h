#pragma once
// Rules and alerts in our own form: /sentinel/v1/alerts, rules, events and notifications. Prometheus's is in
// prometheus_rules.cc.

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <boost/json/object.hpp>

#include "alerting/alerting.h"
#include "api/handler.h"
#include "detection/rule_manager.h"
#include "incident/service.h"
#include "net/http_server.h"
#include "state/database.h"

namespace sentinel::api {

// {"monitors":{"ok","pending","firing","error"},"firing_alerts":n} for the overview.
boost::json::object monitor_counts(const detection::RuleManager& rules);

// {"firing":n,"pending":n}: alerts, the watchdog's left out.
boost::json::object alert_counts(const detection::RuleManager& rules);

class AlertsApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    Scheduler& control;
    alerting::Alerting& alerting;         // on the control loop
    const detection::RuleManager& rules;  // groups() and alerts() from any thread
    incident::Service& incidents;         // on the control loop
    state::Database& database;
  };
  explicit AlertsApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

  // Where an alert stands in the list: pending ones last, the most severe first, of these the newest. Microseconds of
  // its start, negative, then its fingerprint.
  using Place = std::tuple<bool, model::Severity, int64_t, uint64_t>;

 private:
  using Answer = net::Task<Result<net::Response>>;
  struct Listed {
    Place place;
    const detection::GroupStatus* group = nullptr;  // these three: of a rule; null: posted
    const detection::RuleStatus* rule = nullptr;
    const detection::ActiveAlert* alert = nullptr;
    uint64_t fingerprint() const { return std::get<3>(place); }
  };
  struct Judged {
    std::map<uint64_t, alerting::AlertView> views;  // by fingerprint
    std::map<uint64_t, std::string> incidents;      // fingerprint to INC-n
  };
  static std::vector<Listed> listed(const std::vector<detection::GroupStatusPtr>& groups,
                                    const std::vector<alerting::AlertPlace>& held);
  Judged judge(const std::vector<uint64_t>& fingerprints);
  Answer alerts(net::Exchange* exchange);
  Answer rules(net::Exchange* exchange);
  Answer rule_history(net::Exchange* exchange);
  Answer events(net::Exchange* exchange);
  Answer notifications(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
