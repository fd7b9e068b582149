#include "incident/action_items.h"

#include <algorithm>
#include <array>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "base/strings.h"
#include "incident/limits.h"
#include "incident/schema.h"

namespace sentinel::incident {
namespace {

constexpr std::array<std::string_view, 5> kTypes{"prevent", "mitigate", "detect", "process", "investigate"};
constexpr std::array<std::string_view, 4> kStates{"open", "in_progress", "done", "dropped"};
constexpr std::string_view kColumns =
    "a.id, a.incident_id, i.number, i.title, a.text, a.type, a.owner, a.due_day, a.state, a.link, a.created_at, "
    "a.created_by, a.closed_at";
constexpr std::string_view kFrom = "FROM incident_actions a JOIN incidents i ON i.id = a.incident_id";
// Of an item whose day is over and who has not been told; the parameter is the first day that is not over.
constexpr std::string_view kDue = "a.closed_at IS NULL AND a.reminded_at IS NULL AND a.due_day < ?";

template <class Enum, size_t N>
Result<Enum> word_of(const std::array<std::string_view, N>& words, std::string_view what, std::string_view text) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found != words.end()) return static_cast<Enum>(found - words.begin());
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown {} \"{}\"; expected {}", what, text, fmt::join(words, ", ")));
}

int64_t day_of(TimePoint t) { return std::chrono::floor<std::chrono::days>(t).time_since_epoch().count(); }

state::SqlValue or_null(const std::optional<int64_t>& value) {
  return value ? state::SqlValue(*value) : state::SqlValue();
}

std::optional<int64_t> day_or_none(const ActionItem& item) {
  return item.due_date ? std::optional<int64_t>(item.due_date->time_since_epoch().count()) : std::nullopt;
}
std::optional<int64_t> closed_or_none(const ActionItem& item) {
  return item.closed_at ? std::optional<int64_t>(to_us(*item.closed_at)) : std::nullopt;
}

ActionItem item_of(const state::Row& row) {
  ActionItem item;
  item.id = row.integer(0);
  item.incident_id = row.text(1);
  item.incident_number = row.integer(2);
  item.incident_title = row.text(3);
  item.text = row.text(4);
  item.type = static_cast<ActionType>(row.integer(5));
  item.owner = row.text(6);
  if (!row.is_null(7)) item.due_date = std::chrono::sys_days(std::chrono::days(row.integer(7)));
  item.state = static_cast<ActionState>(row.integer(8));
  item.link = row.text(9);
  item.created_at = time_from_us(row.integer(10));
  item.created_by = row.text(11);
  if (!row.is_null(12)) item.closed_at = time_from_us(row.integer(12));
  return item;
}

Result<std::vector<ActionItem>> items_where(state::Tx& tx, std::string_view where, const state::SqlParams& params) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query(fmt::format("SELECT {} {} {}", kColumns, kFrom, where), params));
  std::vector<ActionItem> items;
  for (const state::Row& row : rows) items.push_back(item_of(row));
  return items;
}

Status store(state::Tx& tx, const ActionItem& item) {
  return tx.exec(
      "UPDATE incident_actions SET text = ?, type = ?, owner = ?, due_day = ?, state = ?, link = ?, closed_at = ?, "
      "reminded_at = CASE WHEN due_day IS ? THEN reminded_at END WHERE id = ?",
      {item.text, static_cast<int64_t>(item.type), item.owner, or_null(day_or_none(item)),
       static_cast<int64_t>(item.state), item.link, or_null(closed_or_none(item)), or_null(day_or_none(item)),
       item.id});
}

std::string described(const ActionItem& item) {
  std::string out = item.text;
  if (!item.owner.empty()) out += fmt::format(", by {}", item.owner);
  if (item.due_date) out += fmt::format(", due {:%Y-%m-%d}", *item.due_date);
  return out;
}

Result<std::chrono::sys_days> parse_date(std::string_view text) {
  const auto parts = split(text, '-');
  if (parts.size() == 3 && parts[0].size() == 4) {
    const auto y = parse_int(parts[0]), m = parse_int(parts[1]), d = parse_int(parts[2]);
    if (y && m && d && *y >= 1970 && *m >= 1 && *m <= 12 && *d >= 1 && *d <= 31) {
      const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*y)),
                                             std::chrono::month(static_cast<unsigned>(*m)),
                                             std::chrono::day(static_cast<unsigned>(*d))};
      if (date.ok()) return std::chrono::sys_days(date);
    }
  }
  return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no date; expected one such as 2026-12-31", text));
}

}  // namespace

std::string_view action_type_name(ActionType type) { return kTypes[static_cast<size_t>(type)]; }
std::string_view action_state_name(ActionState state) { return kStates[static_cast<size_t>(state)]; }
Result<ActionType> parse_action_type(std::string_view text) { return word_of<ActionType>(kTypes, "type", text); }
Result<ActionState> parse_action_state(std::string_view text) { return word_of<ActionState>(kStates, "state", text); }

ActionItems::ActionItems(Service& desk, Scheduler& scheduler, state::Database& database, MetricRegistry& metrics)
    : desk_(desk),
      scheduler_(scheduler),
      database_(database),
      open_(metrics.gauge("sentinel_incident_action_items", "Action items of incidents that are not closed.")),
      overdue_(metrics.gauge("sentinel_incident_action_items_overdue", "Those whose due date is past.")) {
  run();
}

ActionItems::~ActionItems() { scheduler_.cancel(timer_); }

Status ActionItems::apply(const ActionChange& change, ActionItem& item) const {
  if (change.text) item.text = std::string(trim(*change.text));
  if (change.type) item.type = *change.type;
  if (change.link) item.link = *change.link;
  if (change.owner) {
    const auto known = desk_.escalator() == nullptr ? std::nullopt : desk_.escalator()->person(*change.owner);
    item.owner = known ? known->name : *change.owner;
  }
  if (change.due_date && change.due_date->empty()) item.due_date.reset();
  if (change.due_date && !change.due_date->empty()) {
    SENTINEL_ASSIGN(item.due_date, parse_date(*change.due_date));
  }
  if (change.state) {
    const bool was_closed = item.closed();
    item.state = *change.state;
    if (!item.closed()) item.closed_at.reset();
    if (item.closed() && !was_closed) item.closed_at = scheduler_.now();
  }
  if (item.text.empty()) return fail(ErrorCode::kInvalidArgument, "an action item needs a text");
  if (item.text.size() > kTitleBytesMax || item.link.size() > kTitleBytesMax || item.owner.size() > kPersonBytesMax)
    return fail(ErrorCode::kTooLarge, fmt::format("text and link of an action item have at most {} bytes, its owner {}",
                                                  kTitleBytesMax, kPersonBytesMax));
  if (!item.link.empty() && !item.link.starts_with("https://") && !item.link.starts_with("http://"))
    return fail(ErrorCode::kInvalidArgument, "the link of an action item begins with https:// or http://");
  return {};
}

Status ActionItems::note(state::Tx& tx, const ActionItem& item, std::string_view text, const Actor& actor) {
  return desk_.add_timeline(tx, item.incident_id, "action", text, fmt::format(R"({{"action":{}}})", item.id), actor);
}

Result<ActionItem> ActionItems::add(std::string_view incident, const ActionChange& change, const Actor& actor) {
  ActionItem item;
  SENTINEL_TRY(apply(change, item));
  item.created_at = scheduler_.now();
  item.created_by = actor.name;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const IncidentRecord record, load(tx, incident));
    item.incident_id = record.incident.id;
    item.incident_number = record.incident.number;
    item.incident_title = record.incident.title;
    SENTINEL_ASSIGN(const state::Rows there,
                    tx.query("SELECT count(*) FROM incident_actions WHERE incident_id = ?", {item.incident_id}));
    if (there.front().integer(0) >= kActionItemsMax)
      return fail(ErrorCode::kTooLarge, "the incident has as many action items as it may");
    SENTINEL_ASSIGN(
        const state::Rows made,
        tx.query("INSERT INTO incident_actions (incident_id, text, type, owner, due_day, state, link, created_at, "
                 "created_by, closed_at) VALUES (?,?,?,?,?,?,?,?,?,?) RETURNING id",
                 {item.incident_id, item.text, static_cast<int64_t>(item.type), item.owner, or_null(day_or_none(item)),
                  static_cast<int64_t>(item.state), item.link, to_us(item.created_at), item.created_by,
                  or_null(closed_or_none(item))}));
    item.id = made.front().integer(0);
    return note(tx, item, fmt::format("Action item: {} ({})", described(item), action_type_name(item.type)), actor);
  }));
  desk_.notify_changed(item.incident_id);
  run();
  return item;
}

Result<ActionItem> ActionItems::change(int64_t id, const ActionChange& change, const Actor& actor) {
  ActionItem item;
  bool changed = false;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(std::vector<ActionItem> found, items_where(tx, "WHERE a.id = ?", {id}));
    if (found.empty()) return fail(ErrorCode::kNotFound, fmt::format("there is no action item {}", id));
    item = std::move(found.front());
    const std::string before = described(item) + item.link;
    const ActionState state = item.state;
    const ActionType type = item.type;
    SENTINEL_TRY(apply(change, item));
    changed = item.state != state || item.type != type || described(item) + item.link != before;
    if (!changed) return {};
    SENTINEL_TRY(store(tx, item));
    const std::string text = item.state != state
                                 ? fmt::format("Action item {}: {}", action_state_name(item.state), item.text)
                                 : fmt::format("Action item changed: {}", described(item));
    return note(tx, item, text, actor);
  }));
  if (changed) desk_.notify_changed(item.incident_id);
  run();
  return item;
}

Result<std::vector<ActionItem>> ActionItems::list(const ActionFilter& filter) {
  std::vector<ActionItem> items;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    std::string where = "WHERE 1";
    state::SqlParams params;
    if (!filter.incident.empty()) {
      SENTINEL_ASSIGN(const IncidentRecord record, load(tx, filter.incident));
      where += " AND a.incident_id = ?";
      params.emplace_back(record.incident.id);
    }
    if (!filter.owner.empty()) {
      where += " AND a.owner = ? COLLATE NOCASE";
      params.emplace_back(filter.owner);
    }
    if (filter.closed) where += *filter.closed ? " AND a.closed_at IS NOT NULL" : " AND a.closed_at IS NULL";
    if (filter.overdue_at) {
      where += " AND a.closed_at IS NULL AND a.due_day < ?";
      params.emplace_back(day_of(*filter.overdue_at));
    }
    where += " ORDER BY a.closed_at IS NOT NULL, a.closed_at DESC, a.due_day IS NULL, a.due_day, a.id LIMIT ?";
    params.emplace_back(static_cast<int64_t>(filter.limit));
    SENTINEL_ASSIGN(items, items_where(tx, where, params));
    return {};
  }));
  return items;
}

// ---- those that are overdue ----

Status ActionItems::remind(state::Tx& tx, const ActionItem& item) {
  SENTINEL_TRY(tx.exec("UPDATE incident_actions SET reminded_at = ? WHERE id = ?", {to_us(scheduler_.now()), item.id}));
  SENTINEL_TRY(note(tx, item, fmt::format("Action item overdue: {}", described(item)), Actor{"sentinel", "deadline"}));
  Escalator* people = desk_.escalator();
  const auto owner = people == nullptr || item.owner.empty() ? std::nullopt : people->person(item.owner);
  if (!owner) return {};
  SENTINEL_ASSIGN(const IncidentRecord record, load(tx, item.incident_id));
  Message m;
  m.key = fmt::format("action/{}/{}", item.id, item.due_date->time_since_epoch().count());
  m.user = owner->id;
  m.subject = fmt::format("Overdue: {}", item.text);
  m.text = fmt::format("The action item of INC-{} ({}) was due on {:%Y-%m-%d}.", item.incident_number,
                       item.incident_title, *item.due_date);
  return people->send(tx, record, {m});
}

// How many are overdue without their owners having been told.
int64_t ActionItems::count() {
  int64_t untold = 0;
  const Status read = database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(
        const state::Rows rows,
        tx.query(
            "SELECT count(*), COALESCE(SUM(due_day < ?1), 0), COALESCE(SUM(due_day < ?1 AND reminded_at IS NULL), 0) "
            "FROM incident_actions WHERE closed_at IS NULL",
            {day_of(scheduler_.now())}));
    untold = rows.front().integer(2);
    open_.set(static_cast<double>(rows.front().integer(0)));
    overdue_.set(static_cast<double>(rows.front().integer(1)));
    return {};
  });
  if (!read) log_warn("incident", "action items were not counted", {{"error", read.error().to_string()}});
  return untold;
}

// At the end of each day (UTC): dates have no finer grain.
void ActionItems::arm() {
  scheduler_.cancel(timer_);
  const TimePoint next = std::chrono::floor<std::chrono::days>(scheduler_.now()) + std::chrono::days(1);
  timer_ = scheduler_.at(next, [this] { run(); });
}

void ActionItems::run() {
  if (count() > 0) tell_owners();
  arm();
}

void ActionItems::tell_owners() {
  std::vector<std::string> changed;
  const Status told = database_.write([&](state::Tx& tx) -> Status {
    changed.clear();
    SENTINEL_ASSIGN(
        const std::vector<ActionItem> due,
        items_where(tx, fmt::format("WHERE {} LIMIT {}", kDue, kDeadlinesPerTurnMax), {day_of(scheduler_.now())}));
    for (const ActionItem& item : due) {
      SENTINEL_TRY(remind(tx, item));
      changed.push_back(item.incident_id);
    }
    return {};
  });
  if (!told)
    log_warn("incident", "owners of overdue action items were not told", {{"error", told.error().to_string()}});
  if (told) {
    for (std::string& id : changed) desk_.notify_changed(std::move(id));
  }
}

}  // namespace sentinel::incident
