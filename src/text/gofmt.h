#pragma once
// Go's package fmt and strconv.Quote over template values, digit for digit.

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/value.h"

namespace sentinel::text {

std::string go_sprint(std::span<const Value> args);    // spaces between operands when neither is a string
std::string go_sprintln(std::span<const Value> args);  // spaces always, newline at the end
std::string go_sprintf(std::string_view format, std::span<const Value> args);
// %v of one value.
std::string go_string(const Value& value);

std::string go_quote(std::string_view text);  // strconv.Quote
// strconv.Unquote of "..." and `...` literals.
Result<std::string> go_unquote(std::string_view literal);
// The code point of a 'x' literal.
Result<int64_t> go_unquote_char(std::string_view literal);

// strconv.FormatFloat(v, verb, precision, 64) for e f g (and E G); precision -1 is the shortest that reads back.
std::string go_format_float(double v, char verb, int precision);

}  // namespace sentinel::text
