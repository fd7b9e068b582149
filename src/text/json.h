#pragma once
// Thin helpers over Boost.JSON: parsing with limits and positions, getters whose errors name the field, and a writer
// for hot output. All functions are thread-safe; no exception leaves them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "text/limits.h"
#include "text/value.h"

namespace sentinel::text {

struct JsonLimits {
  size_t bytes_max = kJsonBytesMax;
  size_t depth_max = kJsonDepthMax;
};

// Strict JSON, one value. kInvalidArgument with line and column; kTooLarge past a limit.
Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits = {});
// The same, and the value must be an object.
Result<boost::json::object> parse_json_object(std::string_view text, const JsonLimits& limits = {});

// "null", "boolean", "number", "string", "array", "object".
std::string_view json_kind_name(const boost::json::value& value);

// Fields of an object that must be there: `field "x" is missing`, `field "x": expected string, got number`.
Result<std::string> json_string(const boost::json::object& object, std::string_view key);
Result<int64_t> json_int(const boost::json::object& object, std::string_view key);  // 3.0 is a whole number too
Result<double> json_number(const boost::json::object& object, std::string_view key);
Result<bool> json_bool(const boost::json::object& object, std::string_view key);
Result<const boost::json::object*> json_object(const boost::json::object& object, std::string_view key);
Result<const boost::json::array*> json_array(const boost::json::object& object, std::string_view key);
Result<std::vector<std::string>> json_strings(const boost::json::object& object, std::string_view key);

// The same where absent and null mean `fallback`; the wrong type is still an error.
Result<std::string> json_string_or(const boost::json::object& object, std::string_view key, std::string fallback);
Result<int64_t> json_int_or(const boost::json::object& object, std::string_view key, int64_t fallback);
Result<double> json_number_or(const boost::json::object& object, std::string_view key, double fallback);
Result<bool> json_bool_or(const boost::json::object& object, std::string_view key, bool fallback);

// For templates, as Go's encoding/json decodes into interface{}: numbers are float64. REQUIRES: depth within
// JsonLimits.
Value value_from_json(const boost::json::value& json);

// Appends JSON to a string, commas and quotes included. The caller balances begin and end, and gives a key before each
// value inside an object. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view v);  // malformed UTF-8 becomes U+FFFD
  JsonWriter& integer(int64_t v);
  JsonWriter& number(double v);  // NaN and infinities are null
  JsonWriter& boolean(bool v);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a whole value, trusted

  JsonWriter& field(std::string_view name, std::string_view v) { return key(name).string(v); }
  JsonWriter& field(std::string_view name, const char* v) { return key(name).string(v); }
  JsonWriter& field(std::string_view name, int64_t v) { return key(name).integer(v); }
  JsonWriter& field(std::string_view name, int v) { return key(name).integer(v); }
  JsonWriter& field(std::string_view name, double v) { return key(name).number(v); }
  template <class T>
    requires std::is_same_v<T, bool>
  JsonWriter& field(std::string_view name, T v) {
    return key(name).boolean(v);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string& out_;
  bool need_comma_ = false;
};

}  // namespace sentinel::text
