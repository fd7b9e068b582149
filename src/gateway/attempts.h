#pragma once
// Internal to gateway: the middle stage of a call: its targets in order, each with its attempts, until one has answered
// or nothing more may be tried.

#include "gateway/call_state.h"
#include "net/task.h"

namespace sentinel::gateway {

struct Leg;

// One target with its attempts. `call`, `leg` and `target` outlive the task. REQUIRES: as below.
net::Task<Outcome> ask_target(CallState* call, Leg* leg, const Target* target);

// REQUIRES: the call was admitted and outlives the task.
net::Task<Outcome> ask_targets(CallState* call);

}  // namespace sentinel::gateway
