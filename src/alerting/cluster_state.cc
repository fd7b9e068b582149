// What a cluster copies between instances, and the wait for those that notify first.

#include <algorithm>

#include "alerting/alerting.h"
#include "alerting/limits.h"

namespace sentinel::alerting {

void Alerting::on_replicate(std::function<void()> changed) {
  replicate_ = std::move(changed);
  replica_changes_ = {};
}

ReplicaState Alerting::take_replica_changes() { return std::exchange(replica_changes_, {}); }

ReplicaState Alerting::replica_state() const {
  ReplicaState state;
  state.silences = silences_.list();
  for (const auto& [fingerprint, a] : acknowledgements_.all()) state.acknowledgements.push_back(a);
  for (const auto& [id, r] : recurring_.all()) state.recurring.push_back(r);
  for (const auto& [key, entry] : log_.entries()) {
    if (entry.told) state.log.push_back({entry.group_key, entry.integration, *entry.told, entry.expires_at});
  }
  return state;
}

void Alerting::replicate_silence(const std::string& id) {
  if (!replicate_) return;
  if (auto silence = silences_.get(id)) replica_changes_.silences.push_back(std::move(*silence));
  replicate_();
}

void Alerting::replicate_recurring(const std::string& id) {
  if (!replicate_) return;
  if (const RecurringSilence* r = recurring_.find(id)) replica_changes_.recurring.push_back(*r);
  replicate_();
}

// Schedules do not change: they come, and they go for good.
Result<size_t> Alerting::merge_recurring(const std::vector<RecurringSilence>& theirs) {
  const TimePoint now = scheduler_.now();
  std::vector<RecurringSilence> news;
  for (const RecurringSilence& r : theirs) {
    const RecurringSilence* ours = recurring_.find(r.id);
    if (ours != nullptr && (ours->removed_at || !r.removed_at)) continue;
    if (ours == nullptr && (recurring_.all().size() + news.size() >= kRecurringSilencesMax ||
                            (r.removed_at && *r.removed_at < now - options_.data_retention)))
      continue;
    news.push_back(ours == nullptr ? r : *ours);
    news.back().removed_at = r.removed_at;
  }
  if (news.empty()) return size_t{0};
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    for (const RecurringSilence& r : news) SENTINEL_TRY(RecurringSilences::write(tx, r));
    return {};
  }));
  for (RecurringSilence& r : news) recurring_.put(std::move(r));
  arm();
  return news.size();
}

void Alerting::replicate_acknowledgement(const Acknowledgement& acknowledgement) {
  if (!replicate_) return;
  replica_changes_.acknowledgements.push_back(acknowledgement);
  replicate_();
}

void Alerting::replicate_log(const LogEntry& entry) {
  if (!replicate_ || !entry.told || !entry.message_key.empty()) return;  // not known yet what became of it
  replica_changes_.log.push_back({entry.group_key, entry.integration, *entry.told, entry.expires_at});
  replicate_();
}

Result<size_t> Alerting::merge_replica(const ReplicaState& state) {
  const TimePoint now = scheduler_.now();
  SENTINEL_ASSIGN(size_t merged, silences_.merge(database_, state.silences, now - options_.data_retention));
  SENTINEL_ASSIGN(const size_t acknowledged, merge_acknowledgements(state.acknowledgements));
  merged += acknowledged;
  SENTINEL_ASSIGN(const size_t recurring, merge_recurring(state.recurring));
  merged += recurring;
  if (!state.silences.empty()) watch_silences();
  std::vector<LogEntry> newer;
  for (const ReplicaEntry& theirs : state.log) {
    const LogEntry* ours = log_.find(theirs.group_key, theirs.integration);
    if (theirs.expires_at < now || (ours != nullptr && ours->told && ours->told->at >= theirs.told.at)) continue;
    LogEntry entry = ours != nullptr ? *ours : LogEntry{};
    if (ours == nullptr) {
      entry.group_key = theirs.group_key;
      entry.integration = theirs.integration;
      entry.generation = to_us(now);
    }
    entry.told = theirs.told;
    entry.expires_at = std::max(entry.expires_at, theirs.expires_at);
    newer.push_back(std::move(entry));
  }
  if (newer.empty()) return merged;
  SENTINEL_TRY(database_.write_fail_open([&](state::Tx& tx) -> Status {
    for (const LogEntry& entry : newer) SENTINEL_TRY(NotificationLog::write(tx, entry));
    return {};
  }));
  merged += newer.size();
  for (LogEntry& entry : newer) log_.put(std::move(entry));
  return merged;
}

void Alerting::set_peer_wait(std::optional<Micros> wait) {
  if (wait == peer_wait_) return;
  peer_wait_ = wait;
  std::vector<std::string> ids;
  for (const auto& [due, id] : due_) ids.push_back(id);
  due_.clear();
  for (const std::string& id : ids) set_due(*groups_.at(id));
  arm();
}

}  // namespace sentinel::alerting
