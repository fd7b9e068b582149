#include <optional>

#include <fmt/format.h>

#include "base/strings.h"
#include "text/gofmt.h"
#include "text/limits.h"
#include "text/template.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

using Args = std::span<const Value>;

tl::unexpected<Error> bad(std::string message) { return fail(ErrorCode::kUnprocessable, std::move(message)); }

// The arguments of html, js and urlquery as one text.
std::string joined(Args args) {
  if (args.size() == 1 && args[0].kind() == Kind::kString) return args[0].as_string();
  List shown;
  for (const Value& arg : args) shown.push_back(arg.is_nil() ? Value("<no value>") : arg);
  return go_sprint(shown);
}

Result<Value> length(Args args) {
  switch (args[0].kind()) {
    case Kind::kString: return Value(static_cast<int64_t>(args[0].as_string().size()));
    case Kind::kList: return Value(static_cast<int64_t>(args[0].as_list().size()));
    case Kind::kMap: return Value(static_cast<int64_t>(args[0].as_map().size()));
    case Kind::kNil: return bad("reflect: call of reflect.Value.Type on zero Value");
    default: return bad("len of type " + args[0].type_name());
  }
}

// An index into a list or string of `size` elements; `size` itself is allowed for slices.
Result<size_t> position(const Value& index, size_t size, bool slicing) {
  if (index.is_nil()) return bad("cannot index slice/array with nil");
  if (index.kind() != Kind::kInt) return bad("cannot index slice/array with type " + index.type_name());
  const int64_t at = index.as_int();
  if (at < 0 || static_cast<uint64_t>(at) > size) return bad(fmt::format("index out of range: {}", at));
  if (!slicing && static_cast<uint64_t>(at) == size) return bad("reflect: slice index out of range");
  return static_cast<size_t>(at);
}

Value zero_element(const Value& map) { return map.type() && map.type()->zero ? map.type()->zero() : Value(); }

Result<Value> index_one(const Value& item, const Value& index) {
  switch (item.kind()) {
    case Kind::kList: {
      SENTINEL_ASSIGN(size_t at, position(index, item.as_list().size(), false));
      return item.as_list()[at];
    }
    case Kind::kString: {
      SENTINEL_ASSIGN(size_t at, position(index, item.as_string().size(), false));
      return Value(int64_t{static_cast<uint8_t>(item.as_string()[at])});
    }
    case Kind::kMap: {
      if (index.is_nil()) return bad("value is nil; should be of type string");
      if (index.kind() != Kind::kString)
        return bad(fmt::format("value has type {}; should be string", index.type_name()));
      auto found = item.as_map().find(index.as_string());
      return found == item.as_map().end() ? zero_element(item) : found->second;
    }
    case Kind::kNil: return bad("index of nil pointer");
    default: return bad("can't index item of type " + item.type_name());
  }
}

Result<Value> index(Args args) {
  if (args[0].is_nil()) return bad("index of untyped nil");
  Value item = args[0];
  for (const Value& at : args.subspan(1)) {
    SENTINEL_ASSIGN(item, index_one(item, at));
  }
  return item;
}

Result<Value> slice(Args args) {
  const Value& item = args[0];
  if (item.is_nil()) return bad("slice of untyped nil");
  if (args.size() > 4) return bad(fmt::format("too many slice indexes: {}", args.size() - 1));
  const bool text = item.kind() == Kind::kString;
  if (!text && item.kind() != Kind::kList) return bad("can't slice item of type " + item.type_name());
  if (text && args.size() == 4) return bad("cannot 3-index slice a string");
  const size_t size = text ? item.as_string().size() : item.as_list().size();
  size_t bounds[3] = {0, size, size};
  for (size_t i = 1; i < args.size(); ++i) {
    SENTINEL_ASSIGN(bounds[i - 1], position(args[i], size, true));
  }
  if (bounds[0] > bounds[1]) return bad(fmt::format("invalid slice index: {} > {}", bounds[0], bounds[1]));
  if (bounds[1] > bounds[2]) return bad(fmt::format("invalid slice index: {} > {}", bounds[1], bounds[2]));
  if (text) return Value(item.as_string().substr(bounds[0], bounds[1] - bounds[0]));
  auto from = item.as_list().begin();
  return Value::list(List(from + static_cast<ptrdiff_t>(bounds[0]), from + static_cast<ptrdiff_t>(bounds[1])),
                     item.type());
}

enum class Basic { kNone, kBool, kInt, kFloat, kString };
Basic basic_kind(const Value& v) {
  switch (v.kind()) {
    case Kind::kBool: return Basic::kBool;
    case Kind::kInt:
    case Kind::kDuration: return Basic::kInt;
    case Kind::kFloat: return Basic::kFloat;
    case Kind::kString: return Basic::kString;
    default: return Basic::kNone;
  }
}
int64_t integer(const Value& v) { return v.kind() == Kind::kDuration ? v.as_duration().ns : v.as_int(); }

constexpr const char* kBadType = "invalid type for comparison";
constexpr const char* kBadPair = "incompatible types for comparison";

std::optional<std::string> not_comparable(const Value& v) {
  const bool pointer = v.type() && v.type()->name.starts_with('*');
  if (pointer || (v.kind() != Kind::kList && v.kind() != Kind::kMap)) return std::nullopt;
  return go_sprintf("non-comparable type %s: %T", List{v, v});
}

Result<bool> equal_pair(const Value& a, const Value& b) {
  const Basic kind = basic_kind(a);
  if (kind != basic_kind(b)) {
    if (a.is_nil() || b.is_nil()) return false;
    return bad(kBadPair);
  }
  switch (kind) {
    case Basic::kBool: return a.as_bool() == b.as_bool();
    case Basic::kInt: return integer(a) == integer(b);
    case Basic::kFloat: return a.as_float() == b.as_float();
    case Basic::kString: return a.as_string() == b.as_string();
    case Basic::kNone: break;
  }
  if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
  if (auto reason = not_comparable(b)) return bad(*reason);
  return a.type_name() == b.type_name() && deep_equal(a, b);
}

Result<Value> eq(Args args) {
  const bool against_nil = args.size() == 2 && args[1].is_nil();
  if (!against_nil) {
    if (auto reason = not_comparable(args[0])) return bad(*reason);
  }
  if (args.size() < 2) return bad("missing argument for comparison");
  for (const Value& other : args.subspan(1)) {
    SENTINEL_ASSIGN(bool same, equal_pair(args[0], other));
    if (same) return Value(true);
  }
  return Value(false);
}

Result<bool> less(const Value& a, const Value& b) {
  const Basic kind = basic_kind(a);
  if (kind == Basic::kNone || basic_kind(b) == Basic::kNone) return bad(kBadType);
  if (kind != basic_kind(b)) return bad(kBadPair);
  switch (kind) {
    case Basic::kInt: return integer(a) < integer(b);
    case Basic::kFloat: return a.as_float() < b.as_float();
    case Basic::kString: return a.as_string() < b.as_string();
    default: return bad(kBadType);
  }
}

Result<Value> negate(Result<Value> value) {
  if (!value) return value;
  return Value(!value->as_bool());
}
Result<Value> lt(Args args) {
  SENTINEL_ASSIGN(bool yes, less(args[0], args[1]));
  return Value(yes);
}
Result<Value> le(Args args) {
  SENTINEL_ASSIGN(bool yes, less(args[0], args[1]));
  if (yes) return Value(true);
  return eq(args);
}

Result<Value> call(Args args) {
  if (args[0].is_nil()) return bad("call of nil");
  return bad(fmt::format("non-function {} of type {}", go_string(args[0]), args[0].type_name()));
}

// Bound by the executor before all arguments are known; here only for a pipeline's last value.
Result<Value> last(Args args) { return args.back(); }

FuncMap make_builtins() {
  const Param any = ParamKind::kAny;
  const Param reflect = ParamKind::kReflect;
  const auto text = [](std::string (*f)(std::string_view)) {
    return [f](Args args) -> Result<Value> { return Value(f(joined(args))); };
  };
  return {
      {"and", {{reflect, reflect}, true, last}},
      {"or", {{reflect, reflect}, true, last}},
      {"not", {{reflect}, false, [](Args a) -> Result<Value> { return Value(!a[0].truth()); }}},
      {"len", {{reflect}, false, length}},
      {"index", {{reflect, reflect}, true, index}},
      {"slice", {{reflect, reflect}, true, slice}},
      {"call", {{reflect, reflect}, true, call}},
      {"eq", {{reflect, reflect}, true, eq}},
      {"ne", {{reflect, reflect}, false, [](Args a) { return negate(eq(a)); }}},
      {"lt", {{reflect, reflect}, false, lt}},
      {"le", {{reflect, reflect}, false, le}},
      {"gt", {{reflect, reflect}, false, [](Args a) { return negate(le(a)); }}},
      {"ge", {{reflect, reflect}, false, [](Args a) { return negate(lt(a)); }}},
      {"print", {{any}, true, [](Args a) -> Result<Value> { return Value(go_sprint(a)); }}},
      {"println", {{any}, true, [](Args a) -> Result<Value> { return Value(go_sprintln(a)); }}},
      {"printf",
       {{ParamKind::kString, any},
        true,
        [](Args a) -> Result<Value> { return Value(go_sprintf(a[0].as_string(), a.subspan(1))); }}},
      {"html", {{any}, true, text(html_escape_go)}},
      {"js", {{any}, true, text(js_escape_go)}},
      {"urlquery", {{any}, true, text(query_escape_go)}},
  };
}

}  // namespace

const FuncMap& template_builtins() {
  static const FuncMap builtins = make_builtins();
  return builtins;
}

std::string html_escape_go(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (char c : text) {
    switch (c) {
      case '\0': out += "\uFFFD"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string js_escape_go(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Rune rune = decode_rune(text);
    const std::string_view bytes = text.substr(0, static_cast<size_t>(rune.bytes));
    text.remove_prefix(bytes.size());
    switch (rune.code) {
      case '\\': out += "\\\\"; continue;
      case '\'': out += "\\'"; continue;
      case '"': out += "\\\""; continue;
      case '<': out += "\\u003C"; continue;
      case '>': out += "\\u003E"; continue;
      case '&': out += "\\u0026"; continue;
      case '=': out += "\\u003D"; continue;
      default: break;
    }
    if (rune.code < 0x20 || (rune.code >= 0x80 && !is_printable(rune.code)))
      out += fmt::format("\\u{:04X}", rune.code);
    else
      out += bytes;
  }
  return out;
}

std::string query_escape_go(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '-' || c == '_' || c == '.' || c == '~')
      out += c;
    else if (c == ' ')
      out += '+';
    else
      out += fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

}  // namespace sentinel::text
