#pragma once
// What API handlers ask of alerting, in plain structs (Alertmanager's API v2 data, and the history it lacks).

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alerting/acknowledgements.h"
#include "alerting/alert_listener.h"
#include "alerting/silences.h"
#include "base/clock.h"
#include "model/alert.h"
#include "model/labels.h"
#include "model/severity.h"
#include "receivers/config.h"
#include "receivers/notification.h"

namespace sentinel::alerting {

// Alertmanager's third state, "unprocessed", cannot be seen: an alert is judged when it is asked for.
enum class AlertVisibility { kActive, kSuppressed };

struct AlertView {
  model::Alert alert;
  AlertVisibility state = AlertVisibility::kActive;
  std::vector<std::string> silenced_by;   // silence ids
  std::vector<std::string> inhibited_by;  // fingerprints in hex
  std::vector<std::string> muted_by;      // time intervals that mute all its routes now
  std::vector<std::string> receivers;     // by name, in the order of the routes
  std::optional<Acknowledgement> acknowledged{};
  bool flapping = false;  // its news is held back
};

// What a list of alerts that fire is sorted by.
struct AlertPlace {
  uint64_t fingerprint = 0;
  model::Severity severity = model::Severity::kSev3;  // as its label has it; SEV3 when that says nothing readable
  TimePoint starts_at;
};

struct GroupView {
  std::string id;
  std::string group_key;
  std::string receiver;
  model::Labels labels;
  model::Labels route_labels;  // as the route has them: values are templates
  TimePoint next_flush;
  std::vector<AlertView> alerts;  // by fingerprint
  // All of its alerts, also those that the query does not keep: what route labels are expanded over. Only where these
  // have something to expand.
  std::vector<receivers::NotifiedAlert> members{};
};

// Alerts that somebody does something about: those named, and those that fire in the groups with these labels.
struct AlertSelection {
  struct Group {
    std::string receiver;
    model::Labels labels;
  };
  std::vector<uint64_t> fingerprints{};
  std::optional<Group> group{};
};

struct AlertQuery {
  model::Matchers matchers;
  model::Matchers receiver_matchers;        // their label name is ignored: each is asked about the receiver's name
  model::Matchers receiver_label_matchers;  // on the receiver's labels, among them its name
  bool active = true;                       // false leaves out …
  bool silenced = true;
  bool inhibited = true;
  bool muted = true;
};

// With its name.
model::Labels receiver_labels(const receivers::ReceiverConfig& receiver);

// As /api/v2/status shows it.
struct ClusterStatus {
  std::string name;                                        // "" without a cluster
  std::string status = "disabled";                         // settling, ready
  std::vector<std::pair<std::string, std::string>> peers;  // name and address, by name, this instance too
};

// How much there is of everything.
struct Counts {
  size_t active = 0;      // alerts that fire and are told of
  size_t suppressed = 0;  // that fire and are silenced or inhibited
  size_t groups = 0;
  size_t receivers = 0;
  size_t integrations = 0;
  size_t silences_active = 0;
  size_t silences_pending = 0;
  size_t silences_expired = 0;
};

// What a silence would mute.
struct SilencePreview {
  std::vector<AlertView> alerts;         // that fire now and match, by fingerprint
  std::vector<GroupView> groups_silent;  // that would have nothing left to tell; without their alerts
};

struct FlappingAlert {
  model::Alert alert;
  bool firing = false;  // now; people are told that it fires until it is calm
  TimePoint since;
  TimePoint calm_at;   // if it does not change again
  size_t changes = 0;  // that are remembered
};

struct EndingSilence {
  Silence silence;
  size_t firing = 0;                     // alerts that it mutes now
  std::optional<TimePoint> remind_at{};  // nullopt: nobody is told
  std::string receiver{};                // who is told then
  bool reminded = false;                 // or being told
};

struct HistoryQuery {
  TimePoint from = time_from_us(0);
  TimePoint to = time_from_us(std::numeric_limits<int64_t>::max());  // excluded
  model::Matchers matchers;
  std::vector<model::Matchers> any_of;    // of several sets, one must match; empty: no condition
  std::optional<AlertChange::Kind> kind;  // only these changes
  std::optional<uint64_t> fingerprint{};  // only of this alert
  size_t limit = 100;
  int64_t before_id = std::numeric_limits<int64_t>::max();  // cursor: only older ones
};

}  // namespace sentinel::alerting
