#include "alerting/alerting.h"

#include <algorithm>

#include "alerting/limits.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "state/outbox.h"

namespace sentinel::alerting {
namespace {

void index_routes(const Route& route, std::map<std::string, const Route*, std::less<>>& out) {
  out.emplace(route.id, &route);
  for (const Route& child : route.routes) index_routes(child, out);
}

}  // namespace

Status Alerting::migrate(state::Database& database) {
  SENTINEL_TRY(state::Outbox::migrate(database));
  return Store::migrate(database);
}

Result<std::unique_ptr<Alerting>> Alerting::open(Scheduler& scheduler, state::Database& database,
                                                 MetricRegistry& metrics, receivers::Sender& sender,
                                                 std::vector<AlertListener*> listeners, Config config,
                                                 Options options) {
  std::unique_ptr<Alerting> self(new Alerting(scheduler, database, metrics, sender, std::move(listeners),
                                              std::make_shared<const Config>(std::move(config)), std::move(options)));
  const Status loaded = self->load();
  if (!loaded) return fail(loaded.error().with_context("alerts cannot be restored"));
  return self;
}

Alerting::Alerting(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
                   std::vector<AlertListener*> listeners, std::shared_ptr<const Config> config, Options options)
    : scheduler_(scheduler),
      database_(database),
      metrics_(metrics),
      listeners_(std::move(listeners)),
      options_(std::move(options)),
      config_(std::move(config)),
      inhibitor_(config_->inhibit_rules),
      delivery_(scheduler, database, metrics, sender,
                {[this](state::Tx& tx, const std::vector<Finished>& done) { return finishing(tx, done); },
                 [this] { finished(); },
                 [this](const std::string& integration) { return digestible_.contains(integration); }},
                options_.digests),
      received_firing_(metrics.counter("sentinel_alerts_received_total", "Alerts taken in.", {{"status", "firing"}})),
      received_resolved_(
          metrics.counter("sentinel_alerts_received_total", "Alerts taken in.", {{"status", "resolved"}})),
      invalid_(metrics.counter("sentinel_alerts_received_total", "Alerts taken in.", {{"status", "invalid"}})),
      flush_failures_(metrics.counter("sentinel_alerting_write_failures_total",
                                      "Times that due work of alerting could not be written and was put off.")),
      firing_gauge_(metrics.gauge("sentinel_alerts_firing", "Alerts that fire now.")),
      groups_gauge_(metrics.gauge("sentinel_alert_groups", "Alert groups that are kept.")),
      flapping_gauge_(
          metrics.gauge("sentinel_alerts_flapping", "Alerts whose news is held back until they are calm.")) {}

Alerting::~Alerting() {
  scheduler_.cancel(timer_);
  scheduler_.cancel(maintenance_);
}

Status Alerting::load() {
  const TimePoint now = scheduler_.now();
  std::map<std::string, std::unique_ptr<Group>> stored;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(silences_.load(tx));
    SENTINEL_TRY(recurring_.load(tx));
    SENTINEL_TRY(log_.load(tx));
    SENTINEL_TRY(acknowledgements_.load(tx));
    SENTINEL_TRY(flapping_.load(tx));
    SENTINEL_ASSIGN(std::vector<AlertRow> alerts, Store::alerts(tx));
    for (AlertRow& row : alerts) {
      // Its end passed while nobody was here to be told that it goes on: its sender gets the time to say so.
      if (row.firing && row.alert.resolved_at(now)) row.alert.ends_at = now + kStartGrace;
      const uint64_t fingerprint = row.alert.fingerprint();
      if (!alerts_.contains(fingerprint)) index_.add(fingerprint, row.alert.labels);
      next_row_ = std::max(next_row_, row.id + 1);
      alerts_[fingerprint] = Record{std::move(row.alert), row.firing, {}, row.id};
    }
    SENTINEL_ASSIGN(std::vector<GroupRow> groups, Store::groups(tx));
    for (GroupRow& row : groups) {
      auto group = std::make_unique<Group>();
      group->row = std::move(row);
      const std::string id = group->row.id;
      stored.emplace(id, std::move(group));
    }
    SENTINEL_ASSIGN(const auto members, Store::members(tx));
    for (const auto& [id, fingerprint] : members) {
      const auto group = stored.find(id);
      const auto alert = alerts_.find(fingerprint);
      if (group == stored.end() || alert == alerts_.end() || alert->second.firing) continue;
      group->second->members.insert(fingerprint);
    }
    return {};
  }));
  groups_ = std::move(stored);
  std::map<std::string, std::unique_ptr<Group>> groups;
  SENTINEL_TRY(regroup(*config_, groups, now, Timers::kKept));
  const bool same =
      std::equal(groups.begin(), groups.end(), groups_.begin(), groups_.end(), [this](const auto& a, const auto& b) {
        return a.first == b.first && ended_members(*a.second) == ended_members(*b.second) &&
               a.second->row.next_flush == b.second->row.next_flush;
      });
  if (!same) SENTINEL_TRY(write_groups(groups));
  adopt(config_, std::move(groups));
  watch_silences();
  maintenance_ = scheduler_.after(kMaintenanceInterval, [this] { maintain(); });
  delivery_.wake();
  return {};
}

// The groups that the stored alerts form under `config`; what is known of those that exist already is kept.
Status Alerting::regroup(const Config& config, std::map<std::string, std::unique_ptr<Group>>& out, TimePoint now,
                         Timers timers) const {
  std::map<std::string, const Route*, std::less<>> routes;
  index_routes(config.route, routes);
  std::map<std::string, size_t> messages;
  for (const LogEntry* entry : log_.waiting()) ++messages[entry->group_id];

  const auto keep = [&](const Group& old, const Route& route) {
    auto group = std::make_unique<Group>();
    group->row = old.row;
    group->route = &route;
    group->messages = messages.contains(old.row.id) ? messages.at(old.row.id) : 0;
    const TimePoint latest = old.row.has_flushed ? now + route.group_interval : old.row.created_at + route.group_wait;
    group->row.next_flush = std::min(old.row.next_flush, std::max(latest, now));
    if (timers == Timers::kReset && old.row.has_flushed) group->row.next_flush = now;
    return group;
  };
  for (const auto& [fingerprint, record] : alerts_) {
    std::vector<std::pair<std::string, const Route*>> ids;
    bool known = false;
    for (const Route* route : match_routes(config.route, record.alert.labels)) {
      ids.emplace_back(route->id + ":" + route->group_labels(record.alert.labels).to_string(), route);
      const auto old = groups_.find(ids.back().first);
      known = known || (old != groups_.end() && old->second->members.contains(fingerprint));
    }
    for (const auto& [id, route] : ids) {
      const auto old = groups_.find(id);
      // A resolved alert waits only where it has not been told yet.
      if (!record.firing && known && !(old != groups_.end() && old->second->members.contains(fingerprint))) continue;
      std::unique_ptr<Group>& group = out[id];
      if (!group && old != groups_.end()) group = keep(*old->second, *route);
      if (!group) {
        group = std::make_unique<Group>();
        group->route = route;
        const model::Labels labels = route->group_labels(record.alert.labels);
        group->row = GroupRow{id,
                              route->key + ":" + labels.to_string(),
                              route->id,
                              route->receiver,
                              labels,
                              now,
                              now + route->group_wait,
                              false,
                              false,
                              std::nullopt,
                              {}};
      }
      // A restart hurries nothing that was waiting: its time is in the store.
      const bool may_hurry = timers == Timers::kReset || old == groups_.end();
      if (may_hurry && !group->row.has_flushed && record.alert.starts_at + route->group_wait < now)
        group->row.next_flush = std::min(group->row.next_flush, now);
      group->row.emptied_at.reset();
      group->members.insert(fingerprint);
    }
  }
  for (const auto& [id, old] : groups_) {
    const auto route = routes.find(old->row.route_id);
    if (route != routes.end() && !out.contains(id) && old->members.empty()) out.emplace(id, keep(*old, *route->second));
  }
  return {};
}

Status Alerting::write_groups(const std::map<std::string, std::unique_ptr<Group>>& groups, const Also& also) {
  return database_.write([&](state::Tx& tx) -> Status {
    for (const auto& [id, group] : groups_) SENTINEL_TRY(Store::delete_group(tx, id));
    for (const auto& [id, group] : groups) {
      SENTINEL_TRY(Store::put_group(tx, group->row));
      for (const uint64_t fingerprint : ended_members(*group)) SENTINEL_TRY(Store::add_member(tx, id, fingerprint));
    }
    return also ? also(tx) : Status();
  });
}

std::set<uint64_t> Alerting::ended_members(const Group& group) const {
  std::set<uint64_t> out;
  for (const uint64_t f : group.members) {
    if (!alerts_.at(f).firing) out.insert(f);
  }
  return out;
}

void Alerting::adopt(std::shared_ptr<const Config> config, std::map<std::string, std::unique_ptr<Group>> groups) {
  const TimePoint now = scheduler_.now();
  groups_ = std::move(groups);
  config_ = std::move(config);
  inhibitor_ = Inhibitor(config_->inhibit_rules);
  digestible_.clear();
  for (const receivers::ReceiverConfig& receiver : config_->receivers) {
    for (const receivers::Integration& integration : receiver.integrations) {
      if (integration.digestible()) digestible_.insert(integration.id());
    }
  }
  ends_.clear();
  due_.clear();
  for (auto& [fingerprint, record] : alerts_) {
    record.groups.clear();
    if (record.firing) ends_.emplace(record.alert.ends_at, record.row, fingerprint);
    inhibitor_.update(record.alert, now);
  }
  for (const auto& [id, group] : groups_) {
    for (const uint64_t fingerprint : group->members) alerts_.at(fingerprint).groups.push_back(group.get());
    set_due(*group);
  }
  update_gauges();
  arm();
}

namespace {

// Texts hold secrets and are long: what they hash to says whether, and back to what, something has changed.
std::string hash_json(const Config& config) { return R"({"sha256":")" + hex_encode(sha256(config.text)) + R"("})"; }

}  // namespace

Status Alerting::note_refused_reload(const Error& error, const Actor& by) {
  const std::string after = R"({"error":)" + json_quote(error.to_string()) + "}";
  return database_.write([&](state::Tx& tx) {
    return Audit::add(tx, {0, scheduler_.now(), by, "config.refused", "alertmanager", hash_json(*config_), after});
  });
}

Status Alerting::reload(Config config, const Actor& by) {
  auto next = std::make_shared<const Config>(std::move(config));
  std::map<std::string, std::unique_ptr<Group>> groups;
  SENTINEL_TRY(regroup(*next, groups, scheduler_.now(), Timers::kReset));
  const AuditEntry entry{
      0, scheduler_.now(), by, "config.reloaded", "alertmanager", hash_json(*config_), hash_json(*next)};
  SENTINEL_TRY(write_groups(groups, [&](state::Tx& tx) { return Audit::add(tx, entry); }));
  adopt(std::move(next), std::move(groups));
  watch_reminders();  // others may be told
  arm();
  return {};
}

void Alerting::set_due(Group& group) {
  group.due = group.row.next_flush + peer_wait_.value_or(Micros(0));
  due_.emplace(group.due, group.row.id);
}

void Alerting::arm() {
  scheduler_.cancel(timer_);
  timer_ = TimerId::kNone;
  std::optional<TimePoint> next;
  if (!ends_.empty()) next = std::get<0>(*ends_.begin());
  if (peer_wait_ && !due_.empty() && (!next || due_.begin()->first < *next)) next = due_.begin()->first;
  if (const auto quiet = quiet_watch_.next_due(); quiet && (!next || *quiet < *next)) next = quiet;
  if (const auto due = recurring_.next_due(); due && (!next || *due < *next)) next = due;
  if (const auto calm = flapping_.next_calm(); calm && (!next || *calm < *next)) next = calm;
  if (const auto reminder = next_reminder(); reminder && (!next || *reminder < *next)) next = reminder;
  if (next) timer_ = scheduler_.at(std::max(*next, not_before_), [this] { on_timer(); });
}

void Alerting::on_timer() {
  const TimePoint now = scheduler_.now();
  Batch batch;
  batch.now = now;
  stage_ended(batch);
  const Result<state::Written> committed = commit(batch);
  const Status ended = committed ? Status() : Status(fail(committed.error()));
  const Status calm = calm_down(now);
  const Status recurring = make_instances(now);  // before they are to mute
  const Status flushed = flush_due(now);
  const Status quiet = end_quiet_silences(now);
  const Status reminded = remind(now);
  for (const Status& s : {ended, calm, recurring, flushed, quiet, reminded}) {
    if (s) continue;
    // Nothing has changed, so all of it is still due.
    flush_failures_.add();
    not_before_ = now + std::chrono::seconds(1);
    log_error("alerting", "due work cannot be written, trying again", {{"error", s.error().to_string()}});
  }
  arm();
}

void Alerting::maintain() {
  const TimePoint now = scheduler_.now();
  const Result<size_t> silences = silences_.prune(database_, now - options_.data_retention);
  const Status acknowledged = acknowledgements_.prune(database_, now - options_.data_retention);
  const Status recurring = recurring_.prune(database_, now - options_.data_retention);
  const Status flaps = flapping_.prune(database_, now);
  const Status log_status = log_.prune(database_, now);
  const Status rows = database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(state::Outbox::prune(tx, now - kDeliveredRetention));
    SENTINEL_TRY(Audit::prune(tx, now - kAuditRetention));
    return Store::prune_events(tx, now - kEventRetention);
  });
  if (!silences || !acknowledged || !recurring || !flaps || !log_status || !rows)
    log_warn("alerting", "old rows cannot be removed, trying again later");
  maintenance_ = scheduler_.after(kMaintenanceInterval, [this] { maintain(); });
}

void Alerting::update_gauges() {
  firing_gauge_.set(static_cast<double>(ends_.size()));
  groups_gauge_.set(static_cast<double>(groups_.size()));
  flapping_gauge_.set(static_cast<double>(flapping_.count()));
}

}  // namespace sentinel::alerting
