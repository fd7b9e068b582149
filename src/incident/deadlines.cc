#include "incident/deadlines.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"
#include "incident/limits.h"
#include "incident/schema.h"
#include "incident/service.h"

namespace sentinel::incident {
namespace {

using model::IncidentStatus;

constexpr std::array<std::pair<DeadlineKind, std::string_view>, 3> kNames{{{DeadlineKind::kAcknowledge, "acknowledge"},
                                                                           {DeadlineKind::kUpdate, "update"},
                                                                           {DeadlineKind::kReview, "review"}}};

std::optional<DeadlineKind> kind_of(std::string_view name) {
  for (const auto& [kind, text] : kNames) {
    if (text == name) return kind;
  }
  return std::nullopt;
}

std::optional<Micros> time_of(const DeadlineTimes& times, DeadlineKind kind) {
  switch (kind) {
    case DeadlineKind::kAcknowledge: return times.acknowledge;
    case DeadlineKind::kUpdate: return times.update;
    case DeadlineKind::kReview: return times.review;
  }
  return std::nullopt;
}

std::string_view wanted_words(DeadlineKind kind) {
  switch (kind) {
    case DeadlineKind::kAcknowledge: return "an acknowledgement";
    case DeadlineKind::kUpdate: return "an update";
    case DeadlineKind::kReview: return "its review";
  }
  return "";
}

std::string_view missed_words(DeadlineKind kind) {
  switch (kind) {
    case DeadlineKind::kAcknowledge: return "nobody has acknowledged";
    case DeadlineKind::kUpdate: return "there was no update";
    case DeadlineKind::kReview: return "there was no review";
  }
  return "";
}

std::optional<TimePoint> time_or_none(const state::Row& row, size_t i) {
  return row.is_null(i) ? std::nullopt : std::optional(time_from_us(row.integer(i)));
}

Deadline deadline_of(const state::Row& row, DeadlineKind kind) {
  return {kind,
          time_from_us(row.integer(2)),
          time_from_us(row.integer(3)),
          time_or_none(row, 4),
          time_or_none(row, 5),
          time_or_none(row, 6)};
}

constexpr std::string_view kColumns = "incident_id, kind, base_at, due_at, remind_at, reminded_at, missed_at";

std::string join_names(const std::vector<Person>& people) {
  std::vector<std::string> names;
  for (const Person& p : people) names.push_back(p.name);
  return join(names, ", ");
}

}  // namespace

std::string_view deadline_name(DeadlineKind kind) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == kind; })->second;
}

struct Deadlines::Due {
  std::string incident;
  Deadline deadline;
};

Result<std::vector<Deadline>> load_deadlines(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query(fmt::format("SELECT {} FROM incident_deadlines WHERE incident_id = ? ORDER BY due_at, kind", kColumns),
               {std::string(incident_id)}));
  std::vector<Deadline> out;
  for (const state::Row& row : rows) {
    if (const auto kind = kind_of(row.text(1))) out.push_back(deadline_of(row, *kind));
  }
  return out;
}

Deadlines::Deadlines(Service& desk, Scheduler& scheduler, state::Database& database, MetricRegistry& metrics)
    : desk_(desk),
      scheduler_(scheduler),
      database_(database),
      missed_(metrics.counter("sentinel_incident_deadlines_missed_total",
                              "Acknowledgements, updates and reviews that were not there in time.")) {
  arm();
}

Deadlines::~Deadlines() {
  *alive_ = false;
  scheduler_.cancel(timer_);
}

// ---- what begins and ends them ----

Status Deadlines::set(state::Tx& tx, const IncidentRecord& record, DeadlineKind kind, TimePoint base) {
  const DeadlineOptions& options = desk_.options().deadlines;
  const auto times = options.by_severity.find(record.incident.severity);
  const auto length = times == options.by_severity.end() ? std::nullopt : time_of(times->second, kind);
  if (!length || record.incident.test_mode) return drop(tx, record, kind);
  // One that would be over already, since the severity was raised late, is counted from now.
  const TimePoint now = scheduler_.now();
  if (base + *length < now) base = now;
  const TimePoint due_at = base + *length;
  const Micros before = std::min(options.remind_before, *length / 2);
  state::SqlValue remind_at = std::monostate{};
  if (before > Micros(0)) remind_at = to_us(due_at - before);
  settle();
  return tx.exec(
      fmt::format("INSERT INTO incident_deadlines ({}) VALUES (?,?,?,?,?,NULL,NULL) ON CONFLICT (incident_id, kind) DO "
                  "UPDATE SET base_at = excluded.base_at, due_at = excluded.due_at, remind_at = excluded.remind_at, "
                  "reminded_at = NULL, missed_at = NULL",
                  kColumns),
      {record.incident.id, std::string(deadline_name(kind)), to_us(base), to_us(due_at), remind_at});
}

Status Deadlines::drop(state::Tx& tx, const IncidentRecord& record, DeadlineKind kind) {
  return tx.exec("DELETE FROM incident_deadlines WHERE incident_id = ? AND kind = ?",
                 {record.incident.id, std::string(deadline_name(kind))});
}

Status Deadlines::on_event(state::Tx& tx, IncidentEvent event, const IncidentRecord& record) {
  const TimePoint now = scheduler_.now();
  switch (event) {
    case IncidentEvent::kOpened:
    case IncidentEvent::kReopened:
      SENTINEL_TRY(drop(tx, record, DeadlineKind::kReview));
      if (record.incident.status == IncidentStatus::kOpen)
        SENTINEL_TRY(set(tx, record, DeadlineKind::kAcknowledge, now));
      return set(tx, record, DeadlineKind::kUpdate, now);
    case IncidentEvent::kAcknowledged:
    case IncidentEvent::kAcknowledgedAgain: return drop(tx, record, DeadlineKind::kAcknowledge);
    case IncidentEvent::kResolved: {
      SENTINEL_TRY(drop(tx, record, DeadlineKind::kAcknowledge));
      SENTINEL_TRY(drop(tx, record, DeadlineKind::kUpdate));
      // What was merged is reviewed where it went.
      SENTINEL_ASSIGN(const std::vector<std::string> merged, linked_to(tx, record.incident.id, kLinkMerged));
      return merged.empty() ? set(tx, record, DeadlineKind::kReview, now) : Status();
    }
    case IncidentEvent::kChanged: return change(tx, record);
  }
  return {};
}

// Another severity has other times, counted from the same instants.
Status Deadlines::change(state::Tx& tx, const IncidentRecord& record) {
  SENTINEL_ASSIGN(const std::vector<Deadline> known, load_deadlines(tx, record.incident.id));
  const auto again = [&](DeadlineKind kind, TimePoint fallback) -> Status {
    const auto found = std::find_if(known.begin(), known.end(), [&](const Deadline& d) { return d.kind == kind; });
    if (found != known.end() && found->missed_at) return {};
    return set(tx, record, kind, found == known.end() ? fallback : found->base_at);
  };
  const IncidentStatus status = record.incident.status;
  if (status == IncidentStatus::kResolved) return {};
  if (status == IncidentStatus::kOpen) SENTINEL_TRY(again(DeadlineKind::kAcknowledge, record.incident.created_at));
  return again(DeadlineKind::kUpdate, scheduler_.now());
}

Status Deadlines::updated(state::Tx& tx, const IncidentRecord& record) {
  if (record.incident.status == IncidentStatus::kResolved) return {};
  return set(tx, record, DeadlineKind::kUpdate, scheduler_.now());
}

Status Deadlines::reviewed(state::Tx& tx, const IncidentRecord& record) {
  return drop(tx, record, DeadlineKind::kReview);
}

// ---- what is due ----

Result<std::vector<Deadlines::Due>> Deadlines::due(state::Tx& tx) const {
  const int64_t now = to_us(scheduler_.now());
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query(
          fmt::format("SELECT {} FROM incident_deadlines WHERE missed_at IS NULL AND (due_at <= ? OR (remind_at <= "
                      "? AND reminded_at IS NULL)) ORDER BY due_at LIMIT ?",
                      kColumns),
          {now, now, static_cast<int64_t>(kDeadlinesPerTurnMax)}));
  std::vector<Due> out;
  for (const state::Row& row : rows) {
    if (const auto kind = kind_of(row.text(1))) out.push_back({row.text(0), deadline_of(row, *kind)});
  }
  return out;
}

Status Deadlines::judge(state::Tx& tx, const Due& due) {
  SENTINEL_ASSIGN(const IncidentRecord record, load(tx, due.incident));
  const IncidentStatus status = record.incident.status;
  const bool wanted = due.deadline.kind == DeadlineKind::kReview        ? status == IncidentStatus::kResolved
                      : due.deadline.kind == DeadlineKind::kAcknowledge ? status == IncidentStatus::kOpen
                                                                        : status != IncidentStatus::kResolved;
  if (!wanted) return drop(tx, record, due.deadline.kind);
  return due.deadline.due_at <= scheduler_.now() ? missed(tx, due, record) : remind(tx, due, record);
}

// The commander, else the assignee, where they are known.
Result<std::vector<Person>> Deadlines::responsible(state::Tx& tx, const IncidentRecord& record) const {
  SENTINEL_ASSIGN(const std::string commander, role_holder(tx, record.incident.id, Role::kCommander));
  Escalator* people = desk_.escalator();
  for (const std::string& name : {commander, record.incident.assignee}) {
    if (people == nullptr || name.empty()) continue;
    if (const auto person = people->person(name)) return std::vector<Person>{*person};
  }
  return std::vector<Person>();
}

Status Deadlines::tell(state::Tx& tx, const Due& due, const IncidentRecord& record, const std::vector<Person>& people,
                       std::string_view news, bool urgent) {
  std::vector<Message> messages;
  for (const Person& person : people) {
    Message m;
    m.key = fmt::format("deadline/{}/{}/{}/{}/{}", record.incident.id, deadline_name(due.deadline.kind),
                        to_us(due.deadline.due_at), urgent ? "missed" : "reminder", person.id);
    m.user = person.id;
    m.subject =
        fmt::format("[{}] INC-{} {}", model::severity_name(record.incident.severity), record.incident.number, news);
    m.text = record.headline.what_failed;
    m.urgent = urgent;
    messages.push_back(std::move(m));
  }
  return messages.empty() || desk_.escalator() == nullptr ? Status() : desk_.escalator()->send(tx, record, messages);
}

Status Deadlines::remind(state::Tx& tx, const Due& due, const IncidentRecord& record) {
  const std::string kind(deadline_name(due.deadline.kind));
  SENTINEL_TRY(tx.exec("UPDATE incident_deadlines SET reminded_at = ? WHERE incident_id = ? AND kind = ?",
                       {to_us(scheduler_.now()), due.incident, kind}));
  SENTINEL_ASSIGN(const std::vector<Person> people, responsible(tx, record));
  if (people.empty()) return {};
  const std::string news = fmt::format("wants {} by {:%Y-%m-%d %H:%M} UTC", wanted_words(due.deadline.kind),
                                       std::chrono::floor<std::chrono::minutes>(due.deadline.due_at));
  SENTINEL_TRY(tell(tx, due, record, people, news, false));
  return desk_.add_timeline(
      tx, due.incident, "deadline", fmt::format("{} is reminded: it {}", join_names(people), news),
      fmt::format(R"({{"deadline":"{}","due_at":"{}"}})", kind, format_rfc3339(due.deadline.due_at)),
      {"sentinel", "deadline"});
}

Status Deadlines::missed(state::Tx& tx, const Due& due, const IncidentRecord& record) {
  const std::string kind(deadline_name(due.deadline.kind));
  SENTINEL_TRY(tx.exec("UPDATE incident_deadlines SET missed_at = ? WHERE incident_id = ? AND kind = ?",
                       {to_us(scheduler_.now()), due.incident, kind}));
  const std::string news = fmt::format("{} within {}", missed_words(due.deadline.kind),
                                       humanize_duration(due.deadline.due_at - due.deadline.base_at));
  const std::string data =
      fmt::format(R"({{"deadline":"{}","due_at":"{}","missed":true}})", kind, format_rfc3339(due.deadline.due_at));
  const Actor by{"sentinel", "deadline"};
  Escalator* people = desk_.escalator();
  // The next level is paged where there is one; else it is a message to those who stand above.
  const bool pages = due.deadline.kind == DeadlineKind::kAcknowledge && desk_.options().deadlines.escalate_to.empty();
  bool paged = false;
  if (people != nullptr && pages) {
    SENTINEL_ASSIGN(paged, people->escalate_next(tx, record));
  }
  std::vector<Person> told;
  if (people != nullptr && !paged) {
    SENTINEL_ASSIGN(told, people->superiors(tx, record, desk_.options().deadlines.escalate_to));
    SENTINEL_TRY(tell(tx, due, record, told, news, true));
  }
  const std::string whom = paged          ? "; the next level is told"
                           : told.empty() ? "; there is nobody to tell"
                                          : fmt::format("; told: {}", join_names(told));
  SENTINEL_TRY(desk_.add_timeline(tx, due.incident, "deadline", news + whom, data, by));
  // The next update is wanted as long as there is none.
  return due.deadline.kind == DeadlineKind::kUpdate ? set(tx, record, DeadlineKind::kUpdate, scheduler_.now())
                                                    : Status();
}

// ---- the timer ----

// Posted, so that it looks after the transaction that is under way.
void Deadlines::settle() {
  if (std::exchange(settling_, true)) return;
  scheduler_.post([this, alive = alive_] {
    if (!*alive) return;
    settling_ = false;
    arm();
  });
}

void Deadlines::arm() {
  scheduler_.cancel(timer_);
  timer_ = TimerId::kNone;
  std::optional<TimePoint> next;
  const Status read = database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query("SELECT MIN(CASE WHEN reminded_at IS NULL AND remind_at IS NOT NULL THEN remind_at ELSE "
                             "due_at END) FROM incident_deadlines WHERE missed_at IS NULL"));
    next = time_or_none(rows.front(), 0);
    return {};
  });
  if (!read) next = scheduler_.now() + kDeadlineRetry;
  if (next) timer_ = scheduler_.at(*next, [this] { run(); });
}

void Deadlines::run() {
  std::vector<Due> judged;
  const auto done = database_.write_fail_open([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(judged, due(tx));
    for (const Due& one : judged) SENTINEL_TRY(judge(tx, one));
    return {};
  });
  if (!done) {
    log_error("incident", "deadlines were not judged", {{"error", done.error().to_string()}});
    timer_ = scheduler_.after(kDeadlineRetry, [this] { arm(); });
    return;
  }
  for (const Due& one : judged) {
    if (one.deadline.due_at <= scheduler_.now()) missed_.add();
    desk_.notify_changed(one.incident);
  }
  arm();
}

}  // namespace sentinel::incident
