// What becomes of pages: delivered, or not, and who is told instead.

#include <algorithm>
#include <set>
#include <tuple>

#include "base/strings.h"
#include "oncall/channels.h"
#include "oncall/escalation_steps.h"
#include "oncall/limits.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

constexpr size_t kPagesLookedAtMax = 1'000;  // of one escalation

bool pages_go_on(const Escalation& e) {
  return e.state == EscalationState::kEscalating || e.state == EscalationState::kExhausted;
}

bool same_step(const PageRecord& a, const Escalation& e) { return a.generation == e.generation && a.step == e.step; }

}  // namespace

Status EscalationSteps::delivered(std::string_view message_key) {
  SENTINEL_ASSIGN(std::optional<PageRecord> page, EscalationStore::page(tx_, message_key));
  if (!page || page->outcome == "delivered") return {};
  page->outcome = "delivered";
  page->outcome_at = now_;
  page->error.clear();
  SENTINEL_TRY(EscalationStore::put(tx_, *page));
  return tell(page->key, "delivered", page->level_id, page->user, page->channel);
}

Status EscalationSteps::unwanted(std::string_view message_key) {
  SENTINEL_ASSIGN(std::optional<PageRecord> page, EscalationStore::page(tx_, message_key));
  if (!page || !page->outcome.empty()) return {};
  page->outcome = "unwanted";
  page->outcome_at = now_;
  return EscalationStore::put(tx_, *page);
}

Status EscalationSteps::undelivered(std::string_view message_key, std::string_view error) {
  SENTINEL_ASSIGN(std::optional<PageRecord> page, EscalationStore::page(tx_, message_key));
  if (!page || !page->outcome.empty()) return {};  // that is known already
  page->outcome = "undelivered";
  page->outcome_at = now_;
  page->error = error;
  SENTINEL_TRY(EscalationStore::put(tx_, *page));
  SENTINEL_TRY(tell(page->key, "undelivered", page->level_id, page->user, page->channel + ": " + std::string(error)));
  SENTINEL_ASSIGN(std::optional<Escalation> e, EscalationStore::find(tx_, page->key));
  if (!e || e->generation != page->generation || !pages_go_on(*e)) return {};
  if (config_.maintenance_until(e->policy, now_)) return {};
  SENTINEL_ASSIGN(const bool told, told_another_way(*e, *page));
  if (told || e->state != EscalationState::kEscalating || !same_step(*page, *e)) return {};
  SENTINEL_ASSIGN(const bool left, somebody_left(*e));
  if (left) return {};
  SENTINEL_TRY(tell(*e, "unreached", e->level_id, "", "nobody of the level can be reached"));
  return advance(*e);
}

// A service that pages on by itself hears that it is over, once for each person of this generation that it was asked to
// tell: it folds by the escalation and its generation, as the page did.
Status EscalationSteps::take_back_pages(const Escalation& e) {
  SENTINEL_ASSIGN(const std::vector<PageRecord> pages, EscalationStore::pages(tx_, e.key, kPagesLookedAtMax));
  for (const PageRecord& p : pages) {
    const auto channel = config_.channels.find(p.channel);
    const auto user = config_.users.find(p.user);
    if (p.generation != e.generation || p.outcome == "unwanted" || channel == config_.channels.end() ||
        !pages_on(channel->second.kind) || user == config_.users.end() || !user->second.contacts.contains(p.channel))
      continue;
    state::OutboxMessage m;
    m.key = "over/" + e.key + "/" + std::to_string(e.generation) + "/" + p.user + "/" + p.channel;
    m.channel = kPageChannel;
    m.receiver = p.user + "/" + p.channel;
    m.created_at = m.due_at = now_;
    text::JsonWriter json(m.payload);
    json.begin_object().field("key", m.key).field("escalation", e.key).field("generation", e.generation);
    json.field("step", p.step).field("policy", e.policy).field("level", p.level_id).field("title", e.title);
    json.field("urgent", e.urgent).field("user", p.user).field("name", user->second.name);
    json.field("channel", p.channel).field("address", user->second.contacts.at(p.channel));
    json.field("at", format_rfc3339(now_)).field("over", true).end_object();
    SENTINEL_TRY(state::Outbox::enqueue(tx_, m));
  }
  return {};
}

// By the next of his rules that is not due yet, or by a contact that no rule names. True also when another page to him
// is on its way or has arrived.
Result<bool> EscalationSteps::told_another_way(const Escalation& e, const PageRecord& failed) {
  SENTINEL_ASSIGN(const std::vector<PageRecord> pages, EscalationStore::pages(tx_, e.key, kPagesLookedAtMax));
  std::set<std::string> used;
  for (const PageRecord& p : pages) {
    if (p.generation != failed.generation || p.step != failed.step || p.user != failed.user) continue;
    if (p.outcome != "undelivered") return true;
    used.insert(p.channel);
  }
  const auto user = config_.users.find(failed.user);
  SENTINEL_ASSIGN(std::optional<Chain> chain, EscalationStore::chain(tx_, e.key, failed.user));
  if (user == config_.users.end() || !chain || chain->step != failed.step) return false;
  for (const NotificationRule& rule : rules_of(*chain, e.urgent)) {
    if (std::tie(rule.after, rule.channel) <= std::tie(chain->last_after, chain->last_channel)) continue;
    if (used.contains(rule.channel)) continue;
    SENTINEL_TRY(send(e, *chain, rule));
    chain->last_after = rule.after;
    chain->last_channel = rule.channel;
    plan(*chain, e.urgent);
    SENTINEL_TRY(EscalationStore::put(tx_, *chain));
    return true;
  }
  for (const auto& [channel, address] : user->second.contacts) {
    if (used.contains(channel)) continue;
    SENTINEL_TRY(send(e, *chain, {chain->last_after, channel}));
    return true;
  }
  return false;
}

// Whether somebody of the present level may still hear of it.
Result<bool> EscalationSteps::somebody_left(const Escalation& e) {
  SENTINEL_ASSIGN(const std::vector<PageRecord> pages, EscalationStore::pages(tx_, e.key, kPagesLookedAtMax));
  for (const PageRecord& p : pages) {
    if (same_step(p, e) && p.outcome != "undelivered") return true;
  }
  SENTINEL_ASSIGN(const std::vector<Chain> chains, EscalationStore::chains(tx_));
  return std::any_of(chains.begin(), chains.end(), [&](const Chain& c) {
    // Whoever has no page yet has a rule that comes later.
    return c.key == e.key && c.step == e.step && c.due_at && c.last_after < Micros(0);
  });
}

Result<std::string> EscalationSteps::test_page(std::string_view id, std::string_view user, std::string_view channel,
                                               std::string_view actor) {
  const auto found = config_.users.find(user);
  if (found == config_.users.end()) return fail(ErrorCode::kNotFound, "no user \"" + std::string(user) + "\"");
  if (!found->second.contacts.contains(std::string(channel))) {
    return fail(ErrorCode::kNotFound, "user \"" + found->first + "\" has no contact \"" + std::string(channel) + "\"");
  }
  Escalation e;
  e.key = std::string(kTestPrefix) + std::string(id);
  e.title = "This is a test page, asked for by " + std::string(actor) + ". Nothing is wrong.";
  Chain chain;
  chain.key = e.key;
  chain.user = found->first;
  SENTINEL_TRY(tell(e, "tested", "", std::string(actor), found->first));
  SENTINEL_TRY(send(e, chain, {Micros(0), std::string(channel)}));
  return e.key;
}

}  // namespace sentinel::oncall
