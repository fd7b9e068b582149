#pragma once
// Whether two open incidents are one problem that grouping by labels keeps apart: their diagnoses name the same first
// cause, they began within minutes of each other, and the calls that fail are to a large part the same ones.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "events/event_store.h"
#include "incident/diagnosis.h"
#include "model/incident.h"

namespace sentinel::incident {

// What of an incident's diagnosis is compared.
struct NamedCause {
  model::Incident incident;
  std::string failing_condition;
  TimePoint onset;
};
struct SameCause {
  NamedCause own;
  std::vector<NamedCause> others;  // open ones that name the same cause and began near it, the oldest first
};

// "model_version=large-2": the first finding; "" when there is none.
std::string cause_of(const Diagnosis& diagnosis);

// Failing calls of two incidents in the same time.
struct FailingOverlap {
  uint64_t one = 0;
  uint64_t other = 0;
  uint64_t both = 0;

  uint64_t smaller() const { return one < other ? one : other; }
  bool is_large() const;  // enough of them to speak of the same calls
};
// From the earlier onset until `now`. Blocks on the event store.
Result<FailingOverlap> measure_overlap(events::EventStore& events, const NamedCause& one, const NamedCause& other,
                                       TimePoint now);

}  // namespace sentinel::incident
