#pragma once
// What Slack says: requests that people cause, and answers to our calls. Pure functions; parsers of outside bytes.

#include <string>
#include <string_view>

#include "connect/connection.h"

namespace sentinel::connect {

// A button, the slash command, an event; its signature has been checked. `notes`: messages in a thread count.
Result<Received> read_slack_request(const net::Request& request, bool notes);
// "ack 17", "note cache is cold" in the channel `channel`. Absent: it is none of ours, show the help.
std::optional<Command> slack_command(std::string_view text, std::string_view channel);
// Takes over what a call that succeeded has brought.
receivers::SendResult slack_accepted(std::string_view call, const Memory& note, const boost::json::object& answer,
                                     Memory& memory);
bool is_slack_id(std::string_view text);                // C0123456789
std::string slack_channel_name(std::string_view name);  // of "#Incident 7": small letters, digits, - and _
std::string call_lacks(std::string_view call, std::string_view error);

}  // namespace sentinel::connect
