#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sentinel::promql {

// The query with `@ t_ms` on every selector and subquery that has none and is not below one that has: its result must then be
// the same at every evaluation time. nullopt when it calls a function that depends on that time, or does not parse.
std::optional<std::string> pin_to_time(std::string_view query, int64_t t_ms);

}  // namespace sentinel::promql
