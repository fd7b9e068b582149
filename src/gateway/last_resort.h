#pragma once
// Internal to gateway: what the client gets when every target has failed, where its route says so. Marked as what it
// is: the header x-sentinel-last-resort, the tag last_resort; the row stays a failure and says which.

#include "gateway/call_state.h"

namespace sentinel::gateway {

// Before the targets are asked: whether the answer is to be kept for such a day.
void prepare_last_resort(CallState& call);
// After a good answer.
void keep_for_last_resort(CallState& call);
// Null: the failure is told.
std::unique_ptr<net::Response> last_resort(CallState& call, const Failure& failure);

}  // namespace sentinel::gateway
