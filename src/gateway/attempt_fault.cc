// Faults that are done on purpose, as if the provider had done them, so that everything behind them is the real thing.
#include <algorithm>

#include "gateway/attempt.h"

namespace sentinel::gateway {

using net::Task;

namespace {

// Each is drawn by itself; the first that hits is the one.
const FaultConfig* pick_fault(const Route& route, const std::string& provider, Random& random) {
  for (const FaultConfig& fault : route.config.conduct.faults) {
    if (!fault.provider.empty() && fault.provider != provider) continue;
    if (random.uniform() * 100 < fault.percent) return &fault;
  }
  return nullptr;
}

std::string_view fault_name(FaultKind kind) {
  switch (kind) {
    case FaultKind::kAbort: return "abort";
    case FaultKind::kDelay: return "delay";
    case FaultKind::kSilence: return "silence";
    case FaultKind::kCut: return "cut";
    case FaultKind::kStall: return "stall";
    case FaultKind::kGarble: return "garble";
  }
  return "abort";
}

void tell_fault(CallState& call, const FaultConfig& fault, const std::string& provider) {
  const std::string name(fault_name(fault.kind));
  call.interaction.tags.emplace_back("fault_injected", name);
  call.gateway->metrics
      .counter("sentinel_gateway_faults_injected_total", "Faults done on purpose, by the configuration of a route.",
               {{"provider", provider}, {"fault", name}})
      .add();
}

}  // namespace

Millis Attempt::silence_limit() const {
  const TimeoutConfig& timeouts = call_.route->config.timeouts;
  return std::min(call_.info.stream ? timeouts.first_token : timeouts.response,
                  Millis(std::max<int64_t>(call_.left_ms(), 1)));
}

Task<Outcome> Attempt::inject_before() {
  fault_ = pick_fault(*call_.route, provider().config.name, call_.core.random);
  if (fault_ == nullptr) co_return std::nullopt;
  tell_fault(call_, *fault_, provider().config.name);
  if (fault_->kind == FaultKind::kAbort) {
    net::Headers headers;
    if (fault_->retry_after) headers.add("retry-after-ms", std::to_string(fault_->retry_after->count()));
    headers.add("content-type", "application/json");
    std::string body = R"({"error":{"message":"injected fault","type":"fault_injected","code":"fault_injected"}})";
    co_return judge_refusal(fault_->status, headers, std::move(body), *call_.route, provider(),
                            call_.gateway->clock.now());
  }
  if (fault_->kind == FaultKind::kDelay) co_await wait_on(&leg_, fault_->delay);
  if (fault_->kind == FaultKind::kSilence) co_await wait_on(&leg_, silence_limit());
  if (leg_.cancel->canceled()) co_return canceled();
  if (fault_->kind == FaultKind::kSilence)
    co_return broken(Error(ErrorCode::kTimeout, "first byte timeout"), Stage::kNothing);
  co_return std::nullopt;
}

Task<Outcome> Attempt::inject_into_whole() {
  switch (fault_->kind) {
    case FaultKind::kCut: co_return broken(Error(ErrorCode::kIo, "the connection was closed"), Stage::kBegun);
    case FaultKind::kGarble: co_return judge_unusable(false, answer_, *call_.route, provider().config.name);
    case FaultKind::kStall: break;
    default: co_return std::nullopt;
  }
  co_await wait_on(&leg_, silence_limit());
  if (leg_.cancel->canceled()) co_return canceled();
  co_return broken(Error(ErrorCode::kTimeout, "idle timeout"), Stage::kBegun);
}

// Before the next content goes out; true: it does not.
bool Attempt::inject_into_stream(Stream& stream) {
  if (stream.contents < fault_->after) return false;
  const Stage stage = stream.content ? Stage::kSent : Stage::kBegun;
  switch (fault_->kind) {
    case FaultKind::kCut:
      stream.failure = broken(Error(ErrorCode::kIo, "the connection was closed"), stage);
      return true;
    case FaultKind::kGarble:
      stream.failure = unwell(ErrorType::kProviderBadResponse, "an event of the stream is not readable");
      stream.failure->retry = call_.route->retry_5xx;
      return true;
    case FaultKind::kStall: stream.stalls = true; return true;
    default: return false;
  }
}

}  // namespace sentinel::gateway
