#include "base/strings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

namespace sentinel {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

struct CodePoint {
  uint32_t value = 0;
  size_t size_bytes = 0;  // 0: malformed at this byte
};

// Decodes the sequence at the start of `text`. REQUIRES: text is not empty.
CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t size = 0;
  uint32_t value = 0;
  uint32_t smallest = 0;  // below it the sequence is overlong
  if ((first & 0xE0) == 0xC0) {
    size = 2, value = first & 0x1F, smallest = 0x80;
  } else if ((first & 0xF0) == 0xE0) {
    size = 3, value = first & 0x0F, smallest = 0x800;
  } else if ((first & 0xF8) == 0xF0) {
    size = 4, value = first & 0x07, smallest = 0x10000;
  } else {
    return {};
  }
  if (text.size() < size) return {};
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, size};
}

size_t ascii_prefix(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) break;
  }
  while (i < text.size() && static_cast<uint8_t>(text[i]) < 0x80) ++i;
  return i;
}

// A finite number as 0.DIGITS x 10^point, with the fewest digits that read back the same.
struct ShortestDecimal {
  bool negative = false;
  std::string digits;
  int point = 0;
};

ShortestDecimal shortest_decimal(double v) {
  ShortestDecimal out;
  out.negative = std::signbit(v);
  std::array<char, 40> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(v), std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const size_t e = text.find('e');
  for (const char c : text.substr(0, e)) {
    if (c != '.') out.digits += c;
  }
  const char* exponent = text.data() + e + 1;
  if (*exponent == '+') ++exponent;
  std::from_chars(exponent, end, out.point);
  ++out.point;
  if (v == 0) out.point = 1;
  return out;
}

std::string layout_fixed(const ShortestDecimal& d) {
  std::string out = d.negative ? "-" : "";
  const auto count = static_cast<int>(d.digits.size());
  if (d.point <= 0) {
    out += "0.";
    out.append(static_cast<size_t>(-d.point), '0');
    return out + d.digits;
  }
  if (d.point >= count) {
    out += d.digits;
    out.append(static_cast<size_t>(d.point - count), '0');
    return out;
  }
  out.append(d.digits, 0, static_cast<size_t>(d.point));
  out += '.';
  return out.append(d.digits, static_cast<size_t>(d.point));
}

const char* non_finite_name(double v) {
  if (std::isnan(v)) return "NaN";
  return v > 0 ? "+Inf" : "-Inf";
}

// Go's rule: an underscore stands between two digits, or between the 0x and a digit.
bool underscores_ok(std::string_view number, bool hex) {
  char before = hex ? '0' : '!';
  for (size_t i = hex ? 2 : 0; i < number.size(); ++i) {
    const char c = number[i];
    const bool digit = hex ? hex_value(c) >= 0 : is_digit(c);
    if (c == '_') {
      if (before != '0') return false;
      before = '_';
    } else {
      if (before == '_' && !digit) return false;
      before = digit ? '0' : '!';
    }
  }
  return before != '_';
}

// Tells an overflow from an underflow, which from_chars reports alike. `number` is well formed and without a sign.
bool is_huge(std::string_view number, bool hex) {
  const size_t mark = number.find_first_of(hex ? "pP" : "eE");
  const std::string_view mantissa = number.substr(0, mark);
  int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view text = number.substr(mark + 1);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (std::from_chars(text.data(), text.data() + text.size(), exponent).ec != std::errc()) exponent = 1'000'000'000;
    if (negative) exponent = -exponent;
  }
  const size_t dot = std::min(mantissa.find('.'), mantissa.size());
  const size_t first = mantissa.find_first_not_of("0.");
  if (first == std::string_view::npos) return false;
  const auto magnitude = static_cast<int64_t>(dot) - static_cast<int64_t>(first);
  return exponent + magnitude * (hex ? 4 : 1) > 0;
}

std::optional<double> parse_infinity_or_nan(std::string_view unsigned_text, bool has_sign) {
  if (iequals(unsigned_text, "inf") || iequals(unsigned_text, "infinity"))
    return std::numeric_limits<double>::infinity();
  if (!has_sign && iequals(unsigned_text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

// Reads exactly `count` digits at `*at` and moves past them; -1 when they are not there.
int take_digits(std::string_view text, size_t* at, size_t count) {
  if (*at + count > text.size()) return -1;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = text[*at + i];
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  *at += count;
  return value;
}

bool take(std::string_view text, size_t* at, std::string_view any_of) {
  if (*at >= text.size() || any_of.find(text[*at]) == std::string_view::npos) return false;
  ++*at;
  return true;
}

// Minutes east of UTC at the end of an RFC 3339 text.
std::optional<int> take_zone(std::string_view text, size_t* at) {
  if (take(text, at, "Zz")) return 0;
  const bool west = *at < text.size() && text[*at] == '-';
  if (!take(text, at, "+-")) return std::nullopt;
  const int hours = take_digits(text, at, 2);
  if (hours < 0 || hours > 23 || !take(text, at, ":")) return std::nullopt;
  const int minutes = take_digits(text, at, 2);
  if (minutes < 0 || minutes > 59) return std::nullopt;
  return (west ? -1 : 1) * (hours * 60 + minutes);
}

// Microseconds; digits past the sixth are dropped. Empty when a point has no digit behind it.
std::optional<int> take_fraction(std::string_view text, size_t* at) {
  if (!take(text, at, ".,")) return 0;
  int value = 0;
  int count = 0;
  for (; *at < text.size() && is_digit(text[*at]); ++*at, ++count) {
    if (count < 6) value = value * 10 + (text[*at] - '0');
  }
  if (count == 0) return std::nullopt;
  for (; count < 6; ++count) value *= 10;
  return value;
}

std::optional<TimePoint> parse_rfc3339(std::string_view text) {
  size_t at = 0;
  const int year = take_digits(text, &at, 4);
  if (year < 0 || !take(text, &at, "-")) return std::nullopt;
  const int month = take_digits(text, &at, 2);
  if (month < 1 || !take(text, &at, "-")) return std::nullopt;
  const int day = take_digits(text, &at, 2);
  if (day < 1 || !take(text, &at, "Tt ")) return std::nullopt;
  const int hour = take_digits(text, &at, 2);
  if (hour < 0 || hour > 23 || !take(text, &at, ":")) return std::nullopt;
  const int minute = take_digits(text, &at, 2);
  if (minute < 0 || minute > 59 || !take(text, &at, ":")) return std::nullopt;
  const int second = take_digits(text, &at, 2);
  if (second < 0 || second > 59) return std::nullopt;
  const auto fraction = take_fraction(text, &at);
  if (!fraction) return std::nullopt;
  const auto zone = take_zone(text, &at);
  if (!zone || at != text.size()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return TimePoint(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute - *zone) +
         std::chrono::seconds(second) + Micros(*fraction);
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

// Whether Go's unicode.IsPrint would show it as it is; the rarely met unassigned code points are not told apart.
bool is_printable(uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  struct Range {
    uint32_t first, last;
  };
  static constexpr std::array<Range, 14> kHidden{{{0x80, 0xA0},
                                                  {0xAD, 0xAD},
                                                  {0x600, 0x605},
                                                  {0x61C, 0x61C},
                                                  {0x1680, 0x1680},
                                                  {0x180E, 0x180E},
                                                  {0x2000, 0x200F},
                                                  {0x2028, 0x202F},
                                                  {0x205F, 0x206F},
                                                  {0x3000, 0x3000},
                                                  {0xE000, 0xF8FF},
                                                  {0xFEFF, 0xFEFF},
                                                  {0xFFF9, 0xFFFB},
                                                  {0xE0000, 0x10FFFF}}};
  return std::none_of(kHidden.begin(), kHidden.end(), [c](Range r) { return c >= r.first && c <= r.last; });
}

std::string_view go_short_escape(char c) {
  switch (c) {
    case '\a': return "\\a";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\v': return "\\v";
    case '\\': return "\\\\";
    case '"': return "\\\"";
    default: return {};
  }
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  size_t start = 0;
  for (size_t at = text.find(separator); at != std::string_view::npos; at = text.find(separator, start)) {
    parts.push_back(text.substr(start, at - start));
    start = at + 1;
  }
  parts.push_back(text.substr(start));
  return parts;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool iequals(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  if (from.empty()) return text;
  size_t at = text.find(from);
  if (at == std::string::npos) return text;
  std::string out;
  size_t start = 0;
  for (; at != std::string::npos; at = text.find(from, start)) {
    out.append(text, start, at - start).append(to);
    start = at + from.size();
  }
  return out.append(text, start);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::optional<int64_t> parse_int(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [ptr, ec] = std::from_chars(text.data(), end, value);
  if (ec != std::errc() || ptr != end || text.empty()) return std::nullopt;
  return value;
}

std::optional<double> parse_double(std::string_view text) {
  const bool negative = text.starts_with('-');
  const bool has_sign = negative || text.starts_with('+');
  if (has_sign) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  const double sign = negative ? -1.0 : 1.0;
  if (!is_digit(text[0]) && text[0] != '.') {
    const auto special = parse_infinity_or_nan(text, has_sign);
    if (!special) return std::nullopt;
    return sign * *special;
  }
  const bool hex = text.size() > 2 && text[0] == '0' && lower(text[1]) == 'x';
  if (hex && text.find_first_of("pP") == std::string_view::npos) return std::nullopt;  // as in Go
  std::string plain;
  if (text.find('_') != std::string_view::npos) {
    if (!underscores_ok(text, hex)) return std::nullopt;
    plain = replace_all(std::string(text), "_", "");
    text = plain;
  }
  if (hex) text.remove_prefix(2);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [ptr, ec] =
      std::from_chars(text.data(), end, value, hex ? std::chars_format::hex : std::chars_format::general);
  if (ptr != end || ec == std::errc::invalid_argument) return std::nullopt;
  if (ec == std::errc::result_out_of_range) {
    if (is_huge(text, hex)) return std::nullopt;
    value = 0;
  }
  return sign * value;
}

std::string format_double(double v) {
  if (!std::isfinite(v)) return non_finite_name(v);
  return layout_fixed(shortest_decimal(v));
}

std::string format_double_g(double v) {
  if (!std::isfinite(v)) return non_finite_name(v);
  const ShortestDecimal d = shortest_decimal(v);
  const int exponent = d.point - 1;
  if (exponent >= -4 && exponent < 6) return layout_fixed(d);
  std::string out = d.negative ? "-" : "";
  out += d.digits[0];
  if (d.digits.size() > 1) out.append(".").append(d.digits, 1);
  return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
}

bool is_valid_utf8(std::string_view text) {
  while (true) {
    text.remove_prefix(ascii_prefix(text));
    if (text.empty()) return true;
    const CodePoint c = decode_utf8(text);
    if (c.size_bytes == 0) return false;
    text.remove_prefix(c.size_bytes);
  }
}

std::string_view utf8_prefix(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  // At most three continuation bytes belong to one sequence; more are malformed and cut anywhere.
  for (int back = 0; back < 3 && end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80; ++back) --end;
  if (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) end = max_bytes;
  return text.substr(0, end);
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t plain = ascii_prefix(text);
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t size = decode_utf8(text).size_bytes;
    out.append(size == 0 ? kReplacement : text.substr(0, size));
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return out;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto push = [&out](uint32_t byte) { out += static_cast<char>(static_cast<uint8_t>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | (c >> 6)), push(0x80 | (c & 0x3F));
  } else if ((c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) {
    out += kReplacement;
  } else if (c < 0x10000) {
    push(0xE0 | (c >> 12)), push(0x80 | ((c >> 6) & 0x3F)), push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | (c >> 18)), push(0x80 | ((c >> 12) & 0x3F)), push(0x80 | ((c >> 6) & 0x3F)), push(0x80 | (c & 0x3F));
  }
}

std::string json_quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_quoted(out, text);
  return out;
}

void append_json_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (size_t i = 0; i < text.size();) {
    size_t plain = i;
    while (plain < text.size() && static_cast<uint8_t>(text[plain]) < 0x80 &&
           static_cast<uint8_t>(text[plain]) >= 0x20 && text[plain] != '"' && text[plain] != '\\') {
      ++plain;
    }
    out.append(text, i, plain - i);
    i = plain;
    if (i == text.size()) break;
    const char c = text[i];
    if (static_cast<uint8_t>(c) >= 0x80) {
      const size_t size = decode_utf8(text.substr(i)).size_bytes;
      out.append(size == 0 ? kReplacement : text.substr(i, size));
      i += std::max<size_t>(size, 1);
      continue;
    }
    const std::string_view escape = c == '\a' || c == '\v' ? std::string_view() : go_short_escape(c);
    if (!escape.empty()) {
      out += escape;
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    }
    ++i;
  }
  out += '"';
}

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    const auto first = static_cast<uint8_t>(text[0]);
    const std::string_view escape = go_short_escape(text[0]);
    if (!escape.empty()) {
      out += escape;
    } else if (c.size_bytes == 0 || (c.value < 0x80 && !is_printable(c.value))) {
      out.append("\\x").append(1, kHexDigits[first >> 4]).append(1, kHexDigits[first & 15]);
    } else if (is_printable(c.value)) {
      out += text.substr(0, c.size_bytes);
    } else if (c.value < 0x10000) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c.value);
    } else {
      fmt::format_to(std::back_inserter(out), "\\U{:08x}", c.value);
    }
    text.remove_prefix(std::max<size_t>(c.size_bytes, 1));
  }
  return out + "\"";
}

std::string hex_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
  return out;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = (group << 8) | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) out += k <= count ? kBase64[(group >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) text.remove_suffix(1), ++padding;
  if (text.size() % 4 == 1 || (padding > 0 && (text.size() + padding) % 4 != 0)) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(static_cast<uint8_t>(bits >> count));
    }
  }
  return out;
}

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned>(static_cast<uint8_t>(c)));
    }
  }
  return out;
}

std::optional<std::string> url_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(static_cast<uint8_t>(high * 16 + low));
      i += 2;
    }
  }
  return out;
}

std::string html_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string format_rfc3339(TimePoint t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const int64_t us = (t - day).count();
  const int64_t s = us / 1'000'000;
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), s / 3600,
                                s / 60 % 60, s % 60);
  const int64_t fraction = us % 1'000'000;
  return out + (fraction % 1000 == 0 ? fmt::format(".{:03}Z", fraction / 1000) : fmt::format(".{:06}Z", fraction));
}

Result<TimePoint> parse_time(std::string_view text) {
  if (const auto t = parse_rfc3339(text)) return *t;
  if (const auto seconds = parse_double(text)) {
    constexpr double kSecondsMax = 9.2e12;  // what int64 microseconds hold
    if (!std::isfinite(*seconds) || std::abs(*seconds) > kSecondsMax) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("time out of range: {}", go_quote(text)));
    }
    double whole = 0;
    const double part = std::modf(*seconds, &whole);
    return time_from_us(static_cast<int64_t>(whole) * 1'000'000 + std::llround(part * 1e6));
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("cannot parse {} as a time: expected RFC 3339 (2026-01-02T15:04:05Z) or seconds since 1970",
                          go_quote(text)));
}

}  // namespace sentinel
