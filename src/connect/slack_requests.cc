#include "connect/slack_requests.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/limits.h"
#include "connect/slack_words.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;

constexpr size_t kChannelNameBytesMax = 70;  // of 80: room for a further number

std::string signature_of(const net::Request& request) { return std::string(request.headers.get("X-Slack-Signature")); }

Received only(net::Response answer) {
  Received out;
  out.answer = std::move(answer);
  return out;
}

Received ephemeral(std::string_view text) {
  return only(net::json_response(200, json::serialize(json::object{{"response_type", "ephemeral"}, {"text", text}})));
}

// The first word; the rest stays in `text`.
std::string take_word(std::string_view& text) {
  text = trim(text);
  const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
  std::string word(text.substr(0, end));
  text = trim(text.substr(end));
  return word;
}

bool is_number(std::string_view word) {
  if (word.size() > 4 && iequals(word.substr(0, 4), "INC-")) word.remove_prefix(4);
  return !word.empty() && word.size() <= 12 &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<Received> read_command(const net::Request& request, const net::Params& form) {
  Received out;
  out.id = signature_of(request);
  out.refuse_repeats = true;
  out.person = std::string(form.get("user_id"));
  out.person_name = std::string(form.get("user_name"));
  const std::string text = slack_unescaped(form.get("text"));
  const auto command = slack_command(text, form.get("channel_id"));
  if (!command) return ephemeral(slack_help(form.get("command")));
  out.commands.push_back(*command);
  return out;
}

std::optional<Command> command_of(const json::value& action, std::string_view block_incident) {
  Command out;
  const std::string id = string_at(action, {"action_id"});
  out.incident = string_at(action, {"value"});
  if (id == kSlackAcknowledge) {
    out.verb = Verb::kAcknowledge;
  } else if (id == kSlackResolve) {
    out.verb = Verb::kResolve;
  } else if (id == kSlackEscalate) {
    out.verb = Verb::kEscalate;
  } else if (id == kSlackSeverity) {
    out.verb = Verb::kSeverity;
    out.incident = std::string(block_incident);
    out.severity = model::parse_severity(string_at(action, {"selected_option", "value"}));
    if (!out.severity) return std::nullopt;
  } else {
    return std::nullopt;  // the link, which Slack tells of too
  }
  if (out.incident.empty()) return std::nullopt;
  return out;
}

Result<Received> read_interaction(const net::Request& request, std::string_view payload) {
  SENTINEL_ASSIGN(const json::value body, text::parse_json(payload));
  Received out;
  out.id = signature_of(request);
  out.refuse_repeats = true;
  out.person = string_at(body, {"user", "id"});
  out.person_name = string_at(body, {"user", "username"});
  out.reply_url = string_at(body, {"response_url"});
  const json::value* actions = body.is_object() ? body.get_object().if_contains("actions") : nullptr;
  if (actions == nullptr || !actions->is_array()) return only(net::text_response(200, ""));
  for (const json::value& action : actions->get_array()) {
    const std::string block = string_at(action, {"block_id"});
    constexpr std::string_view kOurs = "sentinel:";
    const bool ours = block.starts_with(kOurs);
    if (auto command = command_of(action, ours ? std::string_view(block).substr(kOurs.size()) : ""))
      out.commands.push_back(std::move(*command));
  }
  if (out.commands.empty()) return only(net::text_response(200, ""));
  return out;
}

// A message that a person wrote in the thread of an incident.
Result<Received> read_event(std::string_view payload, bool notes) {
  SENTINEL_ASSIGN(const json::value body, text::parse_json(payload));
  if (string_at(body, {"type"}) == "url_verification")
    return only(net::json_response(200, json::serialize(json::object{{"challenge", string_at(body, {"challenge"})}})));
  const std::string channel = string_at(body, {"event", "channel"});
  const std::string thread = string_at(body, {"event", "thread_ts"});
  const bool message = string_at(body, {"event", "type"}) == "message" &&
                       string_at(body, {"event", "subtype"}).empty() && string_at(body, {"event", "bot_id"}).empty();
  const std::string text = slack_unescaped(string_at(body, {"event", "text"}));
  if (!notes || !message || thread.empty() || trim(text).empty()) return only(net::json_response(200, "{}"));
  Received out;
  out.id = "event:" + string_at(body, {"event_id"});  // the same when it is sent again
  out.person = string_at(body, {"event", "user"});
  Command note;
  note.verb = Verb::kNote;
  note.remote = channel + "/" + thread;
  note.text = text;
  out.commands.push_back(std::move(note));
  return out;
}

// `key` of the metadata that we put on a message; null when it is none of ours.
const json::object* own_metadata(const json::value& message, std::string_view incident) {
  if (!message.is_object()) return nullptr;
  const json::value* metadata = message.get_object().if_contains("metadata");
  if (metadata == nullptr || string_at(*metadata, {"event_payload", "incident"}) != incident) return nullptr;
  return &metadata->get_object().at("event_payload").get_object();
}

const json::array& list_at(const json::object& answer, std::string_view key) {
  static const json::array kNone;
  const json::value* list = answer.if_contains(key);
  return list != nullptr && list->is_array() ? list->get_array() : kNone;
}

// Whether it was made for this incident by an earlier attempt: it has the name, and came after the incident.
void find_channel(const Memory& note, const json::object& answer, Memory& memory) {
  for (const json::value& channel : list_at(answer, "channels")) {
    if (string_at(channel, {"name"}) != memory_text(note, "name")) continue;
    if (memory_int(channel.get_object(), "created") >= memory_int(note, "since") - 5) {
      memory["channel"] = string_at(channel, {"id"});
      memory["name"] = memory_text(note, "name");
    }
    break;
  }
  const std::string cursor = string_at(answer, {"response_metadata", "next_cursor"});
  const int64_t pages = memory_int(memory, "pages") + 1;
  if (memory.contains("channel") || cursor.empty() || pages > static_cast<int64_t>(kPagesMax)) {
    for (const char* key : {"find", "cursor", "pages"}) memory.erase(key);
    if (!memory.contains("channel")) memory["taken"] = memory_int(memory, "taken") + 1;
    return;
  }
  memory["cursor"] = cursor;
  memory["pages"] = pages;
}

}  // namespace

Result<Received> read_slack_request(const net::Request& request, bool notes) {
  if (request.headers.get("Content-Type").starts_with("application/json")) return read_event(request.body, notes);
  const net::Params form = net::Params::parse(request.body);
  if (form.has("payload")) return read_interaction(request, form.get("payload"));
  if (form.get("ssl_check") == "1") return only(net::text_response(200, ""));
  if (form.has("command")) return read_command(request, form);
  return fail(ErrorCode::kInvalidArgument, "neither a command nor an action nor an event of Slack");
}

std::optional<Command> slack_command(std::string_view text, std::string_view channel) {
  const std::string verb = to_lower(take_word(text));
  Command out;
  if (verb == "list" || verb == "ls") {
    out.verb = Verb::kList;
    return out;
  }
  if (verb == "oncall" || verb == "who") {
    out.verb = Verb::kOncall;
    return out;
  }
  if (verb == "ack" || verb == "acknowledge") {
    out.verb = Verb::kAcknowledge;
  } else if (verb == "resolve") {
    out.verb = Verb::kResolve;
  } else if (verb == "note") {
    out.verb = Verb::kNote;
  } else if (verb == "sev" || verb == "severity") {
    out.verb = Verb::kSeverity;
  } else if (verb == "escalate") {
    out.verb = Verb::kEscalate;
  } else {
    return std::nullopt;
  }
  std::string_view rest = text;
  if (const std::string number = take_word(rest); is_number(number)) {
    out.incident = number;
    text = rest;
  } else {
    out.remote = std::string(channel);
  }
  out.text = std::string(trim(text));
  if (out.verb == Verb::kSeverity) {
    out.severity = model::parse_severity(out.text);
    if (!out.severity) return std::nullopt;
  }
  if (out.verb == Verb::kNote && out.text.empty()) return std::nullopt;
  return out;
}

receivers::SendResult slack_accepted(std::string_view call, const Memory& note, const json::object& answer,
                                     Memory& memory) {
  if (call == "conversations.create") {
    memory["channel"] = string_at(answer, {"channel", "id"});
    memory["name"] = memory_text(note, "name");
    if (memory_text(memory, "channel").empty()) return never("the answer names no channel");
  } else if (call == "conversations.list") {
    find_channel(note, answer, memory);
  } else if (call == "conversations.history") {
    for (const json::value& message : list_at(answer, "messages")) {
      const json::object* ours = own_metadata(message, memory_text(note, "incident"));
      if (ours == nullptr || memory_text(*ours, "kind") != "summary") continue;
      memory["ts"] = string_at(message, {"ts"});
      memory["channel"] = memory_text(note, "channel");
    }
  } else if (call == "conversations.replies") {
    for (const json::value& message : list_at(answer, "messages")) {
      const json::object* ours = own_metadata(message, memory_text(note, "incident"));
      if (ours != nullptr) memory["told"] = std::max(memory_int(memory, "told"), memory_int(*ours, "last"));
    }
  } else if (call == "chat.postMessage" && note.contains("told")) {
    memory["told"] = note.at("told");
  } else if (call == "chat.postMessage") {
    memory["channel"] = string_at(answer, {"channel"});
    memory["ts"] = string_at(answer, {"ts"});
    memory["print"] = note.at("print");
    if (memory_text(memory, "ts").empty()) return never("the answer names no message");
  } else if (call == "chat.update") {
    memory["print"] = note.at("print");
  } else if (call == "conversations.archive") {
    memory["archived"] = true;
  } else if (call == "conversations.unarchive") {
    memory.erase("archived");
  } else if (call == "pins.add") {
    memory["pinned"] = note.at("ts");
  } else if (call == "conversations.setTopic") {
    memory["topic"] = note.at("topic");
  } else if (call == "conversations.invite") {
    if (!memory.contains("invited")) memory["invited"] = json::array();
    memory["invited"].as_array().push_back(note.at("person"));
  }
  return {};
}

bool is_slack_id(std::string_view text) {
  return text.size() >= 2 && text.size() <= 32 && (text[0] == 'C' || text[0] == 'G' || text[0] == 'D') &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

std::string slack_channel_name(std::string_view name) {
  std::string out;
  for (char c : to_lower(name)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (c == '#') continue;
    out += plain ? c : '-';
  }
  return out.substr(0, kChannelNameBytesMax);
}

std::string call_lacks(std::string_view call, std::string_view error) { return fmt::format("{}: {}", call, error); }

}  // namespace sentinel::connect
