// The people of on-call, as incidents ask for them.

#include <algorithm>

#include "base/strings.h"
#include "incident/pager.h"
#include "oncall/schedule.h"

namespace sentinel::incident {
namespace {

std::vector<std::string> users_of(const oncall::Config& config, const oncall::Recipient& recipient, TimePoint now) {
  using Kind = oncall::Recipient::Kind;
  switch (recipient.kind) {
    case Kind::kUser: return {recipient.id};
    case Kind::kTeam: {
      const auto team = config.teams.find(recipient.id);
      return team == config.teams.end() ? std::vector<std::string>() : team->second.members;
    }
    case Kind::kSchedule: {
      const auto schedule = config.schedules.find(recipient.id);
      if (schedule == config.schedules.end()) return {};
      return oncall::who_is_on_call(schedule->second, now);
    }
    case Kind::kRoundRobin: return recipient.users;  // nobody's turn is used up by a message
  }
  return {};
}

// "team:sre".
std::optional<oncall::Recipient> recipient_of(std::string_view text) {
  using Kind = oncall::Recipient::Kind;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view kind = text.substr(0, colon);
  const std::string id(text.substr(colon + 1));
  if (kind == "user") return oncall::Recipient{Kind::kUser, id, {}};
  if (kind == "team") return oncall::Recipient{Kind::kTeam, id, {}};
  if (kind == "schedule") return oncall::Recipient{Kind::kSchedule, id, {}};
  return std::nullopt;
}

}  // namespace

Status Pager::send(state::Tx& tx, const IncidentRecord& record, const std::vector<Message>& messages) {
  if (record.incident.test_mode) return {};
  return messenger_->send(tx, messages, external_url_ + "/#/incidents/INC-" + std::to_string(record.incident.number));
}

std::optional<Person> Pager::person(std::string_view name) const {
  const auto& users = config().users;
  if (const auto exact = users.find(name); exact != users.end()) return Person{exact->first, exact->second.name};
  for (const auto& [id, user] : users) {
    if (iequals(id, name) || iequals(user.name, name)) return Person{id, user.name};
  }
  return std::nullopt;
}

std::vector<Person> Pager::team(std::string_view id) const {
  std::vector<Person> out;
  const auto team = config().teams.find(id);
  if (team == config().teams.end()) return out;
  for (const std::string& member : team->second.members) out.push_back({member, name_of(member)});
  return out;
}

bool Pager::reaches(std::string_view user, std::string_view channel) const {
  const auto found = config().users.find(user);
  return found != config().users.end() && !Messenger::channel_of(config(), found->second, channel, false).empty();
}

Result<bool> Pager::escalate_next(state::Tx& tx, const IncidentRecord& record) {
  SENTINEL_ASSIGN(const std::optional<oncall::Escalation> known, oncall::EscalationStore::find(tx, record.incident.id));
  if (!known || known->state != oncall::EscalationState::kEscalating) return false;
  SENTINEL_TRY(escalations_->escalate_in(tx, record.incident.id, "sentinel"));
  settle();
  return true;
}

Result<std::vector<Person>> Pager::superiors(state::Tx& tx, const IncidentRecord& record,
                                             const std::vector<std::string>& named) {
  std::vector<oncall::Recipient> recipients;
  for (const std::string& text : named) {
    if (const auto recipient = recipient_of(text)) recipients.push_back(*recipient);
  }
  if (named.empty()) {
    const std::string id = config().routing.policy_of(record.incident.severity, record.incident.labels);
    const auto policy = config().policies.find(id);
    if (policy != config().policies.end() && !policy->second.levels.empty()) {
      SENTINEL_ASSIGN(const auto known, oncall::EscalationStore::find(tx, record.incident.id));
      const auto& levels = policy->second.levels;
      const size_t next = known ? static_cast<size_t>(known->level_index + 1) : 1;
      recipients = levels[std::min(next, levels.size() - 1)].recipients;
    }
  }
  std::vector<Person> out;
  for (const oncall::Recipient& recipient : recipients) {
    for (const std::string& user : users_of(config(), recipient, scheduler_.now())) {
      const bool known = std::any_of(out.begin(), out.end(), [&](const Person& p) { return p.id == user; });
      if (!known && config().users.contains(user)) out.push_back({user, name_of(user)});
    }
  }
  return out;
}

}  // namespace sentinel::incident
