#include "text/labels_json.h"

#include <vector>

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include "base/strings.h"
#include "text/json.h"

namespace sentinel::text {

boost::json::object labels_object(const model::Labels& labels) {
  boost::json::object out;
  out.reserve(labels.size());
  for (const model::Label& label : labels) out[label.name] = label.value;
  return out;
}

Result<model::Labels> labels_from_value(const boost::json::value& value) {
  const boost::json::object* object = value.if_object();
  if (object == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("labels: expected an object of strings, got {}", json_kind_name(value)));
  }
  std::vector<model::Label> labels;
  labels.reserve(object->size());
  for (const auto& [name, text] : *object) {
    if (!text.is_string()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("label \"{}\": expected string, got {}", std::string_view(name), json_kind_name(text)));
    }
    labels.push_back({std::string(name), std::string(text.get_string())});
  }
  return model::Labels(std::move(labels));
}

std::string encode_labels(const model::Labels& labels) {
  std::string out = "{";
  for (const model::Label& label : labels) {
    if (out.size() > 1) out += ',';
    append_json_quoted(out, label.name);
    out += ':';
    append_json_quoted(out, label.value);
  }
  return out + "}";
}

Result<model::Labels> decode_labels(std::string_view json) {
  const auto value = parse_json(json);
  Result<model::Labels> labels = value ? labels_from_value(*value) : fail(value.error());
  if (!labels) return fail(ErrorCode::kInternal, "stored labels cannot be read: " + labels.error().to_string());
  return labels;
}

}  // namespace sentinel::text
