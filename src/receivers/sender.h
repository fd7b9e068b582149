#pragma once
// How alerting hands a message to the outside. Two implementations: the network (net_sender.h) and a recording fake.

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"

namespace sentinel::receivers {

struct Outgoing {
  std::string key;          // for the receiver to fold duplicates by
  std::string integration;  // "receiver/kind/index"
  std::string payload;      // encode_notification()
  int attempt = 1;
};

struct SendResult {
  enum class Kind {
    kDelivered,
    kRetry,   // the network, a 5xx, a 429: may work later
    kFailed,  // it never will: refused, a template that fails, a receiver that is no longer configured
  };
  Kind kind = Kind::kDelivered;
  std::string error;                  // no secrets
  std::optional<Micros> retry_after;  // what the server asked for
  std::string remember = {};          // for the next message of the same group, "": nothing (of delivered ones)
  bool held_back = false;             // it was not asked: nothing may go to this integration before retry_after
};

class Sender {
 public:
  using Done = std::function<void(SendResult)>;
  virtual ~Sender() = default;
  // Does not block. `done` is called exactly once, on any thread, also from inside send(); after a stop of the process
  // it may never be called.
  virtual void send(Outgoing message, Done done) = 0;
};

}  // namespace sentinel::receivers
