#pragma once
// How incidents have people told, without knowing how.

#include "base/result.h"
#include "state/database.h"

namespace sentinel::incident {

struct IncidentRecord;
struct Actor;

enum class IncidentEvent {
  kOpened,
  kAcknowledged,       // or moved further: somebody works on it
  kAcknowledgedAgain,  // its status stays; whoever was told since stops being told
  kReopened,
  kResolved,
  kChanged,  // its severity or labels
};

class Escalator {
 public:
  virtual ~Escalator() = default;
  // Inside the transaction of the change, on the control thread, after the record was written with it. An error rolls
  // the change back. May give the record an assignee, which the caller writes.
  virtual Status on_incident(state::Tx& tx, IncidentEvent event, IncidentRecord& record, const Actor& actor) = 0;
};

}  // namespace sentinel::incident
