#pragma once
// One message in the place of many, for a receiver that cannot take them all one by one. It is a Notification like any
// other, so that every receiver and every template shows it: the alerts of all groups, and instead of their labels the
// group label `digest` with how many groups there are.

#include <string>
#include <string_view>
#include <vector>

#include "receivers/notification.h"

namespace sentinel::receivers {

inline constexpr std::string_view kDigestLabel = "digest";

// In the order of the messages; of an alert that several tell of, what the last one says. `key` sets its group apart
// from every other. REQUIRES: at least one.
Notification digest_of(const std::vector<Notification>& messages, std::string_view key);

}  // namespace sentinel::receivers
