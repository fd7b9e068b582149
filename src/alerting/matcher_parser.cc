#include "alerting/matcher_parser.h"

#include <optional>
#include <string>

#include "alerting/limits.h"
#include "base/strings.h"

namespace sentinel::alerting {
namespace {

using model::Matcher;
using model::Matchers;
using model::MatchType;

tl::unexpected<Error> fail_at(size_t offset, std::string message) {
  return fail(Error(ErrorCode::kInvalidArgument, std::move(message), Position{"", 1, static_cast<int>(offset) + 1}));
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

// Characters that end an unquoted name or value.
bool is_reserved(char c) { return std::string_view("{}!=~,\\\"'`").find(c) != std::string_view::npos || is_space(c); }

// Go's strconv.Unquote of the inside of a double-quoted literal.
std::optional<std::string> unquote(std::string_view inside) {
  std::string out;
  for (size_t i = 0; i < inside.size(); ++i) {
    const char c = inside[i];
    if (c == '\n') return std::nullopt;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (++i == inside.size()) return std::nullopt;
    constexpr std::string_view kSimple = "abfnrtv\\\"";
    constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\\"";
    if (const size_t at = kSimple.find(inside[i]); at != std::string_view::npos) {
      out += kMeaning[at];
      continue;
    }
    const bool octal = inside[i] >= '0' && inside[i] <= '7';
    const size_t digits = octal ? 3 : inside[i] == 'x' ? 2 : inside[i] == 'u' ? 4 : inside[i] == 'U' ? 8 : 0;
    const size_t first = octal ? i : i + 1;
    if (digits == 0 || first + digits > inside.size()) return std::nullopt;
    uint32_t code = 0;
    for (const char d : inside.substr(first, digits)) {
      const int v = d >= '0' && d <= '9'   ? d - '0'
                    : d >= 'a' && d <= 'f' ? d - 'a' + 10
                    : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                           : 99;
      if (v >= (octal ? 8 : 16)) return std::nullopt;
      code = code * (octal ? 8 : 16) + static_cast<uint32_t>(v);
    }
    if (digits >= 4) {
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::nullopt;
      append_utf8(out, code);
    } else {
      if (code > 255) return std::nullopt;
      out += static_cast<char>(code);
    }
    i = first + digits - 1;
  }
  return out;
}

// The newer grammar: names and values are quoted strings or runs of unreserved characters.
class Utf8Parser {
 public:
  explicit Utf8Parser(std::string_view text) : text_(text) {}

  Result<Matchers> matchers() {
    Matchers out;
    skip_space();
    const bool open = accept('{');
    skip_space();
    while (!at_end() && peek() != '}') {
      SENTINEL_ASSIGN(Matcher m, one());
      if (out.size() >= kMatchersMax) return fail_at(at_, "more than " + std::to_string(kMatchersMax) + " matchers");
      out.push_back(std::move(m));
      skip_space();
      if (!accept(',')) break;
      skip_space();
    }
    const bool close = accept('}');
    if (open != close) {
      return fail_at(at_,
                     open ? "expected a comma or a closing brace" : "found a closing brace without an opening one");
    }
    skip_space();
    if (!at_end()) return fail_at(at_, unexpected("end of input"));
    return out;
  }

  Result<Matcher> single() {
    skip_space();
    SENTINEL_ASSIGN(Matcher m, one());
    skip_space();
    if (!at_end()) return fail_at(at_, unexpected("end of input"));
    return m;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  bool accept(char c) {
    if (at_end() || peek() != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (!at_end() && is_space(peek())) ++at_;
  }
  std::string unexpected(std::string_view wanted) const {
    return at_end() ? "unexpected end of input, expected " + std::string(wanted)
                    : "unexpected \"" + std::string(utf8_prefix(text_.substr(at_), 16)) + "\", expected " +
                          std::string(wanted);
  }

  Result<Matcher> one() {
    SENTINEL_ASSIGN(std::string name, word("a label name"));
    skip_space();
    SENTINEL_ASSIGN(const MatchType type, operation());
    skip_space();
    const size_t value_at = at_;
    SENTINEL_ASSIGN(std::string value, word("a label value"));
    if (name.empty()) return fail_at(value_at, "a label name must not be empty");
    Result<Matcher> m = Matcher::make(type, std::move(name), std::move(value));
    if (!m) return fail_at(value_at, m.error().message());
    return m;
  }

  Result<MatchType> operation() {
    if (accept('=')) return accept('~') ? MatchType::kRegexp : MatchType::kEqual;
    if (accept('!')) {
      if (accept('=')) return MatchType::kNotEqual;
      if (accept('~')) return MatchType::kNotRegexp;
    }
    return fail_at(at_, unexpected("one of '=', '!=', '=~' or '!~'"));
  }

  Result<std::string> word(std::string_view wanted) {
    const size_t start = at_;
    if (!accept('"')) {
      while (!at_end() && !is_reserved(peek())) ++at_;
      if (at_ == start) return fail_at(at_, unexpected(wanted));
      const std::string_view bare = text_.substr(start, at_ - start);
      if (!is_valid_utf8(bare)) return fail_at(start, "the text is no UTF-8");
      return std::string(bare);
    }
    while (!at_end() && peek() != '"') {
      if (peek() == '\\') ++at_;
      ++at_;
    }
    if (at_end()) return fail_at(start, "the quoted string has no end");
    const std::optional<std::string> value = unquote(text_.substr(start + 1, at_ - start - 1));
    if (!value) return fail_at(start, "the quoted string has a bad escape");
    if (!is_valid_utf8(*value)) return fail_at(start, "the quoted string is no UTF-8");
    ++at_;
    return *value;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

// The value part of a classic matcher, with its lenient escapes.
Result<std::string> classic_value(std::string_view raw, size_t offset) {
  const bool quoted = !raw.empty() && raw.front() == '"';
  if (quoted) raw.remove_prefix(1);
  bool want_quote = quoted;
  bool escaped = false;
  std::string value;
  for (size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (escaped) {
      escaped = false;
      if (c == 'n') {
        value += '\n';
      } else if (c == '"' || c == '\\') {
        value += c;
      } else {
        value += '\\';
        value += c;
      }
    } else if (c == '\\') {
      escaped = i + 1 < raw.size();
      if (!escaped) value += c;
    } else if (c == '"') {
      if (!want_quote || i + 1 < raw.size()) return fail_at(offset, "the value has a double quote without a backslash");
      want_quote = false;
    } else {
      value += c;
    }
  }
  if (want_quote) return fail_at(offset, "the value has an opening double quote without a closing one");
  return value;
}

Result<Matcher> classic_single(std::string_view text, size_t offset) {
  size_t at = 0;
  const auto skip = [&] {
    while (at < text.size() && is_space(text[at])) ++at;
  };
  skip();
  const size_t name_at = at;
  while (at < text.size() && !is_space(text[at]) && text[at] != '=' && text[at] != '!') ++at;
  const std::string_view name = text.substr(name_at, at - name_at);
  if (!model::is_legacy_metric_name(name)) {
    return fail_at(offset + name_at, "expected a label name ([a-zA-Z_:][a-zA-Z0-9_:]*) before the operator");
  }
  skip();
  const std::string_view rest = text.substr(at);
  MatchType type = MatchType::kEqual;
  size_t width = 2;
  if (rest.starts_with("=~")) {
    type = MatchType::kRegexp;
  } else if (rest.starts_with("!=")) {
    type = MatchType::kNotEqual;
  } else if (rest.starts_with("!~")) {
    type = MatchType::kNotRegexp;
  } else if (rest.starts_with("=")) {
    width = 1;
  } else {
    return fail_at(offset + at, "expected one of '=', '!=', '=~' or '!~'");
  }
  at += width;
  skip();
  std::string_view raw = text.substr(at);
  while (!raw.empty() && is_space(raw.back())) raw.remove_suffix(1);
  if (!is_valid_utf8(raw)) return fail_at(offset + at, "the value is no UTF-8");
  SENTINEL_ASSIGN(std::string value, classic_value(raw, offset + at));
  Result<Matcher> m = Matcher::make(type, std::string(name), std::move(value));
  if (!m) return fail_at(offset + at, m.error().message());
  return m;
}

Result<Matchers> classic_matchers(std::string_view text) {
  size_t offset = 0;
  if (text.starts_with('{')) {
    text.remove_prefix(1);
    offset = 1;
  }
  if (text.ends_with('}')) text.remove_suffix(1);
  Matchers out;
  bool in_quotes = false;
  bool escaped = false;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const bool end = i == text.size();
    if (end || (!in_quotes && text[i] == ',')) {
      const std::string_view token = text.substr(start, i - start);
      if (!(end && trim(token).empty())) {
        SENTINEL_ASSIGN(Matcher m, classic_single(token, offset + start));
        if (out.size() >= kMatchersMax)
          return fail_at(offset + i, "more than " + std::to_string(kMatchersMax) + " matchers");
        out.push_back(std::move(m));
      }
      start = i + 1;
    } else if (escaped) {
      escaped = false;
    } else if (text[i] == '\\') {
      escaped = true;
    } else if (text[i] == '"') {
      in_quotes = !in_quotes;
    }
  }
  return out;
}

template <class T>
Result<T> choose(const Result<T>& utf8, const Result<T>& classic) {
  if (!classic) return utf8 ? utf8 : classic;
  if (!utf8) return classic;
  return *utf8 == *classic ? utf8 : classic;
}

}  // namespace

Result<Matchers> parse_matchers(std::string_view text, MatcherSyntax syntax) {
  if (text.size() > kMatcherTextBytesMax) return fail(ErrorCode::kTooLarge, "matchers longer than 64 KiB");
  if (syntax == MatcherSyntax::kClassic) return classic_matchers(text);
  const Result<Matchers> utf8 = Utf8Parser(text).matchers();
  return syntax == MatcherSyntax::kUtf8 ? utf8 : choose(utf8, classic_matchers(text));
}

Result<Matcher> parse_matcher(std::string_view text, MatcherSyntax syntax) {
  if (text.size() > kMatcherTextBytesMax) return fail(ErrorCode::kTooLarge, "a matcher longer than 64 KiB");
  if (syntax == MatcherSyntax::kClassic) return classic_single(text, 0);
  const Result<Matcher> utf8 = Utf8Parser(text).single();
  return syntax == MatcherSyntax::kUtf8 ? utf8 : choose(utf8, classic_single(text, 0));
}

}  // namespace sentinel::alerting
