#pragma once
// What Go's packages unicode and strings know of characters, over ICU's tables.

#include <cstdint>
#include <string>
#include <string_view>

namespace sentinel::text {

struct Rune {
  uint32_t code = 0;  // 0xFFFD for a malformed byte
  int bytes = 0;      // 0 at the end of the text
  bool valid = true;
};
Rune decode_rune(std::string_view text);
size_t rune_count(std::string_view text);  // a malformed byte counts as one

bool is_letter(uint32_t code);
bool is_digit(uint32_t code);
bool is_printable(uint32_t code);                  // strconv.IsPrint
std::string unicode_upper(std::string_view text);  // rune by rune, as strings.ToUpper
std::string unicode_lower(std::string_view text);
// golang.org/x/text/cases.Title: the first letter of each word; the rest lower-cased unless `keep_rest`.
std::string title_case(std::string_view text, bool keep_rest);
std::string_view trim_unicode_space(std::string_view text);  // strings.TrimSpace

}  // namespace sentinel::text
