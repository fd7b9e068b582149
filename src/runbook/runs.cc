#include "runbook/runs.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::runbook {
namespace {

constexpr std::array<std::string_view, 4> kStateNames{"todo", "done", "skipped", "failed"};

// The runbook is kept as text of its own: one row a step.
const std::vector<state::Migration>& migrations() {
  static const std::vector<state::Migration> list{{1, R"sql(
CREATE TABLE runbook_runs (
  incident_id TEXT PRIMARY KEY, runbook_id TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL,
  estimated_time TEXT NOT NULL, markdown TEXT NOT NULL, started_at INTEGER NOT NULL);
CREATE TABLE runbook_run_steps (
  incident_id TEXT NOT NULL, position INTEGER NOT NULL, step_id TEXT NOT NULL, description TEXT NOT NULL,
  action TEXT NOT NULL, expected_result TEXT NOT NULL, troubleshooting TEXT NOT NULL, automation_script TEXT NOT NULL,
  state TEXT NOT NULL, note TEXT NOT NULL, actor TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (incident_id, step_id));
)sql"}};
  return list;
}

}  // namespace

std::string_view step_state_name(StepState state) { return kStateNames.at(static_cast<size_t>(state)); }

std::optional<StepState> parse_step_state(std::string_view text) {
  const auto it = std::find(kStateNames.begin(), kStateNames.end(), text);
  if (it == kStateNames.end()) return std::nullopt;
  return static_cast<StepState>(it - kStateNames.begin());
}

const Step* Run::next_step() const {
  for (const Step& step : runbook.steps) {
    const auto it = progress.find(step.step_id);
    if (it == progress.end() || it->second.state == StepState::kTodo) return &step;
    if (it->second.state == StepState::kFailed) return nullptr;
  }
  return nullptr;
}

Status Runs::migrate(state::Database& database) { return database.migrate("runbook", migrations()); }

Result<std::optional<Run>> Runs::load(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(const state::Rows head,
                  tx.query("SELECT runbook_id, title, description, estimated_time, markdown FROM "
                           "runbook_runs WHERE incident_id = ?",
                           {std::string(incident_id)}));
  if (head.empty()) return std::optional<Run>();
  Run run;
  run.incident_id = std::string(incident_id);
  run.runbook.id = head[0].text(0);
  run.runbook.title = head[0].text(1);
  run.runbook.description = head[0].text(2);
  run.runbook.estimated_time = head[0].text(3);
  run.runbook.markdown = head[0].text(4);
  SENTINEL_ASSIGN(
      const state::Rows steps,
      tx.query("SELECT step_id, description, action, expected_result, troubleshooting, automation_script, state, "
               "note, actor, at FROM runbook_run_steps WHERE incident_id = ? ORDER BY position",
               {std::string(incident_id)}));
  for (const state::Row& row : steps) {
    run.runbook.steps.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5)});
    const StepState state = parse_step_state(row.text(6)).value_or(StepState::kTodo);
    run.progress[row.text(0)] = {state, row.text(7), row.text(8), time_from_us(row.integer(9))};
  }
  return std::optional<Run>(std::move(run));
}

Status Runs::store(state::Tx& tx, const std::string& id, const Runbook& book) {
  SENTINEL_TRY(tx.exec(
      "INSERT INTO runbook_runs (incident_id, runbook_id, title, description, estimated_time, markdown, "
      "started_at) VALUES (?,?,?,?,?,?,?)",
      {id, book.id, book.title, book.description, book.estimated_time, book.markdown, to_us(scheduler_.now())}));
  int64_t position = 0;
  for (const Step& s : book.steps) {
    SENTINEL_TRY(
        tx.exec("INSERT INTO runbook_run_steps (incident_id, position, step_id, description, action, expected_result, "
                "troubleshooting, automation_script, state, note, actor, at) VALUES (?,?,?,?,?,?,?,?,'todo','','',0)",
                {id, ++position, s.step_id, s.description, s.action, s.expected_result, s.troubleshooting,
                 s.automation_script}));
  }
  return timeline_(tx, id, fmt::format("runbook attached: {}", book.title),
                   fmt::format(R"({{"runbook":{}}})", json_quote(book.id)), "sentinel", "rule");
}

Result<Run> Runs::attach(std::string_view incident_id, const Runbook& book) {
  std::optional<Run> run;
  // A page that went out while the disk refuses wants its checklist all the same.
  SENTINEL_TRY(database_.write_fail_open([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(run, load(tx, incident_id));
    const std::string id(incident_id);
    if (run) {
      // An actor, not a state: a step that was taken back was still worked on.
      const bool worked_on = std::any_of(run->progress.begin(), run->progress.end(),
                                         [](const auto& step) { return !step.second.actor.empty(); });
      if (worked_on || run->runbook.id == book.id) return {};
      SENTINEL_TRY(tx.exec("DELETE FROM runbook_run_steps WHERE incident_id = ?", {id}));
      SENTINEL_TRY(tx.exec("DELETE FROM runbook_runs WHERE incident_id = ?", {id}));
    }
    SENTINEL_TRY(store(tx, id, book));
    SENTINEL_ASSIGN(run, load(tx, incident_id));
    return {};
  }));
  return std::move(*run);
}

Result<std::optional<Run>> Runs::get(std::string_view incident_id) {
  std::optional<Run> run;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(run, load(tx, incident_id));
    return {};
  }));
  return run;
}

Result<bool> Runs::tick(state::Tx& tx, std::string_view incident_id, std::string_view step_id, StepState state,
                        std::string_view note, std::string_view actor, std::string_view source) {
  SENTINEL_ASSIGN(const std::optional<Run> run, load(tx, incident_id));
  if (!run) return false;
  const auto& steps = run->runbook.steps;
  const auto step = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.step_id == step_id; });
  if (step == steps.end()) return false;
  SENTINEL_TRY(tx.exec(
      "UPDATE runbook_run_steps SET state = ?, note = ?, actor = ?, at = ? WHERE incident_id = ? AND step_id = ?",
      {std::string(step_state_name(state)), std::string(note), std::string(actor), to_us(scheduler_.now()),
       std::string(incident_id), std::string(step_id)}));
  std::string text =
      fmt::format("runbook step {} {}: {}", step - steps.begin() + 1, step_state_name(state), step->description);
  if (!note.empty()) text += fmt::format(" ({})", note);
  SENTINEL_TRY(timeline_(tx, incident_id, text,
                         fmt::format(R"({{"step":{},"state":"{}"}})", json_quote(step_id), step_state_name(state)),
                         actor, source));
  return true;
}

Result<Run> Runs::set_step(std::string_view incident_id, std::string_view step_id, StepState state,
                           std::string_view note, std::string_view actor, std::string_view source) {
  std::optional<Run> run;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(run, load(tx, incident_id));
    if (!run) return fail(ErrorCode::kNotFound, "this incident has no runbook");
    SENTINEL_ASSIGN(const bool ticked, tick(tx, incident_id, step_id, state, note, actor, source));
    if (!ticked) return fail(ErrorCode::kNotFound, fmt::format("runbook {} has no step {}", run->runbook.id, step_id));
    SENTINEL_ASSIGN(run, load(tx, incident_id));
    return {};
  }));
  return std::move(*run);
}

}  // namespace sentinel::runbook
