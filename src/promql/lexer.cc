#include "promql/lexer.h"

#include <algorithm>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "promql/go_text.h"

namespace sentinel::promql {
namespace {

constexpr uint32_t kEndOfText = 0xFFFFFFFF;
constexpr uint32_t kBadRune = 0xFFFD;

bool is_space(uint32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(uint32_t c) { return c >= '0' && c <= '9'; }
bool is_alpha(uint32_t c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alnum(uint32_t c) { return is_alpha(c) || is_digit(c); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

const absl::flat_hash_map<std::string, Tok>& keywords() {
  static const absl::flat_hash_map<std::string, Tok> map{
      {"and", Tok::kAnd}, {"or", Tok::kOr}, {"unless", Tok::kUnless}, {"atan2", Tok::kAtan2},
      {"sum", Tok::kSum}, {"avg", Tok::kAvg}, {"count", Tok::kCount}, {"min", Tok::kMin}, {"max", Tok::kMax},
      {"group", Tok::kGroup}, {"stddev", Tok::kStddev}, {"stdvar", Tok::kStdvar}, {"topk", Tok::kTopk},
      {"bottomk", Tok::kBottomk}, {"count_values", Tok::kCountValues}, {"quantile", Tok::kQuantile},
      {"limitk", Tok::kLimitk}, {"limit_ratio", Tok::kLimitRatio},
      {"offset", Tok::kOffset}, {"smoothed", Tok::kSmoothed}, {"anchored", Tok::kAnchored}, {"by", Tok::kBy},
      {"without", Tok::kWithout}, {"on", Tok::kOn}, {"ignoring", Tok::kIgnoring}, {"group_left", Tok::kGroupLeft},
      {"group_right", Tok::kGroupRight}, {"fill", Tok::kFill}, {"fill_left", Tok::kFillLeft},
      {"fill_right", Tok::kFillRight}, {"bool", Tok::kBool},
      {"start", Tok::kStart}, {"end", Tok::kEnd}, {"step", Tok::kStep}, {"range", Tok::kRange},
      {"max_of", Tok::kMaxOf}, {"min_of", Tok::kMinOf},
      {"inf", Tok::kNumber}, {"nan", Tok::kNumber},
  };
  return map;
}

// "U+0071 'q'"
std::string rune_name(uint32_t c) { return fmt::format("U+{:04X} {}", c, quote_rune(c)); }

class Lexer {
 public:
  explicit Lexer(std::string_view input) : input_(input) {}

  std::vector<Token> run() {
    while (!done_) {
      if (brace_open_) {
        inside_braces();
      } else if (expect_duration_) {
        duration_expression();
      } else {
        statement();
      }
    }
    return std::move(tokens_);
  }

 private:
  uint32_t next() {
    if (pos_ >= input_.size()) {
      width_ = 0;
      return kEndOfText;
    }
    const Rune r = decode_rune(input_, pos_);
    width_ = static_cast<size_t>(r.length);
    pos_ += width_;
    return r.value;
  }
  void backup() { pos_ -= width_; }
  uint32_t peek() {
    const uint32_t c = next();
    backup();
    return c;
  }
  bool is(std::string_view set) {
    const uint32_t c = peek();
    return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
  }
  bool accept(std::string_view set) {
    if (!is(set)) return false;
    next();
    return true;
  }
  void emit(Tok type) {
    tokens_.push_back({type, static_cast<int>(start_), std::string(input_.substr(start_, pos_ - start_))});
    start_ = pos_;
    if (type == Tok::kEof) done_ = true;
  }
  void fail(std::string message) {
    tokens_.push_back({Tok::kError, static_cast<int>(start_), std::move(message)});
    done_ = true;
  }
  void skip_spaces() {
    while (is_space(peek())) next();
    start_ = pos_;
  }
  void comment() {
    while (true) {
      const uint32_t c = next();
      if (c == kEndOfText || c == '\n' || c == '\r') break;
    }
    backup();
    start_ = pos_;
  }

  void end_of_input() {
    if (paren_depth_ != 0) return fail("unclosed left parenthesis");
    if (bracket_open_) return fail("unclosed left bracket");
    emit(Tok::kEof);
  }

  void statement() {
    if (peek() == '#') return comment();
    const uint32_t c = next();
    switch (c) {
      case kEndOfText: return end_of_input();
      case ',': return emit(Tok::kComma);
      case '*': return emit(Tok::kMul);
      case '/': return emit(Tok::kDiv);
      case '%': return emit(Tok::kMod);
      case '+': return emit(Tok::kAdd);
      case '-': return emit(Tok::kSub);
      case '^': return emit(Tok::kPow);
      case '@': return emit(Tok::kAt);
      case '=':
      case '!':
      case '<':
      case '>': return comparison(c);
      case '"':
      case '\'': return quoted_string(c);
      case '`': return raw_string();
      case '(':
      case ')': return parenthesis(c);
      case '{':
        emit(Tok::kLeftBrace);
        brace_open_ = true;
        return;
      case '[': return left_bracket();
      case ']':
        if (!bracket_open_) return fail("unexpected right bracket " + quote_rune(c));
        emit(Tok::kRightBracket);
        bracket_open_ = false;
        return;
      default: break;
    }
    if (is_space(c)) return skip_spaces();
    if (is_digit(c) || (c == '.' && is_digit(peek()))) {
      backup();
      return number_or_duration();
    }
    if (is_alpha(c) || c == ':') return word(c);
    fail("unexpected character: " + quote_rune(c));
  }

  void comparison(uint32_t c) {
    if (c == '!') {
      const uint32_t after = next();
      if (after != '=') {
        return fail("unexpected character after '!': " + (after == kEndOfText ? quote_rune(kBadRune) : quote_rune(after)));
      }
      return emit(Tok::kNotEqual);
    }
    if (c == '=') {
      if (peek() == '~') return fail("unexpected character after '=': '~'");
      return emit(accept("=") ? Tok::kEqualEqual : Tok::kAssign);
    }
    if (accept("=")) return emit(c == '<' ? Tok::kLessEqual : Tok::kGreaterEqual);
    if (accept("/")) return emit(c == '<' ? Tok::kTrimUpper : Tok::kTrimLower);
    emit(c == '<' ? Tok::kLess : Tok::kGreater);
  }

  void parenthesis(uint32_t c) {
    if (c == '(') {
      emit(Tok::kLeftParen);
      ++paren_depth_;
      return;
    }
    if (--paren_depth_ < 0) {
      // The error takes the place of the token and points behind it.
      start_ = pos_;
      return fail("unexpected right parenthesis ')'");
    }
    emit(Tok::kRightParen);
  }

  void left_bracket() {
    if (bracket_open_) return fail("unexpected left bracket '['");
    got_colon_ = false;
    emit(Tok::kLeftBracket);
    skip_spaces();
    bracket_open_ = true;
    expect_duration_ = true;
  }

  void word(uint32_t c) {
    if (!bracket_open_) {
      backup();
      return keyword_or_identifier();
    }
    if (c == ':') {
      if (got_colon_) return fail("unexpected colon ':'");
      emit(Tok::kColon);
      got_colon_ = true;
      return;
    }
    if (is_duration_keyword_start(c) && duration_keyword()) return;
    fail("unexpected character: " + quote_rune(c) + ", expected ':'");
  }

  static bool is_duration_keyword_start(uint32_t c) {
    const uint32_t l = c | 0x20;
    return l == 's' || l == 'r' || l == 'm';
  }

  bool duration_keyword() {
    while (is_alpha(next())) {
    }
    backup();
    const auto it = keywords().find(lower(input_.substr(start_, pos_ - start_)));
    if (it == keywords().end() || (it->second != Tok::kStep && it->second != Tok::kRange && it->second != Tok::kMaxOf &&
                                   it->second != Tok::kMinOf)) {
      return false;
    }
    emit(it->second);
    return true;
  }

  // Right after '[' and between operators there, until the first number.
  void duration_expression() {
    const uint32_t c = next();
    switch (c) {
      case kEndOfText: return fail("unexpected end of input in duration expression");
      case ']':
        emit(Tok::kRightBracket);
        bracket_open_ = false;
        got_colon_ = false;
        expect_duration_ = false;
        return;
      case ':':
        start_ = pos_;
        if (!got_duration_) return fail("unexpected colon before duration in duration expression");
        if (got_colon_) return fail("unexpected repeated colon in duration expression");
        tokens_.push_back({Tok::kColon, static_cast<int>(pos_ - 1), ":"});
        got_colon_ = true;
        return;
      case '(':
      case ')': return parenthesis(c);
      case '+': return emit(Tok::kAdd);
      case '-': return emit(Tok::kSub);
      case '*': return emit(Tok::kMul);
      case '/': return emit(Tok::kDiv);
      case '%': return emit(Tok::kMod);
      case '^': return emit(Tok::kPow);
      case ',': return emit(Tok::kComma);
      default: break;
    }
    if (is_space(c)) return skip_spaces();
    if (c < 0x80 && is_duration_keyword_start(c) && duration_keyword()) return;
    if (is_digit(c) || (c == '.' && is_digit(peek()))) {
      backup();
      got_duration_ = true;
      expect_duration_ = false;
      return number_or_duration();
    }
    fail("unexpected character in duration expression: " + quote_rune(c));
  }

  void inside_braces() {
    if (peek() == '#') return comment();
    const uint32_t c = next();
    switch (c) {
      case kEndOfText: return fail("unexpected end of input inside braces");
      case ',': return emit(Tok::kComma);
      case '"':
      case '\'': return quoted_string(c);
      case '`': return raw_string();
      case '=': return emit(accept("~") ? Tok::kRegexMatch : Tok::kAssign);
      case '!': {
        const uint32_t after = next();
        if (after == '~') return emit(Tok::kRegexNoMatch);
        if (after == '=') return emit(Tok::kNotEqual);
        return fail("unexpected character after '!' inside braces: " +
                    quote_rune(after == kEndOfText ? kBadRune : after));
      }
      case '{': return fail("unexpected left brace '{'");
      case '}':
        emit(Tok::kRightBrace);
        brace_open_ = false;
        return;
      default: break;
    }
    if (is_space(c)) return skip_spaces();
    if (is_alpha(c)) {
      while (is_alnum(next())) {
      }
      backup();
      return emit(Tok::kIdentifier);
    }
    fail("unexpected character inside braces: " + quote_rune(c));
  }

  void keyword_or_identifier() {
    while (true) {
      const uint32_t c = next();
      if (!is_alnum(c) && c != ':') break;
    }
    backup();
    const std::string_view text = input_.substr(start_, pos_ - start_);
    const auto it = keywords().find(lower(text));
    if (it != keywords().end()) {
      const bool fill = it->second == Tok::kFill || it->second == Tok::kFillLeft || it->second == Tok::kFillRight;
      if (fill && !followed_by_parenthesis()) return emit(Tok::kIdentifier);
      return emit(it->second);
    }
    emit(text.find(':') == std::string_view::npos ? Tok::kIdentifier : Tok::kMetricIdentifier);
  }

  bool followed_by_parenthesis() const {
    size_t i = pos_;
    while (i < input_.size() && is_space(static_cast<uint8_t>(input_[i]))) ++i;
    return i < input_.size() && input_[i] == '(';
  }

  void quoted_string(uint32_t quote) {
    while (true) {
      const uint32_t c = next();
      if (c == quote) return emit(Tok::kString);
      if (c == kEndOfText || c == '\n') return fail("unterminated quoted string");
      if (c == kBadRune && width_ == 1) return fail("invalid UTF-8 rune");
      if (c == '\\' && !escape(quote)) return;
    }
  }

  bool escape(uint32_t quote) {
    uint32_t c = next();
    if (c == quote) return true;
    int count = 0;
    uint32_t base = 16;
    uint32_t max = 0x10FFFF;
    switch (c) {
      case 'a': case 'b': case 'f': case 'n': case 'r': case 't': case 'v': case '\\': return true;
      case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7':
        count = 3;
        base = 8;
        max = 255;
        break;
      case 'x': count = 2; max = 255; c = next(); break;
      case 'u': count = 4; c = next(); break;
      case 'U': count = 8; c = next(); break;
      case kEndOfText: fail("escape sequence not terminated"); return false;
      default: fail("unknown escape sequence " + rune_name(c)); return false;
    }
    return escape_digits(c, count, base, max);
  }

  bool escape_digits(uint32_t c, int count, uint32_t base, uint32_t max) {
    uint64_t value = 0;
    for (; count > 0; --count) {
      const uint32_t digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
      if (digit >= base) {
        fail(c == kEndOfText ? "escape sequence not terminated"
                             : "illegal character " + rune_name(c) + " in escape sequence");
        return false;
      }
      value = value * base + digit;
      if (count > 1) c = next();
    }
    if (value > max || (value >= 0xD800 && value < 0xE000)) {
      fail("escape sequence is an invalid Unicode code point");
      return false;
    }
    return true;
  }

  void raw_string() {
    while (true) {
      const uint32_t c = next();
      if (c == '`') return emit(Tok::kString);
      if (c == kEndOfText) return fail("unterminated raw string");
      if (c == kBadRune && width_ == 1) return fail("invalid UTF-8 rune");
    }
  }

  void number_or_duration() {
    if (scan_number()) return emit(Tok::kNumber);
    if (scan_duration()) return emit(Tok::kDuration);
    fail("bad number or duration syntax: " + go_quote(input_.substr(start_, pos_ - start_)));
  }

  // After digits: a unit, then more digits and units, then nothing that could belong to a word.
  bool scan_duration() {
    if (!accept("smhdwy")) return false;
    accept("s");
    while (accept("0123456789")) {
      while (accept("0123456789")) {
      }
      if (!accept("smhdw")) return false;
      accept("s");
    }
    if (is_alnum(next())) return false;
    backup();
    return true;
  }

  bool scan_number() {
    const size_t initial = pos_;
    std::string_view digits = "0123456789";
    bool hex = false;
    if (accept("0") && accept("xX")) {
      accept("_");
      digits = "0123456789abcdefABCDEF";
      hex = true;
    }
    accept(".");
    accept(digits);
    bool dot = false;
    bool exponent = false;
    while (is(digits) || is("._eE")) {
      if (is(".") && dot) return accept("."), false;
      if (is("eE") && !(hex && is(digits)) && exponent) return accept("eE"), false;
      if (accept(".")) {
        dot = true;
        if (accept("_.") || hex) return false;
      } else if (!hex && accept("eE")) {
        exponent = true;
        accept("+-");
        if (accept("._eE") || peek() == kEndOfText) return false;
      } else if (accept("_")) {
        if (accept("._eE") || peek() == kEndOfText) return false;
      } else {
        while (accept(digits)) {
        }
      }
    }
    return pos_ != initial && !is_alnum(peek());
  }

  std::string_view input_;
  size_t pos_ = 0;
  size_t start_ = 0;
  size_t width_ = 0;
  std::vector<Token> tokens_;
  int paren_depth_ = 0;
  bool brace_open_ = false;
  bool bracket_open_ = false;
  bool expect_duration_ = false;
  bool got_colon_ = false;
  bool got_duration_ = false;
  bool done_ = false;
};

}  // namespace

std::string describe(const Token& token) {
  const std::string& text = token.text;
  switch (token.type) {
    case Tok::kEof: return "end of input";
    case Tok::kError: return "error " + text;
    case Tok::kIdentifier: return "identifier " + go_quote(text);
    case Tok::kMetricIdentifier: return "metric identifier " + go_quote(text);
    default: break;
  }
  if (is_keyword(token.type)) return "<" + text + ">";
  if (is_operator(token.type)) return "<op:" + text + ">";
  if (is_aggregator(token.type)) return "<aggr:" + text + ">";
  constexpr size_t kShown = 10;
  std::string shown;
  if (text.size() > kShown) {
    size_t at = 0;
    for (size_t runes = 0; runes < kShown && at < text.size(); ++runes) at += static_cast<size_t>(decode_rune(text, at).length);
    shown = go_quote(std::string_view(text).substr(0, at)) + "...";
  } else {
    shown = go_quote(text);
  }
  switch (token.type) {
    case Tok::kNumber: return "number " + shown;
    case Tok::kDuration: return "duration " + shown;
    case Tok::kString: return "string " + shown;
    default: return shown;
  }
}

std::vector<Token> tokenize(std::string_view query) { return Lexer(query).run(); }

}  // namespace sentinel::promql
