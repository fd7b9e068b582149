#include "events/sql_lexer.h"

#include <optional>

namespace sentinel::events {
namespace {

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word_part(char c) { return is_word_start(c) || is_digit(c) || c == '$'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

// Splits the text; white space and comments are kSpace.
class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> tokens;
    while (at_ < sql_.size()) {
      Token token;
      token.begin = at_;
      SENTINEL_ASSIGN(token.kind, next());
      token.end = at_;
      tokens.push_back(token);
    }
    return tokens;
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  Result<TokenKind> next() {
    const char c = peek();
    if (is_blank(c)) return blank();
    if (c == '-' && peek(1) == '-') return line_comment();
    if (c == '/' && peek(1) == '*') return block_comment();
    if ((c == 'e' || c == 'E') && peek(1) == '\'') return escaped_string();
    if (c == '\'') return quoted('\'', TokenKind::kString, "string");
    if (c == '"') return quoted('"', TokenKind::kQuotedName, "quoted name");
    if (c == '`') return quoted('`', TokenKind::kBacktick, "back-quoted name");
    if (c == '$') {
      if (const auto tag = dollar_tag()) return dollar_string(*tag);
    }
    if (is_word_start(c)) {
      while (is_word_part(peek()) && at_ < sql_.size()) ++at_;
      return TokenKind::kWord;
    }
    if (is_digit(c)) {
      while (is_word_part(peek()) || peek() == '.') ++at_;
      return TokenKind::kNumber;
    }
    ++at_;
    return TokenKind::kSymbol;
  }
  TokenKind blank() {
    while (is_blank(peek()) && at_ < sql_.size()) ++at_;
    return TokenKind::kSpace;
  }
  TokenKind line_comment() {
    while (at_ < sql_.size() && sql_[at_] != '\n') ++at_;
    return TokenKind::kSpace;
  }
  Result<TokenKind> block_comment() {  // they nest
    const size_t begin = at_;
    size_t depth = 0;
    while (at_ < sql_.size()) {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        at_ += 2;
        if (--depth == 0) return TokenKind::kSpace;
      } else {
        ++at_;
      }
    }
    return sql_error(sql_, begin, "comment does not end");
  }
  Result<TokenKind> quoted(char quote, TokenKind kind, const char* what) {
    const size_t begin = at_++;
    while (at_ < sql_.size()) {
      if (sql_[at_++] != quote) continue;
      if (peek() != quote) return kind;
      ++at_;  // doubled: a quote inside
    }
    return sql_error(sql_, begin, std::string(what) + " does not end");
  }
  Result<TokenKind> escaped_string() {
    const size_t begin = at_;
    at_ += 2;
    while (at_ < sql_.size()) {
      const char c = sql_[at_++];
      if (c == '\\') {
        ++at_;
      } else if (c == '\'') {
        if (peek() != '\'') return TokenKind::kString;
        ++at_;
      }
    }
    at_ = sql_.size();
    return sql_error(sql_, begin, "string does not end");
  }
  // $$ or $name$
  std::optional<std::string_view> dollar_tag() const {
    size_t end = at_ + 1;
    while (end < sql_.size() && sql_[end] != '$' && is_word_part(sql_[end])) ++end;
    if (end >= sql_.size() || sql_[end] != '$') return std::nullopt;
    if (end > at_ + 1 && is_digit(sql_[at_ + 1])) return std::nullopt;
    return sql_.substr(at_, end + 1 - at_);
  }
  Result<TokenKind> dollar_string(std::string_view tag) {
    const size_t begin = at_;
    const size_t close = sql_.find(tag, at_ + tag.size());
    if (close == std::string_view::npos) return sql_error(sql_, begin, "string does not end");
    at_ = close + tag.size();
    return TokenKind::kString;
  }

  std::string_view sql_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<Token>> lex_sql(std::string_view sql) { return Lexer(sql).run(); }

Position position_in(std::string_view text, size_t offset) {
  Position p;
  p.line = 1;
  p.column = 1;
  for (size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++p.line;
      p.column = 1;
    } else {
      ++p.column;
    }
  }
  return p;
}

tl::unexpected<Error> sql_error(std::string_view sql, size_t at, std::string message) {
  return fail(Error(ErrorCode::kInvalidArgument, std::move(message), position_in(sql, at)));
}

}  // namespace sentinel::events
