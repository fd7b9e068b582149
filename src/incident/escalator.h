#pragma once
// How incidents have people told, without knowing how.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "state/database.h"

namespace sentinel::incident {

struct IncidentRecord;
struct Actor;

enum class IncidentEvent {
  kOpened,
  kAcknowledged,       // or moved further: somebody works on it
  kAcknowledgedAgain,  // its status stays; whoever was told since stops being told
  kReopened,
  kResolved,
  kChanged,  // its severity or labels
};

struct Person {
  std::string id;
  std::string name;
};

// What somebody is to read and need not answer. It never goes by a telephone call nor to a service that pages by
// itself.
struct Message {
  std::string key;      // what it is about, unique: the same one is not sent twice
  std::string user;     // whom, by id
  std::string channel;  // by what; "": as his rules say
  std::string address;  // of somebody who is no user; then `channel` is needed and `user` empty
  std::string subject;
  std::string text;
  std::string link;     // "": of the incident
  bool urgent = false;  // by his urgent rules
};

class Escalator {
 public:
  virtual ~Escalator() = default;
  // Inside the transaction of the change, on the control thread, after the record was written with it. An error rolls
  // the change back. May give the record an assignee, which the caller writes.
  virtual Status on_incident(state::Tx& tx, IncidentEvent event, IncidentRecord& record, const Actor& actor) = 0;

  // The same for messages: they are in the outbox with the change. Whom nobody knows or can reach is left out.
  virtual Status send(state::Tx&, const IncidentRecord&, const std::vector<Message>&) { return {}; }
  // A user by his id or name, any case. Absent: nobody of that name is known.
  virtual std::optional<Person> person(std::string_view) const { return std::nullopt; }
  // Of a team, by id; empty: there is none of that name.
  virtual std::vector<Person> team(std::string_view) const { return {}; }
  // Whether this user can be sent messages by this channel, "" by any.
  virtual bool reaches(std::string_view, std::string_view) const { return false; }
  // Nobody has acknowledged in time: the next level is told at once. False: there is none to tell.
  virtual Result<bool> escalate_next(state::Tx&, const IncidentRecord&) { return false; }
  // Who is told of what was missed: "user:ada", "team:sre", "schedule:managers", those of a schedule at `now`; when
  // empty those of the next level of the incident's policy.
  virtual Result<std::vector<Person>> superiors(state::Tx&, const IncidentRecord&, const std::vector<std::string>&) {
    return std::vector<Person>();
  }
};

}  // namespace sentinel::incident
