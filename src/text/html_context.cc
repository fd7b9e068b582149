#include "text/html_context.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/strings.h"
#include "text/go_time.h"
#include "text/gofmt.h"
#include "text/limits.h"
#include "text/template.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

constexpr std::string_view kHtmlSpaces = " \t\n\r\f";
bool is_html_space(char c) { return kHtmlSpaces.find(c) != std::string_view::npos; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == ':';
}

// What html/template shows where a value was not allowed.
constexpr std::string_view kFiltered = "ZgotmplZ";

std::string_view entity(char c, bool unquoted) {
  switch (c) {
    case '\0': return "\uFFFD";
    case '"': return "&#34;";
    case '&': return "&amp;";
    case '\'': return "&#39;";
    case '+': return "&#43;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    default: break;
  }
  if (!unquoted) return {};
  switch (c) {
    case '\t': return "&#9;";
    case '\n': return "&#10;";
    case '\v': return "&#11;";
    case '\f': return "&#12;";
    case '\r': return "&#13;";
    case ' ': return "&#32;";
    case '=': return "&#61;";
    case '`': return "&#96;";
    default: return {};
  }
}

// `keep_entities`: an ampersand already escapes something.
std::string escape_html(std::string_view text, bool unquoted, bool keep_entities = false) {
  std::string out;
  for (char c : text) {
    const std::string_view replacement = keep_entities && c == '&' ? std::string_view() : entity(c, unquoted);
    if (replacement.empty())
      out += c;
    else
      out += replacement;
  }
  return out;
}

std::string strip_tags(std::string_view html) {
  std::string out;
  bool in_tag = false;
  for (char c : html) {
    if (c == '<') in_tag = true;
    if (!in_tag) out += c;
    if (c == '>') in_tag = false;
  }
  return out;
}

// Unlike print, a nil shows as nothing.
std::string plain_text(const Value& value) {
  return value.is_nil() ? std::string() : value.kind() == Kind::kString ? value.as_string() : go_string(value);
}

bool safe_scheme(std::string_view url) {
  const size_t colon = url.find(':');
  if (colon == std::string_view::npos || url.substr(0, colon).find('/') != std::string_view::npos) return true;
  const std::string_view scheme = url.substr(0, colon);
  return iequals(scheme, "http") || iequals(scheme, "https") || iequals(scheme, "mailto");
}

// Percent-encodes what may not stand in a URL; `normalise` keeps reserved characters and existing escapes.
std::string percent_encode(std::string_view url, bool normalise) {
  std::string out;
  for (size_t i = 0; i < url.size(); ++i) {
    const char c = url[i];
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool reserved = std::string_view("!#$&*+,/:;=?@[]").find(c) != std::string_view::npos && c != '\0';
    const auto hex = [&](size_t at) {
      return at < url.size() && std::string_view("0123456789abcdefABCDEF").find(url[at]) != std::string_view::npos;
    };
    const bool keep = word || std::string_view("-._~").find(c) != std::string_view::npos ||
                      (normalise && (reserved || (c == '%' && hex(i + 1) && hex(i + 2))));
    if (keep && c != '\0')
      out += c;
    else
      out += fmt::format("%{:02x}", static_cast<uint8_t>(c));
  }
  return out;
}

std::string escape_js_string(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Rune rune = decode_rune(text.substr(at));
    const std::string_view bytes = text.substr(at, static_cast<size_t>(rune.bytes));
    at += bytes.size();
    static constexpr std::string_view kCoded = "\"&'+/<>`\v\0";
    switch (rune.code) {
      case '\t': out += "\\t"; continue;
      case '\n': out += "\\n"; continue;
      case '\f': out += "\\f"; continue;
      case '\r': out += "\\r"; continue;
      case '\\': out += "\\\\"; continue;
      case '/': out += "\\/"; continue;
      default: break;
    }
    if (rune.code < 0x20 || rune.code == 0x2028 || rune.code == 0x2029 ||
        (rune.code < 0x80 && kCoded.find(static_cast<char>(rune.code)) != std::string_view::npos)) {
      out += fmt::format("\\u{:04x}", rune.code);
    } else {
      out += bytes;
    }
  }
  return out;
}

std::string escape_css_string(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\"&'()+/:;<>\\{}\n\r\t\f").find(c) != std::string_view::npos ||
        static_cast<uint8_t>(c) < 0x20) {
      out += fmt::format("\\{:x} ", static_cast<uint8_t>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// A bare CSS value: keywords, numbers and colours only.
std::string filter_css(std::string_view text) {
  for (char c : text) {
    if (std::string_view("\"'()/;@[\\]`{}<>\0").find(c) != std::string_view::npos || c == '\0')
      return std::string(kFiltered);
  }
  const std::string lower = to_lower(text);
  if (lower.find("expression") != std::string::npos || lower.find("mozbinding") != std::string::npos ||
      lower.find("--") != std::string::npos) {
    return std::string(kFiltered);
  }
  return std::string(text);
}

void append_json(std::string& out, const Value& value, int depth);

void append_json_string(std::string& out, std::string_view text) {
  std::string quoted = json_quote(text);
  for (size_t i = 0; i < quoted.size(); ++i) {
    const char c = quoted[i];
    if (c == '<' || c == '>' || c == '&')
      out += fmt::format("\\u{:04x}", static_cast<uint8_t>(c));
    else if (std::string_view(quoted).substr(i, 3) == "\u2028" || std::string_view(quoted).substr(i, 3) == "\u2029") {
      out += quoted[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else
      out += c;
  }
}

std::string json_float(double v) {
  if (!std::isfinite(v)) return "null";
  const double magnitude = std::abs(v);
  if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21)) return go_format_float(v, 'f', -1);
  std::string text = go_format_float(v, 'e', -1);
  const size_t e = text.find("e-0");  // Go writes e-9, not e-09
  if (e != std::string::npos) text.erase(e + 2, 1);
  return text;
}

void append_json_pairs(std::string& out, const Value& value, int depth) {
  bool first = true;
  const auto pair = [&](std::string_view key, const Value& item) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, key);
    out += ':';
    append_json(out, item, depth + 1);
  };
  out += '{';
  if (value.kind() == Kind::kMap) {
    for (const auto& [key, item] : value.as_map()) pair(key, item);
  } else {
    for (const auto& [key, item] : value.as_struct()) {
      auto renamed = value.type()->json_names.find(key);
      pair(renamed == value.type()->json_names.end() ? key : renamed->second, item);
    }
  }
  out += '}';
}

void append_json(std::string& out, const Value& value, int depth) {
  if (depth > kValueDepthMax || out.size() > kTemplateOutputBytesMax) return;
  switch (value.kind()) {
    case Kind::kNil: out += "null"; return;
    case Kind::kBool: out += value.as_bool() ? "true" : "false"; return;
    case Kind::kInt: out += std::to_string(value.as_int()); return;
    case Kind::kFloat: out += json_float(value.as_float()); return;
    case Kind::kString: append_json_string(out, value.as_string()); return;
    case Kind::kTime:
      append_json_string(out, format_go_time(value.as_time(), "2006-01-02T15:04:05.999999999Z07:00"));
      return;
    case Kind::kDuration: out += std::to_string(value.as_duration().ns); return;
    case Kind::kMap:
    case Kind::kStruct: append_json_pairs(out, value, depth); return;
    case Kind::kList: {
      out += '[';
      for (size_t i = 0; i < value.as_list().size(); ++i) {
        if (i > 0) out += ',';
        append_json(out, value.as_list()[i], depth + 1);
      }
      out += ']';
    }
  }
}

}  // namespace

std::string go_json(const Value& value) {
  std::string out;
  append_json(out, value, 0);
  return out;
}

std::string HtmlContext::literal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t taken = 1;
    if (state_ == State::kText || state_ == State::kComment) {
      taken = text_step(text, out);
    } else {
      taken = state_ == State::kValue                                                           ? value_step(text)
              : state_ == State::kRcdata || state_ == State::kScript || state_ == State::kStyle ? raw_step(text)
                                                                                                : tag_step(text);
      out += text.substr(0, taken);
    }
    text.remove_prefix(taken);
  }
  return out;
}

size_t HtmlContext::text_step(std::string_view rest, std::string& out) {
  if (state_ == State::kComment) {
    const size_t close = rest.find("-->");
    if (close == std::string_view::npos) return rest.size();
    state_ = State::kText;
    return close + 3;
  }
  const size_t open = rest.find('<');
  if (open != 0) {
    const size_t length = std::min(open, rest.size());
    out += rest.substr(0, length);
    return length;
  }
  if (rest.starts_with("<!--")) {
    state_ = State::kComment;
    return 4;
  }
  size_t name = 1;
  const bool closing = rest.size() > 1 && rest[1] == '/';
  if (closing) ++name;
  size_t end = name;
  while (end < rest.size() && is_name(rest[end])) ++end;
  if (end == name) {  // no tag: a "<" of the text, or "<!DOCTYPE", "<?xml"
    const bool declaration = rest.size() > 9 && iequals(rest.substr(0, 9), "<!doctype");
    out += declaration ? "<" : "&lt;";
    return 1;
  }
  out += rest.substr(0, end);
  closing_ = closing;
  open_tag(rest.substr(name, end - name));
  return end;
}

void HtmlContext::open_tag(std::string_view name) {
  tag_ = to_lower(name);
  state_ = State::kTag;
}

void HtmlContext::end_tag() {
  state_ = State::kText;
  if (closing_) return;
  if (tag_ == "script")
    state_ = State::kScript;
  else if (tag_ == "style")
    state_ = State::kStyle;
  else if (tag_ == "textarea" || tag_ == "title")
    state_ = State::kRcdata;
  code_ = Code::kCode;
  last_code_ = '(';
}

// Inside "<tag …>", outside of values.
size_t HtmlContext::tag_step(std::string_view rest) {
  const char c = rest[0];
  switch (state_) {
    case State::kAttrName:
      if (c == '=' || c == '>' || c == '/' || is_html_space(c)) {
        state_ = State::kAfterName;
        return tag_step(rest);
      }
      attr_ += c;
      return 1;
    case State::kAfterName:
      if (is_html_space(c)) return 1;
      if (c == '=') {
        state_ = State::kBeforeValue;
        return 1;
      }
      state_ = State::kTag;
      return tag_step(rest);
    case State::kBeforeValue:
      if (is_html_space(c)) return 1;
      if (c == '>') {
        end_tag();
        return 1;
      }
      begin_value();
      if (c == '"' || c == '\'') {
        quote_ = c;
        return 1;
      }
      return value_step(rest);
    default: break;
  }
  if (c == '>')
    end_tag();
  else if (!is_html_space(c) && c != '/') {
    state_ = State::kAttrName;
    attr_ = c;
  }
  return 1;
}

void HtmlContext::begin_value() {
  std::string name = to_lower(attr_);
  if (name.starts_with("data-")) name = name.substr(5);
  if (size_t colon = name.find(':'); colon != std::string::npos)
    name = name.starts_with("xmlns:") ? "xmlns" : name.substr(colon + 1);
  static constexpr std::string_view kUrls[] = {"action", "archive",    "background", "cite",   "classid",  "codebase",
                                               "data",   "formaction", "href",       "icon",   "longdesc", "manifest",
                                               "poster", "profile",    "src",        "usemap", "xmlns"};
  const bool url = std::find(std::begin(kUrls), std::end(kUrls), name) != std::end(kUrls) ||
                   name.find("src") != std::string::npos || name.find("uri") != std::string::npos ||
                   name.find("url") != std::string::npos;
  attr_kind_ = name.starts_with("on") ? Attr::kJs
               : name == "style"      ? Attr::kCss
               : name == "srcset"     ? Attr::kSrcset
               : url                  ? Attr::kUrl
                                      : Attr::kPlain;
  state_ = State::kValue;
  quote_ = 0;
  value_.clear();
  code_ = Code::kCode;
  last_code_ = '(';
  escaped_ = false;
}

void HtmlContext::end_value() {
  state_ = State::kTag;
  quote_ = 0;
}

size_t HtmlContext::value_step(std::string_view rest) {
  const char c = rest[0];
  if (quote_ != 0 ? c == quote_ : is_html_space(c)) {
    end_value();
    return 1;
  }
  if (quote_ == 0 && c == '>') {
    end_value();
    end_tag();
    return 1;
  }
  value_ += c;
  if (attr_kind_ == Attr::kJs || attr_kind_ == Attr::kCss) code_step(c, rest);
  return 1;
}

// Inside <script>, <style>, <textarea>, <title>: only the closing tag ends it.
size_t HtmlContext::raw_step(std::string_view rest) {
  if (rest.size() > tag_.size() + 2 && rest.starts_with("</") && iequals(rest.substr(2, tag_.size()), tag_) &&
      !is_name(rest[2 + tag_.size()])) {
    closing_ = true;
    state_ = State::kTag;
    return 2 + tag_.size();
  }
  if (state_ != State::kRcdata) code_step(rest[0], rest);
  return 1;
}

void HtmlContext::begin_code_token(char c, std::string_view rest) {
  const bool script = state_ == State::kScript || attr_kind_ == Attr::kJs;
  if (c == '"')
    code_ = Code::kDouble;
  else if (c == '\'')
    code_ = Code::kSingle;
  else if (c == '`' && script)
    code_ = Code::kBacktick;
  else if (rest.starts_with("/*"))
    code_ = Code::kBlockComment;
  else if (rest.starts_with("//") && script)
    code_ = Code::kLineComment;
  else if (c == '/' && script && std::string_view("(,=:[!&|?{};+-*%~^<>/").find(last_code_) != std::string_view::npos) {
    code_ = Code::kRegexp;
    regexp_class_ = false;
  }
  if (!is_html_space(c)) last_code_ = c;
}

void HtmlContext::code_step(char c, std::string_view rest) {
  if (escaped_) {
    escaped_ = false;
    return;
  }
  switch (code_) {
    case Code::kCode: begin_code_token(c, rest); return;
    case Code::kLineComment:
      if (c == '\n') code_ = Code::kCode;
      return;
    case Code::kBlockComment:
      // The "*" of the opening "/*" is followed by its own "/" only in "/*/", which does not close it.
      if (c == '/' && last_code_ == '*') code_ = Code::kCode;
      last_code_ = last_code_ == '/' ? ' ' : c;
      return;
    case Code::kRegexp:
      if (c == '[') regexp_class_ = true;
      if (c == ']') regexp_class_ = false;
      break;
    default: break;
  }
  escaped_ = c == '\\';
  const bool ends = (code_ == Code::kDouble && c == '"') || (code_ == Code::kSingle && c == '\'') ||
                    (code_ == Code::kBacktick && c == '`') || (code_ == Code::kRegexp && c == '/' && !regexp_class_);
  if (ends) {
    code_ = Code::kCode;
    last_code_ = ')';
  }
}

std::string HtmlContext::escape_url(const Value& value) {
  const std::string text = plain_text(value);
  const bool trusted = value.kind() == Kind::kString && value.content() == Content::kUrl;
  std::string out;
  if (value_.find_first_of("?#") != std::string::npos) {
    out = percent_encode(text, trusted);
  } else if (trim(value_).empty() && !trusted && !safe_scheme(text)) {
    out = "#" + std::string(kFiltered);
  } else {
    out = percent_encode(text, true);
  }
  value_ += out;
  return out;
}

Result<std::string> HtmlContext::escape_code(const Value& value, bool script) {
  const Content content = value.kind() == Kind::kString ? value.content() : Content::kPlain;
  const std::string text = plain_text(value);
  switch (code_) {
    case Code::kDouble:
    case Code::kSingle: return script ? escape_js_string(text) : escape_css_string(text);
    case Code::kBacktick:
      return fail(ErrorCode::kUnprocessable, "actions may not stand in a JavaScript template literal");
    case Code::kRegexp: return escape_js_string(text);
    case Code::kLineComment:
    case Code::kBlockComment: return std::string();
    case Code::kCode: break;
  }
  last_code_ = ')';
  if (!script) return content == Content::kCss ? text : filter_css(text);
  if (content == Content::kJs) return text;
  if (value.is_nil()) return std::string(" null ");
  if (value.kind() == Kind::kString) return go_json(value);
  std::string json = go_json(value);
  const bool word = !json.empty() && (json[0] == '-' || json[0] == 't' || json[0] == 'f' || json[0] == 'n' ||
                                      (json[0] >= '0' && json[0] <= '9'));
  return word ? " " + json + " " : json;
}

Result<std::string> HtmlContext::escape_value(const Value& value, bool unquoted) {
  switch (attr_kind_) {
    case Attr::kUrl:
    case Attr::kSrcset: return escape_html(escape_url(value), unquoted);
    case Attr::kCss:
    case Attr::kJs: {
      SENTINEL_ASSIGN(std::string code, escape_code(value, attr_kind_ == Attr::kJs));
      return escape_html(code, unquoted);
    }
    case Attr::kPlain: break;
  }
  if (value.kind() == Kind::kString && value.content() == Content::kHtml)
    return escape_html(strip_tags(value.as_string()), unquoted, true);
  std::string out = escape_html(plain_text(value), unquoted);
  return out.empty() && unquoted ? std::string(kFiltered) : out;
}

Result<std::string> HtmlContext::escape(const Value& value) {
  const Content content = value.kind() == Kind::kString ? value.content() : Content::kPlain;
  switch (state_) {
    case State::kText: return content == Content::kHtml ? value.as_string() : escape_html(plain_text(value), false);
    case State::kRcdata: return escape_html(plain_text(value), false, content == Content::kHtml);
    case State::kComment: return std::string();
    case State::kScript: return escape_code(value, true);
    case State::kStyle: return escape_code(value, false);
    case State::kBeforeValue: begin_value(); [[fallthrough]];
    case State::kValue: return escape_value(value, quote_ == 0);
    case State::kTag:
    case State::kAttrName:
    case State::kAfterName: break;
  }
  if (content == Content::kHtmlAttr) return value.as_string();
  const std::string name = plain_text(value);
  const bool plain =
      !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return is_name(c) && c != ':'; });
  const std::string lower = to_lower(name);
  if (!plain || lower.starts_with("on") || lower == "style" || lower == "href" || lower == "src")
    return std::string(kFiltered);
  if (state_ != State::kAttrName) attr_.clear();
  state_ = State::kAttrName;
  attr_ += lower;
  return name;
}

}  // namespace sentinel::text
