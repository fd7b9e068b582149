#include "text/json_text.h"

#include <charconv>
#include <cmath>
#include <utility>

#include <boost/json/serialize.hpp>

#include "base/strings.h"

namespace sentinel::text {
namespace {

namespace json = boost::json;

constexpr int kFixedExponentMin = -5;  // of numbers written without an exponent
constexpr int kFixedExponentMax = 20;

void append_number(std::string& out, double v) {
  if (!std::isfinite(v)) {
    out += "null";
    return;
  }
  char buffer[48];
  const auto shortest = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(shortest.ptr - buffer));
  const size_t e = text.find('e');
  const int exponent = static_cast<int>(parse_int(text.substr(e + (text[e + 1] == '+' ? 2 : 1))).value_or(0));
  if (exponent >= kFixedExponentMin && exponent <= kFixedExponentMax) {
    out += format_double(v);
    return;
  }
  out.append(text.substr(0, e + 1)).append(std::to_string(exponent));
}

void append_json(std::string& out, const json::value& value);

void append_json(std::string& out, const json::array& array) {
  out += '[';
  for (size_t i = 0; i < array.size(); ++i) {
    if (i > 0) out += ',';
    append_json(out, array[i]);
  }
  out += ']';
}

void append_json(std::string& out, const json::object& object) {
  out += '{';
  bool first = true;
  for (const auto& item : object) {
    if (!std::exchange(first, false)) out += ',';
    append_json_quoted(out, item.key());
    out += ':';
    append_json(out, item.value());
  }
  out += '}';
}

// As deep as the value: REQUIRES depth within JsonLimits for what came from outside.
void append_json(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::double_: return append_number(out, value.get_double());
    case json::kind::string: return append_json_quoted(out, value.get_string());
    case json::kind::array: return append_json(out, value.get_array());
    case json::kind::object: return append_json(out, value.get_object());
    default: out += json::serialize(value);  // null, true, false, whole numbers
  }
}

}  // namespace

std::string number_text(double v) {
  std::string out;
  append_number(out, v);
  return out;
}

std::string serialize(const json::value& value) {
  std::string out;
  append_json(out, value);
  return out;
}
std::string serialize(const json::object& object) {
  std::string out;
  append_json(out, object);
  return out;
}
std::string serialize(const json::array& array) {
  std::string out;
  append_json(out, array);
  return out;
}

}  // namespace sentinel::text
