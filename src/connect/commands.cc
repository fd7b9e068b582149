// What other services ask for: each command is one change of the desk, by whoever gave it.

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "connect/hub.h"
#include "connect/limits.h"

namespace sentinel::connect {
namespace {

// Errors by which the service should ask again; all others are an answer.
bool may_pass(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimeout:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
    case ErrorCode::kCanceled: return true;
    default: return false;
  }
}

std::string state_of(const incident::IncidentRecord& record) {
  return fmt::format("INC-{} is {}.", record.incident.number, model::incident_status_name(record.incident.status));
}

}  // namespace

std::pair<incident::Actor, bool> Hub::actor_of(const Connection& by, const std::string& user, std::string_view person,
                                               std::string_view person_name) const {
  const auto* desk = parts_.incidents.escalator();
  const auto known = desk == nullptr || user.empty() ? std::nullopt : desk->person(user);
  std::string who = known ? known->name : user;
  if (user.empty()) who = std::string(person_name.empty() ? person : person_name);
  if (who.empty()) who = by.name();
  return {incident::Actor{std::move(who), std::string(by.kind())}, !user.empty()};
}

Result<net::Response> Hub::act(const Connection& connection, const Received& received) {
  if (received.answer) return *received.answer;
  const TimePoint now = parts_.scheduler.now();
  bool fresh = true;
  if (!received.id.empty()) {
    // A request that may not come twice is marked before it acts, the others after: better done twice than not at all.
    const auto look = [&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(const bool seen, was_seen(tx, connection.name(), received.id));
      fresh = !seen;
      return fresh && received.refuse_repeats
                 ? Status(mark_seen(tx, connection.name(), received.id, now).map([](bool) {}))
                 : Status();
    };
    SENTINEL_TRY(received.refuse_repeats ? parts_.database.write(look) : parts_.database.read(look));
  }
  if (!fresh && received.refuse_repeats) return fail(ErrorCode::kUnauthenticated, "this request was made before");
  last_request_.insert_or_assign(connection.name(), now);
  std::vector<Spoken> spoken;
  std::string user = connection.user_of(received.person);
  std::string told_of;
  if (!received.page_token.empty()) {
    if (!parts_.page_of) return fail(ErrorCode::kNotFound, "no pages are sent");
    const auto page = parts_.page_of(received.page_token);
    if (!page) return fail(ErrorCode::kUnauthenticated, page.error().message());
    user = page->user;
    told_of = page->incident;
  }
  const auto [actor, known] = actor_of(connection, user, received.person, received.person_name);
  for (size_t i = 0; fresh && i < std::min(received.commands.size(), kCommandsMax); ++i) {
    Command command = received.commands[i];
    if (!told_of.empty()) command.incident = told_of;
    if (!known && !connection.takes_strangers() && command.verb != Verb::kRemember) {
      spoken.push_back({false, fmt::format("You ({}) are not mapped to a user of Sentinel: `people` of integration "
                                           "\"{}\" in sentinel.yml.",
                                           received.person, connection.name())});
      continue;
    }
    SENTINEL_ASSIGN(Spoken said, obey(connection, command, actor));
    spoken.push_back(std::move(said));
  }
  const auto later = connection.aside(received, spoken);
  const bool mark = fresh && !received.id.empty() && !received.refuse_repeats;
  if (mark || later) {
    SENTINEL_TRY(parts_.database.write([&](state::Tx& tx) -> Status {
      if (mark) SENTINEL_TRY(mark_seen(tx, connection.name(), received.id, now));
      return later ? enqueue_aside(tx, connection, received.id + received.reply_url, *later) : Status();
    }));
  }
  return connection.reply(received, spoken);
}

// By its number, or by how the service calls it. kNotFound.
Result<std::string> Hub::incident_of(const Connection& by, const Command& command) {
  if (!command.incident.empty()) {
    SENTINEL_ASSIGN(const incident::IncidentDetail detail, parts_.incidents.get(command.incident, 0));
    return detail.record.incident.id;
  }
  std::optional<Link> link;
  SENTINEL_TRY(parts_.database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(link, find_remote(tx, by.name(), command.remote));
    return {};
  }));
  if (!link) return fail(ErrorCode::kNotFound, "no incident of ours is known by that name there");
  return link->incident;
}

// False: it is an echo of what we said.
Result<bool> Hub::note_remembered(const Connection& by, const std::string& incident, const Command& command) {
  if (command.remember.empty()) return true;
  bool news = true;
  SENTINEL_TRY(parts_.database.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(std::optional<Link> link, find_link(tx, by.name(), incident));
    if (!link) return {};
    const Memory before = link->memory;
    news = command.echo.empty() || !before.contains(command.echo) ||
           before.at(command.echo) != command.remember.at(command.echo);
    for (const auto& [key, value] : command.remember) link->memory[key] = value;
    if (link->memory == before) return {};
    link->place = by.place(link->memory);
    return put_link(tx, *link);
  }));
  return news;
}

Result<Spoken> Hub::list() {
  incident::ListFilter filter;
  filter.statuses = model::active_incident_statuses();
  filter.limit = kListMax;
  SENTINEL_ASSIGN(const std::vector<incident::IncidentRecord> open, parts_.incidents.list(filter));
  if (open.empty()) return Spoken{true, "No open incidents."};
  Spoken out;
  for (const incident::IncidentRecord& record : open) {
    const model::Incident& i = record.incident;
    out.text += fmt::format("{}{} - {}, {}", out.text.empty() ? "" : "\n", headline_of(i),
                            model::incident_status_name(i.status), i.assignee.empty() ? "nobody" : i.assignee);
  }
  return out;
}

Result<Spoken> Hub::obey(const Connection& by, const Command& command, const incident::Actor& actor) {
  if (command.verb == Verb::kList) return list();
  if (command.verb == Verb::kOncall)
    return Spoken{true, parts_.who_is_on_call ? parts_.who_is_on_call() : "Nobody is configured."};
  const auto incident = incident_of(by, command);
  if (!incident) {
    if (may_pass(incident.error())) return fail(incident.error());
    return Spoken{false, incident.error().message()};
  }
  SENTINEL_ASSIGN(const bool news, note_remembered(by, *incident, command));
  if (command.verb == Verb::kRemember || !news) return Spoken{};
  Command marked = command;
  if (!command.mark.empty()) marked.mark = fmt::format("{}/{}", by.name(), command.mark);
  auto changed = change(marked, *incident, actor);
  if (changed) return changed;
  if (may_pass(changed.error())) return fail(changed.error());
  log_info("connect", "a request was refused", {{"integration", by.name()}, {"error", changed.error().message()}});
  return Spoken{false, changed.error().message()};
}

Result<Spoken> Hub::change(const Command& command, const std::string& id, const incident::Actor& actor) {
  incident::Service& desk = parts_.incidents;
  const auto sentence = [](const incident::IncidentRecord& record) { return Spoken{true, state_of(record)}; };
  switch (command.verb) {
    case Verb::kAcknowledge: return desk.acknowledge(id, command.text, actor).map(sentence);
    case Verb::kResolve: return desk.resolve(id, {"", command.text}, actor).map(sentence);
    case Verb::kReopen: return desk.reopen(id, command.text, actor).map(sentence);
    case Verb::kStatus:
      return desk.set_status(id, command.status.value_or(model::IncidentStatus::kAcknowledged), command.text, actor)
          .map(sentence);
    case Verb::kSeverity:
      return desk.set_severity(id, command.severity.value_or(model::Severity::kSev3), actor)
          .map([](const incident::IncidentRecord& r) {
            return Spoken{true,
                          fmt::format("INC-{} is {}.", r.incident.number, model::severity_name(r.incident.severity))};
          });
    case Verb::kAssign: return desk.assign(id, command.text, actor).map(sentence);
    case Verb::kNote:
      return desk.add_note(id, utf8_prefix(command.text, kNoteBytesMax), actor, 0, command.mark)
          .map([](const incident::IncidentRecord& r) {
            return Spoken{true, fmt::format("Noted on INC-{}.", r.incident.number)};
          });
    case Verb::kEscalate: {
      if (!parts_.escalate) return fail(ErrorCode::kUnprocessable, "there is nobody to escalate to");
      SENTINEL_TRY(parts_.escalate(id, actor.name));
      return Spoken{true, "The next level is told."};
    }
    default: return fail(ErrorCode::kInternal, "a command without a meaning");
  }
}

}  // namespace sentinel::connect
