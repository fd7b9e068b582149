// Acknowledging alerts: one, or all that fire in a group.

#include <algorithm>

#include "alerting/alerting.h"
#include "alerting/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "text/json.h"

namespace sentinel::alerting {
namespace {

std::string audit_text(const Acknowledgement& a, const model::Labels& labels) {
  std::string out;
  text::JsonWriter w(out);
  w.begin_object().field("by", a.by.name).field("note", a.note).key("until");
  a.until ? w.string(format_rfc3339(*a.until)) : w.null();
  w.key("labels").begin_object();
  for (const model::Label& label : labels) w.field(label.name, label.value);
  w.end_object().end_object();
  return out;
}

}  // namespace

Result<std::vector<uint64_t>> Alerting::selected(const AlertSelection& which) const {
  std::vector<uint64_t> out;
  for (const uint64_t fingerprint : which.fingerprints) {
    const auto it = alerts_.find(fingerprint);
    if (it == alerts_.end() || !it->second.firing)
      return fail(ErrorCode::kNotFound, "no alert that fires has the fingerprint " + fingerprint_text(fingerprint));
    out.push_back(fingerprint);
  }
  if (which.group) {
    bool known = false;
    for (const auto& [id, group] : groups_) {
      if (group->row.receiver != which.group->receiver || group->row.labels != which.group->labels) continue;
      known = true;
      std::copy_if(group->members.begin(), group->members.end(), std::back_inserter(out),
                   [this](uint64_t f) { return alerts_.at(f).firing; });
    }
    if (!known)
      return fail(ErrorCode::kNotFound, "no group of receiver " + which.group->receiver + " has the labels " +
                                            which.group->labels.to_string());
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.empty()) return fail(ErrorCode::kNotFound, "none of these alerts fires");
  return out;
}

Status Alerting::write_acknowledgements(const std::vector<Acknowledgement>& changed, AlertChange::Kind kind,
                                        const AlertAction& action) {
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    for (const Acknowledgement& a : changed) {
      SENTINEL_TRY(Acknowledgements::write(tx, a));
      const model::Alert& alert = alerts_.at(a.fingerprint).alert;
      AlertChange change{kind, alert, scheduler_.now(), receivers_of(alert.labels), action};
      SENTINEL_TRY(Store::add_event(tx, change));
      const Acknowledgement* before = acknowledgements_.active(a.fingerprint, scheduler_.now());
      const bool taken_back = kind == AlertChange::Kind::kUnacknowledged;
      SENTINEL_TRY(
          Audit::add(tx, {0, scheduler_.now(), action.by, taken_back ? "alert.unacknowledged" : "alert.acknowledged",
                          fingerprint_text(a.fingerprint), before == nullptr ? "" : audit_text(*before, alert.labels),
                          taken_back ? "" : audit_text(a, alert.labels)}));
    }
    return {};
  }));
  for (const Acknowledgement& a : changed) {
    acknowledgements_.put(a);
    replicate_acknowledgement(a);
  }
  log_info("acknowledgements", alert_change_name(kind),
           {{"by", action.by.name}, {"source", action.by.source}, {"alerts", changed.size()}});
  return {};
}

Result<std::vector<Acknowledgement>> Alerting::acknowledge(const AlertSelection& which, const AlertAction& action) {
  const TimePoint now = scheduler_.now();
  if (action.until && *action.until <= now)
    return fail(ErrorCode::kInvalidArgument, "an acknowledgement must end in the future");
  if (action.by.name.size() + action.note.size() > kAcknowledgementBytesMax)
    return fail(ErrorCode::kTooLarge, "the note exceeds " + std::to_string(kAcknowledgementBytesMax) + " bytes");
  SENTINEL_ASSIGN(const std::vector<uint64_t> alerts, selected(which));
  std::vector<Acknowledgement> changed;
  for (const uint64_t f : alerts) {
    const Acknowledgement* known = acknowledgements_.find(f);
    const TimePoint updated_at = known == nullptr ? now : std::max(now, known->updated_at + Micros(1));
    changed.push_back({f, now, action.by, action.note, action.until, false, updated_at});
  }
  SENTINEL_TRY(write_acknowledgements(changed, AlertChange::Kind::kAcknowledged, action));
  return changed;
}

Result<std::vector<Acknowledgement>> Alerting::unacknowledge(const AlertSelection& which, const AlertAction& action) {
  const TimePoint now = scheduler_.now();
  SENTINEL_ASSIGN(const std::vector<uint64_t> alerts, selected(which));
  std::vector<Acknowledgement> changed;
  for (const uint64_t f : alerts) {
    const Acknowledgement* known = acknowledgements_.active(f, now);
    if (known == nullptr) continue;
    changed.push_back(*known);
    changed.back().ended = true;
    changed.back().updated_at = std::max(now, known->updated_at + Micros(1));  // others tell the younger by it
  }
  if (changed.empty()) return fail(ErrorCode::kConflict, "none of these alerts is acknowledged");
  SENTINEL_TRY(write_acknowledgements(changed, AlertChange::Kind::kUnacknowledged, action));
  return changed;
}

std::vector<Acknowledgement> Alerting::acknowledgements() const {
  std::vector<Acknowledgement> out;
  for (const auto& [fingerprint, a] : acknowledgements_.all()) {
    if (a.active(scheduler_.now())) out.push_back(a);
  }
  return out;
}

bool Alerting::all_acknowledged(const Fingerprints& alerts, TimePoint now) const {
  return std::all_of(alerts.begin(), alerts.end(),
                     [&](uint64_t f) { return acknowledgements_.active(f, now) != nullptr; });
}

// Those of alerts that end in this batch.
std::vector<Acknowledgement> Alerting::ending_acknowledgements(const Batch& batch) const {
  std::vector<Acknowledgement> out;
  for (const AlertChange& change : batch.heard_changes()) {
    if (change.kind != AlertChange::Kind::kResolved) continue;
    const Acknowledgement* known = acknowledgements_.find(change.alert.fingerprint());
    if (known == nullptr || known->ended) continue;
    out.push_back(*known);
    out.back().ended = true;
    out.back().updated_at = std::max(batch.now, known->updated_at + Micros(1));
  }
  return out;
}

Result<size_t> Alerting::merge_acknowledgements(const std::vector<Acknowledgement>& theirs) {
  std::vector<Acknowledgement> newer;
  for (const Acknowledgement& a : theirs) {
    const Acknowledgement* ours = acknowledgements_.find(a.fingerprint);
    if (ours != nullptr && ours->updated_at >= a.updated_at) continue;
    if (ours == nullptr && acknowledgements_.all().size() + newer.size() >= kAcknowledgementsMax) continue;
    newer.push_back(a);
    // The alert has ended here: theirs is of the time before.
    if (const auto it = alerts_.find(a.fingerprint); it != alerts_.end() && !it->second.firing)
      newer.back().ended = true;
  }
  if (newer.empty()) return size_t{0};
  SENTINEL_TRY(database_.write_fail_open([&](state::Tx& tx) -> Status {
    for (const Acknowledgement& a : newer) SENTINEL_TRY(Acknowledgements::write(tx, a));
    return {};
  }));
  for (Acknowledgement& a : newer) acknowledgements_.put(std::move(a));
  return newer.size();
}

}  // namespace sentinel::alerting
