#include <fmt/format.h>

#include "base/strings.h"
#include "text/go_time.h"
#include "text/gofmt.h"
#include "text/html_context.h"
#include "text/limits.h"
#include "text/prometheus_functions.h"
#include "text/template_functions.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

using Args = std::span<const Value>;

tl::unexpected<Error> bad(std::string message) { return fail(ErrorCode::kUnprocessable, std::move(message)); }

Result<Value> join_strings(Args args) {
  std::string out;
  bool first = true;
  for (const Value& item : args[1].as_list()) {
    if (!first) out += args[0].as_string();
    first = false;
    out += item.as_string();
    if (out.size() > kTemplateOutputBytesMax)
      return fail(ErrorCode::kTooLarge, fmt::format("result exceeds {} bytes", kTemplateOutputBytesMax));
  }
  return Value(std::move(out));
}

// URL-safe alphabet, padding kept.
Result<Value> base64_url_encode(Args args) {
  std::string text = base64_encode(args[0].as_string());
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return Value(std::move(text));
}

Result<Value> base64_url_decode(Args args) {
  const std::string& text = args[0].as_string();
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string body;  // Go skips line ends
  for (char c : text) {
    if (c != '\n' && c != '\r') body += c;
  }
  const size_t end = std::min(body.find_first_not_of(kAlphabet), body.size());
  const size_t padding = body.size() - end;
  const bool sound = body.find_first_not_of('=', end) == std::string::npos && body.size() % 4 == 0 && padding <= 2;
  auto decoded = sound ? base64_decode(body) : std::nullopt;
  if (!decoded) return bad(fmt::format("illegal base64 data at input byte {}", end));
  return Value(std::move(*decoded));
}

Result<Value> query_unescape(Args args) {
  const std::string& text = args[0].as_string();
  if (auto decoded = url_decode(text, true)) return Value(std::move(*decoded));
  const auto hex = [&](size_t at) {
    return at < text.size() && std::string_view("0123456789abcdefABCDEF").find(text[at]) != std::string_view::npos;
  };
  for (size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + 1)) {
    if (!hex(at + 1) || !hex(at + 2)) return bad("invalid URL escape " + go_quote(text.substr(at, 3)));
  }
  return bad("invalid URL escape");
}

Result<Value> make_dict(Args args) {
  if (args.size() % 2 != 0) return bad("dict requires an even number of arguments");
  Map map;
  for (size_t i = 0; i < args.size(); i += 2) {
    const bool name = args[i].kind() == Kind::kString && args[i].content() == Content::kPlain;
    if (!name) return bad("dict keys must be strings");
    map.insert_or_assign(args[i].as_string(), args[i + 1]);
  }
  return Value::map(std::move(map));
}

void add_time_functions(FuncMap& functions, const std::function<TimePoint()>& now) {
  const Param text = ParamKind::kString;
  const Param time = ParamKind::kTime;
  functions["date"] = {{text, time}, false, [](Args a) -> Result<Value> {
                         return Value(format_go_time(a[1].as_time(), a[0].as_string()));
                       }};
  functions["tz"] = {{text, time}, false, [](Args a) -> Result<Value> {
                       SENTINEL_TRY(check_time_zone(a[0].as_string()));
                       return Value(ZonedTime{a[1].as_time().at, a[0].as_string()});
                     }};
  functions["now"] = {{}, false, [now](Args) -> Result<Value> { return Value(now()); }};
  functions["since"] = {
      {time}, false, [now](Args a) -> Result<Value> { return Value(go_elapsed(now(), a[0].as_time().at)); }};
  functions["toDate"] = {{text, text}, false, [](Args a) -> Result<Value> {
                           return Value(parse_go_time(a[0].as_string(), a[1].as_string()).value_or(zero_time()));
                         }};
  functions["mustToDate"] = {{text, text}, false, [](Args a) -> Result<Value> {
                               SENTINEL_ASSIGN(ZonedTime parsed, parse_go_time(a[0].as_string(), a[1].as_string()));
                               return Value(std::move(parsed));
                             }};
}

}  // namespace

FuncMap alertmanager_functions(std::function<TimePoint()> now) {
  const Param text = ParamKind::kString;
  FuncMap functions;
  add_common_functions(functions);
  add_time_functions(functions, now);
  functions["title"] = string_func([](std::string_view t) { return title_case(t, false); });
  functions["trimSpace"] = string_func([](std::string_view t) { return std::string(trim_unicode_space(t)); });
  functions["join"] = {{text, ParamKind::kStrings}, false, join_strings};
  functions["safeUrl"] = {
      {text}, false, [](Args a) -> Result<Value> { return Value::safe(a[0].as_string(), Content::kUrl); }};
  functions["urlUnescape"] = {{text}, false, query_unescape};
  functions["stringSlice"] = {
      {text}, true, [](Args a) -> Result<Value> { return Value::list(List(a.begin(), a.end()), strings_type()); }};
  functions["routeLabels"] = {{text}, false, [](Args) -> Result<Value> { return Value(""); }};
  functions["toJson"] = {{ParamKind::kAny}, false, [](Args a) -> Result<Value> { return Value(go_json(a[0])); }};
  functions["base64encode"] = {{text}, false, base64_url_encode};
  functions["base64decode"] = {{text}, false, base64_url_decode};
  functions["list"] = {
      {ParamKind::kAny}, true, [](Args a) -> Result<Value> { return Value::list(List(a.begin(), a.end())); }};
  functions["append"] = {{ParamKind::kList, ParamKind::kAny}, true, [](Args a) -> Result<Value> {
                           List list = a[0].as_list();
                           list.insert(list.end(), a.begin() + 1, a.end());
                           return Value::list(std::move(list));
                         }};
  functions["dict"] = {{ParamKind::kAny}, true, make_dict};
  return functions;
}

}  // namespace sentinel::text
