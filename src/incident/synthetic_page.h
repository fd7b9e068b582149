#pragma once
// A page that goes the whole way again and again: an alert is put to alerting, opens an incident in test mode, begins
// an escalation, and reaches a channel that is marked as a test. That a service said "ok" to a page is worth nothing
// when nobody has tried the way; this does, every few hours, and measures how long it takes. One that is late or does
// not arrive is an alert, whose incident pages the last resort.
//
// What stands still with us is not the channel's fault: a restart or a pause in the middle is measured anew.
// Incidents in test mode are in no statistics, in no list that does not ask for them, and on no status page.
//
// Lives on the control scheduler.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "incident/pager.h"
#include "incident/service.h"
#include "state/database.h"

namespace sentinel::incident {

inline constexpr std::string_view kSyntheticAlertName = "SyntheticPage";

class SyntheticPages {
 public:
  using Put = std::function<Status(std::vector<model::Alert>)>;  // Alerting::put

  // REQUIRES: state::KeyValue::migrate() ran. All references outlive it.
  static Result<std::unique_ptr<SyntheticPages>> open(Scheduler& scheduler, state::Database& database,
                                                      MetricRegistry& metrics, Service& incidents, Pager& pager,
                                                      Put put);
  ~SyntheticPages();
  SyntheticPages(const SyntheticPages&) = delete;
  SyntheticPages& operator=(const SyntheticPages&) = delete;

 private:
  // On disk, as absolute times.
  struct State {
    std::optional<TimePoint> next;
    std::string id;  // of the one under way; "": none is
    TimePoint sent;
    bool missing = false;  // the alert that one is missing fires
  };

  SyntheticPages(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, Service& incidents,
                 Pager& pager, Put put);
  Status load();
  Status save();
  void tick();
  void begin(TimePoint now);
  void look(const oncall::SyntheticPage& config, TimePoint now);
  std::optional<oncall::PageRecord> delivered_page(const std::string& incident) const;
  std::optional<std::string> incident_of(const std::string& id) const;
  void finish(std::string_view outcome, std::optional<Micros> took);
  Status put_page(bool over);
  void set_missing(bool missing, const std::string& why);

  Scheduler& scheduler_;
  state::Database& database_;
  MetricRegistry& metrics_;
  Service& incidents_;
  Pager& pager_;
  const Put put_;
  State state_;
  TimePoint last_tick_;
  TimerId timer_ = TimerId::kNone;
  Gauge& seconds_;
  Gauge& last_success_;
};

}  // namespace sentinel::incident
