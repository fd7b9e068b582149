#pragma once
// Who did what: changes that people make to alerting, with what was before and after, in the transaction that makes
// them. All functions run inside the caller's transaction.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/actor.h"
#include "alerting/silences.h"
#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::alerting {

struct AuditEntry {
  int64_t id = 0;  // ascending, given by the store
  TimePoint at;
  Actor by;
  std::string action;  // silence.added, silence.changed, silence.expired, recurring_silence.added, …
  std::string target;  // the id of the silence, the fingerprint of the alert
  std::string before;  // a JSON object; "" there was nothing
  std::string after;   // a JSON object; "" there is nothing
};

struct AuditQuery {
  TimePoint from = time_from_us(0);
  TimePoint to = time_from_us(std::numeric_limits<int64_t>::max());  // excluded
  // "": any
  std::string action;
  std::string actor;
  std::string target;
  size_t limit = 100;
  int64_t before_id = std::numeric_limits<int64_t>::max();  // cursor: only older ones
};

class Audit {
 public:
  static Status add(state::Tx& tx, const AuditEntry& entry);
  // Newest first.
  static Result<std::vector<AuditEntry>> list(state::Tx& tx, const AuditQuery& query);
  static Status prune(state::Tx& tx, TimePoint before);
};

// {"matchers":["a=\"b\""],"starts_at","ends_at","created_by","comment","annotations":{}}; further matcher sets follow
// as "matcher_sets".
std::string audit_json(const Silence& silence);

}  // namespace sentinel::alerting
