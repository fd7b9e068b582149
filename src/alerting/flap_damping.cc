// Flap damping: what of the changes of a batch is heard, and when alerts are calm again (flapping.h).

#include <algorithm>

#include "alerting/alerting.h"
#include "alerting/limits.h"
#include "base/duration.h"
#include "base/log.h"

namespace sentinel::alerting {

// Of a batch whose changes are complete: what becomes of the alerts that are watched, and what listeners hear of it.
void Alerting::stage_flaps(Batch& batch) const {
  std::map<uint64_t, FlapState> flaps;
  std::vector<size_t> begun;
  std::vector<size_t> held;
  for (size_t i = 0; i < batch.changes.size(); ++i) {
    const AlertChange& change = batch.changes[i];
    const uint64_t fingerprint = batch.changed[i];
    const bool turns = change.kind == AlertChange::Kind::kFired || change.kind == AlertChange::Kind::kResolved;
    const auto staged = flaps.find(fingerprint);
    const FlapState* known = staged != flaps.end() ? &staged->second : flapping_.find(fingerprint);
    const FlapOptions options = turns ? flap_options(change.alert, options_.flapping) : FlapOptions{};
    const bool flapped = known != nullptr && known->since;
    bool flaps_now = flapped;
    if (options.watches()) {
      FlapState before = known == nullptr ? FlapState{} : *known;
      before.fingerprint = fingerprint;
      FlapState next = flap_after(std::move(before), change.at, options);
      flaps_now = next.since.has_value();
      flaps.insert_or_assign(fingerprint, std::move(next));
    }
    if (flaps_now && !flapped) begun.push_back(i);
    // It counts as firing from now on: that it fires is heard, the rest when it is calm.
    if (turns && flaps_now && (flapped || change.kind == AlertChange::Kind::kResolved)) held.push_back(i);
  }
  for (auto& [fingerprint, state] : flaps) batch.flaps.push_back(std::move(state));
  if (begun.empty() && held.empty()) return;
  batch.heard.emplace();
  auto next_held = held.begin();
  for (size_t i = 0; i < batch.changes.size(); ++i) {
    if (next_held != held.end() && *next_held == i) {
      ++next_held;
    } else {
      batch.heard->push_back(batch.changes[i]);
    }
  }
  for (const size_t i : begun) {
    AlertChange change = batch.changes[i];
    change.kind = AlertChange::Kind::kFlapping;
    batch.changes.push_back(std::move(change));
    batch.changed.push_back(batch.changed[i]);
  }
}

Status Alerting::calm_down(TimePoint now) {
  Batch batch;
  batch.now = now;
  batch.next_row = next_row_;
  batch.heard.emplace();
  for (const uint64_t fingerprint : flapping_.calm(now)) {
    FlapState state = *flapping_.find(fingerprint);
    state.since.reset();
    batch.flaps.push_back(std::move(state));
    const auto record = alerts_.find(fingerprint);
    if (record == alerts_.end()) continue;
    const model::Alert& alert = record->second.alert;
    AlertChange change{AlertChange::Kind::kCalm, alert, now, receivers_of(alert.labels)};
    batch.changes.push_back(change);
    batch.changed.push_back(fingerprint);
    if (record->second.firing) continue;
    change.kind = AlertChange::Kind::kResolved;  // was held back
    batch.heard->push_back(std::move(change));
  }
  const Result<state::Written> committed = commit(batch);
  return committed ? Status() : Status(fail(committed.error()));
}

void Alerting::apply_flaps(Batch& batch) {
  for (FlapState& state : batch.flaps) {
    const bool flapped = flapping_.flaps(state.fingerprint);
    if (flapped != state.since.has_value())
      log_info("alerting", flapped ? "an alert is calm again" : "an alert flaps",
               {{"fingerprint", fingerprint_text(state.fingerprint)}});
    flapping_.put(std::move(state));
  }
}

std::string Alerting::flap_note(uint64_t fingerprint) const {
  const FlapOptions& o = flapping_.find(fingerprint)->options;
  return "it fired and ended " + std::to_string(o.changes) + " times within " +
         format_duration(std::chrono::floor<Millis>(o.window)) + "; what becomes of it is told when no more than " +
         std::to_string(o.calm) + " changes are left in that time";
}

std::vector<FlappingAlert> Alerting::flapping_alerts() const {
  std::vector<FlappingAlert> out;
  for (const uint64_t fingerprint : flapping_.calm(TimePoint::max())) {
    const auto record = alerts_.find(fingerprint);
    if (record == alerts_.end()) continue;
    const FlapState& state = *flapping_.find(fingerprint);
    out.push_back({record->second.alert, record->second.firing, *state.since, state.calm_at(), state.changes.size()});
  }
  return out;
}

}  // namespace sentinel::alerting
