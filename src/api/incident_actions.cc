#include "api/incident_actions.h"

#include <array>
#include <map>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/handler.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

Result<model::IncidentStatus> status_from(std::string_view word) {
  const auto status = model::parse_incident_status(word);
  if (status) return *status;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown status \"{}\"; expected open, acknowledged, investigating, identified, monitoring "
                          "or resolved",
                          word));
}

using Changed = Result<incident::IncidentRecord>;

Changed acknowledge(incident::Service& desk, const ActionCall& c, const json::object&) {
  return desk.acknowledge(c.id, c.note, c.actor, c.version);
}

Changed reopen(incident::Service& desk, const ActionCall& c, const json::object&) {
  return desk.reopen(c.id, c.note, c.actor, c.version);
}

Changed resolve(incident::Service& desk, const ActionCall& c, const json::object& body) {
  incident::ResolveRequest request;
  SENTINEL_ASSIGN(request.root_cause, string_field(body, "root_cause"));
  SENTINEL_ASSIGN(request.resolution, string_field(body, "resolution"));
  return desk.resolve(c.id, request, c.actor, c.version);
}

Changed set_status(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string word, required_string(body, "status"));
  SENTINEL_ASSIGN(const model::IncidentStatus status, status_from(word));
  return desk.set_status(c.id, status, c.note, c.actor, c.version);
}

Changed assign(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string assignee, required_string(body, "assignee"));
  return desk.assign(c.id, assignee, c.actor, c.version);
}

Changed set_severity(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string word, required_string(body, "severity"));
  SENTINEL_ASSIGN(const model::Severity severity, severity_from(word));
  return desk.set_severity(c.id, severity, c.actor, c.version);
}

Changed add_note(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string text, required_string(body, "text"));
  return desk.add_note(c.id, text, c.actor, c.version);
}

Changed merge(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string into, required_string(body, "into"));
  return desk.merge(c.id, into, c.actor, c.version);
}

Changed set_role(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string word, required_string(body, "role"));
  const auto role = incident::parse_role(word);
  if (!role) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("unknown role \"{}\"; expected commander, scribe or liaison", word));
  }
  SENTINEL_ASSIGN(const bool take, text::json_bool_or(body, "take", false));
  SENTINEL_ASSIGN(const std::string person, string_field(body, "person"));
  if (take && !person.empty()) return fail(ErrorCode::kInvalidArgument, "either \"take\" or \"person\"");
  return incident::Casework(desk).set_role(c.id, *role, take ? c.actor.name : person, c.actor, c.version);
}

Changed set_fields(incident::Service& desk, const ActionCall& c, const json::object& body) {
  const json::value* fields = body.if_contains("fields");
  if (fields == nullptr || !fields->is_object())
    return fail(ErrorCode::kInvalidArgument, "field \"fields\" must be an object");
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : fields->get_object()) values.emplace(name, text::serialize(value));
  return incident::Casework(desk).set_fields(c.id, values, c.actor, c.version);
}

Changed link(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string relation, required_string(body, "relation"));
  SENTINEL_ASSIGN(const std::string other, required_string(body, "incident"));
  return incident::Casework(desk).link(c.id, relation, other, c.actor);
}

Changed unlink(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string relation, required_string(body, "relation"));
  SENTINEL_ASSIGN(const std::string other, required_string(body, "incident"));
  return incident::Casework(desk).unlink(c.id, relation, other, c.actor);
}

Changed set_parent(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string parent, string_field(body, "parent"));
  return incident::Casework(desk).set_parent(c.id, parent, c.actor, c.version);
}

Changed split_out(incident::Service& desk, const ActionCall& c, const json::object& body) {
  incident::SplitRequest request;
  SENTINEL_ASSIGN(request.fingerprints, text::json_strings(body, "fingerprints"));
  SENTINEL_ASSIGN(request.title, string_field(body, "title"));
  SENTINEL_ASSIGN(const std::string severity, string_field(body, "severity"));
  if (!severity.empty()) {
    SENTINEL_ASSIGN(request.severity, severity_from(severity));
  }
  return incident::Casework(desk).split(c.id, request, c.actor, c.version);
}

Changed subscribe(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string user, string_field(body, "user"));
  SENTINEL_ASSIGN(const std::string channel, string_field(body, "channel"));
  return incident::Casework(desk).subscribe(c.id, user.empty() ? c.actor.name : user, channel, c.actor);
}

Changed unsubscribe(incident::Service& desk, const ActionCall& c, const json::object& body) {
  SENTINEL_ASSIGN(const std::string user, string_field(body, "user"));
  return incident::Casework(desk).unsubscribe(c.id, user.empty() ? c.actor.name : user, c.actor);
}

Changed rate(incident::Service& desk, const ActionCall& c, const json::object& body) {
  const json::value* useful = body.if_contains("useful");
  if (useful == nullptr || !useful->is_bool())
    return fail(ErrorCode::kInvalidArgument, "\"useful\" is needed: true or false");
  return incident::Casework(desk).rate(c.id, useful->get_bool(), c.note, c.actor, c.version);
}

Changed review(incident::Service& desk, const ActionCall& c, const json::object&) {
  return incident::Casework(desk).review(c.id, c.note, c.actor, c.version);
}

Changed add_update(incident::Service& desk, const ActionCall& c, const json::object& body) {
  incident::NewUpdate update;
  SENTINEL_ASSIGN(update.text, required_string(body, "text"));
  SENTINEL_ASSIGN(update.is_public, text::json_bool_or(body, "public", false));
  SENTINEL_ASSIGN(update.title, string_field(body, "title"));
  SENTINEL_ASSIGN(const std::string status, string_field(body, "status"));
  if (!status.empty()) {
    SENTINEL_ASSIGN(update.status, status_from(status));
  }
  return incident::Casework(desk).add_update(c.id, update, c.actor, c.version);
}

constexpr std::array kActions{
    IncidentAction{"acknowledge", acknowledge},
    IncidentAction{"status", set_status},
    IncidentAction{"assign", assign},
    IncidentAction{"severity", set_severity},
    IncidentAction{"notes", add_note},
    IncidentAction{"resolve", resolve},
    IncidentAction{"reopen", reopen},
    IncidentAction{"merge", merge},
    IncidentAction{"roles", set_role},
    IncidentAction{"fields", set_fields},
    IncidentAction{"links", link},
    IncidentAction{"unlink", unlink},
    IncidentAction{"parent", set_parent},
    IncidentAction{"split", split_out},
    IncidentAction{"subscribe", subscribe},
    IncidentAction{"unsubscribe", unsubscribe},
    IncidentAction{"updates", add_update},
    IncidentAction{"review", review},
    IncidentAction{"rate", rate},
};

}  // namespace

Result<model::Severity> severity_from(std::string_view word) {
  const auto severity = model::parse_severity(word);
  if (severity) return *severity;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown severity \"{}\"; expected SEV1..SEV4, P1..P4 or critical, high, medium, low", word));
}

std::span<const IncidentAction> incident_actions() { return kActions; }

}  // namespace sentinel::api
