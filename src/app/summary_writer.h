#pragma once
// Has a model sum up incidents in prose, through the gateway: an ordinary call, with the limits, budgets and fallbacks
// of its route. Nothing waits for it; without an answer there is no summary.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "app/summary_config.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "incident/service.h"
#include "net/http_client.h"

namespace sentinel::app {

class SummaryWriter {
 public:
  // `own_url`: this server as it reaches itself, "" while it does not listen; on the control loop. All outlive the
  // writer, and the runtime is stopped before it is destroyed.
  SummaryWriter(Scheduler& control, incident::Service& incidents, net::Runtime& runtime, net::HttpClient& client,
                MetricRegistry& metrics, std::function<std::string()> own_url);

  // The rest on the control loop. Another model counts from the next summary on.
  void set_config(SummaryConfig config) { config_ = std::move(config); }
  // After a diagnosis was stored: asks when its sentence is another than the one that was summed up, at most
  // kSummariesMax times an incident and once at a time. Not for tests and incidents that are over.
  void diagnosed(const std::string& incident_id);

 private:
  struct Asked {
    std::string why;
    int times = 0;
    bool under_way = false;
  };
  void forget_those_over();
  net::Task<void> ask(std::string incident_id, std::string why, SummaryConfig config, std::string body);
  void answered(const std::string& incident_id, const std::string& why, const Status& stored);

  Scheduler& control_;
  incident::Service& incidents_;
  net::Runtime& runtime_;
  net::HttpClient& client_;
  const std::function<std::string()> own_url_;
  Counter& written_;
  Counter& failed_;
  SummaryConfig config_;
  std::map<std::string, Asked> asked_;  // forgotten once they are over, when another incident is asked about
};

}  // namespace sentinel::app
