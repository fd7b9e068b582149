#pragma once
// Reads a map of alertmanager.yml into variables along a table: which fields there are, of which form, and where they
// go. A null or absent field leaves its variable as it is; a field that no table names is an error.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "receivers/secret.h"
#include "text/yaml.h"

namespace sentinel::receivers {

using StringMap = std::map<std::string, std::string>;

struct GoDurationField {  // time.ParseDuration: "1m30s", "1.5h"; a bare 0
  Millis* target;
};
struct UrlField {  // http or https, with a host
  std::string* target;
};
struct SecretUrlField {  // NAME and NAME_file
  Secret* target;
};
struct HostPortField {  // "host:port"; the port may not be empty
  std::string* target;
};
struct Ignored {};  // known to Alertmanager, without meaning here

using ReadNode = std::function<Status(const text::YamlNode&)>;  // not called for null

// A Secret reads the field and NAME_file, and refuses both at once.
using FieldTarget = std::variant<std::string*, bool*, std::optional<bool>*, int64_t*, size_t*, Millis*, Secret*,
                                 std::vector<std::string>*, StringMap*, GoDurationField, UrlField, SecretUrlField,
                                 HostPortField, Ignored, ReadNode>;

struct Field {
  std::string_view name;
  FieldTarget target;
};
using Fields = std::vector<Field>;

// `what` names the map in errors. A null node is an empty map.
Status read_fields(const text::YamlNode& node, std::string_view what, const Fields& fields);

// Each entry of a list of maps, into `out`. `fields` gives the table for one entry, `check` judges it when read.
template <class T>
ReadNode list_of(std::string_view what, std::vector<T>* out, std::function<Fields(T&)> fields,
                 std::function<Status(const text::YamlNode&, T&)> check = nullptr) {
  return [=](const text::YamlNode& list) -> Status {
    if (!list.is_list()) return fail(list.error(std::string(what) + " must be a list"));
    out->clear();
    for (const text::YamlNode& item : list.items()) {
      T entry;
      SENTINEL_TRY(read_fields(item, what, fields(entry)));
      if (check) SENTINEL_TRY(check(item, entry));
      out->push_back(std::move(entry));
    }
    return {};
  };
}

// As yaml.v2 has it: also yes, no, on, off, y, n.
Result<bool> read_bool(const text::YamlNode& node);
Status check_url(const text::YamlNode& node, const std::string& url);
// A text with actions must be a template, of Go's own functions alone as Alertmanager has it; one without, a URL.
Status check_template_url(const text::YamlNode& node, const std::string& url);
// Nothing to say about a text without actions.
Status check_template(const text::YamlNode& node, const std::string& text);
Result<Millis> parse_go_duration(std::string_view text);  // kInvalidArgument

}  // namespace sentinel::receivers
