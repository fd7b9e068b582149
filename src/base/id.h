#pragma once
// Ids that sort by time: 26 characters of Crockford base 32, 48 bits of milliseconds and 80 of randomness (ULID).
#include <string>

#include "base/clock.h"

namespace sentinel {

std::string new_id(TimePoint now);
std::string new_uuid();  // version 4, for protocols that ask for one

}  // namespace sentinel
