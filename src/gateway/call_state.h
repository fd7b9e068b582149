#pragma once
// Internal to gateway: what the stages of one call share. Lives on one core, in the frame of the call's handler.

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/failure.h"
#include "gateway/gateway_impl.h"
#include "gateway/plan.h"
#include "gateway/protocol/info.h"
#include "model/interaction.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace sentinel::gateway {

struct PolicyCall;

struct CallState {
  CallState(Gateway::Impl* impl, net::Exchange* with, Asked what);

  double elapsed_ms() const;
  int64_t left_ms() const;  // of the route's total. REQUIRES: route
  bool canceled() const { return cancel->canceled(); }
  // Given up: by its client, or by us.
  Failure canceled_failure() const;

  Gateway::Impl* const gateway;
  net::Exchange* const exchange;
  Asked asked;
  CoreState& core;
  const std::shared_ptr<const Plan> plan;
  const int64_t started_us;
  const std::shared_ptr<net::CancelToken> cancel;
  bool broken_off = false;  // this process ends

  // From admission on.
  const Route* route = nullptr;
  RequestInfo info;
  model::Interaction interaction;
  // The answer is held back until it is whole, so that a stage can see it (CallStage::on_answer) or so that a stream
  // that breaks can begin anew elsewhere.
  bool hold_stream = false;
  // What the client got is kept for CallStage::after.
  bool keep_answer = false;
  std::unique_ptr<net::Response> kept;  // whole and good, or null
  std::string last_answer_key;          // under which LastAnswers keeps it; empty: not at all

  // Of the attempt that served, or of the last one.
  AnswerInfo answer;
  std::string served_model;
  bool translated = false;             // provider and client speak different APIs
  net::Headers own_headers;            // of ours, for the client, whatever becomes of the call
  std::shared_ptr<PolicyCall> policy;  // null: no policy has anything to remember
  int attempts = 0;
};

Failure shutting_down();

// Looks at an answer's stream while it goes out. One object an attempt; on the call's core.
class StreamGuard {
 public:
  virtual ~StreamGuard() = default;
  // Whole events, as the client would get them; what may go out now is appended to `out`. A failure ends the stream.
  virtual Outcome add(std::string_view events, std::string& out) = 0;
  // The stream is at its end.
  virtual Outcome finish(std::string& out) = 0;
  // The attempt is the one that serves the client, or has failed for good: what was found goes to the call's row.
  virtual void tell(CallState& call) = 0;
};

// A policy: sees a call before any target is asked and after its end. Owned by the gateway; called on every core.
// What a call needs between the two is kept by the stage, or lies in the call's Interaction.
class CallStage {
 public:
  virtual ~CallStage() = default;

  struct Verdict {
    Outcome refusal;                        // the call ends with this
    std::unique_ptr<net::Response> answer;  // or with this: what a target would have answered (a cached one)
  };
  // The route is known and its own checks have passed. Neither: the call goes on.
  virtual Verdict before(CallState& call) = 0;
  // The client's whole answer, before its first byte goes out: may change or refuse it. Streams only where
  // `hold_stream` was set by before().
  virtual Outcome on_answer(CallState&, net::Response&) { return std::nullopt; }
  // For a stream that is not held; null: it may go out as it comes.
  virtual std::unique_ptr<StreamGuard> guard_stream(CallState&) { return nullptr; }
  // The client has its answer or knows the failure; the row is recorded next. Also told of calls that were refused, by
  // whichever stage, once their route was known.
  virtual void after(CallState& call, const Outcome& outcome) = 0;
};

}  // namespace sentinel::gateway
