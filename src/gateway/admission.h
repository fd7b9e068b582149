#pragma once
// Internal to gateway: the first stage of a call: what is asked, by whom, on which route, and whether it may be.

#include "gateway/call_state.h"

namespace sentinel::gateway {

// Reads the request into `call`: its Interaction, its RequestInfo, its route. A failure: it goes no further.
Outcome admit(CallState& call);

}  // namespace sentinel::gateway
