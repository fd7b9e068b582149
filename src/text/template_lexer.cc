#include "text/template_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "text/gofmt.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::pair<std::string_view, Token> kKeywords[] = {
    {"block", Token::kBlock},   {"break", Token::kBreak},       {"continue", Token::kContinue},
    {"define", Token::kDefine}, {"else", Token::kElse},         {"end", Token::kEnd},
    {"if", Token::kIf},         {"range", Token::kRange},       {"nil", Token::kNil},
    {"with", Token::kWith},     {"template", Token::kTemplate}, {"true", Token::kBool},
    {"false", Token::kBool}};

bool is_space(char c) { return kSpaces.find(c) != std::string_view::npos; }
bool is_word(uint32_t code) { return code == '_' || is_letter(code) || is_digit(code); }

// fmt's %#U.
std::string describe_rune(uint32_t code) {
  std::string out = fmt::format("U+{:04X}", code);
  if (is_printable(code)) {
    out += " '";
    append_utf8(out, code);
    out += "'";
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}
  LexedTemplate run();

 private:
  std::string_view rest() const { return source_.substr(pos_); }
  bool at(std::string_view text) const { return rest().starts_with(text); }
  Rune rune() const { return decode_rune(rest()); }
  void emit(Token token);
  bool fail(std::string message);
  bool left_trim_marker(size_t at) const;
  bool at_right_delim(bool& trims) const;
  void skip_spaces() { pos_ = std::min(source_.find_first_not_of(kSpaces, pos_), source_.size()); }

  void text();
  bool comment();
  bool action();
  bool action_item();
  void spaces();
  bool word_end();
  bool identifier();
  bool field_or_variable(Token token);
  bool number();
  bool scan_number();
  bool quoted(char quote, Token token, std::string_view what);
  bool raw_quoted();

  std::string_view source_;
  size_t start_ = 0;
  size_t pos_ = 0;
  int line_ = 1;
  int parens_ = 0;
  LexedTemplate out_;
};

void Lexer::emit(Token token) {
  std::string_view text = source_.substr(start_, pos_ - start_);
  out_.items.push_back({token, text, start_, line_});
  line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  start_ = pos_;
}

bool Lexer::fail(std::string message) {
  out_.error = std::move(message);
  out_.items.push_back({Token::kError, out_.error, start_, line_});
  return false;
}

bool Lexer::left_trim_marker(size_t at) const {
  return at + 1 < source_.size() && source_[at] == '-' && is_space(source_[at + 1]);
}

bool Lexer::at_right_delim(bool& trims) const {
  const std::string_view r = rest();
  trims = r.size() >= 4 && is_space(r[0]) && r[1] == '-' && r.substr(2).starts_with("}}");
  return trims || r.starts_with("}}");
}

// Emits the text before the next action, trimmed where its "{{- " asks; leaves pos_ at "{{" or at the end.
void Lexer::text() {
  size_t open = source_.find("{{", pos_);
  const size_t end = std::min(open, source_.size());
  size_t text_end = end;
  if (open != std::string_view::npos && left_trim_marker(open + 2)) {
    while (text_end > start_ && is_space(source_[text_end - 1])) --text_end;
  }
  pos_ = text_end;
  if (pos_ > start_) emit(Token::kText);
  line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(text_end),
                                       source_.begin() + static_cast<ptrdiff_t>(end), '\n'));
  pos_ = start_ = end;
}

bool Lexer::comment() {
  const size_t close = source_.find("*/", pos_ + 2);
  if (close == std::string_view::npos) return fail("unclosed comment");
  line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(pos_),
                                       source_.begin() + static_cast<ptrdiff_t>(close), '\n'));
  pos_ = close + 2;
  bool trims = false;
  if (!at_right_delim(trims)) return fail("comment ends before closing delimiter");
  const size_t before = pos_;
  pos_ += trims ? 4 : 2;
  if (trims) skip_spaces();
  line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(before),
                                       source_.begin() + static_cast<ptrdiff_t>(pos_), '\n'));
  start_ = pos_;
  return true;
}

bool Lexer::action() {
  const size_t marker = left_trim_marker(pos_ + 2) ? 2 : 0;
  if (source_.substr(pos_ + 2 + marker).starts_with("/*")) {
    pos_ += 2 + marker;
    start_ = pos_;
    return comment();
  }
  pos_ += 2;
  emit(Token::kLeftDelim);
  pos_ += marker;
  start_ = pos_;
  parens_ = 0;
  while (true) {
    bool trims = false;
    if (at_right_delim(trims)) {
      if (parens_ > 0) return fail("unclosed left paren");
      if (trims) {
        line_ += source_[pos_] == '\n' ? 1 : 0;
        pos_ += 2;
        start_ = pos_;
      }
      pos_ += 2;
      emit(Token::kRightDelim);
      if (trims) {
        skip_spaces();
        line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(start_),
                                             source_.begin() + static_cast<ptrdiff_t>(pos_), '\n'));
        start_ = pos_;
      }
      return true;
    }
    if (!action_item()) return false;
  }
}

void Lexer::spaces() {
  while (pos_ < source_.size() && is_space(source_[pos_])) ++pos_;
  // The last space belongs to a " -}}" that follows.
  if (pos_ < source_.size() && at("-}}")) --pos_;
  if (pos_ > start_) emit(Token::kSpace);
}

bool Lexer::action_item() {
  if (pos_ >= source_.size()) return fail("unclosed action");
  const Rune next = rune();
  const char c = next.bytes == 1 && next.valid ? static_cast<char>(next.code) : '\0';
  const auto one = [&](Token token) {
    ++pos_;
    emit(token);
    return true;
  };
  if (c != '\0' && is_space(c)) {
    spaces();
    return true;
  }
  switch (c) {
    case '=': return one(Token::kAssign);
    case '|': return one(Token::kPipe);
    case ',': return one(Token::kComma);
    case '(': ++parens_; return one(Token::kLeftParen);
    case ')': one(Token::kRightParen); return --parens_ >= 0 || fail("unexpected right paren");
    case ':':
      ++pos_;
      if (!at("=")) return fail("expected :=");
      return one(Token::kDeclare);
    case '"': return quoted('"', Token::kString, "unterminated quoted string");
    case '\'': return quoted('\'', Token::kCharConstant, "unterminated character constant");
    case '`': return raw_quoted();
    case '$': ++pos_; return field_or_variable(Token::kVariable);
    case '.':
      if (pos_ + 1 < source_.size() && (source_[pos_ + 1] < '0' || source_[pos_ + 1] > '9')) {
        ++pos_;
        return field_or_variable(Token::kField);
      }
      return number();
    default: break;
  }
  if (c == '+' || c == '-' || (c >= '0' && c <= '9')) return number();
  if (is_word(next.code)) return identifier();
  if (next.code < 0x80 && is_printable(next.code)) return one(Token::kChar);
  return fail("unrecognized character in action: " + describe_rune(next.code));
}

bool Lexer::word_end() {
  if (pos_ >= source_.size() || is_space(source_[pos_]) || at("}}")) return true;
  if (std::string_view(".,|:)(").find(source_[pos_]) != std::string_view::npos) return true;
  return fail("bad character " + describe_rune(rune().code));
}

bool Lexer::identifier() {
  while (pos_ < source_.size() && is_word(rune().code)) pos_ += static_cast<size_t>(rune().bytes);
  if (!word_end()) return false;
  const std::string_view word = source_.substr(start_, pos_ - start_);
  const auto* keyword =
      std::find_if(std::begin(kKeywords), std::end(kKeywords), [&](const auto& k) { return k.first == word; });
  emit(keyword == std::end(kKeywords) ? Token::kIdentifier : keyword->second);
  return true;
}

// After the "$" or the ".".
bool Lexer::field_or_variable(Token token) {
  const size_t name = pos_;
  while (pos_ < source_.size() && is_word(rune().code)) pos_ += static_cast<size_t>(rune().bytes);
  if (!word_end()) return false;
  emit(pos_ == name && token == Token::kField ? Token::kDot : token);
  return true;
}

bool Lexer::scan_number() {
  const auto accept = [&](std::string_view set) {
    if (pos_ >= source_.size() || set.find(source_[pos_]) == std::string_view::npos) return false;
    ++pos_;
    return true;
  };
  const auto run = [&](std::string_view set) {
    while (accept(set)) {
    }
  };
  accept("+-");
  std::string_view digits = "0123456789_";
  bool hexadecimal = false;
  bool decimal = true;
  if (accept("0")) {
    if (accept("xX")) {
      digits = "0123456789abcdefABCDEF_";
      hexadecimal = true;
    } else if (accept("oO")) {
      digits = "01234567_";
    } else if (accept("bB")) {
      digits = "01_";
    }
    decimal = digits.size() == 11;
  }
  run(digits);
  if (accept(".")) run(digits);
  if ((decimal && accept("eE")) || (hexadecimal && accept("pP"))) {
    accept("+-");
    run("0123456789_");
  }
  accept("i");
  if (pos_ < source_.size() && is_word(rune().code)) {
    pos_ += static_cast<size_t>(rune().bytes);
    return false;
  }
  return true;
}

bool Lexer::number() {
  const auto bad = [&] { return fail("bad number syntax: " + go_quote(source_.substr(start_, pos_ - start_))); };
  if (!scan_number()) return bad();
  if (pos_ < source_.size() && (source_[pos_] == '+' || source_[pos_] == '-')) {  // 1+2i
    if (!scan_number() || source_[pos_ - 1] != 'i') return bad();
  }
  emit(Token::kNumber);
  return true;
}

bool Lexer::quoted(char quote, Token token, std::string_view unterminated) {
  for (++pos_;; ++pos_) {
    if (pos_ < source_.size() && source_[pos_] == '\\')
      ++pos_;
    else if (pos_ < source_.size() && source_[pos_] == quote)
      break;
    if (pos_ >= source_.size() || source_[pos_] == '\n') return fail(std::string(unterminated));
  }
  ++pos_;
  emit(token);
  return true;
}

bool Lexer::raw_quoted() {
  const size_t close = source_.find('`', pos_ + 1);
  if (close == std::string_view::npos) return fail("unterminated raw quoted string");
  pos_ = close + 1;
  emit(Token::kRawString);
  return true;
}

LexedTemplate Lexer::run() {
  while (true) {
    text();
    if (pos_ >= source_.size()) break;
    if (!action()) return std::move(out_);
  }
  emit(Token::kEof);
  return std::move(out_);
}

}  // namespace

LexedTemplate lex_template(std::string_view source) {
  LexedTemplate lexed = Lexer(source).run();
  if (!lexed.error.empty()) lexed.items.back().text = lexed.error;  // the string may have moved
  return lexed;
}

std::string describe(const Item& item) {
  if (item.token == Token::kEof) return "EOF";
  if (item.token == Token::kError) return std::string(item.text);
  if (item.token >= Token::kBlock || item.token == Token::kNil || item.token == Token::kDot)
    return fmt::format("<{}>", item.text);
  if (item.text.size() > 10) return go_quote(item.text.substr(0, 10)) + "...";
  return go_quote(item.text);
}

}  // namespace sentinel::text
