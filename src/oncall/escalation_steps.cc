#include "oncall/escalation_steps.h"

#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "oncall/limits.h"
#include "text/json.h"

namespace sentinel::oncall {

Status EscalationSteps::tell(const std::string& key, std::string kind, std::string level, std::string user,
                             std::string detail) {
  events_.push_back({0, now_, key, std::move(kind), std::move(level), std::move(user), std::move(detail)});
  return EscalationStore::add_event(tx_, events_.back());
}

Status EscalationSteps::tell(const Escalation& e, std::string kind, std::string level, std::string user,
                             std::string detail) {
  return tell(e.key, std::move(kind), std::move(level), std::move(user), std::move(detail));
}

Status EscalationSteps::save(Escalation& e) {
  e.updated_at = now_;
  return EscalationStore::put(tx_, e);
}

void EscalationSteps::begin(Escalation& e) {
  e.state = EscalationState::kEscalating;
  e.cycle = 0;
  e.level_id.clear();
  e.level_index = -1;
  e.waiting.clear();
  e.acknowledged_by.clear();
  e.due_at = now_;
}

Status EscalationSteps::trigger(const Trigger& trigger) {
  if (trigger.key.empty()) return fail(ErrorCode::kInvalidArgument, "an escalation needs a key");
  SENTINEL_ASSIGN(const std::optional<Escalation> before, EscalationStore::find(tx_, trigger.key));
  if (before && before->state != EscalationState::kResolved) return {};
  Escalation e;
  if (before) e = *before;
  e.generation += before ? 1 : 0;
  e.key = trigger.key;
  e.policy = trigger.policy;
  e.title = trigger.title;
  e.urgent = trigger.urgent;
  e.created_at = now_;
  begin(e);
  SENTINEL_TRY(tell(e, "triggered", "", "", e.title));
  return advance(e);
}

Result<Escalation> EscalationSteps::open(std::string_view key, std::string_view what) {
  SENTINEL_ASSIGN(const std::optional<Escalation> e, EscalationStore::find(tx_, key));
  if (!e) return fail(ErrorCode::kNotFound, "no escalation \"" + std::string(key) + "\"");
  if (e->state == EscalationState::kResolved) {
    return fail(ErrorCode::kConflict, "\"" + e->key + "\" is resolved, it cannot be " + std::string(what));
  }
  return *e;
}

Status EscalationSteps::acknowledge(std::string_view key, std::string_view actor) {
  SENTINEL_ASSIGN(Escalation e, open(key, "acknowledged"));
  const auto policy = config_.policies.find(e.policy);
  const bool expires = policy != config_.policies.end() && policy->second.acknowledge_timeout;
  e.state = EscalationState::kAcknowledged;
  e.acknowledged_by = actor;
  e.waiting.clear();
  e.due_at = expires ? std::optional(now_ + *policy->second.acknowledge_timeout) : std::nullopt;
  SENTINEL_TRY(EscalationStore::end_chains(tx_, e.key));
  SENTINEL_TRY(take_back_pages(e));
  SENTINEL_TRY(tell(e, "acknowledged", "", e.acknowledged_by, ""));
  return save(e);
}

Status EscalationSteps::resolve(std::string_view key, std::string_view actor) {
  SENTINEL_ASSIGN(std::optional<Escalation> e, EscalationStore::find(tx_, key));
  if (!e) return fail(ErrorCode::kNotFound, "no escalation \"" + std::string(key) + "\"");
  if (e->state == EscalationState::kResolved) return {};
  e->state = EscalationState::kResolved;
  e->due_at.reset();
  e->waiting.clear();
  SENTINEL_TRY(EscalationStore::end_chains(tx_, e->key));
  SENTINEL_TRY(take_back_pages(*e));
  SENTINEL_TRY(tell(*e, "resolved", "", std::string(actor), ""));
  return save(*e);
}

Status EscalationSteps::escalate(std::string_view key, std::string_view actor) {
  SENTINEL_ASSIGN(Escalation e, open(key, "escalated"));
  if (e.state != EscalationState::kEscalating) {
    return fail(ErrorCode::kConflict,
                "\"" + e.key + "\" is " + std::string(escalation_state_name(e.state)) + ", it does not escalate");
  }
  SENTINEL_TRY(tell(e, "escalated", "", std::string(actor), ""));
  return advance(e, true);
}

Status EscalationSteps::reassign(std::string_view key, std::string_view policy, std::string_view actor) {
  if (!config_.policies.contains(policy)) {
    return fail(ErrorCode::kNotFound, "no escalation policy \"" + std::string(policy) + "\"");
  }
  SENTINEL_ASSIGN(Escalation e, open(key, "reassigned"));
  e.policy = policy;
  ++e.generation;
  begin(e);
  SENTINEL_TRY(EscalationStore::end_chains(tx_, e.key));
  SENTINEL_TRY(tell(e, "reassigned", "", std::string(actor), e.policy));
  return advance(e);
}

Status EscalationSteps::restart(const Trigger& wanted, std::string_view actor) {
  SENTINEL_ASSIGN(std::optional<Escalation> e, EscalationStore::find(tx_, wanted.key));
  if (!e || e->state == EscalationState::kResolved) return trigger(wanted);
  if (e->state == EscalationState::kEscalating) return {};
  e->policy = wanted.policy;
  e->title = wanted.title;
  e->urgent = wanted.urgent;
  ++e->generation;
  begin(*e);
  SENTINEL_TRY(EscalationStore::end_chains(tx_, e->key));
  SENTINEL_TRY(tell(*e, "reescalated", "", std::string(actor), "opened again"));
  return advance(*e);
}

Status EscalationSteps::change(const Trigger& wanted, std::string_view actor) {
  SENTINEL_ASSIGN(std::optional<Escalation> e, EscalationStore::find(tx_, wanted.key));
  if (!e || e->state == EscalationState::kResolved) return {};
  const bool urgent_now = wanted.urgent && !e->urgent && e->state != EscalationState::kAcknowledged;
  const bool anew = e->policy != wanted.policy || urgent_now;
  e->title = wanted.title;
  e->urgent = wanted.urgent;
  if (!anew || e->state == EscalationState::kAcknowledged) return save(*e);
  e->policy = wanted.policy;
  ++e->generation;
  begin(*e);
  SENTINEL_TRY(EscalationStore::end_chains(tx_, e->key));
  SENTINEL_TRY(tell(*e, "reassigned", "", std::string(actor), urgent_now ? e->policy + ", urgent now" : e->policy));
  return advance(*e);
}

namespace {

// The level that follows the one that was told last, by name: levels may have been moved, added or removed since.
size_t next_index(const Escalation& e, const Policy& policy) {
  if (e.level_index < 0) return 0;
  for (size_t i = 0; i < policy.levels.size(); ++i) {
    if (policy.levels[i].id == e.level_id) return i + 1;
  }
  return std::min(static_cast<size_t>(e.level_index), policy.levels.size());
}

}  // namespace

Status EscalationSteps::advance(Escalation& e, bool by_hand) {
  const auto found = config_.policies.find(e.policy);
  const auto until = by_hand ? std::nullopt : config_.maintenance_until(e.policy, now_);
  if (until) {
    SENTINEL_TRY(wait_for(e, "maintenance", *until, ""));
    return save(e);
  }
  if (found == config_.policies.end()) return exhaust(e, nullptr);
  const Policy& policy = found->second;
  // A whole cycle that reaches nobody is not repeated: repeating would not find anybody either.
  bool whole_cycle = false;
  for (;;) {
    const size_t index = next_index(e, policy);
    if (index < policy.levels.size()) {
      SENTINEL_ASSIGN(const bool done, try_level(e, policy, index, by_hand));
      if (done) return save(e);
      continue;
    }
    if (whole_cycle || e.cycle >= policy.repeats) return exhaust(e, &policy);
    whole_cycle = true;
    ++e.cycle;
    e.level_index = -1;
    e.level_id.clear();
  }
}

Result<bool> EscalationSteps::wait_for(Escalation& e, std::string waiting, TimePoint until, const std::string& level) {
  if (e.waiting != waiting || e.due_at != until) {
    SENTINEL_TRY(tell(e, "waiting", level, "", waiting + " until " + format_rfc3339(until)));
  }
  e.waiting = std::move(waiting);
  e.due_at = until;
  return true;
}

Result<bool> EscalationSteps::try_level(Escalation& e, const Policy& policy, size_t index, bool by_hand) {
  const Level& level = policy.levels[index];
  const bool closed = level.gate && !by_hand && !level.gate->open(now_);
  const auto opens = closed && level.gate->wait ? level.gate->next_open(now_) : std::nullopt;
  if (opens) return wait_for(e, "gate", *opens, level.id);
  e.waiting.clear();
  e.level_id = level.id;
  e.level_index = static_cast<int64_t>(index);
  std::vector<std::string> users;
  if (!closed) {
    SENTINEL_ASSIGN(users, people(level.recipients, policy.id + "/" + level.id));
  }
  if (users.empty()) {
    SENTINEL_TRY(tell(e, "skipped", level.id, "", closed ? "outside its times" : "nobody to tell"));
    return false;
  }
  SENTINEL_TRY(page(e, users, level.id, level.channels));
  e.due_at = now_ + level.timeout;
  return true;
}

Status EscalationSteps::exhaust(Escalation& e, const Policy* policy) {
  e.state = EscalationState::kExhausted;
  e.due_at.reset();
  e.waiting.clear();
  SENTINEL_TRY(tell(e, "exhausted", "", "", policy ? "" : "policy \"" + e.policy + "\" is gone"));
  const bool own = policy != nullptr && !policy->last_resort.empty();
  SENTINEL_ASSIGN(const std::vector<std::string> users,
                  people(own ? policy->last_resort : config_.last_resort, "last_resort/" + (own ? policy->id : "")));
  if (users.empty()) {
    SENTINEL_TRY(tell(e, "nobody", "", "", "there is no last resort that can be reached"));
  } else {
    SENTINEL_TRY(tell(e, "last_resort", "", "", join(users, ", ")));
    SENTINEL_TRY(page(e, users, "last_resort", {}));
  }
  return save(e);
}

bool EscalationSteps::reachable(std::string_view user) const {
  const auto it = config_.users.find(user);
  return it != config_.users.end() && !it->second.contacts.empty();
}

Result<std::string> EscalationSteps::next_in_turn(const std::vector<std::string>& users, const std::string& place) {
  SENTINEL_ASSIGN(const auto last, EscalationStore::round_robin(tx_, place));
  size_t begin = 0;
  if (last) {
    const auto it = std::find(users.begin(), users.end(), last->first);
    // Whoever was last may be gone; then the one who moved into the place is next.
    begin = it != users.end() ? static_cast<size_t>(it - users.begin()) + 1 : static_cast<size_t>(last->second);
  }
  for (size_t i = 0; i < users.size(); ++i) {
    const size_t index = (begin + i) % users.size();
    if (!reachable(users[index])) continue;
    SENTINEL_TRY(EscalationStore::put_round_robin(tx_, place, users[index], static_cast<int64_t>(index)));
    return users[index];
  }
  return "";
}

Result<std::vector<std::string>> EscalationSteps::people(const std::vector<Recipient>& recipients,
                                                         const std::string& place) {
  std::vector<std::string> out;
  for (size_t i = 0; i < recipients.size(); ++i) {
    const Recipient& r = recipients[i];
    std::vector<std::string> users;
    if (r.kind == Recipient::Kind::kUser) users = {r.id};
    if (r.kind == Recipient::Kind::kTeam) {
      if (const auto it = config_.teams.find(r.id); it != config_.teams.end()) users = it->second.members;
    }
    if (r.kind == Recipient::Kind::kSchedule) {
      const auto it = config_.schedules.find(r.id);
      if (it != config_.schedules.end()) users = who_is_on_call(it->second, now_);
    }
    if (r.kind == Recipient::Kind::kRoundRobin) {
      SENTINEL_ASSIGN(const std::string user, next_in_turn(r.users, place + "/" + std::to_string(i)));
      users = {user};
    }
    for (const std::string& user : users) {
      if (reachable(user) && std::find(out.begin(), out.end(), user) == out.end()) out.push_back(user);
    }
  }
  return out;
}

std::vector<NotificationRule> EscalationSteps::rules_of(const Chain& chain, bool urgent) const {
  const auto user = config_.users.find(chain.user);
  if (user == config_.users.end()) return {};
  std::vector<NotificationRule> out;
  for (const std::string_view channel : split(chain.channels, ',')) {
    if (user->second.contacts.contains(std::string(channel))) out.push_back({Micros(0), std::string(channel)});
  }
  // Who has none of the level's channels is told by his own: better than not at all.
  if (out.empty()) out = user->second.rules(urgent);
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return std::tie(a.after, a.channel) < std::tie(b.after, b.channel); });
  return out;
}

void EscalationSteps::plan(Chain& chain, bool urgent) const {
  chain.due_at.reset();
  for (const NotificationRule& rule : rules_of(chain, urgent)) {
    if (std::tie(rule.after, rule.channel) <= std::tie(chain.last_after, chain.last_channel)) continue;
    chain.due_at = chain.started_at + rule.after;
    return;
  }
}

Status EscalationSteps::page(Escalation& e, const std::vector<std::string>& users, const std::string& level,
                             const std::vector<std::string>& channels) {
  ++e.step;
  for (const std::string& user : users) {
    Chain chain;
    chain.key = e.key;
    chain.user = user;
    chain.step = e.step;
    chain.level_id = level;
    chain.channels = join(channels, ",");
    chain.started_at = now_;
    SENTINEL_TRY(run_chain(e, chain));
  }
  return {};
}

Status EscalationSteps::run_chain(const Escalation& e, Chain& chain) {
  // After an outage several rules may be due at once: each channel is used once.
  std::vector<NotificationRule> due;
  for (const NotificationRule& rule : rules_of(chain, e.urgent)) {
    if (std::tie(rule.after, rule.channel) <= std::tie(chain.last_after, chain.last_channel)) continue;
    if (chain.started_at + rule.after > now_) break;
    std::erase_if(due, [&](const NotificationRule& r) { return r.channel == rule.channel; });
    due.push_back(rule);
  }
  for (const NotificationRule& rule : due) {
    SENTINEL_TRY(send(e, chain, rule));
    chain.last_after = rule.after;
    chain.last_channel = rule.channel;
  }
  plan(chain, e.urgent);
  return EscalationStore::put(tx_, chain);
}

Status EscalationSteps::send(const Escalation& e, const Chain& chain, const NotificationRule& rule) {
  const User& user = config_.users.find(chain.user)->second;  // rules_of() has seen him
  state::OutboxMessage m;
  m.key = "page/" + e.key + "/" + std::to_string(e.generation) + "/" + std::to_string(chain.step) + "/" + user.id +
          "/" + rule.channel + "/" + std::to_string(rule.after.count());
  m.channel = kPageChannel;
  m.receiver = user.id + "/" + rule.channel;
  m.created_at = m.due_at = now_;
  text::JsonWriter json(m.payload);
  json.begin_object();
  const auto field = [&json](std::string_view name, std::string_view value) { json.key(name).string(value); };
  field("key", m.key);
  field("escalation", e.key);
  json.key("generation").integer(e.generation);
  json.key("step").integer(chain.step);
  field("policy", e.policy);
  field("level", chain.level_id);
  field("title", e.title);
  json.key("urgent").boolean(e.urgent);
  field("user", user.id);
  field("name", user.name);
  field("channel", rule.channel);
  field("address", user.contacts.at(rule.channel));
  field("at", format_rfc3339(now_));
  json.end_object();
  SENTINEL_TRY(state::Outbox::enqueue(tx_, m));
  SENTINEL_TRY(EscalationStore::put(tx_, PageRecord{0, m.key, e.key, e.generation, chain.step, chain.level_id, user.id,
                                                    rule.channel, now_, "", std::nullopt, ""}));
  SENTINEL_TRY(EscalationStore::put_last_page(tx_, e.key, m.receiver, m.key));
  return tell(e, "paged", chain.level_id, user.id, rule.channel);
}

Status EscalationSteps::run_due() {
  SENTINEL_ASSIGN(std::vector<Escalation> due, EscalationStore::due(tx_, now_, kStepsPerTurnMax));
  for (Escalation& e : due) {
    if (e.state == EscalationState::kAcknowledged) {
      const auto policy = config_.policies.find(e.policy);
      // The timeout may have been taken out of the policy meanwhile.
      if (policy == config_.policies.end() || !policy->second.acknowledge_timeout) {
        e.due_at.reset();
        SENTINEL_TRY(save(e));
        continue;
      }
      ++e.generation;
      const std::string who = e.acknowledged_by;
      begin(e);
      SENTINEL_TRY(tell(e, "reescalated", "", who, "the acknowledgement has expired"));
    }
    SENTINEL_TRY(advance(e));
  }
  SENTINEL_ASSIGN(std::vector<Chain> chains, EscalationStore::due_chains(tx_, now_, kStepsPerTurnMax));
  for (Chain& chain : chains) {
    SENTINEL_ASSIGN(const std::optional<Escalation> e, EscalationStore::find(tx_, chain.key));
    if (!e || e->state == EscalationState::kResolved || e->state == EscalationState::kAcknowledged) {
      SENTINEL_TRY(EscalationStore::end_chains(tx_, chain.key));
      continue;
    }
    if (const auto until = config_.maintenance_until(e->policy, now_)) {
      chain.due_at = until;
      SENTINEL_TRY(EscalationStore::put(tx_, chain));
      continue;
    }
    SENTINEL_TRY(run_chain(*e, chain));
  }
  return {};
}

Status EscalationSteps::reconsider() {
  SENTINEL_ASSIGN(std::vector<Escalation> open, EscalationStore::list(tx_, false, SIZE_MAX >> 1));
  for (Escalation& e : open) {
    if (e.waiting.empty() || !e.due_at) continue;
    SENTINEL_TRY(advance(e));
  }
  SENTINEL_ASSIGN(std::vector<Chain> chains, EscalationStore::chains(tx_));
  for (Chain& chain : chains) {
    SENTINEL_ASSIGN(const std::optional<Escalation> e, EscalationStore::find(tx_, chain.key));
    if (!e) continue;
    plan(chain, e->urgent);
    SENTINEL_TRY(EscalationStore::put(tx_, chain));
  }
  return run_due();
}

Result<bool> page_wanted(state::Tx& tx, const state::OutboxMessage& message) {
  SENTINEL_ASSIGN(const auto page, text::parse_json_object(message.payload));
  SENTINEL_ASSIGN(const std::string key, text::json_string(page, "escalation"));
  SENTINEL_ASSIGN(const int64_t generation, text::json_int(page, "generation"));
  SENTINEL_ASSIGN(const bool over, text::json_bool_or(page, "over", false));
  if (over || key.starts_with(kTestPrefix)) return true;
  SENTINEL_ASSIGN(const std::optional<Escalation> e, EscalationStore::find(tx, key));
  if (!e || e->generation != generation) return false;
  if (e->state != EscalationState::kEscalating && e->state != EscalationState::kExhausted) return false;
  SENTINEL_ASSIGN(const std::string last, EscalationStore::last_page(tx, key, message.receiver));
  return last == message.key;
}

}  // namespace sentinel::oncall
