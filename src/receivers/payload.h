#pragma once
// Shared pieces of messages: cutting to a service's limits, JSON as Alertmanager writes it, and documents of the
// configuration whose strings are templates.

#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "receivers/fields.h"
#include "receivers/notification.h"
#include "receivers/templates.h"
#include "text/yaml.h"

namespace sentinel::receivers {

// At most `count` code points, the last an ellipsis when something is missing (none when count <= 3).
std::string truncate_runes(const std::string& text, size_t count);
// The same in bytes, never cutting a character.
std::string truncate_bytes(const std::string& text, size_t count);

// What many services fold by: SHA-256 of the group's key, 64 hex digits.
std::string group_hash(const Notification& notification);

// Alertmanager's template.Data with the message's own fields: the body of webhooks. 0: all alerts.
boost::json::object data_json(const Notification& notification, const Expander& expand, size_t max_alerts,
                              std::string_view version);

// A YAML document as JSON, typed as yaml.v2 types plain scalars. kTooLarge: deeper than kPayloadDepthMax.
Result<boost::json::value> json_from_yaml(const text::YamlNode& node);
// Expands every string and key of `value`. A string whose result reads as YAML of another type becomes that value, so
// that "{{ .Alerts.Firing | toJson }}" is a list and "{{ len .Alerts }}" a number.
boost::json::value expand_document(const boost::json::value& value, Expander& expand);

// The comma separated parts of a text that are not empty.
std::vector<std::string> split_nonempty(std::string_view text);

// Appends "path" to a base address, with one slash between.
std::string join_url(std::string base, std::string_view path);
// Puts a slash at the end when there is none.
std::string with_slash(std::string url);
// "a=b&c=d" as Go's url.Values.Encode writes it: sorted, spaces as "+".
std::string form_encode(const StringMap& values);

}  // namespace sentinel::receivers
