#include "gateway/protocol/json_write.h"

#include <cmath>

#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway::json_write {

const value* find(const object& from, std::string_view key) {
  const value* const found = from.if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

const object* object_at(const object& from, std::string_view key) {
  const value* const found = find(from, key);
  return found == nullptr ? nullptr : found->if_object();
}

const array* array_at(const object& from, std::string_view key) {
  const value* const found = find(from, key);
  return found == nullptr ? nullptr : found->if_array();
}

std::string string_at(const object& from, std::string_view key) {
  const value* const found = find(from, key);
  return found == nullptr || !found->is_string() ? std::string() : std::string(found->get_string());
}

std::optional<double> number_at(const object& from, std::string_view key) {
  const value* const found = find(from, key);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->to_number<double>();
}

std::optional<int64_t> integer_at(const object& from, std::string_view key) {
  const auto number = number_at(from, key);
  if (!number || std::abs(*number) > 9e15) return std::nullopt;
  return static_cast<int64_t>(*number);
}

std::optional<bool> boolean_at(const object& from, std::string_view key) {
  const value* const found = find(from, key);
  if (found == nullptr || !found->is_bool()) return std::nullopt;
  return found->get_bool();
}

bool true_at(const object& from, std::string_view key) { return boolean_at(from, key).value_or(false); }

std::vector<std::string> strings_at(const object& from, std::string_view key) {
  std::vector<std::string> out;
  const value* const found = find(from, key);
  if (found == nullptr) return out;
  if (found->is_string()) out.emplace_back(found->get_string());
  if (const array* const list = found->if_array()) {
    for (const value& item : *list) {
      if (item.is_string()) out.emplace_back(item.get_string());
    }
  }
  return out;
}

object object_of(std::string_view text) {
  if (auto parsed = text::parse_json_object(text)) return std::move(*parsed);
  return {};
}

bool read_data_url(std::string_view url, Part& part) {
  constexpr std::string_view kScheme = "data:";
  constexpr std::string_view kBase64 = ";base64,";
  const size_t comma = url.find(kBase64);
  if (!url.starts_with(kScheme) || comma == std::string_view::npos) return false;
  part.media_type = url.substr(kScheme.size(), comma - kScheme.size());
  part.data = url.substr(comma + kBase64.size());
  return true;
}

std::string data_url(const Part& part) {
  return part.data.empty() ? part.url : "data:" + part.media_type + ";base64," + part.data;
}

std::string all_text(const std::vector<Part>& parts, std::string_view separator) {
  std::string out;
  for (const Part& part : parts) {
    if (part.kind != PartKind::kText && part.kind != PartKind::kRefusal) continue;
    if (!out.empty()) out += separator;
    out += part.text;
  }
  return out;
}

void append_event(std::string& out, std::string_view name, const object& data) {
  if (!name.empty()) {
    out += "event: ";
    out += name;
    out += '\n';
  }
  out += "data: ";
  out += text::serialize(data);
  out += "\n\n";
}

}  // namespace sentinel::gateway::json_write
