#pragma once
// Internal to gateway: the life of one call, from its request to its Interaction. Lives on one core, in the frame of
// its handler.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/errors.h"
#include "gateway/gateway_impl.h"
#include "gateway/hop.h"

namespace sentinel::gateway {

class Call {
 public:
  Call(Gateway::Impl* gateway, net::Exchange* exchange, Asked asked);
  net::Task<void> run();
  // On the call's core: this process ends.
  void break_off();

 private:
  // How one attempt, or the whole call, failed.
  struct Failure {
    ErrorType type = ErrorType::kNone;
    std::string message;
    bool retry = false;      // the same target may be asked again
    bool next = false;       // another target may do better
    bool sent = false;       // bytes have gone to the client: nothing more can be tried
    bool unhealthy = false;  // counts against the provider's breaker
    std::optional<Millis> retry_after;
    std::unique_ptr<net::Response> answer;  // the provider's own, passed on when this is the end
  };
  using Outcome = std::optional<Failure>;  // empty: the client has the whole answer
  using Upstream = std::unique_ptr<net::ClientResponse>;

  // What one stream has shown so far.
  struct Stream {
    std::string pending;  // an event that is not complete
    std::string out;      // complete events that may go to the client
    size_t searched = 0;
    int64_t last_content_us = 0;
    bool content = false;
    bool done = false;     // the provider wrote its end
    bool started = false;  // the client has its head
    std::optional<Failure> failure;
    StreamRelay relay;
    explicit Stream(StreamRelay out) : relay(std::move(out)) {}
  };

  Outcome prepare();
  Outcome check_policies();
  net::Task<Outcome> try_targets();
  net::Task<Outcome> try_target(const Target* target);
  net::Task<Outcome> try_once();
  Outcome begin_hop(const Target& target);
  net::Task<Outcome> add_token(net::ClientRequest* request);
  net::ClientRequest make_request();
  net::Task<Outcome> read_refusal(Upstream upstream);
  Failure unusable_answer(bool readable) const;
  Failure judge_refusal(int status, const net::Headers& headers, std::string body);
  net::Task<Outcome> relay_whole(Upstream upstream);
  net::Task<Outcome> relay_stream(Upstream upstream);
  net::Task<Outcome> end_stream_early(Stream* stream, Failure failure);
  net::Task<Outcome> finish_stream(Stream* stream, Upstream upstream);
  net::Task<Outcome> send_stream(Stream* stream, const Upstream* upstream);
  void take_events(Stream& stream);
  void take_event(Stream& stream, std::string_view raw);
  Millis stream_patience(const Stream& stream) const;
  net::Task<void> pause(Millis wait);
  net::Task<void> answer_failure(Failure* failure);
  net::Headers answer_headers(const net::Headers& provider_headers);

  StreamFacts stream_facts() const;
  Result<net::Response> make_answer(const net::ClientResponse& upstream, std::string body);

  // How far an answer had come when the connection failed.
  enum class Stage { kNothing, kBegun, kSent };
  Failure transport_failure(const Error& error, Stage stage) const;
  Failure make_failure(ErrorType type, std::string message) const;
  Failure canceled() const;
  Failure shutting_down() const;
  void tell_breaker(const Provider& provider, const Outcome& outcome);
  int64_t left_ms() const;
  double elapsed_ms() const;
  void record(const Outcome& outcome);
  void log_call() const;

  Gateway::Impl* const gateway_;
  net::Exchange* const exchange_;
  Asked asked_;
  CoreState& core_;
  const std::shared_ptr<const Plan> plan_;
  const int64_t started_us_;
  std::shared_ptr<net::CancelToken> cancel_;
  const Route* route_ = nullptr;
  const Target* target_ = nullptr;
  Hop hop_;
  RequestInfo info_;
  AnswerInfo answer_;
  model::Interaction interaction_;
  std::string served_model_;
  int64_t attempt_started_us_ = 0;
  int attempts_ = 0;
  bool broken_off_ = false;
};

}  // namespace sentinel::gateway
