#pragma once
// What is to be done after an incident so that it does not come back: by whom, until when, and whether it has been. An
// item that is overdue is told once to its owner, and counted until it is closed.
//
// Lives on the control scheduler with the desk: every call is made on its thread, what it returned ok for is on disk,
// and each change is one transaction with its entry of the incident's timeline.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "incident/service.h"

namespace sentinel::incident {

enum class ActionType { kPrevent, kMitigate, kDetect, kProcess, kInvestigate };
enum class ActionState { kOpen, kInProgress, kDone, kDropped };
std::string_view action_type_name(ActionType type);     // prevent, mitigate, detect, process, investigate
std::string_view action_state_name(ActionState state);  // open, in_progress, done, dropped
Result<ActionType> parse_action_type(std::string_view text);
Result<ActionState> parse_action_state(std::string_view text);

struct ActionItem {
  int64_t id = 0;
  std::string incident_id;
  int64_t incident_number = 0;
  std::string incident_title;
  std::string text;
  ActionType type = ActionType::kPrevent;
  std::string owner;                              // a user's name, or any name where nobody of it is known; "": nobody
  std::optional<std::chrono::sys_days> due_date;  // in UTC; overdue when the day is over
  ActionState state = ActionState::kOpen;
  std::string link;  // of a ticket; "": none
  TimePoint created_at;
  std::string created_by;
  std::optional<TimePoint> closed_at;  // done or dropped

  bool closed() const { return state == ActionState::kDone || state == ActionState::kDropped; }
  bool overdue(TimePoint now) const { return !closed() && due_date && now >= *due_date + std::chrono::days(1); }
};

// What is absent stays as it is.
struct ActionChange {
  std::optional<std::string> text;
  std::optional<ActionType> type;
  std::optional<std::string> owner;
  std::optional<std::string> due_date;  // "2026-12-01"; "": none
  std::optional<ActionState> state;
  std::optional<std::string> link;  // http or https
};

struct ActionFilter {
  std::string incident;                 // "": of all
  std::string owner;                    // any case; "": of anybody
  std::optional<bool> closed;           // absent: both
  std::optional<TimePoint> overdue_at;  // only those overdue then
  size_t limit = 100;
};

class ActionItems {
 public:
  ActionItems(Service& desk, Scheduler& scheduler, state::Database& database, MetricRegistry& metrics);
  ~ActionItems();
  ActionItems(const ActionItems&) = delete;
  ActionItems& operator=(const ActionItems&) = delete;

  // `change.text` is needed. kTooLarge: the incident has as many as it may.
  Result<ActionItem> add(std::string_view incident, const ActionChange& change, const Actor& actor);
  Result<ActionItem> change(int64_t id, const ActionChange& change, const Actor& actor);
  // Those that are open first, by due date, those without one last; then the closed ones, newest first.
  Result<std::vector<ActionItem>> list(const ActionFilter& filter);

 private:
  Status apply(const ActionChange& change, ActionItem& item) const;
  Status note(state::Tx& tx, const ActionItem& item, std::string_view text, const Actor& actor);
  Status remind(state::Tx& tx, const ActionItem& item);
  int64_t count();
  void tell_owners();
  void arm();
  void run();

  Service& desk_;
  Scheduler& scheduler_;
  state::Database& database_;
  Gauge& open_;
  Gauge& overdue_;
  TimerId timer_ = TimerId::kNone;
};

}  // namespace sentinel::incident
