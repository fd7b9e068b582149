#pragma once
// An incident as Slack shows it: Block Kit for the message, mrkdwn for the thread. Pure functions.

#include <string>
#include <string_view>

#include <boost/json/array.hpp>

#include "connect/connection.h"

namespace sentinel::connect {

// What buttons are called when they come back; the value of each is the incident's id.
inline constexpr std::string_view kSlackAcknowledge = "sentinel_acknowledge";
inline constexpr std::string_view kSlackResolve = "sentinel_resolve";
inline constexpr std::string_view kSlackEscalate = "sentinel_escalate";
inline constexpr std::string_view kSlackSeverity = "sentinel_severity";
inline constexpr std::string_view kSlackOpen = "sentinel_open";

std::string slack_escaped(std::string_view text);    // & < > as Slack wants them
std::string slack_unescaped(std::string_view text);  // of what people typed
// The incident's message. `buttons`: those whose answers reach us; the link is always there.
boost::json::array slack_blocks(const View& view, bool buttons);
std::string slack_topic(const View& view);
std::string slack_thread_text(const News& news);
std::string slack_help(std::string_view command);

}  // namespace sentinel::connect
