#pragma once
// Splits SQL into tokens, as far as is needed to leave strings, quoted names and comments alone.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sentinel::events {

enum class TokenKind { kSpace, kWord, kQuotedName, kBacktick, kString, kNumber, kSymbol };

// [begin, end) of the text. White space and comments are kSpace; a symbol is one character.
struct Token {
  TokenKind kind = TokenKind::kSpace;
  size_t begin = 0;
  size_t end = 0;
};

// kInvalidArgument with position: a string, quoted name or comment that does not end. Safe on any bytes.
Result<std::vector<Token>> lex_sql(std::string_view sql);

// Line and column from 1; columns in bytes.
Position position_in(std::string_view text, size_t offset);
tl::unexpected<Error> sql_error(std::string_view sql, size_t at, std::string message);

}  // namespace sentinel::events
