#pragma once
// Links by which a page is answered without signing in: whoever holds one may acknowledge that one thing. Signed with a
// secret of this installation, which is made once and kept in its state.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::incident {

class PageLinks {
 public:
  // Reads the secret, or makes one. REQUIRES: state::KeyValue::migrate() ran.
  Status open(state::Database& database, TimePoint now);

  // Short, for it travels by SMS: "17.mWv...". `purpose` and `name` are signed too.
  std::string token(int64_t id, std::string_view purpose, std::string_view name) const;
  // The id that a token says it has; absent: it is none.
  static std::optional<int64_t> id_of(std::string_view token);
  bool valid(std::string_view token, std::string_view purpose, std::string_view name) const;
  // A token without an id, for what has a name of its own (calendars).
  std::string signature(std::string_view purpose, std::string_view name) const;

 private:
  std::string secret_;
};

}  // namespace sentinel::incident
