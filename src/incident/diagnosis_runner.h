#pragma once
// Diagnoses incidents as they open and again while they go on. Lives on the control scheduler; the questions to the
// event store run in the background, so a slow store delays the diagnosis and nothing else. After each diagnosis it
// looks for incidents that are the same problem (same_cause.h).

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/scheduler.h"
#include "events/event_store.h"
#include "incident/changes.h"
#include "incident/service.h"

namespace sentinel::incident {

// The calls an incident is about: those of its service and environment, as far as its labels name them.
Scope scope_of(const model::Incident& incident);

class DiagnosisRunner {
 public:
  using Background = std::function<void(std::function<void()>)>;  // runs a job on some other thread

  // All references outlive the runner; `background` jobs have ended before it is destroyed.
  DiagnosisRunner(Scheduler& control, Service& service, const ChangeLog& changes, events::EventStore& events,
                  Background background)
      : control_(control), service_(service), changes_(changes), events_(events), background_(std::move(background)) {}

  // After a diagnosis was stored, on the control thread.
  void on_diagnosed(std::function<void(const std::string& incident_id)> handler) { on_diagnosed_ = std::move(handler); }

  // At once, then 10 s, 30 s, 2 min and 10 min later while the incident is not resolved. Watching again starts anew:
  // what the incident is called after has changed.
  void watch(const std::string& incident_id);
  // Once, now; `done` (may be empty) is called on the control thread.
  void diagnose_now(const std::string& incident_id, std::function<void(Status)> done);
  // The same in its parts, for who waits on another thread: what is to be asked, diagnose() with it, what was found.
  Result<DiagnosisRequest> request_of(const std::string& incident_id);
  Status store(const std::string& incident_id, const DiagnosisRequest& asked, const Result<Diagnosis>& found);

 private:
  void run_again(const std::string& incident_id, size_t round, uint64_t watch);
  void compare(const std::string& incident_id);

  Scheduler& control_;
  Service& service_;
  const ChangeLog& changes_;
  events::EventStore& events_;
  const Background background_;
  std::function<void(const std::string&)> on_diagnosed_;
  std::map<std::string, uint64_t> watches_;  // by incident, the watch that counts; ends with the incident or the rounds
  uint64_t last_watch_ = 0;
};

}  // namespace sentinel::incident
