#pragma once
// Internal to gateway: the life of one call, from its request to its Interaction:
//   admission  what is asked, on which route, and whether it may be   (admission.h)
//   stages     what may answer or refuse it before any target is asked (CallStage)
//   attempts   its targets in order, each with its attempts            (attempts.h, attempt.h)
//   record     the failure told to the client; the Interaction         (call_record.cc)
// Lives on one core, in the frame of its handler.

#include "gateway/call_state.h"

namespace sentinel::gateway {

class Call {
 public:
  Call(Gateway::Impl* gateway, net::Exchange* exchange, Asked asked) : state_(gateway, exchange, std::move(asked)) {}
  net::Task<void> run();
  // On the call's core: this process ends.
  void break_off();

 private:
  CallStage::Verdict ask_stages();
  net::Task<Outcome> answer_from_stage(std::unique_ptr<net::Response> response);
  net::Task<void> answer_failure(Failure* failure);
  void record(const Outcome& outcome);
  void fill_row(const Outcome& outcome);
  void log_call() const;

  CallState state_;
};

}  // namespace sentinel::gateway
