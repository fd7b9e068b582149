#include "text/template_functions.h"

#include <cmath>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/strings.h"
#include "text/gofmt.h"
#include "text/limits.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

using Args = std::span<const Value>;

// RE2's words for a bad expression, as Go's regexp says them.
std::string go_regexp_error(const re2::RE2& expression) {
  std::string what = expression.error();
  const size_t colon = what.find(": ");
  if (colon != std::string::npos) what.erase(colon);
  const std::pair<std::string_view, std::string_view> words[] = {
      {"missing ]", "missing closing ]"},
      {"missing )", "missing closing )"},
      {"no argument for repetition operator", "missing argument to repetition operator"},
      {"trailing \\", "trailing backslash at end of expression"},
      {"invalid perl operator", "invalid or unsupported Perl syntax"},
      {"invalid named capture group", "invalid named capture"}};
  for (const auto& [ours, go] : words) {
    if (what == ours) what = go;
  }
  return fmt::format("error parsing regexp: {}: `{}`", what, expression.error_arg());
}

Result<std::unique_ptr<re2::RE2>> compile(std::string_view pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto expression = std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!expression->ok()) return fail(ErrorCode::kUnprocessable, go_regexp_error(*expression));
  return expression;
}

// The group that "$name", "${name}" or "$1" at `at` (after the dollar) means; moves `at` behind it. False: a lone
// dollar.
bool group_reference(std::string_view text, size_t& at, std::string_view& name) {
  const bool braces = at < text.size() && text[at] == '{';
  size_t from = at + (braces ? 1 : 0);
  size_t end = from;
  while (end < text.size()) {
    const Rune rune = decode_rune(text.substr(end));
    if (!is_letter(rune.code) && !is_digit(rune.code) && rune.code != '_') break;
    end += static_cast<size_t>(rune.bytes);
  }
  if (end == from || (braces && (end >= text.size() || text[end] != '}'))) return false;
  name = text.substr(from, end - from);
  at = end + (braces ? 1 : 0);
  return true;
}

void append_expansion(std::string& out, std::string_view replacement, const re2::RE2& expression,
                      const std::vector<re2::StringPiece>& groups) {
  for (size_t at = 0; at < replacement.size();) {
    const char c = replacement[at++];
    std::string_view name;
    if (c != '$') {
      out += c;
    } else if (at < replacement.size() && replacement[at] == '$') {
      out += '$';
      ++at;
    } else if (!group_reference(replacement, at, name)) {
      out += '$';
    } else {
      auto number = parse_int(name);
      size_t group = groups.size();
      if (number && *number >= 0)
        group = static_cast<size_t>(*number);
      else if (auto named = expression.NamedCapturingGroups().find(std::string(name));
               named != expression.NamedCapturingGroups().end()) {
        group = static_cast<size_t>(named->second);
      }
      if (group < groups.size()) out.append(groups[group].data() ? groups[group].data() : "", groups[group].size());
    }
  }
}

}  // namespace

Result<bool> go_match(std::string_view pattern, std::string_view text) {
  SENTINEL_ASSIGN(auto expression, compile(pattern));
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *expression);
}

Result<std::string> go_replace_all(std::string_view pattern, std::string_view replacement, std::string_view text) {
  auto compiled = compile(pattern);
  if (!compiled)
    return fail(ErrorCode::kUnprocessable,
                fmt::format("regexp: Compile(`{}`): {}", pattern, compiled.error().message()));
  const re2::RE2& expression = **compiled;
  std::vector<re2::StringPiece> groups(static_cast<size_t>(expression.NumberOfCapturingGroups()) + 1);
  const re2::StringPiece all(text.data(), text.size());
  std::string out;
  size_t copied = 0;
  for (size_t search = 0; search <= text.size();) {
    if (!expression.Match(all, search, text.size(), re2::RE2::UNANCHORED, groups.data(),
                          static_cast<int>(groups.size())))
      break;
    const size_t begin = static_cast<size_t>(groups[0].data() - text.data());
    const size_t end = begin + groups[0].size();
    out += text.substr(copied, begin - copied);
    // Not for an empty match right after another match.
    if (end > copied || begin == 0) append_expansion(out, replacement, expression, groups);
    if (out.size() > kTemplateOutputBytesMax)
      return fail(ErrorCode::kTooLarge, fmt::format("result exceeds {} bytes", kTemplateOutputBytesMax));
    copied = end;
    const size_t width = static_cast<size_t>(decode_rune(text.substr(search)).bytes);
    if (search + width > end)
      search += std::max<size_t>(width, 1);
    else if (search + 1 > end)
      ++search;
    else
      search = end;
  }
  return out + std::string(text.substr(copied));
}

Result<double> convert_to_float(const Value& value) {
  switch (value.kind()) {
    case Kind::kFloat: return value.as_float();
    case Kind::kInt: return static_cast<double>(value.as_int());
    case Kind::kDuration: return static_cast<double>(value.as_duration().ns) / 1e9;
    case Kind::kString:
      if (auto number = parse_double(value.as_string())) return *number;
      return fail(ErrorCode::kUnprocessable,
                  fmt::format("strconv.ParseFloat: parsing {}: invalid syntax", go_quote(value.as_string())));
    default: return fail(ErrorCode::kUnprocessable, fmt::format("can't convert {} to float", value.type_name()));
  }
}

Result<Value> humanize_duration_value(const Value& value) {
  SENTINEL_ASSIGN(double v, convert_to_float(value));
  const auto digits = [](double d) { return go_format_float(d, 'g', 4); };
  if (!std::isfinite(v)) return Value(digits(v));
  if (v == 0) return Value(digits(v) + "s");
  if (std::abs(v) < 1) {
    std::string_view prefix;
    for (std::string_view p : {"m", "u", "n", "p", "f", "a", "z", "y"}) {
      if (std::abs(v) >= 1) break;
      prefix = p;
      v *= 1000;
    }
    return Value(fmt::format("{}{}s", digits(v), prefix));
  }
  const std::string sign = v < 0 ? "-" : "";
  v = std::abs(v);
  if (v >= 9.2e18) return Value(sign + digits(v) + "s");
  const auto duration = static_cast<int64_t>(v);
  const int64_t seconds = duration % 60, minutes = duration / 60 % 60, hours = duration / 3600 % 24,
                days = duration / 86400;
  if (days != 0) return Value(fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, seconds));
  if (hours != 0) return Value(fmt::format("{}{}h {}m {}s", sign, hours, minutes, seconds));
  if (minutes != 0) return Value(fmt::format("{}{}m {}s", sign, minutes, seconds));
  return Value(sign + digits(v) + "s");
}

Func string_func(std::string (*f)(std::string_view)) {
  return {{ParamKind::kString}, false, [f](Args args) -> Result<Value> { return Value(f(args[0].as_string())); }};
}

void add_common_functions(FuncMap& functions) {
  functions["toUpper"] = string_func(unicode_upper);
  functions["toLower"] = string_func(unicode_lower);
  functions["match"] = {{ParamKind::kString, ParamKind::kString}, false, [](Args args) -> Result<Value> {
                          SENTINEL_ASSIGN(bool yes, go_match(args[0].as_string(), args[1].as_string()));
                          return Value(yes);
                        }};
  functions["reReplaceAll"] = {
      {ParamKind::kString, ParamKind::kString, ParamKind::kString}, false, [](Args args) -> Result<Value> {
        SENTINEL_ASSIGN(std::string out, go_replace_all(args[0].as_string(), args[1].as_string(), args[2].as_string()));
        return Value(std::move(out));
      }};
  functions["safeHtml"] = {{ParamKind::kString}, false, [](Args args) -> Result<Value> {
                             return Value::safe(args[0].as_string(), Content::kHtml);
                           }};
  functions["humanizeDuration"] = {
      {ParamKind::kAny}, false, [](Args args) { return humanize_duration_value(args[0]); }};
}

}  // namespace sentinel::text
