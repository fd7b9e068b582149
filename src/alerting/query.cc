// The read side of Alerting.

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "alerting/alerting.h"
#include "alerting/codec.h"
#include "alerting/limits.h"

namespace sentinel::alerting {
namespace {

// By name and by labels, both of them.
bool receiver_matches(const AlertQuery& query, const Config& config, std::string_view name) {
  const model::Matchers& by_name = query.receiver_matchers;
  if (!std::all_of(by_name.begin(), by_name.end(), [&](const model::Matcher& m) { return m.matches(name); }))
    return false;
  if (query.receiver_label_matchers.empty()) return true;
  const receivers::ReceiverConfig* receiver = config.find_receiver(name);
  return receiver != nullptr && model::matches_all(query.receiver_label_matchers, receiver_labels(*receiver));
}

bool keeps(const AlertQuery& query, const AlertView& view) {
  if (!query.active && view.state == AlertVisibility::kActive) return false;
  if (!query.silenced && !view.silenced_by.empty()) return false;
  if (!query.inhibited && !view.inhibited_by.empty()) return false;
  return query.muted || view.muted_by.empty();
}

bool is_wanted(const HistoryQuery& query, const AlertEvent& event) {
  if (query.kind && event.kind != *query.kind) return false;
  if (!model::matches_all(query.matchers, event.alert.labels)) return false;
  return query.any_of.empty() || std::any_of(query.any_of.begin(), query.any_of.end(), [&](const model::Matchers& set) {
           return model::matches_all(set, event.alert.labels);
         });
}

}  // namespace

model::Labels receiver_labels(const receivers::ReceiverConfig& receiver) {
  model::Labels labels;
  for (const auto& [name, value] : receiver.labels) labels.set(name, value);
  return labels;
}

std::vector<std::string> Alerting::receivers_of(const model::Labels& labels) const {
  std::vector<std::string> out;
  for (const Route* route : match_routes(config_->route, labels)) out.push_back(route->receiver);
  return out;
}

std::vector<std::pair<uint64_t, const Alerting::Record*>> Alerting::candidates(const model::Matchers& matchers,
                                                                               TimePoint now) const {
  std::vector<std::pair<uint64_t, const Record*>> out;
  if (const auto narrowed = index_.candidates(matchers)) {
    out.reserve(narrowed->size());
    for (const uint64_t f : *narrowed) out.emplace_back(f, &alerts_.at(f));
  } else {
    out.reserve(alerts_.size());
    for (const auto& [f, record] : alerts_) out.emplace_back(f, &record);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  std::erase_if(out, [&](const auto& entry) {
    return entry.second->alert.resolved_at(now) || !model::matches_all(matchers, entry.second->alert.labels);
  });
  return out;
}

AlertView Alerting::view(const Record& record, const std::vector<Group*>& groups, TimePoint now) const {
  AlertView v;
  v.alert = record.alert;
  v.silenced_by = silences_.silenced_by(record.alert.labels, now);
  for (const uint64_t f : inhibitor_.inhibited_by(record.alert.labels, now))
    v.inhibited_by.push_back(fingerprint_text(f));
  v.receivers = receivers_of(record.alert.labels);
  if (const Acknowledgement* a = acknowledgements_.active(record.alert.fingerprint(), now)) v.acknowledged = *a;
  v.flapping = flapping_.flaps(record.alert.fingerprint());
  bool everywhere = !groups.empty();
  for (const Group* group : groups) {
    const std::vector<std::string> muting = muting_intervals(*group->route, now);
    everywhere = everywhere && !muting.empty();
    v.muted_by.insert(v.muted_by.end(), muting.begin(), muting.end());
  }
  if (!everywhere) v.muted_by.clear();
  const bool suppressed = !v.silenced_by.empty() || !v.inhibited_by.empty() || !v.muted_by.empty();
  v.state = suppressed ? AlertVisibility::kSuppressed : AlertVisibility::kActive;
  return v;
}

std::vector<AlertView> Alerting::alerts(const AlertQuery& query) const {
  const TimePoint now = scheduler_.now();
  std::vector<AlertView> out;
  for (const auto& [fingerprint, record] : candidates(query.matchers, now)) {
    AlertView v = view(*record, record->groups, now);
    const bool any = query.receiver_matchers.empty() && query.receiver_label_matchers.empty();
    const bool received = any || std::any_of(v.receivers.begin(), v.receivers.end(),
                                             [&](const auto& r) { return receiver_matches(query, *config_, r); });
    if (received && keeps(query, v)) out.push_back(std::move(v));
  }
  return out;
}

std::vector<AlertPlace> Alerting::places() const {
  const TimePoint now = scheduler_.now();
  std::vector<AlertPlace> out;
  out.reserve(alerts_.size());
  for (const auto& [fingerprint, record] : alerts_) {
    const model::Alert& a = record.alert;
    if (a.resolved_at(now)) continue;
    out.push_back(
        {fingerprint, model::parse_severity(a.labels.get("severity")).value_or(model::Severity::kSev3), a.starts_at});
  }
  return out;
}

std::vector<AlertView> Alerting::views(const std::vector<uint64_t>& fingerprints) const {
  const TimePoint now = scheduler_.now();
  std::vector<AlertView> out;
  for (const uint64_t fingerprint : fingerprints) {
    const auto found = alerts_.find(fingerprint);
    if (found == alerts_.end() || found->second.alert.resolved_at(now)) continue;
    out.push_back(view(found->second, found->second.groups, now));
  }
  return out;
}

std::vector<GroupView> Alerting::groups(const AlertQuery& query) const {
  const TimePoint now = scheduler_.now();
  std::map<Group*, std::vector<const Record*>> found;
  for (const auto& [fingerprint, record] : candidates(query.matchers, now)) {
    for (Group* group : record->groups) {
      if (receiver_matches(query, *config_, group->row.receiver)) found[group].push_back(record);
    }
  }
  std::vector<GroupView> out;
  for (const auto& [group, records] : found) {
    GroupView g{group->row.id,
                group->row.group_key,
                group->row.receiver,
                group->row.labels,
                group->route->labels,
                group->row.next_flush,
                {}};
    for (const Record* record : records) {
      AlertView v = view(*record, {group}, now);
      if (keeps(query, v)) g.alerts.push_back(std::move(v));
    }
    if (g.alerts.empty()) continue;
    const bool templated = std::any_of(g.route_labels.begin(), g.route_labels.end(), [](const model::Label& label) {
      return label.value.find("{{") != std::string::npos;
    });
    if (templated) {
      for (const uint64_t f : group->members) {
        const model::Alert& alert = alerts_.at(f).alert;
        g.members.push_back({alert, alert.resolved_at(now)});
      }
    }
    out.push_back(std::move(g));
  }
  std::sort(out.begin(), out.end(), [](const GroupView& a, const GroupView& b) {
    return std::tie(a.labels, a.receiver, a.id) < std::tie(b.labels, b.receiver, b.id);
  });
  return out;
}

Counts Alerting::counts() const {
  const TimePoint now = scheduler_.now();
  std::unordered_set<uint64_t> suppressed;
  for (const Silence& silence : silences_.list()) {
    if (silence.state(now) != SilenceState::kActive) continue;
    for (const model::Matchers& set : silence.matcher_sets) {
      for (const auto& [fingerprint, record] : candidates(set, now)) suppressed.insert(fingerprint);
    }
  }
  for (const model::Matchers* targets : inhibitor_.targets_in_force()) {
    for (const auto& [fingerprint, record] : candidates(*targets, now)) {
      if (!suppressed.contains(fingerprint) && !inhibitor_.inhibited_by(record->alert.labels, now).empty())
        suppressed.insert(fingerprint);
    }
  }
  Counts out;
  out.suppressed = suppressed.size();
  out.active = ends_.size() - std::min(ends_.size(), out.suppressed);
  out.groups = groups_.size();
  out.receivers = config_->receivers.size();
  for (const auto& receiver : config_->receivers) out.integrations += receiver.integrations.size();
  out.silences_active = silences_.count(SilenceState::kActive, now);
  out.silences_pending = silences_.count(SilenceState::kPending, now);
  out.silences_expired = silences_.count(SilenceState::kExpired, now);
  return out;
}

SilencePreview Alerting::preview_silence(const std::vector<model::Matchers>& matcher_sets) const {
  const TimePoint now = scheduler_.now();
  std::map<uint64_t, const Record*> muted;
  for (const model::Matchers& set : matcher_sets) {
    for (const auto& [fingerprint, record] : candidates(set, now)) muted.emplace(fingerprint, record);
  }
  SilencePreview preview;
  std::set<Group*> touched;
  for (const auto& [fingerprint, record] : muted) {
    preview.alerts.push_back(view(*record, record->groups, now));
    touched.insert(record->groups.begin(), record->groups.end());
  }
  for (Group* group : touched) {
    const auto stays_audible = [&](uint64_t fingerprint) {
      if (muted.contains(fingerprint)) return false;
      const Record& record = alerts_.at(fingerprint);
      return !record.alert.resolved_at(now) && view(record, {group}, now).state == AlertVisibility::kActive;
    };
    if (std::any_of(group->members.begin(), group->members.end(), stays_audible)) continue;
    preview.groups_silent.push_back(
        {group->row.id, group->row.group_key, group->row.receiver, group->row.labels, {}, group->row.next_flush, {}});
  }
  std::sort(preview.groups_silent.begin(), preview.groups_silent.end(),
            [](const GroupView& a, const GroupView& b) { return a.id < b.id; });
  return preview;
}

Result<std::vector<AlertEvent>> Alerting::history(const HistoryQuery& query) const {
  const size_t limit = std::min(query.limit, kEventsPerQueryMax);
  // Time, name and fingerprint have an index; all else is looked at row by row.
  EventFilter filter{query.from, query.to, query.before_id, {}, query.fingerprint, 0};
  for (const model::Matcher& m : query.matchers) {
    if (m.type() == model::MatchType::kEqual && m.name() == model::kAlertNameLabel) filter.alert_name = m.value();
  }
  std::vector<AlertEvent> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    // Pages grow, since few rows are wanted mostly.
    filter.limit = std::clamp<size_t>(limit, 10, 1000);
    while (out.size() < limit) {
      SENTINEL_ASSIGN(std::vector<AlertEvent> page, Store::events(tx, filter));
      for (AlertEvent& event : page) {
        filter.before_id = event.id;
        if (out.size() < limit && is_wanted(query, event)) out.push_back(std::move(event));
      }
      if (page.size() < filter.limit) break;
      filter.limit = 1000;
    }
    return {};
  }));
  return out;
}

Result<std::vector<AuditEntry>> Alerting::audit(const AuditQuery& query) const {
  AuditQuery bounded = query;
  bounded.limit = std::min(query.limit, kAuditPerQueryMax);
  std::vector<AuditEntry> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out, Audit::list(tx, bounded));
    return {};
  }));
  return out;
}

}  // namespace sentinel::alerting
