#pragma once
// Small JSON documents by key, for what needs no table of its own (drift references, cursors, settings).
// Keys are "module/name".

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::state {

class KeyValue {
 public:
  static Status migrate(Database& database);
  // REQUIRES for all below: migrate() ran.
  static Result<std::optional<std::string>> get(Tx& tx, std::string_view key);
  // Creates or replaces. kTooLarge past kKeyBytesMax or kDocumentBytesMax. The text is stored as it is, unparsed.
  static Status put(Tx& tx, std::string_view key, std::string_view json, TimePoint now);
  static Status remove(Tx& tx, std::string_view key);  // no error when it is not there
  // Documents whose key starts with `prefix`, by key.
  static Result<std::vector<std::pair<std::string, std::string>>> list(Tx& tx, std::string_view prefix, size_t limit);
};

}  // namespace sentinel::state
