#include "connect/pagerduty_webhook.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;

// Names of those it is assigned to.
std::string assignees_of(const json::value& data) {
  const json::value* list = data.is_object() ? data.get_object().if_contains("assignees") : nullptr;
  std::string out;
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& person : list->get_array()) {
    const std::string name = string_at(person, {"summary"});
    if (!name.empty()) out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

// What an event asks for beside what it tells. Nothing: it is only remembered.
std::optional<Command> command_of(std::string_view type, const json::value& data) {
  Command out;
  if (type == "incident.acknowledged") {
    out.verb = Verb::kAcknowledge;
    out.remember["state"] = kAcknowledged;
  } else if (type == "incident.resolved") {
    out.verb = Verb::kResolve;
    out.text = "resolved in PagerDuty";
    out.remember["state"] = kResolved;
  } else if (type == "incident.reopened") {
    out.verb = Verb::kReopen;
    out.remember["state"] = kTriggered;
  } else if (type == "incident.unacknowledged") {
    // Its acknowledgement has expired over there, which pages by itself; ours has a deadline of its own.
    out.verb = Verb::kNote;
    out.text = "the acknowledgement has expired in PagerDuty, which tells people anew";
  } else if (type == "incident.reassigned" || type == "incident.delegated") {
    out.verb = Verb::kAssign;
    out.text = assignees_of(data);
    if (out.text.empty()) return std::nullopt;
  } else if (type == "incident.annotated") {
    out.verb = Verb::kNote;
    out.text = string_at(data, {"content"});
    if (trim(out.text).empty()) return std::nullopt;
  } else if (type == "incident.priority_updated") {
    out.severity = model::parse_severity(string_at(data, {"priority", "summary"}));
    if (!out.severity) return std::nullopt;
    out.verb = Verb::kSeverity;
  } else if (!type.starts_with("incident.")) {
    return std::nullopt;
  }
  if (out.remember.contains("state")) out.echo = "state";
  return out;
}

}  // namespace

Result<Received> read_pagerduty_webhook(std::string_view text) {
  SENTINEL_ASSIGN(const json::object body, text::parse_json_object(text));
  const json::value* event = body.if_contains("event");
  if (event == nullptr || !event->is_object()) return fail(ErrorCode::kInvalidArgument, "the webhook has no event");
  const json::value* data = event->get_object().if_contains("data");
  Received out;
  out.id = string_at(*event, {"id"});
  out.person = string_at(*event, {"agent", "id"});
  out.person_name = string_at(*event, {"agent", "summary"});
  if (data == nullptr || !data->is_object()) {
    out.answer = net::json_response(200, "{}");  // pagey.ping
    return out;
  }
  const std::string type = string_at(*event, {"event_type"});
  auto command = command_of(type, *data);
  if (!command) {
    out.answer = net::json_response(200, "{}");
    return out;
  }
  // Notes and the like name the incident inside, and only by PagerDuty's own id.
  const std::string inner = string_at(*data, {"incident", "id"});
  const std::string id = inner.empty() ? string_at(*data, {"id"}) : inner;
  const std::string key = string_at(*data, {"incident_key"});
  command->remote = key.empty() ? id : key;
  if (inner.empty() && !key.empty()) {
    command->remember["id"] = id;
    if (const std::string url = string_at(*data, {"html_url"}); url.starts_with("https://"))
      command->remember["url"] = url;
  }
  out.commands.push_back(std::move(*command));
  return out;
}

}  // namespace sentinel::connect
