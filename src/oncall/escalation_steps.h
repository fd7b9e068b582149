#pragma once
// What happens to an escalation, as functions of its rows, the configuration and an instant. Everything that follows
// from one call is written in the caller's transaction: new state, events, and the outbox rows of the pages.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "oncall/config.h"
#include "oncall/escalation_store.h"
#include "state/outbox.h"

namespace sentinel::oncall {

// The outbox channel of pages.
inline constexpr std::string_view kPageChannel = "page";
// Of the keys of pages that only try a way to a person.
inline constexpr std::string_view kTestPrefix = "test/";

struct Trigger {
  std::string key;
  std::string policy;
  std::string title;
  bool urgent = true;
};

// Stateless but for the events of the present transaction. One thread at a time. Borrows the configuration.
class EscalationSteps {
 public:
  EscalationSteps(const Config& config, state::Tx& tx, TimePoint now) : config_(config), tx_(tx), now_(now) {}

  // Opens or reopens. No effect when it is open: the same problem pages once.
  Status trigger(const Trigger& trigger);
  // kConflict when it is resolved: an acknowledgement never reopens.
  Status acknowledge(std::string_view key, std::string_view actor);
  // No error when it is resolved already.
  Status resolve(std::string_view key, std::string_view actor);
  // The next level at once, also outside its times and in a maintenance window: somebody has decided so. kConflict
  // unless it escalates.
  Status escalate(std::string_view key, std::string_view actor);
  // Begins anew with another policy. kConflict when it is resolved.
  Status reassign(std::string_view key, std::string_view policy, std::string_view actor);
  // Somebody took his acknowledgement back, or opened again what was exhausted or resolved: it begins anew. No effect
  // while it escalates.
  Status restart(const Trigger& trigger, std::string_view actor);
  // What it is about has become another thing: its title, how urgent it is, whose it is. Begins anew when another
  // policy has it now, or when it has become urgent and nobody has acknowledged. No effect when it is resolved.
  Status change(const Trigger& trigger, std::string_view actor);

  // What became of a page that was in the outbox. A page that could not be delivered is tried on while it is wanted,
  // and meanwhile the person is told another way; when nobody of a level can be reached, the next level is told.
  Status delivered(std::string_view message_key);
  Status undelivered(std::string_view message_key, std::string_view error);
  Status unwanted(std::string_view message_key);
  // To try a way to a person: a page that is about nothing. kNotFound: no such user or contact. Returns its key.
  Result<std::string> test_page(std::string_view id, std::string_view user, std::string_view channel,
                                std::string_view actor);

  // Everything that is due, judged against the present state and configuration.
  Status run_due();
  // After the configuration has changed: what waits is looked at anew, and rules that were added still run.
  Status reconsider();

  const std::vector<EscalationEvent>& events() const { return events_; }

 private:
  Result<Escalation> open(std::string_view key, std::string_view what);
  void begin(Escalation& e);
  Status save(Escalation& e);
  Status tell(const std::string& key, std::string kind, std::string level, std::string user, std::string detail);
  Status tell(const Escalation& e, std::string kind, std::string level, std::string user, std::string detail);

  Status advance(Escalation& e, bool by_hand = false);
  // The level was told, or waits: the escalation is done for now.
  Result<bool> try_level(Escalation& e, const Policy& policy, size_t index, bool by_hand);
  Result<bool> wait_for(Escalation& e, std::string waiting, TimePoint until, const std::string& level);
  Status exhaust(Escalation& e, const Policy* policy);

  Result<std::vector<std::string>> people(const std::vector<Recipient>& recipients, const std::string& place);
  Result<std::string> next_in_turn(const std::vector<std::string>& users, const std::string& place);
  bool reachable(std::string_view user) const;

  Status page(Escalation& e, const std::vector<std::string>& users, const std::string& level,
              const std::vector<std::string>& channels);
  std::vector<NotificationRule> rules_of(const Chain& chain, bool urgent) const;
  void plan(Chain& chain, bool urgent) const;
  Status run_chain(const Escalation& e, Chain& chain);
  Status send(const Escalation& e, const Chain& chain, const NotificationRule& rule);

  Status take_back_pages(const Escalation& e);
  Result<bool> told_another_way(const Escalation& e, const PageRecord& failed);
  Result<bool> somebody_left(const Escalation& e);

  const Config& config_;
  state::Tx& tx_;
  const TimePoint now_;
  std::vector<EscalationEvent> events_;
};

// Whether a page that waits in the outbox should still go out: nobody has acknowledged or resolved, and no newer page
// of the escalation goes to the same address. Asked before each attempt, so that a backlog never pages for what is
// over, and each address hears once of it.
Result<bool> page_wanted(state::Tx& tx, const state::OutboxMessage& message);

}  // namespace sentinel::oncall
