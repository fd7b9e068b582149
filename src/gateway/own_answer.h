#pragma once
// Internal to gateway: an answer that no model gave, in the form the client expects of one.

#include <string>

#include "gateway/call_state.h"

namespace sentinel::gateway {

// A whole answer, or the whole of a stream where one was asked for. kUnprocessable: the API is not a conversation.
Result<net::Response> make_own_answer(const CallState& call, std::string text);

}  // namespace sentinel::gateway
