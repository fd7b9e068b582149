#pragma once
// Internal to gateway: one call put to one target, and the answer brought to the client. Lives on one core, in the
// frame of who asks.

#include <memory>
#include <string>
#include <string_view>

#include "gateway/call_state.h"
#include "gateway/hop.h"
#include "gateway/judge.h"

namespace sentinel::gateway {

// A call's line of attempts. Usually there is one; of two that race (hedging) only the first that has something for the
// client gets to it, and the other is broken off.
struct Leg {
  std::shared_ptr<net::CancelToken> cancel;
  Leg* rival = nullptr;
  bool lost = false;
  bool hedge = false;  // asked beside another: not a retry
};

// Ends early when the leg is broken off.
net::Task<void> wait_on(Leg* leg, Millis wait);

class Attempt {
 public:
  Attempt(CallState* call, Leg* leg, const Target* target) : call_(*call), leg_(*leg), target_(*target) {}

  // What the target would be sent. A request that it cannot be asked for may suit the next one.
  Outcome plan();
  // Asks once; may be called again while nothing has been sent to the client. REQUIRES: plan() went well.
  net::Task<Outcome> run();
  // The row and the client's headers tell of this attempt from now on.
  void adopt();

  const Provider& provider() const { return *target_.provider; }
  const std::string& model() const { return hop_.model; }
  AnswerInfo& answer() { return answer_; }
  Failure canceled() const;
  // To the first content of a stream, else to the end: of the last run.
  Micros took() const;
  // Of several keys the one that was shown last rests now; false: no other is ready.
  bool rotate_key(const Failure& why);

 private:
  using Upstream = std::unique_ptr<net::ClientResponse>;

  // What one stream has shown so far.
  struct Stream {
    std::string pending;  // an event that is not complete
    std::string out;      // complete events that may go to the client
    size_t searched = 0;
    int64_t last_content_us = 0;
    bool content = false;
    bool stalls = false;  // by an injected fault
    int contents = 0;
    bool done = false;     // the provider wrote its end
    bool started = false;  // the client has its head
    std::optional<Failure> failure;
    StreamRelay relay;
    std::unique_ptr<StreamGuard> guard;
    explicit Stream(StreamRelay to) : relay(std::move(to)) {}
  };

  net::ClientRequest make_request();
  void choose_key();
  net::Task<Outcome> add_token(net::ClientRequest* request);
  Failure broken(const Error& error, Stage stage) const;
  Failure gone() const;
  Failure unwell(ErrorType type, std::string_view why) const;
  net::Task<Outcome> read_refusal(Upstream upstream);
  // Injected faults: what is done before the provider is asked, to a whole answer, to a content of a stream.
  net::Task<Outcome> inject_before();
  net::Task<Outcome> inject_into_whole();
  bool inject_into_stream(Stream& stream);
  Millis silence_limit() const;

  // Takes the client for this attempt; false: another has it.
  bool claim();
  net::Headers answer_headers(const net::Headers& provider_headers);
  StreamFacts stream_facts() const;
  Result<net::Response> make_answer(const net::ClientResponse& upstream, std::string body);
  net::Task<Outcome> relay_whole(Upstream upstream);

  net::Task<Outcome> relay_stream(Upstream upstream);
  void take_events(Stream& stream);
  void take_event(Stream& stream, std::string_view raw);
  std::unique_ptr<StreamGuard> make_guard();
  static void relay_event(Stream& stream, std::string_view raw, std::string_view data);
  Millis stream_patience(const Stream& stream) const;
  net::Task<Outcome> end_stream_early(Stream* stream, Failure failure);
  net::Task<Outcome> finish_stream(Stream* stream, Upstream upstream);
  net::Task<Outcome> send_stream(Stream* stream, const Upstream* upstream);
  Outcome show_held_stream(Stream& stream, net::Response& response);

  CallState& call_;
  Leg& leg_;
  const Target& target_;
  Hop hop_;
  AnswerInfo answer_;
  std::optional<double> ttft_ms_;
  model::ChunkGaps gaps_;
  const FaultConfig* fault_ = nullptr;
  size_t key_index_ = 0;
  int64_t started_us_ = 0;
  int64_t answered_us_ = 0;  // 0: not yet
};

}  // namespace sentinel::gateway
