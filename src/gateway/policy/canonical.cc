#include "gateway/policy/canonical.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gateway/policy/limits.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

namespace json = boost::json;

// Top-level fields that say who asks or how it is filed, not what.
constexpr std::string_view kIgnored[] = {"user",  "metadata",    "safety_identifier", "prompt_cache_key",
                                         "store", "service_tier"};

void append_text(std::string& out, std::string_view text) { out += text::serialize(json::value(text)); }

void append(std::string& out, const json::value& value);

void append_object(std::string& out, const json::object& object, bool top) {
  std::vector<const json::key_value_pair*> fields;
  for (const auto& field : object) {
    if (top && std::find(std::begin(kIgnored), std::end(kIgnored), std::string_view(field.key())) != std::end(kIgnored))
      continue;
    fields.push_back(&field);
  }
  std::sort(fields.begin(), fields.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
  out += '{';
  for (const auto* field : fields) {
    if (field != fields.front()) out += ',';
    append_text(out, field->key());
    out += ':';
    append(out, field->value());
  }
  out += '}';
}

void append(std::string& out, const json::value& value) {
  if (const auto* object = value.if_object()) return append_object(out, *object, false);
  if (const auto* list = value.if_array()) {
    out += '[';
    for (size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += ',';
      append(out, (*list)[i]);
    }
    out += ']';
    return;
  }
  if (const auto* number = value.if_double();
      number != nullptr && *number == std::floor(*number) && std::fabs(*number) < 1e15) {
    out += std::to_string(static_cast<int64_t>(*number));
    return;
  }
  out += text::serialize(value);
}

// The text of a message's content: a string, or parts that are all text.
bool plain_text(const json::value& content, std::string& text) {
  if (const auto* whole = content.if_string()) {
    text.assign(whole->data(), whole->size());
    return true;
  }
  const auto* parts = content.if_array();
  if (parts == nullptr) return false;
  for (const json::value& part : *parts) {
    const auto* object = part.if_object();
    const json::value* said = object != nullptr ? object->if_contains("text") : nullptr;
    if (said == nullptr || !said->is_string()) return false;
    text.append(said->get_string().data(), said->get_string().size());
  }
  return !parts->empty();
}

// The list of messages, and in which field of a message its content is.
struct Conversation {
  json::array* messages = nullptr;
  std::string_view content;
};
Conversation conversation_of(json::object& body) {
  if (auto* messages = body.if_contains("messages")) return {messages->if_array(), "content"};
  if (auto* input = body.if_contains("input")) return {input->if_array(), "content"};
  if (auto* contents = body.if_contains("contents")) return {contents->if_array(), "parts"};
  return {};
}

}  // namespace

Result<std::string> canonical_request(std::string_view body) {
  SENTINEL_ASSIGN(const json::object object, text::parse_json_object(body));
  std::string out;
  out.reserve(body.size());
  append_object(out, object, true);
  return out;
}

Result<std::string> canonical_setting(std::string_view body, std::string& text) {
  SENTINEL_ASSIGN(json::object object, text::parse_json_object(body));
  text.clear();
  const Conversation conversation = conversation_of(object);
  json::value* single = object.if_contains("input");
  if (single == nullptr) single = object.if_contains("prompt");
  if (conversation.messages != nullptr && !conversation.messages->empty()) {
    json::object* last = conversation.messages->back().if_object();
    const json::value* role = last != nullptr ? last->if_contains("role") : nullptr;
    json::value* content = last != nullptr ? last->if_contains(conversation.content) : nullptr;
    if (content == nullptr || (role != nullptr && *role != "user") || !plain_text(*content, text))
      return fail(ErrorCode::kUnprocessable, "the last message is not a text of the user");
    *content = nullptr;
  } else if (single != nullptr && single->is_string()) {
    text.assign(single->get_string().data(), single->get_string().size());
    *single = nullptr;
  } else {
    return fail(ErrorCode::kUnprocessable, "no message of the user");
  }
  std::string out;
  append_object(out, object, true);
  return out;
}

}  // namespace sentinel::gateway
