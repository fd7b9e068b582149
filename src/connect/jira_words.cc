#include "connect/jira_words.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/limits.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;

constexpr int kDepthMax = 40;

json::object text_node(std::string_view text) { return {{"type", "text"}, {"text", text}}; }

void add_lines(json::array& content, std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) continue;  // an empty text node is refused
    content.push_back(json::object{{"type", "paragraph"}, {"content", json::array{text_node(line)}}});
  }
}

void collect(const json::value& node, int depth, std::string& out) {
  if (depth > kDepthMax || !node.is_object()) return;
  const json::object& object = node.get_object();
  const std::string type = string_at(object, {"type"});
  if (type == "text") out += string_at(object, {"text"});
  if (type == "hardBreak") out += "\n";
  if (type == "mention") out += string_at(object, {"attrs", "text"});
  const json::value* content = object.if_contains("content");
  if (content != nullptr && content->is_array()) {
    for (const json::value& child : content->get_array()) collect(child, depth + 1, out);
  }
  if ((type == "paragraph" || type == "heading") && !out.empty() && out.back() != '\n') out += "\n";
}

bool changed(const json::object& body, std::string_view field) {
  const json::value* log = body.if_contains("changelog");
  const json::value* items = log != nullptr && log->is_object() ? log->get_object().if_contains("items") : nullptr;
  if (items == nullptr || !items->is_array()) return false;
  for (const json::value& item : items->get_array()) {
    if (string_at(item, {"field"}) == field) return true;
  }
  return false;
}

std::optional<Command> command_of(const json::object& body, std::string_view event) {
  if (event == "jira:issue_deleted") {
    Command gone;
    gone.remember["gone"] = true;
    return gone;
  }
  if (event == "jira:issue_updated" && changed(body, "status")) {
    return jira_status_command(string_at(body, {"issue", "fields", "status", "statusCategory", "key"}),
                               string_at(body, {"issue", "fields", "status", "name"}));
  }
  if (event != "comment_created") return std::nullopt;
  const json::value* comment = body.if_contains("comment");
  if (comment == nullptr || !comment->is_object()) return std::nullopt;
  return jira_note(comment->get_object());
}

}  // namespace

json::object adf_document(const std::vector<AdfPart>& parts, const std::string& link) {
  json::array content;
  for (const AdfPart& part : parts) {
    if (trim(part.text).empty()) continue;
    if (!part.heading.empty()) {
      content.push_back(json::object{{"type", "heading"},
                                     {"attrs", json::object{{"level", 3}}},
                                     {"content", json::array{text_node(part.heading)}}});
    }
    add_lines(content, part.text);
  }
  if (!link.empty()) {
    json::object node = text_node(link);
    node["marks"] = json::array{json::object{{"type", "link"}, {"attrs", json::object{{"href", link}}}}};
    content.push_back(json::object{{"type", "paragraph"}, {"content", json::array{std::move(node)}}});
  }
  return {{"type", "doc"}, {"version", 1}, {"content", std::move(content)}};
}

std::string adf_text(const json::value& document) {
  if (document.is_string()) return std::string(document.get_string());
  std::string out;
  collect(document, 0, out);
  return std::string(trim(out));
}

std::optional<Command> jira_note(const json::object& comment) {
  const json::value* text = comment.if_contains("body");
  if (text == nullptr || jira_own_mark(comment) != nullptr) return std::nullopt;
  Command note;
  note.verb = Verb::kNote;
  note.text = std::string(trim(adf_text(*text)));
  if (note.text.empty() || note.text.starts_with(trim(kJiraOwnWords))) return std::nullopt;
  note.mark = string_at(comment, {"id"});
  note.person = string_at(comment, {"author", "accountId"});
  note.person_name = string_at(comment, {"author", "displayName"});
  return note;
}

const json::object* jira_own_mark(const json::object& comment) {
  const json::value* marks = comment.if_contains("properties");
  if (marks == nullptr || !marks->is_array()) return nullptr;
  for (const json::value& mark : marks->get_array()) {
    const json::value* value = mark.is_object() ? mark.get_object().if_contains("value") : nullptr;
    if (string_at(mark, {"key"}) == kJiraOwnMark && value != nullptr && value->is_object()) return &value->get_object();
  }
  return nullptr;
}

std::vector<const json::object*> jira_comments(const json::object& answer) {
  std::vector<const json::object*> out;
  const json::value* list = answer.if_contains("comments");
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& comment : list->get_array()) {
    if (comment.is_object()) out.push_back(&comment.get_object());
  }
  return out;
}

std::optional<Command> jira_status_command(std::string_view category, std::string_view name) {
  Command out;
  out.echo = "category";
  out.remember["category"] = category;
  out.text = fmt::format("{} in Jira", name.empty() ? category : name);
  if (category == kJiraDone) {
    out.verb = Verb::kResolve;
  } else if (category == kJiraBusy) {
    out.verb = Verb::kAcknowledge;
  } else if (category == kJiraNew) {
    out.verb = Verb::kReopen;
  } else {
    return std::nullopt;
  }
  return out;
}

Result<Received> read_jira_webhook(const net::Request& request) {
  SENTINEL_ASSIGN(const json::object body, text::parse_json_object(request.body));
  Received out;
  out.id = std::string(request.headers.get("X-Atlassian-Webhook-Identifier"));
  const std::string event = string_at(body, {"webhookEvent"});
  const std::string_view by = event.starts_with("comment") ? "comment" : "user";
  out.person =
      by == "user" ? string_at(body, {"user", "accountId"}) : string_at(body, {"comment", "author", "accountId"});
  out.person_name =
      by == "user" ? string_at(body, {"user", "displayName"}) : string_at(body, {"comment", "author", "displayName"});
  auto command = command_of(body, event);
  const std::string key = string_at(body, {"issue", "key"});
  if (!command || key.empty()) {
    out.answer = net::json_response(200, "{}");
    return out;
  }
  command->remote = key;
  out.commands.push_back(std::move(*command));
  return out;
}

}  // namespace sentinel::connect
