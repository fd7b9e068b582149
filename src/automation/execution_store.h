#pragma once
// The rows of executions, and the chain of who did what. All functions run inside the caller's transaction.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::automation {

enum class ExecutionState {
  kAwaitingApproval,
  kQueued,
  kRunning,
  kSucceeded,
  kFailed,  // exit code, timeout, flood, or it could not start: `reason`
  kCancelled,
  kRejected,
  kExpired,  // nobody agreed in time, or it waited too long
  kLost,     // we ended while it ran
};
// awaiting_approval, queued, running, succeeded, failed, cancelled, rejected, expired, lost
std::string_view execution_state_name(ExecutionState state);
std::optional<ExecutionState> parse_execution_state(std::string_view name);
bool has_ended(ExecutionState state);

struct Who {
  std::string name;
  std::string source;  // page, api, cli, slack, rule, sentinel
  std::string address;
  std::vector<std::string> roles;
};

struct Execution {
  std::string id;
  std::string incident_id;
  std::string step_id;  // of the incident's runbook; "" none
  std::string automation_id;
  bool dry_run = false;
  std::string rollback_of;                        // the id of what it takes back
  std::map<std::string, std::string> parameters;  // as the program sees them
  ExecutionState state = ExecutionState::kQueued;
  int64_t attempt = 1;
  Who requested_by;
  TimePoint requested_at;
  std::string approval_role;  // "": nobody need agree
  std::optional<TimePoint> approve_until;
  std::string approved_by;
  std::optional<TimePoint> due_at;  // of a queued one
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> ended_at;
  std::optional<int> exit_code;
  std::string reason;  // why it did not succeed
  std::string output;
  uint64_t output_bytes = 0;
};

// One line of the chain: `hash` is the SHA-256 of everything else in it, the hash of the line before among it, so that
// a line that was changed or taken away shows.
struct AuditLine {
  int64_t id = 0;
  TimePoint at;
  std::string actor, source, address;
  std::string action;     // requested, approved, rejected, started, ended, expired, cancelled, lost
  std::string execution;  // id
  std::string data_json;
  std::string hash;  // hex
};

class ExecutionStore {
 public:
  static Status migrate(state::Database& database);

  // kConflict: one of the same automation for the same step of the same incident has not ended.
  static Status insert(state::Tx& tx, const Execution& execution);
  static Status update(state::Tx& tx, const Execution& execution);
  static Result<std::optional<Execution>> get(state::Tx& tx, std::string_view id);
  static Result<std::vector<Execution>> not_ended(state::Tx& tx);  // oldest first
  // The one that insert() would collide with.
  static Result<std::optional<Execution>> find_active(state::Tx& tx, const Execution& like);
  // Newest first; incident_id "": of all.
  static Result<std::vector<Execution>> list(state::Tx& tx, std::string_view incident_id, size_t limit);
  // That rules have asked for: of an automation since a time, over all incidents or (not "") one.
  static Result<int64_t> count_by_rule(state::Tx& tx, std::string_view automation_id, std::string_view incident_id,
                                       TimePoint since);

  // Fills in the hash.
  static Status add_audit(state::Tx& tx, AuditLine line);
  static Result<std::vector<AuditLine>> audit(state::Tx& tx, int64_t after_id, size_t limit);  // oldest first
  static std::string hash_of(const AuditLine& line, std::string_view hash_before);
};

}  // namespace sentinel::automation
