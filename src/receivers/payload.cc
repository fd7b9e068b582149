#include "receivers/payload.h"

#include <boost/json.hpp>

#include <charconv>
#include <cmath>

#include "base/hash.h"
#include "base/strings.h"
#include "receivers/limits.h"
#include "text/json.h"
#include "text/labels_json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;
using text::YamlNode;

// Go's RFC3339Nano: no trailing zeros in the fraction.
std::string go_time(TimePoint t) {
  std::string text = format_rfc3339(t);
  const size_t dot = text.find('.');
  if (dot == std::string::npos) return text;
  const size_t zone = text.find_first_not_of("0123456789", dot + 1);
  size_t end = zone;
  while (end > dot + 1 && text[end - 1] == '0') --end;
  if (end == dot + 1) end = dot;
  return text.substr(0, end) + text.substr(zone);
}

json::object alert_json(const NotifiedAlert& a) {
  return {{"status", a.resolved ? "resolved" : "firing"},
          {"labels", text::labels_object(a.alert.labels)},
          {"annotations", text::labels_object(a.alert.annotations)},
          {"startsAt", go_time(a.alert.starts_at)},
          {"endsAt", a.resolved ? go_time(a.alert.ends_at) : "0001-01-01T00:00:00Z"},
          {"generatorURL", a.alert.generator_url},
          {"fingerprint", a.alert.fingerprint_hex()}};
}

std::optional<int64_t> yaml_integer(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  const bool negative = digits.starts_with('-');
  const std::string_view body = std::string_view(digits).substr(negative || digits.starts_with('+') ? 1 : 0);
  int base = 10;
  size_t skip = 0;
  if (body.starts_with("0x")) {
    base = 16;
    skip = 2;
  } else if (body.starts_with("0b")) {
    base = 2;
    skip = 2;
  } else if (body.size() > 1 && body.starts_with('0')) {
    base = 8;
    skip = body.starts_with("0o") ? 2 : 1;
  }
  int64_t value = 0;
  const std::string_view number = body.substr(skip);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value, base);
  if (number.empty() || error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return negative ? -value : value;
}

// yaml.v2's types of a plain scalar. A time stays the text it is.
json::value plain_scalar(const std::string& text) {
  const std::string lower = to_lower(text);
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  for (const char* yes : {"y", "yes", "on", "true"}) {
    if (lower == yes) return true;
  }
  for (const char* no : {"n", "no", "off", "false"}) {
    if (lower == no) return false;
  }
  if (const auto integer = yaml_integer(text)) return *integer;
  const bool number_like = text.find_first_not_of("0123456789.eE+-_") == std::string::npos &&
                           text.find_first_of("0123456789") != std::string::npos;
  if (number_like) {
    if (const auto number = parse_double(replace_all(text, "_", "")); number && std::isfinite(*number)) return *number;
  }
  return json::string(text);
}

Result<json::value> convert(const YamlNode& node, int depth) {
  if (depth > kPayloadDepthMax) return fail(node.error("nested too deep"));
  if (node.is_null()) return json::value(nullptr);
  if (node.is_list()) {
    json::array list;
    for (const YamlNode& item : node.items()) {
      SENTINEL_ASSIGN(json::value value, convert(item, depth + 1));
      list.push_back(std::move(value));
    }
    return json::value(std::move(list));
  }
  if (node.is_map()) {
    std::map<std::string, json::value> sorted;  // Go writes maps in key order
    for (const YamlNode::Entry& entry : node.entries()) {
      SENTINEL_ASSIGN(sorted[entry.name()], convert(entry.value, depth + 1));
    }
    json::object object;
    for (auto& [key, value] : sorted) object[key] = std::move(value);
    return json::value(std::move(object));
  }
  SENTINEL_ASSIGN(const std::string text, node.string());
  return node.quoted() ? json::value(text) : plain_scalar(text);
}

// What an expanded string is: itself, or the document of another type that it spells.
json::value typed(const std::string& text) {
  if (const std::string_view body = trim(text); body.starts_with('{') || body.starts_with('[')) {
    if (const auto parsed = text::parse_json(body)) return *parsed;
  }
  const Result<YamlNode> document = text::parse_yaml(text, "template result");
  if (!document) return json::string(text);
  const Result<json::value> value = convert(*document, 0);
  return !value || value->is_string() ? json::value(text) : *value;
}

}  // namespace

std::string truncate_runes(const std::string& text, size_t count) {
  size_t runes = 0;
  size_t keep_all_but_one = 0;  // where the last rune that fits starts
  size_t end = text.size();     // of `count` runes
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (runes == count) end = i;
    if (++runes == count) keep_all_but_one = i;
  }
  if (runes <= count) return text;
  return count <= 3 ? text.substr(0, end) : text.substr(0, keep_all_but_one) + "…";
}

std::string truncate_bytes(const std::string& text, size_t count) {
  constexpr std::string_view kMarker = "…";
  if (text.size() <= count) return text;
  if (count < kMarker.size()) return std::string(count, '.');
  return std::string(utf8_prefix(text, count - kMarker.size())) + std::string(kMarker);
}

std::string group_hash(const Notification& n) { return hex_encode(sha256(n.group_key)); }

json::object data_json(const Notification& n, const Expander& expand, size_t max_alerts, std::string_view version) {
  const size_t shown = max_alerts == 0 ? n.alerts.size() : std::min(max_alerts, n.alerts.size());
  Notification cut = n;  // Alertmanager cuts first: status and common labels are those of what is shown
  cut.alerts.resize(shown);
  json::array alerts;
  for (const NotifiedAlert& a : cut.alerts) alerts.push_back(alert_json(a));
  return {{"receiver", expand.data().receiver},
          {"status", cut.status()},
          {"alerts", std::move(alerts)},
          {"notification_reason", n.reason},
          {"groupLabels", text::labels_object(n.group_labels)},
          {"commonLabels", text::labels_object(cut.common_labels())},
          {"commonAnnotations", text::labels_object(cut.common_annotations())},
          {"routeLabels", text::labels_object(expand.data().route_labels)},
          {"externalURL", n.external_url},
          {"version", version},
          {"groupKey", n.group_key},
          {"truncatedAlerts", n.alerts.size() - shown}};
}

Result<json::value> json_from_yaml(const YamlNode& node) { return convert(node, 0); }

json::value expand_document(const json::value& value, Expander& expand) {
  if (value.is_string()) {
    const std::string text = expand(std::string(value.as_string()));
    return expand.error() ? json::value(nullptr) : typed(text);
  }
  if (value.is_array()) {
    json::array out;
    for (const json::value& item : value.as_array()) out.push_back(expand_document(item, expand));
    return out;
  }
  if (value.is_object()) {
    std::map<std::string, json::value> sorted;
    for (const auto& [key, item] : value.as_object()) {
      sorted[expand(std::string(key))] = expand_document(item, expand);
    }
    json::object out;
    for (auto& [key, item] : sorted) out[key] = std::move(item);
    return out;
  }
  return value;
}

std::vector<std::string> split_nonempty(std::string_view text) {
  std::vector<std::string> out;
  for (const std::string_view part : split(trim(text), ',')) {
    if (!part.empty()) out.emplace_back(part);
  }
  return out;
}

std::string with_slash(std::string url) {
  if (!url.ends_with('/')) url += '/';
  return url;
}

std::string join_url(std::string base, std::string_view path) {
  return with_slash(std::move(base)) + std::string(path.starts_with('/') ? path.substr(1) : path);
}

std::string form_encode(const StringMap& values) {
  std::string out;
  for (const auto& [key, value] : values) {
    out += (out.empty() ? "" : "&") + text::query_escape_go(key) + "=" + text::query_escape_go(value);
  }
  return out;
}

}  // namespace sentinel::receivers
