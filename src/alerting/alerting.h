#pragma once
// Alert routing, as Alertmanager does it, that forgets nothing: takes alerts in, groups them along the routing tree,
// and writes a notification whenever a group has news for a receiver. Alerts, groups with their timers, silences and
// the notification log are rows; a restart reads them and goes on with the same due times.
//
// Single-threaded: lives on the control scheduler, every call is made on its thread. What returned ok is on disk.
// While the disk refuses, alerts and notifications go on in memory (Database::write_fail_open): people are told all the
// same, with the same keys; put() then returns kUnavailable, so that the sender says it again.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>

#include "alerting/acknowledgements.h"
#include "alerting/alert_listener.h"
#include "alerting/audit.h"
#include "alerting/config.h"
#include "alerting/delivery.h"
#include "alerting/flapping.h"
#include "alerting/inhibitor.h"
#include "alerting/label_index.h"
#include "alerting/limits.h"
#include "alerting/notification_log.h"
#include "alerting/options.h"
#include "alerting/query.h"
#include "alerting/quiet_watch.h"
#include "alerting/recurring_silences.h"
#include "alerting/reminders.h"
#include "alerting/replica.h"
#include "alerting/silences.h"
#include "alerting/store.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "model/alert.h"
#include "receivers/notification.h"
#include "receivers/sender.h"
#include "state/database.h"

namespace sentinel::alerting {

class Alerting {
 public:
  // Makes and upgrades the tables, of the outbox too.
  static Status migrate(state::Database& database);
  // REQUIRES: migrate() ran. Reads all state; overdue work runs on the scheduler after this call. All references
  // outlive the object; listeners are called in their order.
  static Result<std::unique_ptr<Alerting>> open(Scheduler& scheduler, state::Database& database,
                                                MetricRegistry& metrics, receivers::Sender& sender,
                                                std::vector<AlertListener*> listeners, Config config, Options options);
  ~Alerting();
  Alerting(const Alerting&) = delete;
  Alerting& operator=(const Alerting&) = delete;

  // Takes alerts in as Alertmanager's API does: a zero ends_at means now + resolve_timeout, a zero starts_at means now;
  // an alert with the labels of one that is there is merged with it. All valid ones are stored, durably, in one
  // transaction; kInvalidArgument then tells which were not. kUnavailable: they are known and told, but not on disk.
  Status put(std::vector<model::Alert> alerts);

  // Goes on with another configuration: alerts, silences, history and the log stay; groups whose route is still there
  // are judged at once and then in their rhythm from here, as Alertmanager's are; the others are made anew. On an error
  // nothing has changed.
  Status reload(Config config, const Actor& by = {});
  // Somebody asked for a configuration that cannot be used: for the audit.
  Status note_refused_reload(const Error& error, const Actor& by);
  const Config& config() const { return *config_; }
  const std::string& external_url() const { return options_.external_url; }  // from any thread

  // With the annotation until_resolved it ends by itself once no alert that it matches has fired for that time
  // (quiet_watch.h), at the latest at its end.
  Result<std::string> set_silence(Silence silence, const Actor& by = {});
  Status expire_silence(std::string_view id, const Actor& by = {});
  std::optional<Silence> silence(std::string_view id) const { return silences_.get(id); }
  std::vector<Silence> silences() const { return silences_.list(); }

  // Active ones, the one that ends first first.
  std::vector<EndingSilence> ending_silences(Micros within) const;

  // Makes silences of a schedule: the first one at once, each later one when the one before is over. Takes matchers,
  // comment, author, annotations and start of `instance`; returns it as stored, with its id. Every instance of a
  // cluster gets the schedule and makes the same silences of it.
  Result<RecurringSilence> add_recurring_silence(RecurringSilence recurring, const Actor& by = {});
  // Ends its silences too. kNotFound.
  Status remove_recurring_silence(const std::string& id, const Actor& by = {});
  std::vector<RecurringSilence> recurring_silences() const;

  // "Somebody is on it": while all alerts that a group would tell as firing are acknowledged, it is not repeated; news
  // (another alert, an end) goes out. Ends with the alert, at `until`, or by unacknowledge(). All or nothing, durable
  // on return, in the history. kNotFound: an alert does not fire; unacknowledge: kConflict when none was acknowledged.
  Result<std::vector<Acknowledgement>> acknowledge(const AlertSelection& which, const AlertAction& action);
  Result<std::vector<Acknowledgement>> unacknowledge(const AlertSelection& which, const AlertAction& action);
  std::vector<Acknowledgement> acknowledgements() const;  // in force, by fingerprint

  // Those whose news is held back, since they come and go too often; by fingerprint.
  std::vector<FlappingAlert> flapping_alerts() const;

  // Alerts that have not ended, sorted by fingerprint.
  std::vector<AlertView> alerts(const AlertQuery& query) const;
  // The same without what it costs to judge each, for a page of thousands; views() of those that are shown.
  std::vector<AlertPlace> places() const;
  // In the order asked for; what has ended meanwhile is left out.
  std::vector<AlertView> views(const std::vector<uint64_t>& fingerprints) const;
  // Groups with at least one alert that the query keeps, by labels, then receiver.
  std::vector<GroupView> groups(const AlertQuery& query) const;
  // Looks at the alerts that a silence or an inhibition rule with a firing source may mute, at no others.
  Counts counts() const;
  SilencePreview preview_silence(const std::vector<model::Matchers>& matcher_sets) const;
  Result<std::vector<AlertEvent>> history(const HistoryQuery& query) const;
  // Who did what: silences, acknowledgements, configurations. Kept for kAuditRetention.
  Result<std::vector<AuditEntry>> audit(const AuditQuery& query) const;
  // What would become of alerts with these labels: receivers in the order of the routes.
  std::vector<std::string> receivers_of(const model::Labels& labels) const;

  // ---- for a cluster ----

  // `changed` is called after silences or the notification log have changed here; take_replica_changes() says how.
  void on_replicate(std::function<void()> changed);
  ReplicaState take_replica_changes();
  ReplicaState replica_state() const;
  // Takes over what is newer; returns how many silences and log entries were.
  Result<size_t> merge_replica(const ReplicaState& state);
  // How long groups that are due wait for other instances to tell first. Null: nothing is told until this is called
  // again.
  void set_peer_wait(std::optional<Micros> wait);

  // After somebody else has written notifications to the outbox.
  void wake_delivery() { delivery_.wake(); }

 private:
  struct Group;
  struct Record {
    model::Alert alert;
    bool firing = true;            // as listeners were last told
    std::vector<Group*> groups{};  // it is a member of
    int64_t row = 0;               // its id in the store
  };
  struct Group {
    GroupRow row;
    const Route* route = nullptr;
    absl::btree_set<uint64_t> members;
    size_t messages = 0;  // under way
    TimePoint due;        // its key in due_
  };
  // What one put (or the passing of time) changes, before it is written.
  struct Staged {
    Record next;
    bool is_new = false;
    bool only_times = false;
  };
  struct StagedGroup {
    const Group* stored = nullptr;  // as it is now
    GroupRow row;
    const Route* route = nullptr;
    bool write_row = false;
    std::unordered_set<uint64_t> joining;
  };
  struct Batch {
    TimePoint now;
    int64_t next_row = 0;
    std::vector<uint64_t> order;
    absl::flat_hash_map<uint64_t, Staged> alerts;
    std::map<std::string, StagedGroup> groups;
    absl::flat_hash_map<std::string, StagedGroup*> groups_by_values;  // by route and values of its group_by labels
    std::string values;                                               // the last one looked for
    std::vector<AlertChange> changes;
    std::vector<uint64_t> changed;                  // the fingerprint of each
    std::vector<Acknowledgement> acknowledgements;  // that end
    std::vector<FlapState> flaps{};
    std::optional<std::vector<AlertChange>> heard{};  // by listeners; nullopt: all changes
    const std::vector<AlertChange>& heard_changes() const { return heard ? *heard : changes; }
  };
  // What the end of a flush takes out of its group.
  struct Removal {
    std::string group_id;
    std::vector<uint64_t> leaving;
    std::vector<uint64_t> forgotten;  // in no group any more
    GroupRow row;
  };
  struct FlushPlan {
    Group* group = nullptr;
    bool drop = false;  // it is empty
    GroupRow row;
    std::vector<LogEntry> log;
    std::vector<state::OutboxMessage> messages;
    std::optional<Removal> removal;  // at once, when there is nothing to send
  };
  struct FinishPlan {
    std::vector<LogEntry> log;
    std::map<std::string, size_t> messages_left;  // by group
    std::vector<GroupRow> failed;                 // groups that now have flush_failed
    std::vector<Removal> removals;
  };

  Alerting(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
           std::vector<AlertListener*> listeners, std::shared_ptr<const Config> config, Options options);

  // alerting.cc: start, reload, timers.
  Status load();
  enum class Timers { kKept, kReset };
  Status regroup(const Config& config, std::map<std::string, std::unique_ptr<Group>>& groups, TimePoint now,
                 Timers timers) const;
  using Also = std::function<Status(state::Tx&)>;  // written in the same transaction
  Status write_groups(const std::map<std::string, std::unique_ptr<Group>>& groups, const Also& also = {});
  std::set<uint64_t> ended_members(const Group& group) const;
  void adopt(std::shared_ptr<const Config> config, std::map<std::string, std::unique_ptr<Group>> groups);
  void arm();
  void on_timer();
  void maintain();
  void set_due(Group& group);
  void unset_due(const Group& group) { due_.erase({group.due, group.row.id}); }
  void update_gauges();

  // intake.cc: alerts in.
  Status stage(Batch& batch, model::Alert& alert) const;  // moved from only on success
  void stage_group(Batch& batch, uint64_t fingerprint, const Record& record, const Route& route) const;
  StagedGroup& staged_group(Batch& batch, const model::Labels& labels, const Route& route) const;
  void stage_ended(Batch& batch) const;
  Result<state::Written> commit(Batch& batch);
  Status write(state::Tx& tx, const Batch& batch) const;
  Result<absl::flat_hash_map<uint64_t, int64_t>> write_events(state::Tx& tx, const Batch& batch) const;
  void apply(Batch& batch);

  // flush.cc: notifications out.
  Status flush_due(TimePoint now);
  FlushPlan plan_flush(Group& group, TimePoint now) const;
  void plan_message(FlushPlan& plan, const receivers::Integration& integration,
                    const std::vector<receivers::NotifiedAlert>& alerts, TimePoint now) const;
  // Of what `entry` tells; gives it its key.
  static state::OutboxMessage outbox_message(LogEntry& entry, const receivers::Notification& notification);
  void forget_flaps(FlushPlan& plan, const LogEntry* known, const Fingerprints& firing) const;
  std::vector<receivers::NotifiedAlert> audible_alerts(const Group& group, TimePoint now) const;
  Removal plan_removal(const Group& group, GroupRow row, std::map<uint64_t, size_t>& leaving, TimePoint now) const;
  Status write_removal(state::Tx& tx, const Removal& removal) const;
  Status write_flush(state::Tx& tx, FlushPlan& plan) const;
  void apply_flush(FlushPlan& plan);
  void apply_removal(const Removal& removal);
  Status finishing(state::Tx& tx, const std::vector<Finished>& finished);
  void finished();
  std::vector<std::string> muting_intervals(const Route& route, TimePoint now) const;

  // silencing.cc
  Silences::Also audit_silence(std::string action, Actor by) const;
  void watch_silences();
  Status end_quiet_silences(TimePoint now);
  size_t muted_by(const Silence& silence, TimePoint now) const;
  Status make_instances(TimePoint now);
  Status make_instance(RecurringSilence recurring, TimePoint now, const Also& also = {});

  // flap_damping.cc
  void stage_flaps(Batch& batch) const;
  Status calm_down(TimePoint now);
  void apply_flaps(Batch& batch);
  std::string flap_note(uint64_t fingerprint) const;

  // reminders.cc
  void watch_reminders();
  bool reminded(const Silence& silence) const;
  std::optional<TimePoint> next_reminder() const;
  Status remind(TimePoint now);

  // acknowledge.cc
  Result<std::vector<uint64_t>> selected(const AlertSelection& which) const;
  Status write_acknowledgements(const std::vector<Acknowledgement>& changed, AlertChange::Kind kind,
                                const AlertAction& action);
  bool all_acknowledged(const Fingerprints& alerts, TimePoint now) const;
  std::vector<Acknowledgement> ending_acknowledgements(const Batch& batch) const;
  Result<size_t> merge_acknowledgements(const std::vector<Acknowledgement>& theirs);

  // cluster_state.cc
  void replicate_acknowledgement(const Acknowledgement& acknowledgement);
  void replicate_silence(const std::string& id);
  void replicate_recurring(const std::string& id);
  Result<size_t> merge_recurring(const std::vector<RecurringSilence>& theirs);
  void replicate_log(const LogEntry& entry);

  AlertView view(const Record& record, const std::vector<Group*>& groups, TimePoint now) const;
  // Of alerts that have not ended and may match; the matchers are still to be asked.
  std::vector<std::pair<uint64_t, const Record*>> candidates(const model::Matchers& matchers, TimePoint now) const;

  Scheduler& scheduler_;
  state::Database& database_;
  MetricRegistry& metrics_;
  const std::vector<AlertListener*> listeners_;
  const Options options_;
  std::shared_ptr<const Config> config_;
  absl::node_hash_map<uint64_t, Record> alerts_;
  LabelIndex index_;                               // of alerts_
  int64_t next_row_ = 1;                           // of the next new alert
  size_t events_unindexed_ = kEventsUnindexedMax;  // at most; the first change finds out
  // Of firing alerts: the end, the row (so that what came together lies together), the fingerprint.
  std::set<std::tuple<TimePoint, int64_t, uint64_t>> ends_;
  std::map<std::string, std::unique_ptr<Group>> groups_;
  std::set<std::pair<TimePoint, std::string>> due_;  // groups that wait for their time only
  Inhibitor inhibitor_;
  Silences silences_;
  QuietWatch quiet_watch_;
  std::set<std::pair<TimePoint, std::string>> reminders_;  // of silences nobody has been reminded of
  RecurringSilences recurring_;
  NotificationLog log_;
  Acknowledgements acknowledgements_;
  Flapping flapping_;
  FinishPlan finishing_;
  TimerId timer_ = TimerId::kNone;
  TimerId maintenance_ = TimerId::kNone;
  TimePoint not_before_;  // after a failed write
  std::optional<Micros> peer_wait_ = Micros(0);
  std::function<void()> replicate_;
  ReplicaState replica_changes_;
  std::set<std::string> digestible_;  // integrations
  Delivery delivery_;
  Counter& received_firing_;
  Counter& received_resolved_;
  Counter& invalid_;
  Counter& flush_failures_;
  Gauge& firing_gauge_;
  Gauge& groups_gauge_;
  Gauge& flapping_gauge_;
};

}  // namespace sentinel::alerting
