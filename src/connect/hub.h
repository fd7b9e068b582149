#pragma once
// Keeps what other services know of incidents true, and does what they ask for. A change of an incident leaves a
// message in the outbox in its own transaction, one for each connection and incident however many changes there are;
// each message makes one call, and its end, what the kind remembers of it and the next message are one transaction.
// So a death can repeat the last call, never lose one. A delivery of its own: no page or notification waits before it.
//
// Lives on the control scheduler: every call is made on its thread.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/delivery.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "connect/caller.h"
#include "connect/config.h"
#include "connect/store.h"
#include "incident/casework.h"
#include "incident/service.h"
#include "receivers/rate_limit.h"
#include "state/database.h"

namespace sentinel::connect {

inline constexpr std::string_view kChannel = "connect";  // of the outbox

// What a connection knows of one incident, for the page.
struct LinkView {
  std::string connection;
  std::string kind;  // "" when it is not configured any more
  std::string title;
  std::string url;
  std::string error;
  bool pending = false;
};

struct ConnectionView {
  std::string name;
  std::string kind;
  size_t incidents = 0;                   // it knows of
  size_t pending = 0;                     // that have something unsaid
  std::string error;                      // the newest
  std::optional<TimePoint> last_request;  // that was good, since the start
};

struct PageOwner {
  std::string incident;
  std::string user;  // id
};

class Hub final : public incident::Watcher {
 public:
  struct Parts {
    Scheduler& scheduler;
    state::Database& database;
    MetricRegistry& metrics;
    incident::Service& incidents;
    Caller& caller;
    std::string external_url;
    std::function<std::string()> who_is_on_call;                                    // in words, for people
    std::function<Status(const std::string& id, const std::string& who)> escalate;  // the next level, now
    // Whose page has this token in its address, and what it told of. kNotFound.
    std::function<Result<PageOwner>(const std::string& token)> page_of = {};
  };
  static Status migrate(state::Database& database);
  // REQUIRES: migrate() ran; `incidents` has this as its watcher from now on; all of `parts` outlives it. What was
  // unsaid, or failed, goes out at once.
  Hub(Parts parts, std::shared_ptr<const Config> config);
  ~Hub() override;

  Status on_stored(state::Tx& tx, const incident::IncidentRecord& record) override;
  // What failed is tried anew: the mistake may have been corrected.
  void reload(std::shared_ptr<const Config> config);
  std::shared_ptr<const Config> config() const { return config_; }

  // Does what a request that was checked asks for. kUnauthenticated: it was made before. Errors are such that the
  // service should ask again; whatever was refused for good is in the answer.
  Result<net::Response> act(const Connection& connection, const Received& received);

  Result<std::vector<LinkView>> links(std::string_view incident);  // by ULID
  Result<std::vector<ConnectionView>> connections();
  size_t waiting() const { return delivery_->queued(); }

 private:
  class Outbound;
  struct Outcome {  // of a call, until its end is recorded
    std::string connection;
    std::string incident;
    std::shared_ptr<const Connection> by;
    std::optional<Step> step;  // absent: there was nothing to say
    net::Response answer;
    int64_t version = 0;                               // of the incident that the step was made of
    bool over = false;                                 // it was resolved then
    std::optional<TimePoint> again_at = std::nullopt;  // of Connection; where there was nothing to say
    bool heard = false;
  };

  void send(receivers::Outgoing message, receivers::Sender::Done done);
  Result<View> view_of(const std::string& incident);
  void say(std::shared_ptr<const Connection> by, const std::string& incident, receivers::Outgoing message,
           bool doubtful, receivers::Sender::Done done);
  void answered(const std::string& key, const Result<net::Response>& answer, const receivers::Sender::Done& done);
  Status attempted(state::Tx& tx, const std::vector<alerting::Attempted>& attempts);
  Status settle(state::Tx& tx, const alerting::Attempted& attempt);
  Status enqueue(state::Tx& tx, Link& link);
  Status enqueue_aside(state::Tx& tx, const Connection& by, const std::string& id, const receivers::HttpCall& call);
  void remember_pressure(const std::string& connection, const receivers::SendResult& result);
  void resume();
  void prune();
  void poll();
  void arm_poll();
  void arm_poll_soon();
  void wake_soon();
  // Who it is here, and whether that is a user of ours.
  std::pair<incident::Actor, bool> actor_of(const Connection& by, const std::string& user, std::string_view person,
                                            std::string_view person_name) const;
  Result<Spoken> obey(const Connection& by, const Command& command, const incident::Actor& actor);
  Status obey_answer(const Outcome& outcome, std::vector<Command> asks);
  Result<Spoken> change(const Command& command, const std::string& incident, const incident::Actor& actor);
  Result<std::string> incident_of(const Connection& by, const Command& command);
  Result<bool> note_remembered(const Connection& by, const std::string& incident, const Command& command);
  Result<Spoken> list();

  Parts parts_;
  std::shared_ptr<const Config> config_;
  const TimePoint opened_at_;
  incident::Casework casework_;
  receivers::RateLimiter rates_;
  std::map<std::string, Outcome> outcomes_;           // by key of the message
  std::map<std::string, bool, std::less<>> untried_;  // keys whose last attempt certainly did nothing
  std::map<std::string, TimePoint, std::less<>> last_request_;
  std::vector<std::string> settled_;  // keys recorded in the transaction under way
  std::unique_ptr<receivers::Sender> outbound_;
  std::unique_ptr<alerting::Delivery> delivery_;
  TimerId prune_timer_ = TimerId::kNone;
  TimerId poll_timer_ = TimerId::kNone;
  bool waking_ = false;
  std::shared_ptr<Hub*> self_ = std::make_shared<Hub*>(this);  // null inside once destroyed
};

}  // namespace sentinel::connect
