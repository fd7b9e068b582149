#pragma once
// A runbook in an incident: a checklist whose ticks survive restarts. Lives on the control scheduler.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "runbook/library.h"
#include "state/database.h"

namespace sentinel::runbook {

enum class StepState { kTodo, kDone, kSkipped, kFailed };
std::string_view step_state_name(StepState state);
std::optional<StepState> parse_step_state(std::string_view text);

struct StepProgress {
  StepState state = StepState::kTodo;
  std::string note;
  std::string actor;
  TimePoint at;
};

struct Run {
  std::string incident_id;
  Runbook runbook;  // as it was when the incident opened: a later edit of the file does not change a run
  std::map<std::string, StepProgress> progress;  // by step_id; absent means todo

  // The first step that is todo; after a failed step there is none: the run has stopped there.
  const Step* next_step() const;
};

class Runs {
 public:
  // Writes the tick on the incident's timeline in the same transaction.
  using TimelineWriter =
      std::function<Status(state::Tx&, std::string_view incident_id, std::string_view text, std::string_view data_json,
                           std::string_view actor, std::string_view source)>;

  static Status migrate(state::Database& database);
  Runs(Scheduler& scheduler, state::Database& database, TimelineWriter timeline)
      : scheduler_(scheduler), database_(database), timeline_(std::move(timeline)) {}

  // In the place of another runbook, unless a step of that has been worked on: then that stays. The same one again, be
  // it edited meanwhile, changes nothing.
  Result<Run> attach(std::string_view incident_id, const Runbook& runbook);
  // nullopt: the incident has no runbook.
  Result<std::optional<Run>> get(std::string_view incident_id);
  // Inside the caller's transaction. False: there is no such step.
  Result<bool> tick(state::Tx& tx, std::string_view incident_id, std::string_view step_id, StepState state,
                    std::string_view note, std::string_view actor, std::string_view source);
  // kNotFound: no such run or step.
  Result<Run> set_step(std::string_view incident_id, std::string_view step_id, StepState state, std::string_view note,
                       std::string_view actor, std::string_view source);

 private:
  Result<std::optional<Run>> load(state::Tx& tx, std::string_view incident_id);
  Status store(state::Tx& tx, const std::string& incident_id, const Runbook& book);

  Scheduler& scheduler_;
  state::Database& database_;
  const TimelineWriter timeline_;
};

}  // namespace sentinel::runbook
