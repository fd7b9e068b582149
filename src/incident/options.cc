#include "incident/options.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "incident/limits.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::incident {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<FieldType, std::string_view>, 6> kTypes{{{FieldType::kText, "text"},
                                                                        {FieldType::kNumber, "number"},
                                                                        {FieldType::kBoolean, "boolean"},
                                                                        {FieldType::kDate, "date"},
                                                                        {FieldType::kChoice, "choice"},
                                                                        {FieldType::kChoices, "choices"}}};

tl::unexpected<Error> expected(const FieldDefinition& field, std::string_view what) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("field \"{}\": expected {}", field.name, what));
}

std::string one_of(const FieldDefinition& field) { return "one of " + join(field.values, ", "); }

bool allows(const FieldDefinition& field, const json::value& value) {
  return value.is_string() && std::find(field.values.begin(), field.values.end(),
                                        std::string_view(value.get_string())) != field.values.end();
}

bool is_date(std::string_view text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-' && parse_time(std::string(text) + "T00:00:00Z");
}

Result<std::string> check_choices(const FieldDefinition& field, const json::value& value) {
  if (!value.is_array()) return expected(field, "a list of " + join(field.values, ", "));
  for (const json::value& one : value.get_array()) {
    if (!allows(field, one)) return expected(field, "a list of " + join(field.values, ", "));
  }
  json::array sorted;
  for (const std::string& known : field.values) {
    const auto& given = value.get_array();
    const bool has = std::any_of(given.begin(), given.end(),
                                 [&](const json::value& v) { return std::string_view(v.get_string()) == known; });
    if (has) sorted.emplace_back(known);
  }
  return text::serialize(sorted);
}

}  // namespace

std::string_view field_type_name(FieldType type) {
  const auto* const found = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.first == type; });
  return found->second;
}

std::optional<FieldType> parse_field_type(std::string_view text) {
  for (const auto& [type, name] : kTypes) {
    if (name == text) return type;
  }
  return std::nullopt;
}

Result<std::string> check_field(const FieldDefinition& field, std::string_view text) {
  SENTINEL_ASSIGN(const json::value value, text::parse_json(text));
  switch (field.type) {
    case FieldType::kText: {
      if (!value.is_string()) return expected(field, "a text");
      const std::string_view trimmed = trim(std::string_view(value.get_string()));
      if (trimmed.size() > kFieldBytesMax)
        return fail(ErrorCode::kTooLarge, fmt::format("field \"{}\" has {} bytes; at most {} are kept", field.name,
                                                      trimmed.size(), kFieldBytesMax));
      return json_quote(trimmed);
    }
    case FieldType::kNumber:
      if (!value.is_number()) return expected(field, "a number");
      return text::serialize(value);
    case FieldType::kBoolean:
      if (!value.is_bool()) return expected(field, "true or false");
      return std::string(value.get_bool() ? "true" : "false");
    case FieldType::kDate:
      if (!value.is_string() || !is_date(value.get_string())) return expected(field, "a date such as 2026-03-01");
      return json_quote(std::string_view(value.get_string()));
    case FieldType::kChoice:
      if (!allows(field, value)) return expected(field, one_of(field));
      return json_quote(std::string_view(value.get_string()));
    case FieldType::kChoices: return check_choices(field, value);
  }
  return expected(field, "a value");
}

const FieldDefinition* Options::field(std::string_view name) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const FieldDefinition& f) { return f.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

}  // namespace sentinel::incident
