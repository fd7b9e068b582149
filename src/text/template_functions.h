#pragma once
// What the function sets of Prometheus and Alertmanager have in common. Internal to the template engine.

#include <string>
#include <string_view>
#include <vector>

#include "text/value.h"

namespace sentinel::text {

// regexp.MatchString and ReplaceAllString of Go; errors worded as regexp's.
Result<bool> go_match(std::string_view pattern, std::string_view text);
Result<std::string> go_replace_all(std::string_view pattern, std::string_view replacement, std::string_view text);

// A number, a numeric string or a duration in seconds, as prometheus/common's ConvertToFloat.
Result<double> convert_to_float(const Value& value);
Result<Value> humanize_duration_value(const Value& value);

// Functions of strings alone, for FuncMaps.
Func string_func(std::string (*f)(std::string_view));
// toUpper, toLower, match, reReplaceAll, safeHtml, humanizeDuration.
void add_common_functions(FuncMap& functions);

}  // namespace sentinel::text
