#pragma once
// Text forms that Prometheus inherits from Go: quoting, float formats, durations, number literals. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sentinel::promql {

std::string go_quote(std::string_view text);                     // strconv.Quote, %q
std::optional<std::string> go_unquote(std::string_view quoted);  // with "", '' or ``; nullopt: invalid syntax
std::string format_go_f(double v);                               // FormatFloat(v, 'f', -1)
std::string format_go_g(double v);                               // %g, %v
// One decoded code point of `text` at `at` and its length; malformed: {0xFFFD, 1}.
struct Rune {
  uint32_t value;
  int length;
};
Rune decode_rune(std::string_view text, size_t at);
std::string quote_rune(uint32_t rune);  // %q of a rune: 'x'

// A number literal as PromQL reads it: integer with Go's prefixes, else a float.
std::optional<double> parse_number_literal(std::string_view text);
// strconv.ParseFloat of a label value such as le="0.5".
std::optional<double> parse_go_float(std::string_view text);

// model.ParseDuration and model.Duration.String; the message is Prometheus's.
Result<int64_t> parse_duration_ms(std::string_view text);
std::string duration_text(int64_t ms);
// Seconds to whole milliseconds by way of nanoseconds, as time.Duration arithmetic does.
int64_t seconds_to_ms(double seconds);

}  // namespace sentinel::promql
