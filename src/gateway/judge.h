#pragma once
// Internal to gateway: what a provider's refusal, silence, broken connection or unusable answer means: whose fault it
// was, whether the same target may be asked again, whether another may do better. Pure functions.

#include <string>
#include <string_view>

#include "gateway/failure.h"
#include "gateway/plan.h"
#include "gateway/protocol/info.h"

namespace sentinel::gateway {

// How far an answer had come when the connection failed.
enum class Stage { kNothing, kBegun, kSent };

// REQUIRES: the error is not kCanceled.
Failure judge_transport(const Error& error, Stage stage, bool streams, const Route& route, std::string_view provider);
// A status that is not 2xx. `body` is the provider's.
Failure judge_refusal(int status, const net::Headers& headers, std::string body, const Route& route,
                      const Provider& provider, TimePoint now);
// A 200 that does not hold what was asked for: no success, neither for the client nor for the row.
Failure judge_unusable(bool readable, const AnswerInfo& answer, const Route& route, std::string_view provider);

}  // namespace sentinel::gateway
