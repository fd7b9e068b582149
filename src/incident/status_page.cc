#include "incident/status_page.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "incident/schema.h"

namespace sentinel::incident {
namespace {

using model::IncidentStatus;
using std::chrono::days;
using Span = std::pair<TimePoint, TimePoint>;

constexpr int64_t kIncidentsMax = 5000;  // looked at
constexpr size_t kPastShownMax = 100;
constexpr size_t kPublicIdBytes = 16;  // of the hex

struct Shown {
  IncidentRecord record;
  std::vector<Update> updates;  // public ones, oldest first
};

bool matches(const StatusComponent& component, const model::Labels& labels) {
  return std::all_of(component.match.begin(), component.match.end(),
                     [&](const model::Label& l) { return labels.get(l.name) == l.value; });
}

// While it lasted; what is watched after its end is degraded only.
ComponentState state_of(model::Severity severity) {
  switch (severity) {
    case model::Severity::kSev1: return ComponentState::kMajorOutage;
    case model::Severity::kSev2: return ComponentState::kPartialOutage;
    default: return ComponentState::kDegraded;
  }
}

ComponentState present_state(const model::Incident& incident) {
  const ComponentState state = state_of(incident.severity);
  return incident.status == IncidentStatus::kMonitoring ? std::min(state, ComponentState::kDegraded) : state;
}

Result<std::vector<Shown>> read(state::Tx& tx, TimePoint from) {
  SENTINEL_ASSIGN(
      std::vector<IncidentRecord> records,
      load_where(tx, "WHERE test_mode = 0 AND (resolved_at IS NULL OR resolved_at >= ?) ORDER BY number DESC LIMIT ?",
                 {to_us(from), kIncidentsMax}));
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query("SELECT u.incident_id, u.at, u.title, u.text, u.status FROM incident_updates u JOIN incidents "
               "i ON i.id = u.incident_id WHERE u.public = 1 AND (i.resolved_at IS NULL OR i.resolved_at >= "
               "?) ORDER BY u.id",
               {to_us(from)}));
  std::map<std::string, std::vector<Update>> updates;
  for (const state::Row& row : rows) {
    Update u;
    u.at = time_from_us(row.integer(1));
    u.is_public = true;
    u.title = row.text(2);
    u.text = row.text(3);
    u.status = model::parse_incident_status(row.text(4)).value_or(IncidentStatus::kOpen);
    updates[row.text(0)].push_back(std::move(u));
  }
  std::vector<Shown> out;
  for (IncidentRecord& record : records) {
    std::vector<Update> of = std::move(updates[record.incident.id]);
    out.push_back({std::move(record), std::move(of)});
  }
  return out;
}

// What the spans cover together.
Micros covered(std::vector<Span> spans) {
  std::sort(spans.begin(), spans.end());
  Micros total{0};
  TimePoint end{};
  for (const auto& [from, to] : spans) {
    const TimePoint begin = std::max(from, end);
    if (to > begin) total += to - begin;
    end = std::max(end, to);
  }
  return total;
}

PublicComponent component_view(const StatusComponent& component, const StatusPageOptions& options,
                               const std::vector<Shown>& all, TimePoint first_day, TimePoint now) {
  PublicComponent out;
  out.id = component.id;
  out.name = component.name;
  out.description = component.description;
  std::vector<Span> outages;
  for (const auto& [record, updates] : all) {
    const model::Incident& i = record.incident;
    if (i.severity > options.least || (!options.automatic && updates.empty()) || !matches(component, i.labels))
      continue;
    const ComponentState state = state_of(i.severity);
    const TimePoint from = std::max(i.detected_at, first_day);
    const TimePoint to = i.resolved_at.value_or(now);
    if (!i.resolved_at) out.state = std::max(out.state, present_state(i));
    if (to < from) continue;
    const auto day_of = [&](TimePoint t) {
      return static_cast<size_t>(std::chrono::floor<days>(t - first_day).count());
    };
    for (size_t day = day_of(from); day <= std::min(day_of(to), kStatusDays - 1); ++day)
      out.days[day] = std::max(out.days[day], state);
    if (state >= ComponentState::kPartialOutage) outages.emplace_back(from, to);
  }
  const double window = std::chrono::duration<double>(now - first_day).count();
  out.uptime = 1 - std::chrono::duration<double>(covered(std::move(outages))).count() / window;
  return out;
}

// The time that lasts, or that comes within kMaintenanceAhead, of every window that names a component.
std::vector<PublicMaintenance> maintenance_view(const StatusPageOptions& options,
                                                const std::vector<oncall::MaintenanceWindow>& windows, TimePoint now) {
  std::vector<PublicMaintenance> out;
  for (const oncall::MaintenanceWindow& w : windows) {
    const auto time = w.next(now);
    if (!time || time->start > now + kMaintenanceAhead) continue;
    PublicMaintenance m;
    for (const StatusComponent& component : options.components) {
      if (std::find(w.components.begin(), w.components.end(), component.id) != w.components.end())
        m.components.push_back(component.name);
    }
    if (m.components.empty()) continue;
    m.id = hex_encode(sha256(fmt::format("maintenance/{}/{}", w.id, to_us(time->start)))).substr(0, kPublicIdBytes);
    m.from = time->start;
    m.to = time->end;
    m.in_force = time->contains(now);
    m.text = w.public_reason;
    m.announced_at = std::max(time->start - kMaintenanceAhead, w.made_at.value_or(TimePoint()));
    out.push_back(std::move(m));
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return std::tie(a.from, a.id) < std::tie(b.from, b.id); });
  if (out.size() > kMaintenanceShownMax) out.resize(kMaintenanceShownMax);
  return out;
}

PublicIncident incident_view(const Shown& shown, const StatusPageOptions& options) {
  const model::Incident& i = shown.record.incident;
  PublicIncident out;
  out.id = hex_encode(sha256("status/" + i.id)).substr(0, kPublicIdBytes);
  out.title = public_title(shown.updates);
  out.status = public_status(i.status);
  out.components = components_of(options, i.labels);
  out.started_at = i.detected_at;
  out.resolved_at = i.resolved_at;
  for (auto u = shown.updates.rbegin(); u != shown.updates.rend(); ++u)
    out.updates.push_back({u->at, std::string(public_status(u->status)), u->text});
  return out;
}

}  // namespace

std::string_view component_state_name(ComponentState state) {
  switch (state) {
    case ComponentState::kOperational: return "operational";
    case ComponentState::kMaintenance: return "under_maintenance";
    case ComponentState::kDegraded: return "degraded";
    case ComponentState::kPartialOutage: return "partial_outage";
    case ComponentState::kMajorOutage: return "major_outage";
  }
  return "";
}

std::string_view component_state_words(ComponentState state) {
  switch (state) {
    case ComponentState::kOperational: return "Operational";
    case ComponentState::kMaintenance: return "Under maintenance";
    case ComponentState::kDegraded: return "Degraded";
    case ComponentState::kPartialOutage: return "Partial outage";
    case ComponentState::kMajorOutage: return "Major outage";
  }
  return "";
}

std::string public_title(const std::vector<Update>& updates) {
  for (auto u = updates.rbegin(); u != updates.rend(); ++u) {
    if (u->is_public && !u->title.empty()) return u->title;
  }
  return "Incident";
}

// Who has seen it is nobody's business outside.
std::string_view public_status(IncidentStatus status) {
  if (status == IncidentStatus::kOpen || status == IncidentStatus::kAcknowledged) return "investigating";
  return model::incident_status_name(status);
}

std::vector<std::string> components_of(const StatusPageOptions& options, const model::Labels& labels) {
  std::vector<std::string> out;
  for (const StatusComponent& component : options.components) {
    if (matches(component, labels)) out.push_back(component.name);
  }
  return out;
}

Result<StatusView> status_view(state::Database& database, const StatusPageOptions& options,
                               const std::vector<oncall::MaintenanceWindow>& windows, TimePoint now) {
  StatusView view;
  view.today = std::chrono::floor<days>(now);
  const TimePoint first_day = view.today - days(kStatusDays - 1);
  std::vector<Shown> all;
  SENTINEL_TRY(database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(all, read(tx, first_day));
    return {};
  }));
  view.maintenance = maintenance_view(options, windows, now);
  const auto is_maintained = [&view](const std::string& name) {
    return std::any_of(view.maintenance.begin(), view.maintenance.end(), [&](const PublicMaintenance& m) {
      return m.in_force && std::find(m.components.begin(), m.components.end(), name) != m.components.end();
    });
  };
  for (const StatusComponent& component : options.components) {
    view.components.push_back(component_view(component, options, all, first_day, now));
    PublicComponent& shown = view.components.back();
    // What is worse than meant is told all the same.
    if (is_maintained(shown.name)) shown.state = std::max(shown.state, ComponentState::kMaintenance);
    view.worst = std::max(view.worst, view.components.back().state);
  }
  for (const Shown& shown : all) {
    if (shown.updates.empty()) continue;
    const bool open = shown.record.incident.status != IncidentStatus::kResolved;
    if (!open && view.past.size() >= kPastShownMax) continue;
    (open ? view.open : view.past).push_back(incident_view(shown, options));
  }
  return view;
}

}  // namespace sentinel::incident
