#pragma once
// Template source to tokens. Internal to the template engine.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sentinel::text {

enum class Token : uint8_t {
  kEof,
  kError,
  kText,
  kLeftDelim,
  kRightDelim,
  kSpace,
  kPipe,
  kAssign,
  kDeclare,
  kComma,
  kChar,
  kLeftParen,
  kRightParen,
  kBool,
  kDot,
  kNil,
  kField,
  kVariable,
  kIdentifier,
  kNumber,
  kCharConstant,
  kString,
  kRawString,
  // Keywords; kBlock is the first.
  kBlock,
  kBreak,
  kContinue,
  kDefine,
  kElse,
  kEnd,
  kIf,
  kRange,
  kTemplate,
  kWith,
};

struct Item {
  Token token = Token::kEof;
  std::string_view text;  // into the source; of kError into LexedTemplate::error
  size_t pos = 0;
  int line = 1;
};

// Items end with kEof or kError. `source` must outlive it.
struct LexedTemplate {
  std::vector<Item> items;
  std::string error;
};
LexedTemplate lex_template(std::string_view source);

// As the parser's messages show a token: "EOF", "<if>", a quoted text cut after ten bytes.
std::string describe(const Item& item);

}  // namespace sentinel::text
