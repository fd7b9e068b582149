#pragma once
// A connection to a service that responders live in: an incident both ways. What is particular to a kind is here, as
// pure functions of values: which call comes next so that the other side knows what is true, what its answer means,
// and what a request from there asks for. Everything else (outbox, retries, pace, what is remembered, who is who) is
// the same for all (hub.h). Immutable; used from any thread.
//
// Going out is level-triggered: a kind compares the incident as it is with what it remembers having said, and names one
// call. So changes that pile up while a service is down are one call, and a restart needs no special case.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "incident/casework.h"
#include "incident/service.h"
#include "model/labels.h"
#include "net/http.h"
#include "receivers/fields.h"
#include "receivers/http_config.h"
#include "receivers/receiver.h"
#include "receivers/sender.h"

namespace sentinel::connect {

// What a kind remembers of one incident: JSON, kept in the state store in the transaction that records the call it
// stems from.
using Memory = boost::json::object;
inline constexpr std::string_view kLook = "look";  // in a memory: the other side is to be looked at

// An incident as it is now.
struct View {
  incident::IncidentRecord record;
  std::vector<model::TimelineEntry> timeline;  // oldest first
  std::vector<incident::Update> updates;
  std::vector<std::string> paged;  // ids of users who were told, in that order
  std::string link;                // of the incident's page
  TimePoint now;

  const model::Incident& incident() const { return record.incident; }
  std::string name() const { return "INC-" + std::to_string(record.incident.number); }
};

// One call. `note` is what `heard` needs to know of it: what it said is remembered, not what has become true meanwhile.
struct Step {
  std::string name;  // "chat.postMessage": for errors and the log
  receivers::HttpCall call;
  Memory note = {};
};

// How the other side calls an incident; shown on its page.
struct Place {
  std::string remote;  // what requests from there name it by; "": not yet there
  std::string alias;   // another such name
  std::string title;   // "#incident-2026-11-21"
  std::string url;
};

// Which of our series it wants, and how.
struct SeriesOut {
  std::vector<model::Matchers> match;  // any of them
  Millis interval = std::chrono::seconds(15);
  std::string prefix;             // before each name
  std::string url;                // where they are posted
  std::vector<std::string> tags;  // of each
};

enum class Verb {
  kRemember,  // nothing but what the command gives to remember
  kAcknowledge,
  kResolve,
  kReopen,
  kStatus,
  kSeverity,
  kAssign,
  kNote,
  kEscalate,
  kList,
  kOncall,
};

// What a request asks for, of one incident: by our own number or id, or by what the other side calls it.
struct Command {
  Verb verb = Verb::kRemember;
  std::string incident;  // "17", "INC-17", a ULID; "": by `remote`
  std::string remote;
  std::string text;  // the note, the reason, the new assignee
  std::optional<model::Severity> severity = std::nullopt;
  std::optional<model::IncidentStatus> status = std::nullopt;
  Memory remember = {};     // merged into the memory first, so that what was said there is not said back
  std::string echo = {};    // nothing is done where this key is remembered so already: we said it ourselves
  std::string mark = {};    // of a note: what it is called there; one that is known by it is not taken twice
  std::string person = {};  // who did it, where no request says so: as in Received
  std::string person_name = {};
};

struct Received {
  std::string id;               // of the request, the same when it is sent again; "": every one counts
  bool refuse_repeats = false;  // a repeated one is refused; otherwise it succeeds and does nothing
  std::string person;           // how the service calls whoever did it; "": nobody in particular
  std::string person_name;
  std::vector<Command> commands;
  std::string page_token = {};          // whoever was told by this page did it, about what he was told of
  std::string reply_url;                // where to say later what went wrong
  std::optional<net::Response> answer;  // nothing is to be done but to answer this
};

// What became of a command, for whoever gave it.
struct Spoken {
  bool ok = true;
  std::string text;
};

class Connection {
 public:
  virtual ~Connection() = default;

  // The next call that has to be made, absent when the other side knows all. `doubtful`: an earlier attempt at it may
  // have reached the service without our knowing.
  virtual std::optional<Step> next(const View& view, const Memory& memory, bool doubtful) const = 0;
  // What the answer means, what is remembered from now on, and what it says was done over there. kFailed: not tried
  // again before the incident changes.
  virtual receivers::SendResult heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                                      std::vector<Command>& asks) const = 0;
  virtual Place place(const Memory& memory) const = 0;

  // Checks the signature and reads the request. kUnauthenticated, kInvalidArgument. Blocks on secret files.
  virtual Result<Received> receive(const net::Request& request, TimePoint now) const = 0;
  // Whether it is told of incidents at all.
  virtual bool speaks() const { return true; }
  virtual const SeriesOut* series() const { return nullptr; }  // null: it wants none
  // Where answers to mails go, "reply@example.org"; "": nowhere.
  virtual std::string reply_address() const { return ""; }
  virtual net::Response reply(const Received& received, const std::vector<Spoken>& spoken) const;
  // A message for whoever asked, where the answer itself is not shown to him.
  virtual std::optional<receivers::HttpCall> aside(const Received&, const std::vector<Spoken>&) const {
    return std::nullopt;
  }
  // Puts in what a call must carry beside http_config and must not stand in the state store. Blocks on secret files.
  virtual Status authorize(receivers::HttpCall&) const { return {}; }
  // An open incident is looked at again after so long, for services whose requests may not arrive: then `kLook` is true
  // in the memory, until `heard` takes it away. 0: never.
  virtual Micros poll_interval() const { return Micros(0); }
  // When there will be something to say although nothing changes; asked when there is nothing to say now.
  virtual std::optional<TimePoint> again_at(const View&, const Memory&) const { return std::nullopt; }

  const std::string& name() const { return name_; }
  std::string_view kind() const { return kind_; }
  // Whether it is told of an incident that it knows nothing of yet.
  bool wants(const model::Incident& incident) const;
  // A user of ours by what the service calls him; "": nobody said who that is.
  std::string user_of(std::string_view person) const;
  // What the service calls a user of ours; "": nobody said.
  std::string person_of(std::string_view user) const;
  // Whether somebody who is not mapped to a user may change anything.
  bool takes_strangers() const { return takes_strangers_; }
  const receivers::HttpConfig& http() const { return http_; }

 protected:
  Connection(std::string_view kind, bool takes_strangers) : kind_(kind), takes_strangers_(takes_strangers) {}
  // The table of a kind with what all kinds have. `folder`: what relative file names start from.
  Status read(const text::YamlNode& node, const std::string& folder, receivers::Fields fields);

  // Makes the file's name absolute; for a kind's own secrets, after read().
  void locate(receivers::Secret& secret) const;

 private:
  std::string_view kind_;  // lives as long as the program
  std::string name_;
  std::string folder_;
  std::set<model::Severity> severities_;  // empty: all
  receivers::StringMap match_;
  receivers::StringMap people_;
  bool takes_strangers_;
  receivers::HttpConfig http_;
};

// ---- pieces that kinds share ----

std::string headline_of(const model::Incident& incident);  // "[SEV1] INC-17: it broke"
// Changes with the text, for "was this said already".
std::string print_of(std::string_view text);
std::string memory_text(const Memory& memory, std::string_view key);
int64_t memory_int(const Memory& memory, std::string_view key);
bool memory_flag(const Memory& memory, std::string_view key);
// "" where the path leads to no string.
std::string string_at(const boost::json::value& value, std::initializer_list<std::string_view> path);
std::string string_at(const boost::json::object& object, std::initializer_list<std::string_view> path);
receivers::HttpCall json_call(std::string method, std::string url, const boost::json::value& body);
// Entries after `told` that people follow an incident by, but for notes that were written over there.
struct News {
  std::vector<const model::TimelineEntry*> entries;
  int64_t last = 0;  // the sequence up to which nothing is left to say; at least `told`
};
News news_after(const View& view, int64_t told, std::string_view own_source, const std::set<std::string>& kinds);
std::string line_of(const model::TimelineEntry& entry);  // "Ada: the cache is cold", "acknowledged by Ada"
receivers::SendResult retry_later(std::string why);
receivers::SendResult never(std::string why);

}  // namespace sentinel::connect
