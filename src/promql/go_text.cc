#include "promql/go_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace sentinel::promql {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

void append_code_point(std::string& out, uint32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = kReplacement;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// Go's unicode.IsPrint for what occurs in practice: no controls, separators, format characters or private use.
bool printable(uint32_t c) {
  if (c < 0x20 || c == 0x7F) return false;
  if (c < 0x7F) return true;
  if (c < 0xA1 || c == 0xAD) return false;
  if (c >= 0x2000 && c <= 0x200F) return false;
  if (c >= 0x2028 && c <= 0x202F) return false;
  if (c >= 0x205F && c <= 0x206F) return false;
  if (c == 0x3000 || c == 0xFEFF) return false;
  if (c >= 0xD800 && c <= 0xF8FF) return false;
  if (c >= 0xFFF0 && c <= 0xFFFB) return false;
  return c <= 0xE0000;
}

void append_escaped(std::string& out, uint32_t c, char quote) {
  if (c == static_cast<uint32_t>(quote) || c == '\\') {
    out += '\\';
    out += static_cast<char>(c);
    return;
  }
  if (printable(c)) {
    append_code_point(out, c);
    return;
  }
  switch (c) {
    case '\a': out += "\\a"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\v': out += "\\v"; return;
    default: break;
  }
  if (c < 0x20 || c == 0x7F) {
    out += fmt::format("\\x{:02x}", c);
  } else if (c < 0x10000) {
    out += fmt::format("\\u{:04x}", c);
  } else {
    out += fmt::format("\\U{:08x}", c);
  }
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads `count` digits of `base` from the front of `text`.
std::optional<uint32_t> take_digits(std::string_view& text, size_t count, int base) {
  if (text.size() < count) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const int digit = hex_value(text[i]);
    if (digit < 0 || digit >= base) return std::nullopt;
    value = value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
  }
  text.remove_prefix(count);
  return value;
}

// One escape sequence after the backslash; false when it is malformed.
bool unescape(std::string_view& text, char quote, std::string& out) {
  if (text.empty()) return false;
  const char c = text[0];
  text.remove_prefix(1);
  switch (c) {
    case 'a': out += '\a'; return true;
    case 'b': out += '\b'; return true;
    case 'f': out += '\f'; return true;
    case 'n': out += '\n'; return true;
    case 'r': out += '\r'; return true;
    case 't': out += '\t'; return true;
    case 'v': out += '\v'; return true;
    case '\\': out += '\\'; return true;
    default: break;
  }
  if (c == 'x' || c == 'u' || c == 'U') {
    const auto value = take_digits(text, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
    if (!value || *value > 0x10FFFF) return false;
    if (c == 'x') {
      out += static_cast<char>(*value);
    } else {
      append_code_point(out, *value);
    }
    return true;
  }
  if (c >= '0' && c <= '7') {
    const auto rest = take_digits(text, 2, 8);
    if (!rest) return false;
    const uint32_t value = static_cast<uint32_t>(c - '0') * 64 + *rest;
    if (value > 255) return false;
    out += static_cast<char>(value);
    return true;
  }
  if ((c == '\'' || c == '"') && c == quote) {
    out += c;
    return true;
  }
  return false;
}

std::string special(double v) {
  if (std::isnan(v)) return "NaN";
  return v > 0 ? "+Inf" : "-Inf";
}

std::optional<double> from_chars_double(std::string_view text, std::chars_format format) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v, format);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too large becomes infinite, too small becomes zero; which one shows in the exponent's sign.
    const size_t e = text.find_first_of(format == std::chars_format::hex ? "pP" : "eE");
    const bool tiny = e != std::string_view::npos && e + 1 < text.size() && text[e + 1] == '-';
    return tiny ? 0.0 : std::numeric_limits<double>::infinity();
  }
  if (error != std::errc()) return std::nullopt;
  return v;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

std::string without_underscores(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

}  // namespace

Rune decode_rune(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  if (first < 0x80) return {first, 1};
  const int length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first > 0xF4 || at + static_cast<size_t>(length) > text.size()) return {kReplacement, 1};
  uint32_t value = first & (0x7F >> length);
  for (int i = 1; i < length; ++i) {
    const uint8_t next = byte(at + static_cast<size_t>(i));
    if ((next & 0xC0) != 0x80) return {kReplacement, 1};
    value = value << 6 | (next & 0x3F);
  }
  static constexpr std::array<uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[static_cast<size_t>(length)] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    return {kReplacement, 1};
  }
  return {value, length};
}

std::string quote_rune(uint32_t rune) {
  std::string out = "'";
  append_escaped(out, rune, '\'');
  return out + "'";
}

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const Rune r = decode_rune(text, i);
    if (r.value == kReplacement && r.length == 1) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[i]));
    } else {
      append_escaped(out, r.value, '"');
    }
    i += static_cast<size_t>(r.length);
  }
  return out + "\"";
}

std::optional<std::string> go_unquote(std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != quoted.back()) return std::nullopt;
  const char quote = quoted.front();
  std::string_view text = quoted.substr(1, quoted.size() - 2);
  if (quote == '`') {
    if (text.find('`') != std::string_view::npos) return std::nullopt;
    return std::string(text);
  }
  if ((quote != '"' && quote != '\'') || text.find('\n') != std::string_view::npos) return std::nullopt;
  std::string out;
  while (!text.empty()) {
    if (text[0] == quote) return std::nullopt;
    if (text[0] != '\\') {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(1);
    if (!unescape(text, quote, out)) return std::nullopt;
  }
  return out;
}

std::string format_go_f(double v) {
  if (!std::isfinite(v)) return special(v);
  std::array<char, 400> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v, std::chars_format::fixed);
  return std::string(buffer.data(), result.ptr);
}

std::string format_go_g(double v) {
  if (!std::isfinite(v)) return special(v);
  std::array<char, 64> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v, std::chars_format::scientific);
  const std::string text(buffer.data(), result.ptr);
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + e + 1;
  if (*digits == '+') ++digits;
  std::from_chars(digits, text.data() + text.size(), exponent);
  constexpr int kExponentShown = 6;  // Go's precision for this decision when it prints the shortest form
  if (exponent < -4 || exponent >= kExponentShown) return text;
  return format_go_f(v);
}

std::optional<double> parse_go_float(std::string_view text) {
  std::string_view digits = text;
  bool negative = false;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  if (digits.empty()) return std::nullopt;
  std::optional<double> value;
  if (equals_ignoring_case(digits, "inf") || equals_ignoring_case(digits, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else if (equals_ignoring_case(digits, "nan")) {
    if (digits.size() != text.size()) return std::nullopt;
    return std::numeric_limits<double>::quiet_NaN();
  } else {
    const std::string plain = without_underscores(digits);
    const bool hex = plain.size() > 2 && plain[0] == '0' && (plain[1] | 0x20) == 'x';
    if (!hex && (plain[0] != '.' && !(plain[0] >= '0' && plain[0] <= '9'))) return std::nullopt;
    value = hex ? from_chars_double(std::string_view(plain).substr(2), std::chars_format::hex)
                : from_chars_double(plain, std::chars_format::general);
  }
  if (!value) return std::nullopt;
  return negative ? -*value : *value;
}

std::optional<double> parse_number_literal(std::string_view text) {
  const std::string plain = without_underscores(text);
  std::string_view digits = plain;
  bool negative = false;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char prefix = static_cast<char>(digits[1] | 0x20);
    base = prefix == 'x' ? 16 : prefix == 'b' ? 2 : 8;
    digits.remove_prefix(prefix == 'x' || prefix == 'b' || prefix == 'o' ? 2 : 1);
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error == std::errc() && end == digits.data() + digits.size() && !digits.empty()) {
    return static_cast<double>(negative ? -value : value);
  }
  return parse_go_float(text);
}

Result<int64_t> parse_duration_ms(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::kInvalidArgument, "empty duration string");
  if (text == "0") return 0;
  struct Unit {
    std::string_view name;
    int64_t ms;
  };
  static constexpr std::array<Unit, 7> kUnits{{{"y", 31'536'000'000}, {"w", 604'800'000}, {"d", 86'400'000},
                                               {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
  constexpr int64_t kMaxMs = std::numeric_limits<int64_t>::max() / 1'000'000;
  const auto invalid = [&] { return fail(ErrorCode::kInvalidArgument, "not a valid duration string: " + go_quote(text)); };
  std::string_view rest = text;
  size_t next_unit = 0;
  int64_t total = 0;
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const size_t unit_end = std::min(rest.find_first_of("0123456789", digits), rest.size());
    const std::string_view unit = rest.substr(digits, unit_end - digits);
    if (digits == 0 || unit.empty()) return invalid();
    if (std::none_of(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == unit; })) {
      return fail(ErrorCode::kInvalidArgument, "unknown unit " + go_quote(unit) + " in duration " + go_quote(text));
    }
    while (next_unit < kUnits.size() && kUnits[next_unit].name != unit) ++next_unit;
    if (next_unit == kUnits.size()) return invalid();
    int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + digits, count);
    if (error != std::errc() || count > kMaxMs / kUnits[next_unit].ms ||
        total > kMaxMs - count * kUnits[next_unit].ms) {
      return fail(ErrorCode::kInvalidArgument, "duration out of range");
    }
    total += count * kUnits[next_unit].ms;
    ++next_unit;
    rest.remove_prefix(unit_end);
  }
  return total;
}

std::string duration_text(int64_t ms) {
  if (ms == 0) return "0s";
  std::string out;
  const auto unit = [&](const char* name, int64_t size, bool exact) {
    if (exact && ms % size != 0) return;
    const int64_t count = ms / size;
    if (count <= 0) return;
    out += std::to_string(count) + name;
    ms -= count * size;
  };
  unit("y", 31'536'000'000, true);
  unit("w", 604'800'000, true);
  unit("d", 86'400'000, false);
  unit("h", 3'600'000, false);
  unit("m", 60'000, false);
  unit("s", 1000, false);
  unit("ms", 1, false);
  return out;
}

int64_t seconds_to_ms(double seconds) {
  constexpr double kNanosPerSecond = 1e9;
  constexpr double kLimit = 9.2e18;
  const double nanos = std::clamp(std::round(seconds * kNanosPerSecond), -kLimit, kLimit);
  return static_cast<int64_t>(nanos) / 1'000'000;
}

}  // namespace sentinel::promql
