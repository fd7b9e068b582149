#pragma once
// The SQL rows of escalations. All functions run inside the caller's transaction.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::oncall {

enum class EscalationState { kEscalating, kAcknowledged, kExhausted, kResolved };
std::string_view escalation_state_name(EscalationState state);

// One thing that people are told of, from the first page to its end. `key` is the caller's: an incident, an alert
// group.
struct Escalation {
  std::string key;
  std::string policy;
  std::string title;
  bool urgent = false;
  EscalationState state = EscalationState::kEscalating;
  int64_t generation = 1;    // of pages: a reopening, a reassignment or an expired acknowledgement begins a new one
  int cycle = 0;             // times through all levels so far
  int64_t step = 0;          // pages sent to a level, of all generations
  std::string level_id;      // the level that was told last; "" none in this cycle
  int64_t level_index = -1;  // where it was in its policy, in case it is gone from there
  std::optional<TimePoint> due_at;  // when the next thing happens; absent: nothing will by itself
  std::string waiting;              // "gate", "maintenance": what due_at waits for; "" a timeout
  TimePoint created_at;
  TimePoint updated_at;
  std::string acknowledged_by;
};

// The rules of one user, going on until somebody acknowledges.
struct Chain {
  std::string key;
  std::string user;
  int64_t step = 0;  // of the escalation, that told him
  std::string level_id;
  std::string channels;  // of the level, by commas; "" his own rules
  TimePoint started_at;
  Micros last_after{-1};  // the last rule that has run
  std::string last_channel;
  std::optional<TimePoint> due_at;  // absent: all rules have run
};

// One page and what became of it.
struct PageRecord {
  int64_t id = 0;           // given when it is written
  std::string message_key;  // of the outbox
  std::string key;          // of the escalation; "test/..." of a page that only tries a way
  int64_t generation = 0;
  int64_t step = 0;
  std::string level_id;
  std::string user;
  std::string channel;
  TimePoint at;
  std::string outcome;  // "" under way; delivered, undelivered (it is still tried), unwanted
  std::optional<TimePoint> outcome_at;
  std::string error;
};

// triggered, paged, delivered, undelivered, unreached (nobody of a level was), skipped, waiting, escalated (by hand),
// acknowledged, reescalated, reassigned, exhausted, last_resort, nobody, resolved, tested
struct EscalationEvent {
  int64_t id = 0;
  TimePoint at;
  std::string key;
  std::string kind;
  std::string level;
  std::string user;    // who was paged, or who did it
  std::string detail;  // channel of a page ("sms: why not" of one that failed), reason of a skip
};

class EscalationStore {
 public:
  static Status migrate(state::Database& database);  // and the outbox

  static Result<std::optional<Escalation>> find(state::Tx& tx, std::string_view key);
  static Status put(state::Tx& tx, const Escalation& escalation);
  // Due, first those that have been told least often (a new alert goes before repeats), then the longest due.
  static Result<std::vector<Escalation>> due(state::Tx& tx, TimePoint now, size_t limit);
  // Oldest first; resolved ones only when asked for.
  static Result<std::vector<Escalation>> list(state::Tx& tx, bool resolved, size_t limit);
  static Status prune(state::Tx& tx, TimePoint resolved_before);

  static Status put(state::Tx& tx, const Chain& chain);
  // And what was last sent.
  static Status end_chains(state::Tx& tx, std::string_view key);
  static Result<std::vector<Chain>> due_chains(state::Tx& tx, TimePoint now, size_t limit);
  static Result<std::vector<Chain>> chains(state::Tx& tx);
  // The newest page of an escalation to one address ("user/channel"); "" none since it was acknowledged or resolved.
  static Status put_last_page(state::Tx& tx, std::string_view key, std::string_view receiver,
                              std::string_view message_key);
  static Result<std::string> last_page(state::Tx& tx, std::string_view key, std::string_view receiver);

  static Result<std::optional<Chain>> chain(state::Tx& tx, std::string_view key, std::string_view user);

  static Status put(state::Tx& tx, const PageRecord& page);
  static Result<std::optional<PageRecord>> page(state::Tx& tx, std::string_view message_key);
  static Result<std::optional<PageRecord>> page(state::Tx& tx, int64_t id);
  static Result<std::vector<PageRecord>> pages(state::Tx& tx, std::string_view key, size_t limit);  // oldest first
  // The newest page to this person that an answer by this channel can mean.
  static Result<std::optional<PageRecord>> newest_page(state::Tx& tx, std::string_view user, std::string_view channel);

  static Result<std::optional<TimePoint>> next_due(state::Tx& tx);

  // Whose turn of a round robin was last: the user, and his number then.
  static Result<std::optional<std::pair<std::string, int64_t>>> round_robin(state::Tx& tx, std::string_view place);
  static Status put_round_robin(state::Tx& tx, std::string_view place, std::string_view user, int64_t index);

  static Status add_event(state::Tx& tx, const EscalationEvent& event);
  static Result<std::vector<EscalationEvent>> events(state::Tx& tx, std::string_view key,
                                                     size_t limit);  // oldest first
};

}  // namespace sentinel::oncall
