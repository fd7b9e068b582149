#pragma once
// Internal to gateway/protocol: reading JSON in one pass with simdjson. Not thread-safe across one parser: each thread
// has its own. Depth is bounded by the caller's code, not by the input: what nobody asks for is skipped without
// recursion.

#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "gateway/limits.h"
#include "gateway/protocol/info.h"

namespace sentinel::gateway::json_read {

namespace od = simdjson::ondemand;

inline od::parser& parser() {
  thread_local od::parser instance;
  return instance;
}

// simdjson reads a few bytes past the end; a string is given the room for it.
inline simdjson::padded_string_view padded(std::string& text) {
  if (text.capacity() < text.size() + simdjson::SIMDJSON_PADDING)
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  return simdjson::padded_string_view(text.data(), text.size(), text.capacity());
}

inline bool open_object(std::string& body, od::document& document, od::object& object) {
  if (parser().iterate(padded(body)).get(document) != simdjson::SUCCESS) return false;
  return document.get_object().get(object) == simdjson::SUCCESS;
}

// Nothing but white space follows what was read.
inline bool at_end(od::document& document) {
  const char* location = nullptr;
  return document.current_location().get(location) == simdjson::OUT_OF_BOUNDS;
}

// Calls fn(key, value) for each field; false when the object is malformed.
template <class F>
bool each_field(od::object object, F fn) {
  for (auto field : object) {
    std::string_view key;
    od::value value;
    if (field.error() != simdjson::SUCCESS) return false;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    if (field.value().get(value) != simdjson::SUCCESS) return false;
    fn(key, value);
  }
  return true;
}

inline od::json_type type_of(od::value value) {
  od::json_type type{};
  return value.type().get(type) == simdjson::SUCCESS ? type : od::json_type::null;
}
inline bool is_object(od::value value) { return type_of(value) == od::json_type::object; }
inline bool is_array(od::value value) { return type_of(value) == od::json_type::array; }
inline bool is_string(od::value value) { return type_of(value) == od::json_type::string; }

// type() looks at the first letter only: "nonsense" would be null.
inline bool is_null(od::value value) {
  bool null = false;
  return value.is_null().get(null) == simdjson::SUCCESS && null;
}

template <class F>
bool each_item(od::value list, F fn) {
  od::array array;
  if (list.get_array().get(array) != simdjson::SUCCESS) return false;
  for (auto item : array) {
    od::value value;
    if (item.get(value) != simdjson::SUCCESS) return false;
    fn(value);
  }
  return true;
}

// Of a value that must be an object.
template <class F>
bool each_field_of(od::value value, F fn) {
  od::object object;
  return value.get_object().get(object) == simdjson::SUCCESS && each_field(object, fn);
}
// Of a value that may be anything.
template <class F>
void each_field_if(od::value value, F fn) {
  if (is_object(value)) each_field_of(value, fn);
}
template <class F>
void each_item_if(od::value value, F fn) {
  if (is_array(value)) each_item(value, fn);
}

inline std::string_view text_of(od::value value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return {};
  return text;
}
inline std::string_view text_if(od::value value) { return is_string(value) ? text_of(value) : std::string_view(); }

inline std::optional<int64_t> integer_of(od::value value) {
  int64_t number = 0;
  if (value.get_int64().get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

inline void append_bounded(std::string& out, std::string_view text) {
  if (out.size() >= kPromptBytesMax) return;
  out += utf8_prefix(text, kPromptBytesMax - out.size());
}

inline int64_t count_chars(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

inline Slice slice_of(std::string_view token, const std::string& body) {
  const std::string_view text = trim(token);
  return {static_cast<size_t>(text.data() - body.data()), text.size()};
}

inline void add_tool(AnswerInfo& answer, std::string_view name) {
  if (!name.empty() && answer.tool_names.size() < kTagsMax)
    answer.tool_names.emplace_back(utf8_prefix(name, kAttributeBytesMax));
}

// A tier that has no prices of its own is none.
inline void read_service_tier(od::value value, AnswerInfo& answer) {
  const std::string_view tier = text_if(value);
  answer.service_tier = tier == "default" || tier == "standard" || tier == "auto" ? "" : utf8_prefix(tier, 32);
}

// The message of an error, which is an object or a text.
inline std::string error_message_of(od::value error) {
  if (is_string(error)) return std::string(text_of(error));
  std::string message;
  each_field_if(error, [&](std::string_view name, od::value v) {
    if (name == "message") message = text_if(v);
  });
  return message;
}

// One message of a conversation, gathered while its fields come in any order.
struct Said {
  std::string role;
  std::string text;
  std::string documents;
  std::string tools{};  // what tools gave back
};

// Adds a message to what is known of a request. A system message that begins with "Document:" is one.
inline void add_said(Said said, RequestInfo& info) {
  constexpr std::string_view kDocument = "Document:";
  info.prompt_chars += count_chars(said.text) + count_chars(said.documents) + count_chars(said.tools);
  if (!said.documents.empty()) append_bounded(info.context, said.documents);
  // What only hands back the results of tools is not what the user said.
  const bool user = said.role == "user" && (!said.text.empty() || (info.prompt.empty() && said.tools.empty()));
  if (user) info.tool_output.clear();
  if (!said.tools.empty()) append_bounded(info.tool_output, said.tools);
  if (user) {
    info.prompt = std::move(said.text);
  } else if (said.role == "tool" || said.role == "function") {
    append_bounded(info.tool_output, said.text);
  } else if (said.role == "document") {
    append_bounded(info.context, said.text);
  } else if ((said.role == "system" || said.role == "developer") && said.text.starts_with(kDocument)) {
    append_bounded(info.context, trim(std::string_view(said.text).substr(kDocument.size())));
  }
}

// `metadata`: the grounding document and the faults the application asks for.
void read_metadata(od::value metadata, RequestInfo& info);

// Parses one JSON object: fn(key, value) for each of its fields. False: malformed, or something follows it.
template <class F>
bool read_object(std::string& body, F fn) {
  od::document document;
  od::object object;
  if (!open_object(body, document, object)) return false;
  return each_field(object, fn) && at_end(document);
}
// The same of bytes that are not ours to grow.
template <class F>
bool read_object_copy(std::string_view json, F fn) {
  thread_local std::string copy;
  copy.assign(json);
  return read_object(copy, fn);
}

// A request: fn(key, value, info) for each of its fields.
template <class F>
Result<RequestInfo> read_request_object(std::string& body, F fn) {
  RequestInfo info;
  od::document document;
  od::object object;
  if (!open_object(body, document, object))
    return fail(ErrorCode::kInvalidArgument, "the request body is not a JSON object");
  info.object_begin = body.find('{') + 1;
  const bool good = each_field(object, [&](std::string_view key, od::value value) { fn(key, value, info); });
  if (!good || !at_end(document)) return fail(ErrorCode::kInvalidArgument, "the request body is not valid JSON");
  return info;
}

}  // namespace sentinel::gateway::json_read
