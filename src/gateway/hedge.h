#pragma once
// Internal to gateway: a second target is asked beside a slow first one; whichever has something for the client first
// serves it, the other is broken off.

#include "gateway/attempts.h"

namespace sentinel::gateway {

// How long the first target of a call may take before the second is asked; nullopt: the route does not hedge.
std::optional<Micros> hedge_delay(const CallState& call, const Target& first);

struct HedgedOutcome {
  Outcome outcome;
  bool second_asked = false;
};
// `second` may be `first` again. The call outlives the task.
net::Task<HedgedOutcome> ask_hedged(CallState* call, const Target* first, const Target* second, Micros delay);

}  // namespace sentinel::gateway
