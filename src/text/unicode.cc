#include "text/unicode.h"

#include <unicode/uchar.h>

#include "base/strings.h"

namespace sentinel::text {
namespace {

template <class F>
std::string map_runes(std::string_view text, F f) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    Rune rune = decode_rune(text);
    append_utf8(out, f(rune.code));
    text.remove_prefix(static_cast<size_t>(rune.bytes));
  }
  return out;
}

UChar32 icu(uint32_t code) { return static_cast<UChar32>(code); }
bool is_word(uint32_t code) {
  return is_letter(code) || is_digit(code) || code == '_' || u_getCombiningClass(icu(code)) != 0;
}
// Punctuation that does not end a word when it stands between two letters (UAX 29: MidLetter, MidNumLet).
bool joins_letters(uint32_t code) {
  return code == '\'' || code == '.' || code == ':' || code == 0xB7 || code == 0x2019 || code == 0x2018;
}
bool joins_digits(uint32_t code) { return code == '\'' || code == '.' || code == ',' || code == ';'; }

bool stays_in_word(uint32_t before, uint32_t code, std::string_view rest) {
  if (is_word(code)) return true;
  uint32_t after = decode_rune(rest).code;
  return (joins_letters(code) && is_letter(before) && is_letter(after)) ||
         (joins_digits(code) && is_digit(before) && is_digit(after));
}

bool is_go_space(uint32_t c) {
  return (c >= '\t' && c <= '\r') || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace

Rune decode_rune(std::string_view text) {
  if (text.empty()) return {};
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const int length = first >= 0xF0 && first <= 0xF4  ? 4
                     : first >= 0xE0 && first < 0xF0 ? 3
                     : first >= 0xC2 && first < 0xE0 ? 2
                                                     : 0;
  if (length == 0 || text.size() < static_cast<size_t>(length)) return {0xFFFD, 1, false};
  uint32_t code = first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < static_cast<size_t>(length); ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0xFFFD, 1, false};
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {0xFFFD, 1, false};
  return {code, length, true};
}

size_t rune_count(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    text.remove_prefix(static_cast<size_t>(decode_rune(text).bytes));
    ++count;
  }
  return count;
}

bool is_letter(uint32_t code) {
  if (code < 0x80) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
  return (U_GET_GC_MASK(icu(code)) & U_GC_L_MASK) != 0;
}
bool is_digit(uint32_t code) {
  if (code < 0x80) return code >= '0' && code <= '9';
  return u_charType(icu(code)) == U_DECIMAL_DIGIT_NUMBER;
}
bool is_printable(uint32_t code) {
  if (code < 0x80) return code >= 0x20 && code < 0x7F;
  return (U_GET_GC_MASK(icu(code)) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK | U_GC_P_MASK | U_GC_S_MASK)) != 0;
}

std::string unicode_upper(std::string_view text) {
  return map_runes(text, [](uint32_t c) { return static_cast<uint32_t>(u_toupper(icu(c))); });
}
std::string unicode_lower(std::string_view text) {
  return map_runes(text, [](uint32_t c) { return static_cast<uint32_t>(u_tolower(icu(c))); });
}

std::string title_case(std::string_view text, bool keep_rest) {
  std::string out;
  out.reserve(text.size());
  bool in_word = false;
  bool titled = false;
  uint32_t before = 0;
  while (!text.empty()) {
    Rune rune = decode_rune(text);
    text.remove_prefix(static_cast<size_t>(rune.bytes));
    const bool word = in_word ? stays_in_word(before, rune.code, text) : is_word(rune.code);
    if (!word || !in_word) titled = false;
    in_word = word;
    uint32_t code = rune.code;
    if (word && is_letter(code)) {
      if (!titled) {
        code = static_cast<uint32_t>(u_totitle(icu(code)));
      } else if (!keep_rest) {
        code = static_cast<uint32_t>(u_tolower(icu(code)));
      }
      titled = true;
    }
    append_utf8(out, code);
    before = rune.code;
  }
  return out;
}

std::string_view trim_unicode_space(std::string_view text) {
  while (!text.empty()) {
    Rune rune = decode_rune(text);
    if (!is_go_space(rune.code)) break;
    text.remove_prefix(static_cast<size_t>(rune.bytes));
  }
  size_t end = 0;  // after the last character that is not a space
  for (size_t at = 0; at < text.size();) {
    Rune rune = decode_rune(text.substr(at));
    at += static_cast<size_t>(rune.bytes);
    if (!is_go_space(rune.code)) end = at;
  }
  return text.substr(0, end);
}

}  // namespace sentinel::text
