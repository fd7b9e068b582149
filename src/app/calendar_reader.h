#pragma once
// Reads the outside calendars that schedules follow, each at its interval. One that cannot be read, or says what nobody
// understands, changes nothing: the last good one stays in force, and the failure is counted and logged.

#include <map>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "incident/pager.h"
#include "net/http_client.h"

namespace sentinel::app {

// Lives on the control loop; the requests run on I/O cores.
class CalendarReader {
 public:
  // All references outlive it; the runtime is stopped before it is destroyed.
  CalendarReader(net::Runtime& runtime, net::HttpClient& client, Scheduler& control, incident::Pager& pager,
                 MetricRegistry& metrics);
  void start();  // on the control loop

 private:
  void tick();
  net::Task<void> read(oncall::Subscription subscription);
  void take(const oncall::Subscription& subscription, const Result<net::Response>& answer);
  void failed(const oncall::Subscription& subscription, const std::string& why);

  net::Runtime& runtime_;
  net::HttpClient& client_;
  Scheduler& control_;
  incident::Pager& pager_;
  MetricRegistry& metrics_;
  std::map<std::string, TimePoint> next_;  // by calendar_name()
};

}  // namespace sentinel::app
