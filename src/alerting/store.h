#pragma once
// The SQL rows of alerts, groups and the history. All functions run inside the caller's transaction.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerting/alert_listener.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/alert.h"
#include "state/database.h"

namespace sentinel::alerting {

struct AlertRow {
  int64_t id = 0;  // given by the caller, ascending, so that what comes in together lies together
  model::Alert alert;
  bool firing = true;  // as listeners and history were last told
};

struct GroupRow {
  std::string id;         // route id and group labels
  std::string group_key;  // as Alertmanager shows it
  std::string route_id;
  std::string receiver;
  model::Labels labels;
  TimePoint created_at;
  TimePoint next_flush;
  bool has_flushed = false;
  bool flush_failed = false;  // a message of the flush under way has failed
  std::optional<TimePoint> emptied_at;
  // Resolved alerts of the flush under way and when they were updated: told once its messages are delivered.
  std::vector<std::pair<uint64_t, TimePoint>> resolved;
};

// One change of one alert, as the history keeps it.
struct AlertEvent {
  int64_t id = 0;
  TimePoint at;
  AlertChange::Kind kind = AlertChange::Kind::kFired;
  model::Alert alert;
  std::vector<std::string> receivers;
  std::optional<AlertAction> action{};  // of acknowledgements
};
// fired, updated, resolved, acknowledged, unacknowledged, flapping, calm
std::string_view alert_change_name(AlertChange::Kind kind);
std::optional<AlertChange::Kind> parse_alert_change(std::string_view name);

// Which events are wanted. Name and fingerprint have an index.
struct EventFilter {
  TimePoint from;
  TimePoint to;  // excluded
  int64_t before_id = 0;
  std::string alert_name{};  // "" any
  std::optional<uint64_t> fingerprint{};
  size_t limit = 0;
};

class Store {
 public:
  static Status migrate(state::Database& database);

  // `text_event` is the event that has the same labels, annotations and URL, which are then not written again; 0: none.
  static Status put_alert(state::Tx& tx, int64_t id, const model::Alert& alert, bool firing, int64_t text_event);
  // Only its times have changed.
  static Status touch_alert(state::Tx& tx, int64_t id, const model::Alert& alert, bool firing);
  static Status delete_alert(state::Tx& tx, int64_t id);
  static Result<std::vector<AlertRow>> alerts(state::Tx& tx);

  static Status put_group(state::Tx& tx, const GroupRow& row);
  static Status delete_group(state::Tx& tx, const std::string& id);  // and its members
  static Result<std::vector<GroupRow>> groups(state::Tx& tx);
  // Only of alerts that have ended: where one that fires belongs follows from the routes.
  static Status add_member(state::Tx& tx, const std::string& group_id, uint64_t fingerprint);
  static Status remove_member(state::Tx& tx, const std::string& group_id, uint64_t fingerprint);
  static Result<std::vector<std::pair<std::string, uint64_t>>> members(state::Tx& tx);

  // The id that the next event may have.
  static Result<int64_t> next_event(state::Tx& tx);
  // `id` 0: the next one.
  static Status add_event(state::Tx& tx, const AlertChange& change, uint64_t fingerprint, int64_t id);
  static Status add_event(state::Tx& tx, const AlertChange& change) {
    return add_event(tx, change, change.alert.fingerprint(), 0);
  }
  // An index that is kept with every event would cost more than the events: each of a thousand alerts in a body has
  // another place in it. So it is brought up to date from time to time, for all events since the last time at once.
  static Status index_events(state::Tx& tx);
  // Newest first.
  static Result<std::vector<AlertEvent>> events(state::Tx& tx, const EventFilter& filter);
  // Keeps those whose text an alert that is there refers to.
  static Status prune_events(state::Tx& tx, TimePoint before);
};

}  // namespace sentinel::alerting
