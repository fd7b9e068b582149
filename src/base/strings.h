#pragma once
// Small text helpers that the standard library lacks. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view text);  // ASCII only
bool iequals(std::string_view a, std::string_view b);
std::string replace_all(std::string text, std::string_view from, std::string_view to);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

// The whole text must be a number; no spaces. Locale-free.
std::optional<int64_t> parse_int(std::string_view text);
// Go's strconv.ParseFloat for decimal, hex, Inf and NaN in any case, with sign.
std::optional<double> parse_double(std::string_view text);
// Shortest text that reads back the same, as Go's strconv.FormatFloat(v, 'f', -1, 64); "+Inf", "-Inf", "NaN".
std::string format_double(double v);
// As Go's strconv.FormatFloat(v, 'g', -1, 64), which is %v: an exponent below -4 or from 6 is written, 1e+06.
std::string format_double_g(double v);

bool is_valid_utf8(std::string_view text);
// Longest prefix of at most max_bytes that does not cut a UTF-8 sequence.
std::string_view utf8_prefix(std::string_view text, size_t max_bytes);
// Replaces each malformed byte by U+FFFD.
std::string to_valid_utf8(std::string_view text);
// Appends a code point; invalid ones become U+FFFD.
void append_utf8(std::string& out, uint32_t code_point);

// A JSON string literal with quotes; malformed UTF-8 becomes U+FFFD.
std::string json_quote(std::string_view text);
void append_json_quoted(std::string& out, std::string_view text);
// As Go's strconv.Quote (%q): what Prometheus writes around label values.
std::string go_quote(std::string_view text);

std::string hex_encode(std::string_view bytes);
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);  // standard or URL alphabet, padding optional
std::string url_encode(std::string_view text);                    // unreserved characters stay
std::optional<std::string> url_decode(std::string_view text, bool plus_is_space);
std::string html_escape(std::string_view text);

// "2026-11-21T02:24:57.123Z"; fractional digits are milliseconds, or microseconds where they are needed.
std::string format_rfc3339(TimePoint t);
// RFC 3339 with zone, or seconds since 1970 as a decimal number (as Prometheus's API accepts).
Result<TimePoint> parse_time(std::string_view text);

}  // namespace sentinel
