#include "text/value.h"

#include "text/limits.h"

namespace sentinel::text {
namespace {

Value empty_string() { return Value(std::string()); }

std::string_view content_type_name(Content content) {
  switch (content) {
    case Content::kPlain: return "string";
    case Content::kHtml: return "template.HTML";
    case Content::kUrl: return "template.URL";
    case Content::kJs: return "template.JS";
    case Content::kCss: return "template.CSS";
    case Content::kHtmlAttr: return "template.HTMLAttr";
  }
  return "string";
}

bool equal_at(const Value& a, const Value& b, int depth);

bool lists_equal(const List& a, const List& b, int depth) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal_at(a[i], b[i], depth)) return false;
  }
  return true;
}

template <class Pairs>
bool pairs_equal(const Pairs& a, const Pairs& b, int depth) {
  if (a.size() != b.size()) return false;
  auto other = b.begin();
  for (const auto& [key, value] : a) {
    if (key != other->first || !equal_at(value, other->second, depth)) return false;
    ++other;
  }
  return true;
}

bool equal_at(const Value& a, const Value& b, int depth) {
  if (a.kind() != b.kind() || depth > kValueDepthMax) return false;
  switch (a.kind()) {
    case Kind::kNil: return true;
    case Kind::kBool: return a.as_bool() == b.as_bool();
    case Kind::kInt: return a.as_int() == b.as_int();
    case Kind::kFloat: return a.as_float() == b.as_float();
    case Kind::kString: return a.as_string() == b.as_string();
    case Kind::kTime: return a.as_time().at == b.as_time().at;
    case Kind::kDuration: return a.as_duration().ns == b.as_duration().ns;
    case Kind::kList: return lists_equal(a.as_list(), b.as_list(), depth + 1);
    case Kind::kMap: return pairs_equal(a.as_map(), b.as_map(), depth + 1);
    case Kind::kStruct: return pairs_equal(a.as_struct(), b.as_struct(), depth + 1);
  }
  return false;
}

}  // namespace

Value Value::missing() {
  Value v;
  v.data_ = Missing{};
  return v;
}
Value Value::safe(std::string text, Content content) {
  Value v;
  v.data_ = Str{std::make_shared<const std::string>(std::move(text)), content};
  return v;
}
Value Value::list(List items, const TypeInfo* type) {
  Value v;
  v.data_ = ListRef{std::make_shared<const List>(std::move(items)), type ? type : any_list_type()};
  return v;
}
Value Value::strings(std::vector<std::string> items) {
  List values;
  values.reserve(items.size());
  for (auto& item : items) values.emplace_back(std::move(item));
  return list(std::move(values), strings_type());
}
Value Value::map(Map items, const TypeInfo* type) {
  Value v;
  v.data_ = MapRef{std::make_shared<const Map>(std::move(items)), type ? type : any_map_type()};
  return v;
}
Value Value::string_map(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Map items;
  for (const auto& [key, value] : pairs) items.insert_or_assign(key, Value(value));
  return map(std::move(items), string_map_type());
}
Value Value::structure(Struct fields, const TypeInfo* type) {
  Value v;
  v.data_ = StructRef{std::make_shared<const Struct>(std::move(fields)), type};
  return v;
}

Kind Value::kind() const {
  // In the order of the variant's alternatives; nil and missing are both kNil.
  static constexpr Kind kKinds[] = {Kind::kNil,  Kind::kNil,      Kind::kBool, Kind::kInt, Kind::kFloat, Kind::kString,
                                    Kind::kTime, Kind::kDuration, Kind::kList, Kind::kMap, Kind::kStruct};
  return kKinds[data_.index()];
}

bool Value::is_missing() const { return std::holds_alternative<Missing>(data_); }

const TypeInfo* Value::type() const {
  if (auto* list = std::get_if<ListRef>(&data_)) return list->type;
  if (auto* map = std::get_if<MapRef>(&data_)) return map->type;
  if (auto* structure = std::get_if<StructRef>(&data_)) return structure->type;
  return nullptr;
}

std::string Value::type_name() const {
  if (const TypeInfo* info = type()) return info->name;
  switch (kind()) {
    case Kind::kNil: return "<nil>";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float64";
    case Kind::kString: return std::string(content_type_name(content()));
    case Kind::kTime: return "time.Time";
    case Kind::kDuration: return "time.Duration";
    case Kind::kList:
    case Kind::kMap:
    case Kind::kStruct: return "struct {}";
  }
  return "";
}

bool Value::truth() const {
  switch (kind()) {
    case Kind::kNil: return false;
    case Kind::kBool: return as_bool();
    case Kind::kInt: return as_int() != 0;
    case Kind::kFloat: return as_float() != 0;
    case Kind::kString: return !as_string().empty();
    case Kind::kDuration: return as_duration().ns != 0;
    case Kind::kList: return !as_list().empty();
    case Kind::kMap: return !as_map().empty();
    case Kind::kTime:
    case Kind::kStruct: return true;
  }
  return false;
}

std::string Param::name() const {
  switch (kind) {
    case ParamKind::kAny: return "interface {}";
    case ParamKind::kReflect: return "reflect.Value";
    case ParamKind::kBool: return "bool";
    case ParamKind::kInt: return "int";
    case ParamKind::kFloat: return "float64";
    case ParamKind::kString: return "string";
    case ParamKind::kTime: return "time.Time";
    case ParamKind::kDuration: return "time.Duration";
    case ParamKind::kStrings: return "[]string";
    case ParamKind::kList: return "[]interface {}";
    case ParamKind::kType: return type->name;
  }
  return "";
}

static TypeInfo make_type(std::string name, Value (*zero)(), std::string element) {
  TypeInfo type;
  type.name = std::move(name);
  type.zero = zero;
  type.element = std::move(element);
  return type;
}

const TypeInfo* strings_type() {
  static const TypeInfo type = make_type("[]string", empty_string, "string");
  return &type;
}
const TypeInfo* any_list_type() {
  static const TypeInfo type = make_type("[]interface {}", nullptr, "interface {}");
  return &type;
}
const TypeInfo* string_map_type() {
  static const TypeInfo type = make_type("map[string]string", empty_string, "string");
  return &type;
}
const TypeInfo* any_map_type() {
  static const TypeInfo type = make_type("map[string]interface {}", nullptr, "interface {}");
  return &type;
}

bool deep_equal(const Value& a, const Value& b) { return equal_at(a, b, 0); }

}  // namespace sentinel::text
