#pragma once
// Internal to gateway: how one attempt, or the whole call, failed.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "gateway/errors.h"
#include "net/http.h"

namespace sentinel::gateway {

struct Failure {
  ErrorType type = ErrorType::kNone;
  std::string message;
  bool retry = false;      // the same target may be asked again
  bool next = false;       // another target may do better
  bool sent = false;       // bytes have gone to the client: nothing more can be tried
  bool unhealthy = false;  // counts against the provider's breaker
  bool key_spent = false;  // nothing more is to be had with this key for a long while
  bool lost = false;       // another attempt of this call has the client
  std::optional<Millis> retry_after;
  std::unique_ptr<net::Response> answer;  // the provider's own, passed on when this is the end
};

using Outcome = std::optional<Failure>;  // empty: the client has the whole answer

inline Failure make_failure(ErrorType type, std::string message) {
  Failure failure;
  failure.type = type;
  failure.message = std::move(message);
  return failure;
}

}  // namespace sentinel::gateway
