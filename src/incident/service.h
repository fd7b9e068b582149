#pragma once
// The incident desk: opens incidents from alerts in the transaction that stores the alerts, takes every change a person
// or Sentinel makes, and writes each on the timeline. What it returned ok for is on disk.
//
// Lives on the control scheduler: every call is made on its thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert_listener.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "incident/deadlines.h"
#include "incident/diagnosis.h"
#include "incident/escalator.h"
#include "incident/options.h"
#include "model/alert.h"
#include "model/incident.h"
#include "state/database.h"

namespace sentinel::incident {

// Who did it and through what: "ada", "page". Sentinel's own changes are {"sentinel", "rule"}.
struct Actor {
  std::string name = "sentinel";
  std::string source = "rule";
};

// An alert as the incident keeps it, also after the alert itself is forgotten.
struct IncidentAlert {
  model::Alert alert;
  bool firing = true;
  std::string value() const { return std::string(alert.annotations.get("value")); }
};

// What is shown first everywhere.
struct Headline {
  std::string what_failed;  // the leading alert's description, then "Also: " and the summaries of other rules
  std::string why;
  std::string next_step;
};

struct IncidentRecord {
  model::Incident incident;
  Headline headline;
};

struct Update;          // casework.h
struct SameCause;       // same_cause.h
struct FailingOverlap;  // the same

// A model's words, see summary.h.
struct Summary {
  std::string text;
  std::string model;
  std::string of_why;  // the sentence of the diagnosis that it sums up
  TimePoint at;
};

struct IncidentDetail {
  IncidentRecord record;
  std::vector<IncidentAlert> alerts;  // all, or the first of them: those that fire, then by their start
  size_t alert_count = 0;             // of all
  size_t firing_count = 0;
  // The alert it is called after, the most severe of those that give it its title; where a person gave the title, the
  // most severe of all. Absent when there is none.
  std::optional<model::Alert> lead;
  std::vector<model::TimelineEntry> timeline;
  std::optional<Diagnosis> diagnosis;
  std::optional<Summary> summary;  // absent where no model is configured, or did not answer
};

// What a diagnosis goes by, of all alerts of an incident; no dearer for ten thousand of them.
struct AlertsSummary {
  IncidentRecord record;
  std::optional<model::Alert> lead;  // as in IncidentDetail
  // The start of the first alert about such failing calls, by their condition; "" are alerts that name none. Empty:
  // there are no alerts.
  std::map<std::string, TimePoint> failing_since;
  bool firing = false;    // one of them, or more
  TimePoint last_change;  // of any of them
  bool merged = false;    // it goes on in another
};

struct ListFilter {
  std::vector<model::IncidentStatus> statuses;  // empty: all
  std::vector<model::Severity> severities;      // empty: all
  std::string text;                             // substring of the title, any case
  bool tests = false;                           // also those in test mode: synthetic pages
  std::optional<TimePoint> created_from;
  std::optional<TimePoint> created_to;
  size_t limit = 50;
  int64_t before_number = 0;  // cursor: only older ones; 0: from the newest
};

struct NewIncident {
  std::string title;
  model::Severity severity = model::Severity::kSev3;
  model::Labels labels;
  std::string assignee;
  std::string note;
};

struct ResolveRequest {
  std::string root_cause;
  std::string resolution;
};

// Some of an incident's alerts, those that fire first, then by their start.
struct AlertsPage {
  std::vector<IncidentAlert> alerts;
  std::string next;  // cursor of the next page; "": this was the last
};

// Who writes down, with each change, that others are to hear of it.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // Inside the transaction of every change, on the control thread, after the record was written with it; for one change
  // also more than once. An error rolls the change back.
  virtual Status on_stored(state::Tx& tx, const IncidentRecord& record) = 0;
};

class Service final : public alerting::AlertListener {
 public:
  // What people watch: called on the scheduler's thread after a change has been committed.
  using ChangeHandler = std::function<void(const IncidentRecord&, bool created)>;
  // The incident is called after another alert now: its diagnosis and runbook are to follow. As on_change, after
  // commit.
  using LeadHandler = std::function<void(const IncidentDetail&)>;

  // In the transaction of a public update, with what the public calls the incident.
  using PublicHandler =
      std::function<Status(state::Tx&, const IncidentRecord&, const Update&, const std::string& title)>;

  static Status migrate(state::Database& database);
  // REQUIRES: migrate() ran. All references outlive the service.
  Service(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, Options options);
  ~Service();  // on the scheduler's thread, or after it has stopped
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void on_change(ChangeHandler handler) { change_handler_ = std::move(handler); }
  void on_lead_change(LeadHandler handler) { lead_handler_ = std::move(handler); }
  void on_public_update(PublicHandler handler) { public_handler_ = std::move(handler); }
  void set_options(Options options) { options_ = std::move(options); }
  const Options& options() const { return options_; }
  // Who has people told of incidents from now on; null: nobody is.
  void set_escalator(Escalator* escalator) { escalator_ = escalator; }
  Escalator* escalator() const { return escalator_; }
  void set_watcher(Watcher* watcher) { watcher_ = watcher; }  // null: nobody

  // In the alerting transaction. An error rolls the alerts back too.
  Status on_alerts(state::Tx& tx, const std::vector<alerting::AlertChange>& changes) override;

  Result<IncidentRecord> create(const NewIncident& request, const Actor& actor);
  // `id`: ULID, "17" or "INC-17". kNotFound says which was asked for. At most so many of its alerts.
  Result<IncidentDetail> get(std::string_view id, size_t alerts_max = SIZE_MAX);
  Result<AlertsSummary> alerts_summary(std::string_view id);
  // `firing` absent: all. `cursor`: what the last page gave. An alert that starts or ends between two pages may be
  // missing or there twice.
  Result<AlertsPage> alerts(std::string_view id, std::optional<bool> firing, std::string_view cursor, size_t limit);
  Result<std::vector<IncidentRecord>> list(const ListFilter& filter);
  // The number of the open incident of each of these alerts that fires in one. Fingerprints in hex.
  Result<std::map<std::string, int64_t>> numbers_of(const std::vector<std::string>& fingerprints);

  // Each takes the version the caller saw, 0 for "whatever it is"; kConflict when it has changed since.
  // Any forward jump and reopen are allowed; the same status again is kept silent and succeeds.
  Result<IncidentRecord> set_status(std::string_view id, model::IncidentStatus status, std::string_view note,
                                    const Actor& actor, int64_t version = 0);
  Result<IncidentRecord> acknowledge(std::string_view id, std::string_view note, const Actor& actor,
                                     int64_t version = 0);
  Result<IncidentRecord> resolve(std::string_view id, const ResolveRequest& request, const Actor& actor,
                                 int64_t version = 0);
  Result<IncidentRecord> reopen(std::string_view id, std::string_view note, const Actor& actor, int64_t version = 0);
  Result<IncidentRecord> assign(std::string_view id, std::string_view assignee, const Actor& actor,
                                int64_t version = 0);
  Result<IncidentRecord> set_severity(std::string_view id, model::Severity severity, const Actor& actor,
                                      int64_t version = 0);
  // `mark`: what the note is called elsewhere, "jira/10042". An incident that has one with this mark stays as it is.
  Result<IncidentRecord> add_note(std::string_view id, std::string_view text, const Actor& actor, int64_t version = 0,
                                  std::string_view mark = {});
  // `id` is resolved as merged; its alerts go on in `into`, and so do later ones that would have joined it.
  Result<IncidentRecord> merge(std::string_view id, std::string_view into, const Actor& actor, int64_t version = 0);

  // A newer diagnosis replaces the older; the timeline gets an entry when its first sentence changed.
  Result<IncidentRecord> set_diagnosis(std::string_view id, const Diagnosis& diagnosis);
  // A newer summary replaces the older; each is on the timeline.
  Status set_summary(std::string_view id, const Summary& summary);
  // The first open step of the runbook, kept true by whoever runs it.
  Status set_next_step(std::string_view id, std::string_view runbook_id, std::string_view next_step);
  // Open incidents that may be the same problem, by the last diagnosis of each; without others when there is none.
  Result<SameCause> same_cause_as(std::string_view id);
  // They are, by the calls that fail in both: linked or merged, as configured, if all else is still so. Once for two
  // incidents, and never for two that were split. REQUIRES: `one` is the newer one.
  Status group_by_diagnosis(std::string_view one, std::string_view other, const FailingOverlap& overlap);
  // For other modules' events on the timeline, in their transaction (runbook steps, notifications).
  Status add_timeline(state::Tx& tx, std::string_view id, std::string_view kind, std::string_view text,
                      std::string_view data_json, const Actor& actor);
  // The same from inside Escalator::on_incident, whose change gives the incident its next version.
  Status add_to_change(state::Tx& tx, const model::Incident& incident, std::string_view kind, std::string_view text,
                       std::string_view data_json, const Actor& actor) {
    return append_timeline(tx, incident, kind, text, data_json, actor);
  }
  // Whoever worked on it does not answer any more: it is open again; when it was first acknowledged stays. For the
  // escalator, from outside of on_incident; nobody is paged by this. What is open or resolved stays so.
  Status unacknowledge(state::Tx& tx, std::string_view id, std::string_view why, const Actor& actor);
  // Tells watchers after a transaction that used one of these.
  void notify_changed(std::string id);

 private:
  friend class Casework;
  using Change = std::function<Status(state::Tx&, IncidentRecord&)>;
  // `fail_open`: for what no person waits for; it goes on in memory while the disk refuses.
  Result<IncidentRecord> change(std::string_view id, int64_t version, const Change& fn, bool fail_open = false);
  Status change_status(state::Tx& tx, IncidentRecord& record, model::IncidentStatus to, std::string_view note,
                       const Actor& actor);
  Status append_timeline(state::Tx& tx, const model::Incident& incident, std::string_view kind, std::string_view text,
                         std::string_view data_json, const Actor& actor);
  // Resolves `record` as merged into `target`, in both of which all is stored. The caller tells of `target`.
  Status merge_in(state::Tx& tx, IncidentRecord& record, IncidentRecord& target, const Actor& actor);
  // Those who have subscribed, but for whoever did it. `what` tells the news of one version apart.
  Status tell_subscribers(state::Tx& tx, const IncidentRecord& record, std::string_view what, std::string_view news,
                          const Actor& actor);
  // Whom the text calls is told. Gives their ids as a JSON list.
  Result<std::string> tell_mentioned(state::Tx& tx, const IncidentRecord& record, std::string_view text,
                                     const Actor& actor);
  // links.cc: those of a parent that was resolved; one by itself leaves children whose alerts fire alone.
  Status resolve_children(state::Tx& tx, const IncidentRecord& record, const Actor& actor);
  // from_alerts.cc. A storm of one rule is one entry of the timeline, not thousands.
  struct AlertBatch;
  struct TouchedIncident;
  Status alert_fired(state::Tx& tx, AlertBatch& batch, const alerting::AlertChange& change);
  Status alert_resolved(state::Tx& tx, AlertBatch& batch, const alerting::AlertChange& change);
  Result<TouchedIncident*> incident_for(state::Tx& tx, AlertBatch& batch, const alerting::AlertChange& change);
  Result<std::string> split_off_with(state::Tx& tx, AlertBatch& batch, const model::Alert& alert);
  Status tell_alert(state::Tx& tx, AlertBatch& batch, TouchedIncident& touched, const alerting::AlertChange& change);
  Status tell_alerts(state::Tx& tx, const model::Incident& incident, const alerting::AlertChange& first, size_t alerts,
                     std::string_view fingerprints);
  Status finish(state::Tx& tx, AlertBatch& batch);
  Result<IncidentRecord> open_for_alert(state::Tx& tx, const alerting::AlertChange& change, std::string_view group_key);
  // An incident that an alert gave its title is called after a more severe one that joins: title, labels, and the next
  // step unless a runbook says it. On the timeline.
  Status call_after(state::Tx& tx, IncidentRecord& record, const model::Alert& alert);
  // Writes `what_failed` anew from the alerts, unless a person gave the title.
  Status sum_up(state::Tx& tx, IncidentRecord& record);
  Status store(state::Tx& tx, const IncidentRecord& record);  // by id, with its version as it stands
  Status escalate(state::Tx& tx, IncidentEvent event, IncidentRecord& record, const Actor& actor);
  void tell(const IncidentRecord& record, bool opened);
  void schedule_auto_resolve(const std::string& id);
  void resume_auto_resolve();
  void auto_resolve(const std::string& id);
  std::string group_key_of(const model::Labels& labels) const;
  bool wants(const model::Alert& alert) const;

  Scheduler& scheduler_;
  state::Database& database_;
  Options options_;
  Escalator* escalator_ = nullptr;
  Watcher* watcher_ = nullptr;
  ChangeHandler change_handler_;
  LeadHandler lead_handler_;
  PublicHandler public_handler_;
  std::set<std::string> lead_changed_;  // as above
  // What a transaction under way did and nobody has been told yet. One that is rolled back leaves its entry, which
  // tell() then finds not to be true.
  struct StatusChange {
    model::IncidentStatus from, to;
    Actor actor;
  };
  std::map<std::string, StatusChange> status_changes_;
  std::set<std::string> just_opened_;
  std::set<std::string> to_tell_;               // changed, and the post that tells is under way
  std::map<std::string, TimerId> calm_timers_;  // until they are resolved by themselves
  Counter& opened_;
  Counter& resolved_;
  std::unique_ptr<Deadlines> deadlines_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false once destroyed: what was posted may come later
};

}  // namespace sentinel::incident
