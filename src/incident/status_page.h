#pragma once
// What the public may know: components with their state and their last 90 days, the incidents that somebody has
// written a public update for, with those updates alone, and the maintenance windows that name components. Private
// titles, notes, labels, people, reasons and numbers never get in here: what this gives is all that the page, the feed
// and the mails are made of.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "incident/casework.h"
#include "model/labels.h"
#include "model/severity.h"
#include "oncall/config.h"
#include "state/database.h"

namespace sentinel::incident {

inline constexpr size_t kStatusDays = 90;
inline constexpr Micros kMaintenanceAhead = std::chrono::days(14);  // announced so long before it begins
inline constexpr size_t kMaintenanceShownMax = 50;

struct StatusComponent {
  std::string id;
  std::string name;
  std::string description;
  model::Labels match;  // an incident with all of these labels is one of this component
};

struct StatusPageOptions {
  std::string path;  // "/status-page"; "": there is none
  std::string title = "Status";
  std::string url;                                 // how the public reaches it; "": the server's own address
  std::vector<StatusComponent> components;         // in the order they are shown
  model::Severity least = model::Severity::kSev3;  // less severe ones change no component
  bool automatic = true;                           // components follow incidents without a public update too
  std::string mail_channel;                        // of on-call, of kind email; "": nobody can subscribe by mail
};

enum class ComponentState { kOperational, kMaintenance, kDegraded, kPartialOutage, kMajorOutage };
std::string_view component_state_name(ComponentState state);   // "partial_outage"
std::string_view component_state_words(ComponentState state);  // "Partial outage"

struct PublicComponent {
  std::string id;
  std::string name;
  std::string description;
  ComponentState state = ComponentState::kOperational;
  std::array<ComponentState, kStatusDays> days{};  // the worst of each, UTC; the last is today
  double uptime = 1;                               // share of these days without an outage
};

struct PublicUpdate {
  TimePoint at;
  std::string status;
  std::string text;
};

struct PublicIncident {
  std::string id;  // tells nothing of how many there are
  std::string title;
  std::string status;  // investigating, identified, monitoring, resolved
  std::vector<std::string> components;
  TimePoint started_at;
  std::optional<TimePoint> resolved_at;
  std::vector<PublicUpdate> updates;  // newest first
};

// One time of a window.
struct PublicMaintenance {
  std::string id;
  std::vector<std::string> components;  // names
  TimePoint from;
  TimePoint to;
  bool in_force = false;
  std::string text;        // what is told of the reason; "": nothing
  TimePoint announced_at;  // when it came to be on the page
};

struct StatusView {
  ComponentState worst = ComponentState::kOperational;
  std::vector<PublicComponent> components;
  std::vector<PublicIncident> open;
  std::vector<PublicIncident> past;            // newest first
  std::vector<PublicMaintenance> maintenance;  // by its begin
  TimePoint today;                             // its first instant
};

// Reads on any thread; blocks.
Result<StatusView> status_view(state::Database& database, const StatusPageOptions& options,
                               const std::vector<oncall::MaintenanceWindow>& windows, TimePoint now);

// What the public calls it: the title of its last public update that has one.
std::string public_title(const std::vector<Update>& updates);
std::string_view public_status(model::IncidentStatus status);
std::vector<std::string> components_of(const StatusPageOptions& options, const model::Labels& labels);

}  // namespace sentinel::incident
