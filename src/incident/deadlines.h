#pragma once
// What has to be done by when: an acknowledgement, the next update, the review. Each is a row with absolute times,
// written in the transaction of the change that begins or ends it, so that a restart changes nothing. Whoever has to is
// reminded; when it is missed, others are told.
//
// Lives on the control scheduler with the desk, which owns it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "incident/escalator.h"
#include "incident/options.h"
#include "state/database.h"

namespace sentinel::incident {

class Service;

enum class DeadlineKind { kAcknowledge, kUpdate, kReview };
std::string_view deadline_name(DeadlineKind kind);

struct Deadline {
  DeadlineKind kind = DeadlineKind::kAcknowledge;
  TimePoint base_at;  // what it is counted from
  TimePoint due_at;
  std::optional<TimePoint> remind_at;
  std::optional<TimePoint> reminded_at;
  std::optional<TimePoint> missed_at;
};
Result<std::vector<Deadline>> load_deadlines(state::Tx& tx, std::string_view incident_id);

class Deadlines {
 public:
  // What is overdue is judged at once, against the present state: a reminder whose deadline has passed too is not sent.
  Deadlines(Service& desk, Scheduler& scheduler, state::Database& database, MetricRegistry& metrics);
  ~Deadlines();
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  // In the transaction of the change, with the record as it will be.
  Status on_event(state::Tx& tx, IncidentEvent event, const IncidentRecord& record);
  Status updated(state::Tx& tx, const IncidentRecord& record);   // somebody wrote an update
  Status reviewed(state::Tx& tx, const IncidentRecord& record);  // its review is done

 private:
  struct Due;
  Status set(state::Tx& tx, const IncidentRecord& record, DeadlineKind kind, TimePoint base);
  Status drop(state::Tx& tx, const IncidentRecord& record, DeadlineKind kind);
  Status change(state::Tx& tx, const IncidentRecord& record);
  Result<std::vector<Due>> due(state::Tx& tx) const;
  Status judge(state::Tx& tx, const Due& due);
  Status remind(state::Tx& tx, const Due& due, const IncidentRecord& record);
  Status missed(state::Tx& tx, const Due& due, const IncidentRecord& record);
  Result<std::vector<Person>> responsible(state::Tx& tx, const IncidentRecord& record) const;
  Status tell(state::Tx& tx, const Due& due, const IncidentRecord& record, const std::vector<Person>& people,
              std::string_view news, bool urgent);
  void settle();
  void arm();
  void run();

  Service& desk_;
  Scheduler& scheduler_;
  state::Database& database_;
  Counter& missed_;
  TimerId timer_ = TimerId::kNone;
  bool settling_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sentinel::incident
