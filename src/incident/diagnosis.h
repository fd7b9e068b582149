#pragma once
// "Why": which values of which dimensions set the failing calls apart from the baseline, what changed near the onset,
// and the calls that show it. Computed through the EventStore, so that any engine behind it serves.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "events/event_store.h"
#include "incident/causes.h"

namespace sentinel::incident {

// Something that was done, as changes.h knows it.
struct KnownChange {
  TimePoint at;
  std::string kind;  // deploy, configuration, breaker ...
  std::string what;  // "deploy of shop (v1.4.2)"
};

struct ChangeNearOnset {
  TimePoint at;
  std::string sentence;
  std::string kind = "first_seen";  // of a value in calls; else that of the known change
};

struct ExampleCall {
  std::string request_id;
  TimePoint at;
  std::string sentence;
};

struct Diagnosis {
  TimePoint computed_at;
  std::string failing_condition;
  uint64_t failing = 0;
  uint64_t baseline = 0;
  std::optional<TimePoint> onset;  // the first failing call of the present stretch, see onset.h
  std::vector<Finding> findings;   // best first
  std::vector<ChangeNearOnset> changes;
  std::vector<ExampleCall> examples;

  // One sentence: the first finding, or that nothing sets the failing calls apart, and the change that goes with it.
  std::string why() const;
};

std::string to_json(const Diagnosis& diagnosis);
Result<Diagnosis> diagnosis_from_json(std::string_view json);

// Column and value pairs that all must hold.
using Scope = std::vector<std::pair<std::string, std::string>>;

struct DiagnosisRequest {
  // A condition over llm_events, from the rule's annotation `failing_calls`. Read-only SQL; a wrong one is an error.
  std::string failing_condition;
  // Only calls with these values are looked at, on both sides: {"service", "shop"}. Columns are our own names.
  Scope scope;
  TimePoint alert_started_at;
  TimePoint now;
  Micros before = std::chrono::minutes(30);    // the baseline reaches back so far from the onset
  Micros lookback = std::chrono::minutes(10);  // failing calls are looked for so long before the alert
  TimePoint not_before{};                      // the onset is no earlier: an incident of the same kind ended then
  bool test_mode = false;                      // look at test traffic instead of real traffic
  std::vector<KnownChange> known_changes;      // what concerns the scope; those near the onset are told of
};

// Blocks on the event store; run on a background thread.
Result<Diagnosis> diagnose(events::EventStore& events, const DiagnosisRequest& request,
                           const DiagnosisLimits& limits = {});

// What failing calls cost, for the postmortem.
struct Impact {
  uint64_t calls = 0;
  uint64_t failing = 0;
  uint64_t users = 0;
  double cost_usd = 0;
  double tokens = 0;
  std::optional<double> latency_p95_ms;
  uint64_t fallbacks = 0;           // calls that another target than the first answered
  std::vector<std::string> models;  // these are of the failing calls
  std::vector<std::string> endpoints;
  std::vector<std::string> providers;
  std::vector<std::string> prompts;  // templates, else ids
};
Result<Impact> measure_impact(events::EventStore& events, const Scope& scope, std::string_view failing_condition,
                              TimePoint from, TimePoint to);

// " AND service = 'shop'": values quoted as SQL literals.
std::string scope_condition(const Scope& scope);

}  // namespace sentinel::incident
