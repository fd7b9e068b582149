#pragma once
// The closed vocabulary of what can go wrong with a call. The prefix says whose fault it was:
//   caller_   the application sent something wrong, or went away
//   policy_   a rule (ours or the provider's) said no; nothing is broken
//   provider_ the model's provider failed
//   gateway_  we failed, or are configured wrongly
// A name is the error_type of the Interaction and the `type` of our own error bodies.

#include <span>
#include <string>
#include <string_view>

#include "gateway/protocol/api.h"

namespace sentinel::gateway {

enum class ErrorType {
  kNone,
  kCallerInvalidRequest,       // not JSON, no model, or the provider said 400/404/413/422
  kCallerUnauthorized,         // the caller's own key was refused (401, 403), or its virtual key is not in force
  kCallerUnsupported,          // asks for what no target of its route can be asked for (docs/gateway.md)
  kCallerContextTooLong,       // the provider: context_length_exceeded
  kCallerDisconnected,         // the client went away before the end
  kPolicyPromptTooLong,        // longer than the route's max_prompt_chars or max_prompt_tokens
  kPolicyPromptBlocked,        // a guard rule refused the prompt
  kPolicyAnswerBlocked,        // a guard rule withheld the answer
  kPolicyNotAllowed,           // the virtual key may not use this model or route
  kPolicyRateLimited,          // a limit of ours is reached
  kPolicyBudgetExceeded,       // a budget of ours is spent
  kPolicyContentFilter,        // the provider's content filter refused the prompt (400)
  kPolicyRouteDisabled,        // the route is disabled, or its kill switch is on
  kProviderRateLimited,        // 429
  kProviderError,              // 5xx, or an error event within a stream
  kProviderUnreachable,        // no connection, or it broke before an answer
  kProviderTimeout,            // no answer, or not to the end, within response_ms or total_ms
  kProviderFirstTokenTimeout,  // a stream without content within first_token_ms
  kProviderStreamStalled,      // no more content within inter_token_ms
  kProviderStreamCut,          // the stream ended before its end
  kProviderBadResponse,        // not HTTP, not JSON, an unreadable event
  kProviderAuthFailed,         // our configured key was refused
  kProviderCircuitOpen,        // every target's breaker is open; nothing was sent
  kGatewayNoRoute,             // no route for this model
  kGatewayMisconfigured,       // for example a key file that cannot be read
  kGatewayInternal,
  kGatewayShutdown,  // this process is being stopped: refused, or not done when its time was up
};

struct ErrorInfo {
  ErrorType type;
  std::string_view name;
  int http_status;  // what the client gets, unless the provider's own answer is passed on
};

const ErrorInfo& error_info(ErrorType type);
std::span<const ErrorInfo> all_errors();
inline std::string_view error_name(ErrorType type) { return error_info(type).name; }

// {"error":{"message":..,"type":..,"param":null,"code":..}} as OpenAI's API answers and its SDKs read.
std::string error_body(ErrorType type, std::string_view message);
// The same as each family writes errors: its own word for the status, ours beside it. `status` is what the client gets.
//   Anthropic  {"type":"error","error":{"type":"rate_limit_error","message":..,"code":"provider_rate_limited"}}
//   Gemini     {"error":{"code":429,"message":..,"status":"RESOURCE_EXHAUSTED","details":[{.., "reason":..}]}}
std::string error_body(Family family, ErrorType type, std::string_view message, int status);

}  // namespace sentinel::gateway
