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

class Store {
 public:
  static Status migrate(state::Database& database);

  static Status put_alert(state::Tx& tx, int64_t id, const model::Alert& alert, bool firing);
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

  static Status add_event(state::Tx& tx, const AlertChange& change);
  // Newest first, with ids below `before_id`.
  static Result<std::vector<AlertEvent>> events(state::Tx& tx, TimePoint from, TimePoint to, int64_t before_id,
                                                std::string_view alert_name, size_t limit);
  static Status prune_events(state::Tx& tx, TimePoint before);
};

}  // namespace sentinel::alerting
