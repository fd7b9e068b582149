#pragma once
// Go's time layouts ("2006-01-02 15:04:05 MST") and duration text ("1h2m3.5s").

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/value.h"

namespace sentinel::text {

std::string format_go_time(const ZonedTime& time, std::string_view layout);
std::string go_time_string(const ZonedTime& time);  // time.Time.String
// time.ParseInLocation(layout, text, UTC); the error is worded as Go's.
Result<ZonedTime> parse_go_time(std::string_view layout, std::string_view text);
std::string format_go_duration(int64_t ns);  // time.Duration.String
// kInvalidArgument "unknown time zone X".
Status check_time_zone(const std::string& zone);
// later − earlier, held at the ends of int64 as time.Time.Sub does.
GoDuration go_elapsed(TimePoint later, TimePoint earlier);
ZonedTime zero_time();  // 0001-01-01 00:00:00 UTC

// Methods of time.Time and time.Duration that templates may call; null when there is none of that name.
const Method* time_method(std::string_view name);
const Method* duration_method(std::string_view name);

}  // namespace sentinel::text
