#include "text/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <exception>

#include <fmt/format.h>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>

#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::text {
namespace {

namespace json = boost::json;

Position position_at(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t newline = before.rfind('\n');
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t column = 1 + before.size() - (newline == std::string_view::npos ? 0 : newline + 1);
  return {"", static_cast<int>(line), static_cast<int>(column)};
}

tl::unexpected<Error> wrong_type(std::string_view key, std::string_view expected, const json::value& got) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("field \"{}\": expected {}, got {}", key, expected, json_kind_name(got)));
}

Result<const json::value*> need(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (!value) return fail(ErrorCode::kInvalidArgument, fmt::format("field \"{}\" is missing", key));
  return value;
}

bool absent(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return !value || value->is_null();
}

std::string describe_error(const json::error_code& error, std::string_view text, size_t offset) {
  if (error == json::error::incomplete) return "the JSON text ends too early";
  if (error == json::error::extra_data) return "more text after the JSON value";
  const char c = offset < text.size() ? text[offset] : '\0';
  if (c >= 0x20 && c < 0x7f) return fmt::format("not JSON: {} near '{}'", error.message(), c);
  return "not JSON: " + error.message();
}

}  // namespace

Result<json::value> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max)
    return fail(ErrorCode::kTooLarge, fmt::format("JSON larger than {} bytes", limits.bytes_max));
  try {
    json::parse_options options;
    options.max_depth = limits.depth_max;
    json::parser parser({}, options);
    json::error_code error;
    size_t read = parser.write_some(text.data(), text.size(), error);
    if (!error && read < text.size()) error = json::error::extra_data;
    if (error == json::error::too_deep) {
      return fail(Error(ErrorCode::kTooLarge, fmt::format("JSON nested deeper than {} levels", limits.depth_max),
                        position_at(text, read)));
    }
    if (error)
      return fail(Error(ErrorCode::kInvalidArgument, describe_error(error, text, read), position_at(text, read)));
    return parser.release();
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("not JSON: {}", e.what()));
  }
}

Result<json::object> parse_json_object(std::string_view text, const JsonLimits& limits) {
  SENTINEL_ASSIGN(json::value value, parse_json(text, limits));
  if (!value.is_object())
    return fail(ErrorCode::kInvalidArgument, fmt::format("expected a JSON object, got {}", json_kind_name(value)));
  return std::move(value.get_object());
}

std::string_view json_kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "number";
    case json::kind::string: return "string";
    case json::kind::array: return "array";
    case json::kind::object: return "object";
  }
  return "";
}

Result<std::string> json_string(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const json::value* value, need(object, key));
  if (!value->is_string()) return wrong_type(key, "string", *value);
  return std::string(value->get_string());
}

Result<int64_t> json_int(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const json::value* value, need(object, key));
  if (value->is_int64()) return value->get_int64();
  const bool whole = value->is_double() && std::abs(value->get_double()) < 9.2e18 &&
                     std::trunc(value->get_double()) == value->get_double();
  if (whole) return static_cast<int64_t>(value->get_double());
  return value->is_number() ? Result<int64_t>(fail(ErrorCode::kInvalidArgument,
                                                   fmt::format("field \"{}\": expected a whole number, got {}", key,
                                                               text::serialize(*value))))
                            : Result<int64_t>(wrong_type(key, "whole number", *value));
}

Result<double> json_number(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const json::value* value, need(object, key));
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  if (value->is_uint64()) return static_cast<double>(value->get_uint64());
  if (value->is_double()) return value->get_double();
  return wrong_type(key, "number", *value);
}

Result<bool> json_bool(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const json::value* value, need(object, key));
  if (!value->is_bool()) return wrong_type(key, "boolean", *value);
  return value->get_bool();
}

Result<const json::object*> json_object(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const json::value* value, need(object, key));
  if (!value->is_object()) return wrong_type(key, "object", *value);
  return &value->get_object();
}

Result<const json::array*> json_array(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const json::value* value, need(object, key));
  if (!value->is_array()) return wrong_type(key, "array", *value);
  return &value->get_array();
}

Result<std::vector<std::string>> json_strings(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const json::array* array, json_array(object, key));
  std::vector<std::string> out;
  for (const json::value& item : *array) {
    if (!item.is_string()) return wrong_type(fmt::format("{}[{}]", key, out.size()), "string", item);
    out.emplace_back(item.get_string());
  }
  return out;
}

Result<std::string> json_string_or(const json::object& object, std::string_view key, std::string fallback) {
  return absent(object, key) ? Result<std::string>(std::move(fallback)) : json_string(object, key);
}
Result<int64_t> json_int_or(const json::object& object, std::string_view key, int64_t fallback) {
  return absent(object, key) ? Result<int64_t>(fallback) : json_int(object, key);
}
Result<double> json_number_or(const json::object& object, std::string_view key, double fallback) {
  return absent(object, key) ? Result<double>(fallback) : json_number(object, key);
}
Result<bool> json_bool_or(const json::object& object, std::string_view key, bool fallback) {
  return absent(object, key) ? Result<bool>(fallback) : json_bool(object, key);
}

Value value_from_json(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return {};
    case json::kind::bool_: return value.get_bool();
    case json::kind::int64: return static_cast<double>(value.get_int64());
    case json::kind::uint64: return static_cast<double>(value.get_uint64());
    case json::kind::double_: return value.get_double();
    case json::kind::string: return std::string(value.get_string());
    case json::kind::array: {
      List list;
      for (const json::value& item : value.get_array()) list.push_back(value_from_json(item));
      return Value::list(std::move(list));
    }
    case json::kind::object: break;
  }
  Map map;
  for (const auto& item : value.get_object())
    map.insert_or_assign(std::string(item.key()), value_from_json(item.value()));
  return Value::map(std::move(map));
}

void JsonWriter::separate() {
  if (need_comma_) out_ += ',';
  need_comma_ = true;
}
JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  need_comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  need_comma_ = true;
  return *this;
}
JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_quoted(out_, name);
  out_ += ':';
  need_comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::string(std::string_view v) {
  separate();
  append_json_quoted(out_, v);
  return *this;
}
JsonWriter& JsonWriter::integer(int64_t v) {
  separate();
  char buffer[24];
  out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
  return *this;
}
JsonWriter& JsonWriter::number(double v) {
  separate();
  out_ += number_text(v);
  return *this;
}
JsonWriter& JsonWriter::boolean(bool v) { return raw(v ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }
JsonWriter& JsonWriter::raw(std::string_view text) {
  separate();
  out_ += text;
  return *this;
}

}  // namespace sentinel::text
