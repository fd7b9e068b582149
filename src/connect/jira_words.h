#pragma once
// What Jira says and how it is written to: the document format of its API v3, and its webhooks. Pure functions; parsers
// of outside bytes.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "connect/connection.h"

namespace sentinel::connect {

// Of a ticket's status, whatever its workflow calls it.
inline constexpr std::string_view kJiraNew = "new";
inline constexpr std::string_view kJiraBusy = "indeterminate";
inline constexpr std::string_view kJiraDone = "done";
inline constexpr std::string_view kJiraOwnWords = "Sentinel: ";  // begins each of our comments
inline constexpr std::string_view kJiraOwnMark = "sentinel";     // the property that each has

// Atlassian Document Format: a heading for each part that has a text, then its lines.
struct AdfPart {
  std::string heading;  // "": none
  std::string text;
};
boost::json::object adf_document(const std::vector<AdfPart>& parts, const std::string& link);
// The text of a document, or of the plain text that older webhooks carry.
std::string adf_text(const boost::json::value& document);

// What a status over there asks for here. Absent: nothing.
std::optional<Command> jira_status_command(std::string_view category, std::string_view name);
// The note that a comment is here, by its author, marked with its id. Absent: it is ours, or empty.
std::optional<Command> jira_note(const boost::json::object& comment);
// What we remember of a comment of ours, on it. Null: it is not ours, or was asked for without its properties.
const boost::json::object* jira_own_mark(const boost::json::object& comment);
// Those of a list, in its order; they live as long as `answer`.
std::vector<const boost::json::object*> jira_comments(const boost::json::object& answer);
Result<Received> read_jira_webhook(const net::Request& request);

}  // namespace sentinel::connect
