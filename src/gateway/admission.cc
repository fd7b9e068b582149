#include "gateway/admission.h"

#include <algorithm>

#include "base/hash.h"
#include "base/strings.h"
#include "gateway/attributes.h"
#include "gateway/limits.h"
#include "gateway/policy/policy_stage.h"

namespace sentinel::gateway {
namespace {

void begin_interaction(CallState& call) {
  const TimePoint now = call.gateway->clock.now();
  model::Interaction& row = call.interaction;
  row.request_id = make_request_id(now, call.core.random);
  row.timestamp_us = to_us(now);
  row.service = call.plan->config.service;
  row.env = call.plan->config.env;
  row.endpoint = api_endpoint(call.asked.api);
  row.request_type = api_request_type(call.asked.api);
  row.guard_action = "none";
  const net::Request& request = call.exchange->request();
  read_attributes(request.headers, row);
  row.key_hash = key_hash(request);
  if (!row.key_hash.empty()) row.network = network_of(request.peer);
  if (row.trace_id.empty()) row.trace_id = make_trace_id(call.core.random);
  row.span_id = make_span_id(call.core.random);
}

Outcome read_body(CallState& call) {
  auto read = read_request(call.asked.api, call.exchange->request().body);
  if (!read) return make_failure(ErrorType::kCallerInvalidRequest, read.error().message());
  RequestInfo& info = call.info = std::move(*read);
  if (api_family(call.asked.api) == Family::kGemini) {
    info.model = call.asked.model;
    info.stream = call.asked.stream;
  }
  call.asked.stream = info.stream;
  model::Interaction& row = call.interaction;
  row.model = utf8_prefix(info.model, kAttributeBytesMax);
  row.stream = info.stream;
  for (auto& flag : info.simulate_flags) {
    auto& flags = row.simulate_flags;
    if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.push_back(std::move(flag));
  }
  if (!info.user.empty() && row.user_hash.empty()) row.user_hash = hex_encode(sha256(info.user).substr(0, 8));
  return std::nullopt;
}

Outcome check_injection(CallState& call) {
  const RouteConfig& config = call.route->config;
  if (config.injection == GuardAction::kOff || !call.gateway->injection_risk) return std::nullopt;
  const double risk = call.gateway->injection_risk(call.info.prompt);
  call.interaction.prompt_injection_risk = risk;
  if (risk < config.injection_threshold) return std::nullopt;
  const bool block = config.injection == GuardAction::kBlock;
  call.interaction.guard_action = block ? "block" : "flag";
  if (!block) return std::nullopt;
  return make_failure(ErrorType::kPolicyPromptBlocked, "the prompt was blocked: it looks like a prompt injection");
}

Outcome check_route(CallState& call) {
  const RouteConfig& config = call.route->config;
  if (call.gateway->draining.load()) return shutting_down();
  if (config.disabled) return make_failure(ErrorType::kPolicyRouteDisabled, "this model is switched off at the moment");
  if (config.max_prompt_chars > 0 && call.info.prompt_chars > config.max_prompt_chars) {
    return make_failure(ErrorType::kPolicyPromptTooLong, "the prompt has " + std::to_string(call.info.prompt_chars) +
                                                             " characters; at most " +
                                                             std::to_string(config.max_prompt_chars) + " are allowed");
  }
  return check_injection(call);
}

}  // namespace

Outcome admit(CallState& call) {
  begin_interaction(call);
  if (Outcome unknown = call.gateway->policy_stage->identify(call)) return unknown;
  if (Outcome unreadable = read_body(call)) return unreadable;
  call.route = call.plan->find(call.info.model);
  if (call.route == nullptr) {
    return make_failure(ErrorType::kGatewayNoRoute, "no route serves the model `" + call.interaction.model + "`");
  }
  return check_route(call);
}

}  // namespace sentinel::gateway
