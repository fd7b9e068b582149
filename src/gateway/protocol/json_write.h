#pragma once
// Internal to gateway/protocol: getters over Boost.JSON for codecs. Absent, null and the wrong type give the fallback:
// what matters is checked where it is read.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"
#include "gateway/protocol/value.h"

namespace sentinel::gateway::json_write {

using boost::json::array;
using boost::json::object;
using boost::json::value;

const value* find(const object& from, std::string_view key);  // null: absent, or JSON null
const object* object_at(const object& from, std::string_view key);
const array* array_at(const object& from, std::string_view key);
std::string string_at(const object& from, std::string_view key);
std::optional<double> number_at(const object& from, std::string_view key);
std::optional<int64_t> integer_at(const object& from, std::string_view key);
std::optional<bool> boolean_at(const object& from, std::string_view key);
bool true_at(const object& from, std::string_view key);
std::vector<std::string> strings_at(const object& from, std::string_view key);  // a string is a list of one

// The object in `text`, or an empty one: arguments of tool calls are JSON in a string in some APIs and JSON in others.
object object_of(std::string_view text);

template <class T>
void put(object& into, std::string_view key, const std::optional<T>& v) {
  if (v) into[key] = *v;
}
inline void put_text(object& into, std::string_view key, std::string_view text) {
  if (!text.empty()) into[key] = text;
}

// "data:image/png;base64,....": fills media_type and data. False: not such a URL.
bool read_data_url(std::string_view url, Part& part);
std::string data_url(const Part& part);

std::string all_text(const std::vector<Part>& parts, std::string_view separator = "");

// A client's request that its provider's API cannot say.
inline auto unsupported(std::string_view what) {
  return fail(ErrorCode::kUnprocessable, std::string(what) + " cannot be carried to this provider");
}
inline auto malformed(std::string_view what) { return fail(ErrorCode::kInvalidArgument, std::string(what)); }

// One server-sent event; without a name as most APIs send them.
void append_event(std::string& out, std::string_view name, const object& data);

}  // namespace sentinel::gateway::json_write
