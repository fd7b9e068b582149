#include "gateway/errors.h"

#include "base/check.h"
#include "base/strings.h"

namespace sentinel::gateway {
namespace {

constexpr ErrorInfo kErrors[] = {
    {ErrorType::kNone, "", 200},
    {ErrorType::kCallerInvalidRequest, "caller_invalid_request", 400},
    {ErrorType::kCallerUnauthorized, "caller_unauthorized", 401},
    {ErrorType::kCallerUnsupported, "caller_unsupported", 400},
    {ErrorType::kCallerContextTooLong, "caller_context_too_long", 400},
    {ErrorType::kCallerDisconnected, "caller_disconnected", 499},
    {ErrorType::kPolicyPromptTooLong, "policy_prompt_too_long", 400},
    {ErrorType::kPolicyPromptBlocked, "policy_prompt_blocked", 400},
    {ErrorType::kPolicyAnswerBlocked, "policy_answer_blocked", 400},
    {ErrorType::kPolicyNotAllowed, "policy_not_allowed", 403},
    {ErrorType::kPolicyRateLimited, "policy_rate_limited", 429},
    {ErrorType::kPolicyBudgetExceeded, "policy_budget_exceeded", 429},
    {ErrorType::kPolicyContentFilter, "policy_content_filter", 400},
    {ErrorType::kPolicyRouteDisabled, "policy_route_disabled", 503},
    {ErrorType::kProviderRateLimited, "provider_rate_limited", 429},
    {ErrorType::kProviderError, "provider_error", 502},
    {ErrorType::kProviderUnreachable, "provider_unreachable", 502},
    {ErrorType::kProviderTimeout, "provider_timeout", 504},
    {ErrorType::kProviderFirstTokenTimeout, "provider_first_token_timeout", 504},
    {ErrorType::kProviderStreamStalled, "provider_stream_stalled", 504},
    {ErrorType::kProviderStreamCut, "provider_stream_cut", 502},
    {ErrorType::kProviderBadResponse, "provider_bad_response", 502},
    {ErrorType::kProviderAuthFailed, "provider_auth_failed", 502},
    {ErrorType::kProviderCircuitOpen, "provider_circuit_open", 503},
    {ErrorType::kGatewayNoRoute, "gateway_no_route", 404},
    {ErrorType::kGatewayMisconfigured, "gateway_misconfigured", 500},
    {ErrorType::kGatewayInternal, "gateway_internal", 500},
    {ErrorType::kGatewayShutdown, "gateway_shutdown", 503},
};

std::string_view anthropic_word(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503:
    case 529: return "overloaded_error";
    case 504: return "timeout_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

std::string_view google_word(int status) {
  switch (status) {
    case 401: return "UNAUTHENTICATED";
    case 403: return "PERMISSION_DENIED";
    case 404: return "NOT_FOUND";
    case 429: return "RESOURCE_EXHAUSTED";
    case 499: return "CANCELLED";
    case 502:
    case 503: return "UNAVAILABLE";
    case 504: return "DEADLINE_EXCEEDED";
    default: return status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT";
  }
}

}  // namespace

std::span<const ErrorInfo> all_errors() { return kErrors; }

const ErrorInfo& error_info(ErrorType type) {
  const ErrorInfo& info = kErrors[static_cast<size_t>(type)];
  SENTINEL_ASSERT(info.type == type);
  return info;
}

std::string error_body(ErrorType type, std::string_view message) {
  std::string body = "{\"error\":{\"message\":";
  append_json_quoted(body, message);
  body += ",\"type\":";
  append_json_quoted(body, error_name(type));
  body += ",\"param\":null,\"code\":";
  append_json_quoted(body, error_name(type));
  body += "}}";
  return body;
}

std::string error_body(Family family, ErrorType type, std::string_view message, int status) {
  if (family == Family::kOpenAi) return error_body(type, message);
  const std::string said = json_quote(message);
  const std::string name(error_name(type));
  if (family == Family::kAnthropic) {
    return "{\"type\":\"error\",\"error\":{\"type\":\"" + std::string(anthropic_word(status)) +
           "\",\"message\":" + said + ",\"code\":\"" + name + "\"}}";
  }
  return "{\"error\":{\"code\":" + std::to_string(status) + ",\"message\":" + said + ",\"status\":\"" +
         std::string(google_word(status)) +
         "\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" + name +
         "\",\"domain\":\"sentinel\"}]}}";
}

}  // namespace sentinel::gateway
