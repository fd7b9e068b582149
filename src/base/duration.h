#pragma once
// Durations as Prometheus writes them: "1h30m", "250ms", "5d"; units y w d h m s ms, each at most once, in that order.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel {

// As Prometheus's model.ParseDuration: "0" is allowed, other bare numbers are not.
Result<Millis> parse_duration(std::string_view text);
// As Prometheus's model.Duration.String: "0s", "1h30m", "1d"; weeks only when exact.
std::string format_duration(Millis d);
// For people: "850 ms", "12 s", "4 min 10 s", "3 h 5 min", "2 d 4 h".
std::string humanize_duration(Micros d);

}  // namespace sentinel
