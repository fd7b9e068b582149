#pragma once
// Webhooks v3 of PagerDuty. A parser of outside bytes; pure.

#include <string_view>

#include "connect/connection.h"

namespace sentinel::connect {

// States over there, as they are remembered.
inline constexpr std::string_view kTriggered = "triggered";
inline constexpr std::string_view kAcknowledged = "acknowledged";
inline constexpr std::string_view kResolved = "resolved";

Result<Received> read_pagerduty_webhook(std::string_view body);

}  // namespace sentinel::connect
