#pragma once
// The data a template sees: Go's dynamic values as far as templates can tell them apart.
//
// A Value is cheap to copy (containers are shared and immutable) and may be read from many threads. Named Go types with
// methods (Alertmanager's KV, Alerts) are lists, maps and structs that carry a TypeInfo.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel::text {

class Value;
struct TypeInfo;

using List = std::vector<Value>;
using Map = std::map<std::string, Value, std::less<>>;      // Go ranges over and prints maps in key order
using Struct = std::vector<std::pair<std::string, Value>>;  // fields in declaration order
enum class Kind { kNil, kBool, kInt, kFloat, kString, kTime, kDuration, kList, kMap, kStruct };

// What html/template knows of a string: anything but kPlain passes unescaped where it fits.
enum class Content : uint8_t { kPlain, kHtml, kUrl, kJs, kCss, kHtmlAttr };

// A moment with the zone it is shown in ("" and "UTC" are UTC; otherwise an IANA name).
struct ZonedTime {
  TimePoint at;
  std::string zone;
};
struct GoDuration {
  int64_t ns = 0;
};

class Value {
 public:
  Value() = default;       // nil
  static Value missing();  // nil that prints "<no value>" and whose fields are missing too
  template <class T>
    requires std::is_same_v<T, bool>
  Value(T v) : data_(v) {}
  Value(int v) : data_(int64_t{v}) {}
  Value(int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(const char* v) : Value(std::string(v)) {}
  Value(std::string_view v) : Value(std::string(v)) {}
  Value(std::string v) : data_(Str{std::make_shared<const std::string>(std::move(v)), Content::kPlain}) {}
  Value(ZonedTime v) : data_(std::move(v)) {}
  Value(TimePoint v) : data_(ZonedTime{v, "UTC"}) {}
  Value(GoDuration v) : data_(v) {}
  static Value safe(std::string v, Content content);

  // `type` must outlive the value (a function-local static); null means []interface {} / map[string]interface {}.
  static Value list(List v, const TypeInfo* type = nullptr);
  static Value strings(std::vector<std::string> v);  // []string
  static Value map(Map v, const TypeInfo* type = nullptr);
  static Value string_map(const std::vector<std::pair<std::string, std::string>>& v);  // map[string]string
  static Value structure(Struct v, const TypeInfo* type);

  Kind kind() const;
  bool is_nil() const { return kind() == Kind::kNil; }
  bool is_missing() const;

  // REQUIRES: the matching kind().
  bool as_bool() const { return std::get<bool>(data_); }
  int64_t as_int() const { return std::get<int64_t>(data_); }
  double as_float() const { return std::get<double>(data_); }
  const std::string& as_string() const { return *std::get<Str>(data_).text; }
  Content content() const { return std::get<Str>(data_).content; }
  const ZonedTime& as_time() const { return std::get<ZonedTime>(data_); }
  GoDuration as_duration() const { return std::get<GoDuration>(data_); }
  const List& as_list() const { return *std::get<ListRef>(data_).items; }
  const Map& as_map() const { return *std::get<MapRef>(data_).items; }
  const Struct& as_struct() const { return *std::get<StructRef>(data_).fields; }

  // Null for scalars.
  const TypeInfo* type() const;
  // Go's name of the dynamic type, as %T prints it: "int", "[]string", "template.KV"; "<nil>" for nil.
  std::string type_name() const;
  bool truth() const;  // Go templates' rule: false, 0, nil and empty are false; structs and times are true

 private:
  struct Missing {};
  struct Str {
    std::shared_ptr<const std::string> text;
    Content content;
  };
  struct ListRef {
    std::shared_ptr<const List> items;
    const TypeInfo* type;
  };
  struct MapRef {
    std::shared_ptr<const Map> items;
    const TypeInfo* type;
  };
  struct StructRef {
    std::shared_ptr<const Struct> fields;
    const TypeInfo* type;
  };
  std::variant<std::monostate, Missing, bool, int64_t, double, Str, ZonedTime, GoDuration, ListRef, MapRef, StructRef>
      data_;
};

// The declared type of a parameter: decides which constants convert and how a mismatch is worded.
enum class ParamKind : uint8_t {
  kAny,      // interface {}
  kReflect,  // reflect.Value: as kAny, but may be nil; what Go's own functions take
  kBool,
  kInt,
  kFloat,
  kString,
  kTime,
  kDuration,
  kStrings,  // []string or a named type over it
  kList,     // []interface {}
  kType,     // exactly the TypeInfo
};
struct Param {
  ParamKind kind = ParamKind::kAny;
  const TypeInfo* type = nullptr;
  Param(ParamKind k) : kind(k) {}
  Param(const TypeInfo* t) : kind(ParamKind::kType), type(t) {}
  std::string name() const;
};

// A function a template may call. `call` gets arguments of the declared kinds; it must not keep the span.
struct Func {
  std::vector<Param> params;
  bool variadic = false;  // the last parameter takes any number
  std::function<Result<Value>(std::span<const Value>)> call;
};
using FuncMap = std::map<std::string, Func, std::less<>>;

struct Method {
  std::vector<Param> params;
  std::function<Result<Value>(const Value& self, std::span<const Value>)> call;
};

// A named Go type. Immutable once shared.
struct TypeInfo {
  std::string name;           // "template.KV"; "*template.Data" for what Go passes by pointer
  Value (*zero)() = nullptr;  // value of a missing map key under missingkey=zero; null means nil
  std::map<std::string, Method, std::less<>> methods;
  std::function<std::string(const Value&)> to_string;          // the type's String(), used by %v and %s
  std::string element = "interface {}";                        // of lists and maps
  std::map<std::string, std::string, std::less<>> json_names;  // of struct fields; others keep their own
};
const TypeInfo* strings_type();     // []string
const TypeInfo* any_list_type();    // []interface {}
const TypeInfo* string_map_type();  // map[string]string
const TypeInfo* any_map_type();     // map[string]interface {}

// Deep equality of two values as reflect.DeepEqual sees it, to kValueDepthMax.
bool deep_equal(const Value& a, const Value& b);

}  // namespace sentinel::text
