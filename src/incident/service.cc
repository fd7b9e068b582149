#include "incident/service.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "incident/limits.h"
#include "incident/same_cause.h"
#include "incident/schema.h"
#include "incident/words.h"
#include "text/labels_json.h"

namespace sentinel::incident {
namespace {

using model::IncidentStatus;

constexpr size_t kAllAlerts = INT64_MAX;

// The most severe of those that give the incident its title; where a person gave the title, the most severe of all.
Result<std::optional<model::Alert>> load_lead_of(state::Tx& tx, const IncidentRecord& record) {
  SENTINEL_ASSIGN(std::optional<model::Alert> lead, load_lead(tx, record.incident.id, record.incident.title));
  if (!lead) return load_lead(tx, record.incident.id);
  return lead;
}

std::string with_note(std::string sentence, std::string_view note) {
  return note.empty() ? sentence : fmt::format("{}: {}", sentence, note);
}

Status check_size(std::string_view what, std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return {};
  return fail(ErrorCode::kTooLarge,
              fmt::format("the {} has {} bytes; at most {} are kept", what, text.size(), bytes_max));
}

// A later look has more failing calls to go by, so it replaces an earlier one of the same kind of failure. What is
// looked for changes with the alert the incident is called after: then impact began when the calls of either kind began
// to fail. REQUIRES: diagnosis.onset.
bool is_better_onset(const model::Incident& incident, const std::optional<Diagnosis>& before,
                     const Diagnosis& diagnosis) {
  const std::optional<TimePoint>& began = incident.impact_started_at;
  if (!began || *diagnosis.onset < *began) return true;
  return before && before->failing_condition == diagnosis.failing_condition && before->onset == began &&
         *diagnosis.onset <= incident.detected_at;
}

}  // namespace

Status Service::migrate(state::Database& database) {
  SENTINEL_TRY(database.migrate("incident", migrations()));
  return fill_alert_words(database);
}

Service::Service(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, Options options)
    : scheduler_(scheduler),
      database_(database),
      options_(std::move(options)),
      opened_(metrics.counter("sentinel_incidents_opened_total", "Incidents opened, by alerts or people.")),
      resolved_(metrics.counter("sentinel_incidents_resolved_total", "Incidents resolved.")),
      deadlines_(std::make_unique<Deadlines>(*this, scheduler, database, metrics)) {
  if (options_.auto_resolve) resume_auto_resolve();
}

Service::~Service() {
  *alive_ = false;
  for (const auto& [id, timer] : calm_timers_) scheduler_.cancel(timer);
}

// ---- from people ----

Result<IncidentRecord> Service::create(const NewIncident& request, const Actor& actor) {
  if (trim(request.title).empty()) return fail(ErrorCode::kInvalidArgument, "an incident needs a title");
  SENTINEL_TRY(check_size("title", request.title, kTitleBytesMax));
  SENTINEL_TRY(check_size("note", request.note, kNoteBytesMax));
  IncidentRecord record;
  const TimePoint now = scheduler_.now();
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    model::Incident& incident = record.incident;
    incident.id = new_id(now);
    SENTINEL_ASSIGN(incident.number, next_number(tx));
    incident.title = std::string(trim(request.title));
    incident.severity = request.severity;
    incident.assignee = request.assignee.empty() ? options_.default_assignee : request.assignee;
    SENTINEL_ASSIGN(incident.channel, channel_name(tx, now));
    incident.labels = request.labels;
    incident.created_at = incident.detected_at = incident.updated_at = now;
    record.headline.what_failed = incident.title;
    SENTINEL_TRY(insert(tx, record));
    SENTINEL_TRY(append_timeline(
        tx, incident, "created",
        fmt::format("{} incident opened by {}", model::severity_name(incident.severity), actor.name), "{}", actor));
    if (!request.note.empty()) SENTINEL_TRY(append_timeline(tx, incident, "note", request.note, "{}", actor));
    return escalate(tx, IncidentEvent::kOpened, record, actor);
  }));
  opened_.add();
  tell(record, true);
  return record;
}

Result<IncidentDetail> Service::get(std::string_view id, size_t alerts_max) {
  IncidentDetail detail;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(detail.record, load(tx, id));
    const std::string& key = detail.record.incident.id;
    SENTINEL_ASSIGN(detail.alerts, load_alerts_page(tx, key, std::nullopt, "", std::min(alerts_max, kAllAlerts)));
    SENTINEL_ASSIGN(const AlertCounts counts, count_alerts(tx, key));
    detail.alert_count = counts.all;
    detail.firing_count = counts.firing;
    SENTINEL_ASSIGN(detail.lead, load_lead_of(tx, detail.record));
    SENTINEL_ASSIGN(detail.timeline, load_timeline(tx, key));
    SENTINEL_ASSIGN(detail.diagnosis, load_diagnosis(tx, key));
    SENTINEL_ASSIGN(detail.summary, load_summary(tx, key));
    return {};
  }));
  return detail;
}

Result<AlertsSummary> Service::alerts_summary(std::string_view id) {
  AlertsSummary out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out.record, load(tx, id));
    const std::string& key = out.record.incident.id;
    SENTINEL_ASSIGN(out.lead, load_lead_of(tx, out.record));
    SENTINEL_ASSIGN(out.failing_since, load_failing_since(tx, key));
    SENTINEL_ASSIGN(const AlertsLeft left, alerts_left(tx, key));
    out.firing = left.firing;
    out.last_change = left.last_change;
    SENTINEL_ASSIGN(const std::vector<std::string> into, linked_to(tx, key, kLinkMerged));
    out.merged = !into.empty();
    return {};
  }));
  return out;
}

Result<AlertsPage> Service::alerts(std::string_view id, std::optional<bool> firing, std::string_view cursor,
                                   size_t limit) {
  AlertsPage page;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const IncidentRecord record, load(tx, id));
    SENTINEL_ASSIGN(page.alerts, load_alerts_page(tx, record.incident.id, firing, cursor, limit + 1));
    return {};
  }));
  if (page.alerts.size() <= limit) return page;
  page.alerts.resize(limit);
  page.next = alert_cursor(page.alerts.back());
  return page;
}

Result<std::vector<IncidentRecord>> Service::list(const ListFilter& filter) {
  std::string where = filter.tests ? "WHERE 1=1" : "WHERE test_mode = 0";
  state::SqlParams params;
  const auto add_in = [&](std::string_view column, auto values) {
    if (values.empty()) return;
    where += fmt::format(" AND {} IN (", column);
    for (size_t i = 0; i < values.size(); ++i) {
      where += i == 0 ? "?" : ",?";
      params.emplace_back(values[i]);
    }
    where += ")";
  };
  std::vector<std::string> statuses;
  for (const IncidentStatus status : filter.statuses) statuses.emplace_back(model::incident_status_name(status));
  std::vector<int64_t> severities;
  for (const model::Severity severity : filter.severities) severities.push_back(static_cast<int64_t>(severity));
  add_in("status", statuses);
  add_in("severity", severities);
  const auto add = [&](std::string_view condition, state::SqlValue value) {
    where += fmt::format(" AND {}", condition);
    params.push_back(std::move(value));
  };
  if (!filter.text.empty()) add("LOWER(title) LIKE ?", "%" + to_lower(filter.text) + "%");
  if (filter.created_from) add("created_at >= ?", to_us(*filter.created_from));
  if (filter.created_to) add("created_at < ?", to_us(*filter.created_to));
  if (filter.before_number > 0) add("number < ?", filter.before_number);
  where += " ORDER BY number DESC LIMIT ?";
  params.emplace_back(static_cast<int64_t>(filter.limit));

  std::vector<IncidentRecord> records;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(records, load_where(tx, where, params));
    return {};
  }));
  return records;
}

Result<std::map<std::string, int64_t>> Service::numbers_of(const std::vector<std::string>& fingerprints) {
  std::map<std::string, int64_t> numbers;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    for (const std::string& fingerprint : fingerprints) {
      SENTINEL_ASSIGN(const state::Rows rows,
                      tx.query("SELECT i.number FROM incident_alerts a JOIN incidents i ON i.id = a.incident_id WHERE "
                               "a.fingerprint = ? AND a.firing = 1 AND i.status <> 'resolved' ORDER BY i.number DESC "
                               "LIMIT 1",
                               {fingerprint}));
      if (!rows.empty()) numbers.emplace(fingerprint, rows.front().integer(0));
    }
    return {};
  }));
  return numbers;
}

// Loads, checks the version, lets `fn` change the record and write what goes with it, stores it with the next version.
// `fn` that changes nothing leaves the version alone.
Result<IncidentRecord> Service::change(std::string_view id, int64_t version, const Change& fn, bool fail_open) {
  IncidentRecord record;
  bool changed = false;
  const auto make = [&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(record, load(tx, id));
    if (version != 0 && version != record.incident.version) {
      return fail(ErrorCode::kConflict, fmt::format("INC-{} has changed: it is at version {}, you saw {}; look again",
                                                    record.incident.number, record.incident.version, version));
    }
    const int64_t before = record.incident.version;
    SENTINEL_TRY(fn(tx, record));
    changed = record.incident.version != before;
    return {};
  };
  if (fail_open) {
    SENTINEL_TRY(database_.write_fail_open(make));
  } else {
    SENTINEL_TRY(database_.write(make));
  }
  if (changed) tell(record, false);
  return record;
}

Status Service::change_status(state::Tx& tx, IncidentRecord& record, IncidentStatus to, std::string_view note,
                              const Actor& actor) {
  model::Incident& incident = record.incident;
  const IncidentStatus from = incident.status;
  if (from == to) return {};
  if (to < from && to != IncidentStatus::kOpen) {
    return fail(ErrorCode::kConflict,
                fmt::format("INC-{} is {}; it can go forward or be reopened, not back to {}", incident.number,
                            model::incident_status_name(from), model::incident_status_name(to)));
  }
  const TimePoint now = scheduler_.now();
  incident.status = to;
  if (to == IncidentStatus::kOpen) {
    incident.resolved_at.reset();
  } else if (!incident.acknowledged_at && actor.name != Actor{}.name) {
    incident.acknowledged_at = now;  // whoever moves it has seen it; only people acknowledge
  }
  if (to == IncidentStatus::kResolved) {
    incident.resolved_at = now;
    resolved_.add();
  }
  incident.updated_at = now;
  ++incident.version;
  status_changes_.insert_or_assign(incident.id, StatusChange{from, to, actor});
  const std::string_view verb = to == IncidentStatus::kOpen ? "reopened" : model::incident_status_name(to);
  SENTINEL_TRY(append_timeline(tx, incident, "status", with_note(fmt::format("{} by {}", verb, actor.name), note),
                               change_json(model::incident_status_name(from), model::incident_status_name(to), note),
                               actor));
  SENTINEL_TRY(
      tell_subscribers(tx, record, "status", with_note(fmt::format("{} by {}", verb, actor.name), note), actor));
  if (to == IncidentStatus::kResolved) SENTINEL_TRY(resolve_children(tx, record, actor));
  return escalate(tx,
                  to == IncidentStatus::kOpen       ? IncidentEvent::kReopened
                  : to == IncidentStatus::kResolved ? IncidentEvent::kResolved
                                                    : IncidentEvent::kAcknowledged,
                  record, actor);
}

Status Service::unacknowledge(state::Tx& tx, std::string_view id, std::string_view why, const Actor& actor) {
  SENTINEL_ASSIGN(IncidentRecord record, load(tx, id));
  model::Incident& incident = record.incident;
  const IncidentStatus from = incident.status;
  if (from == IncidentStatus::kOpen || from == IncidentStatus::kResolved) return {};
  incident.status = IncidentStatus::kOpen;
  incident.updated_at = scheduler_.now();
  ++incident.version;
  status_changes_.insert_or_assign(incident.id, StatusChange{from, incident.status, actor});
  const std::string text = fmt::format("open again: {}", why);
  SENTINEL_TRY(append_timeline(tx, incident, "status", text,
                               change_json(model::incident_status_name(from), "open", why), actor));
  SENTINEL_TRY(tell_subscribers(tx, record, "status", text, actor));
  return store(tx, record);
}

Status Service::store(state::Tx& tx, const IncidentRecord& record) {
  SENTINEL_TRY(update(tx, record));
  return watcher_ == nullptr ? Status() : watcher_->on_stored(tx, record);
}

// Writes the record, and has people told of what has become of it.
Status Service::escalate(state::Tx& tx, IncidentEvent event, IncidentRecord& record, const Actor& actor) {
  if (escalator_ != nullptr) SENTINEL_TRY(escalator_->on_incident(tx, event, record, actor));
  SENTINEL_TRY(deadlines_->on_event(tx, event, record));
  return store(tx, record);
}

Result<IncidentRecord> Service::set_status(std::string_view id, IncidentStatus status, std::string_view note,
                                           const Actor& actor, int64_t version) {
  return change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    return change_status(tx, record, status, note, actor);
  });
}

Result<IncidentRecord> Service::acknowledge(std::string_view id, std::string_view note, const Actor& actor,
                                            int64_t version) {
  return change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    // An acknowledgement that meets a resolve changes nothing; where somebody works on it already, it stops the pages
    // that went out since.
    if (record.incident.status == IncidentStatus::kResolved) return {};
    if (record.incident.status != IncidentStatus::kOpen) {
      if (escalator_ == nullptr) return {};
      const int64_t before = record.incident.version;
      SENTINEL_TRY(escalator_->on_incident(tx, IncidentEvent::kAcknowledgedAgain, record, actor));
      return record.incident.version == before ? Status() : store(tx, record);
    }
    return change_status(tx, record, IncidentStatus::kAcknowledged, note, actor);
  });
}

Result<IncidentRecord> Service::resolve(std::string_view id, const ResolveRequest& request, const Actor& actor,
                                        int64_t version) {
  return change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    if (record.incident.status == IncidentStatus::kResolved) {
      return fail(ErrorCode::kConflict, fmt::format("INC-{} is already resolved", record.incident.number));
    }
    if (!request.root_cause.empty()) record.incident.root_cause = request.root_cause;
    if (!request.resolution.empty()) record.incident.resolution = request.resolution;
    return change_status(tx, record, IncidentStatus::kResolved, request.resolution, actor);
  });
}

Result<IncidentRecord> Service::reopen(std::string_view id, std::string_view note, const Actor& actor,
                                       int64_t version) {
  return change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    if (record.incident.status != IncidentStatus::kResolved) {
      return fail(ErrorCode::kConflict,
                  fmt::format("INC-{} is {}, only a resolved incident can be reopened", record.incident.number,
                              model::incident_status_name(record.incident.status)));
    }
    return change_status(tx, record, IncidentStatus::kOpen, note, actor);
  });
}

Result<IncidentRecord> Service::assign(std::string_view id, std::string_view assignee, const Actor& actor,
                                       int64_t version) {
  return change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    model::Incident& incident = record.incident;
    if (incident.assignee == assignee) return {};
    const std::string data = change_json(incident.assignee, assignee);
    incident.assignee = std::string(assignee);
    incident.updated_at = scheduler_.now();
    ++incident.version;
    SENTINEL_TRY(append_timeline(tx, incident, "assignee", fmt::format("assigned to {} by {}", assignee, actor.name),
                                 data, actor));
    return store(tx, record);
  });
}

Result<IncidentRecord> Service::set_severity(std::string_view id, model::Severity severity, const Actor& actor,
                                             int64_t version) {
  return change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    model::Incident& incident = record.incident;
    if (incident.severity == severity) return {};
    const std::string data = change_json(model::severity_name(incident.severity), model::severity_name(severity));
    incident.severity = severity;
    incident.updated_at = scheduler_.now();
    ++incident.version;
    SENTINEL_TRY(append_timeline(tx, incident, "severity",
                                 fmt::format("severity set to {} by {}", model::severity_name(severity), actor.name),
                                 data, actor));
    SENTINEL_TRY(tell_subscribers(tx, record, "severity",
                                  fmt::format("severity set to {} by {}", model::severity_name(severity), actor.name),
                                  actor));
    return escalate(tx, IncidentEvent::kChanged, record, actor);
  });
}

Result<IncidentRecord> Service::add_note(std::string_view id, std::string_view text, const Actor& actor,
                                         int64_t version, std::string_view mark) {
  if (trim(text).empty()) return fail(ErrorCode::kInvalidArgument, "a note needs a text");
  SENTINEL_TRY(check_size("note", text, kNoteBytesMax));
  return change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    const std::string marked = mark.empty() ? "" : fmt::format(R"("mark":{})", json_quote(mark));
    if (!marked.empty()) {
      const std::string begins = "{" + marked;
      SENTINEL_ASSIGN(const state::Rows known,
                      tx.query("SELECT 1 FROM incident_timeline WHERE incident_id = ? AND kind = 'note' AND "
                               "SUBSTR(data, 1, ?) = ? LIMIT 1",
                               {record.incident.id, static_cast<int64_t>(begins.size()), begins}));
      if (!known.empty()) return {};
    }
    record.incident.updated_at = scheduler_.now();
    ++record.incident.version;
    SENTINEL_ASSIGN(const std::string called, tell_mentioned(tx, record, text, actor));
    const std::string mentions = called.empty() ? "" : fmt::format(R"("mentions":{})", called);
    const std::string_view between = marked.empty() || mentions.empty() ? "" : ",";
    SENTINEL_TRY(append_timeline(tx, record.incident, "note", text,
                                 fmt::format("{{{}{}{}}}", marked, between, mentions), actor));
    return store(tx, record);
  });
}

Result<IncidentRecord> Service::merge(std::string_view id, std::string_view into, const Actor& actor, int64_t version) {
  std::string target_id;
  auto merged = change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_ASSIGN(IncidentRecord target, load(tx, into));
    if (target.incident.id == record.incident.id)
      return fail(ErrorCode::kInvalidArgument, "an incident cannot be merged into itself");
    if (target.incident.status == IncidentStatus::kResolved) {
      return fail(ErrorCode::kConflict, fmt::format("INC-{} is resolved; reopen it first", target.incident.number));
    }
    target_id = target.incident.id;
    return merge_in(tx, record, target, actor);
  });
  if (merged) notify_changed(target_id);
  return merged;
}

Status Service::merge_in(state::Tx& tx, IncidentRecord& record, IncidentRecord& target, const Actor& actor) {
  SENTINEL_TRY(copy_alerts(tx, record.incident.id, target.incident.id));
  SENTINEL_TRY(put_link(tx, record.incident.id, target.incident.id, kLinkMerged, scheduler_.now(), actor.name));
  const std::string text = fmt::format("INC-{} merged into this incident by {}", record.incident.number, actor.name);
  SENTINEL_TRY(append_timeline(tx, target.incident, "merge", text,
                               fmt::format(R"({{"from":"{}"}})", record.incident.id), actor));
  SENTINEL_TRY(sum_up(tx, target));
  target.incident.updated_at = scheduler_.now();
  ++target.incident.version;
  SENTINEL_TRY(store(tx, target));
  record.incident.resolution = fmt::format("Merged into INC-{}.", target.incident.number);
  return change_status(tx, record, IncidentStatus::kResolved, record.incident.resolution, actor);
}

// ---- from diagnosis and runbooks ----

Result<IncidentRecord> Service::set_diagnosis(std::string_view id, const Diagnosis& diagnosis) {
  return change(
      id, 0,
      [&](state::Tx& tx, IncidentRecord& record) -> Status {
        const std::string why = diagnosis.why();
        SENTINEL_ASSIGN(const std::optional<Diagnosis> before, load_diagnosis(tx, record.incident.id));
        SENTINEL_TRY(tx.exec(
            "INSERT INTO incident_diagnoses (incident_id, computed_at, document, cause, onset) VALUES (?,?,?,?,?) "
            "ON CONFLICT (incident_id) DO UPDATE SET computed_at = excluded.computed_at, document = excluded.document, "
            "cause = excluded.cause, onset = excluded.onset",
            {record.incident.id, to_us(diagnosis.computed_at), to_json(diagnosis),
             diagnosis.onset ? cause_of(diagnosis) : "", to_us(diagnosis.onset.value_or(TimePoint{}))}));
        if (diagnosis.onset && is_better_onset(record.incident, before, diagnosis))
          record.incident.impact_started_at = diagnosis.onset;
        if (why != record.headline.why) {
          record.headline.why = why;
          SENTINEL_TRY(append_timeline(
              tx, record.incident, "diagnosis", why,
              fmt::format(R"({{"failing":{},"baseline":{}}})", diagnosis.failing, diagnosis.baseline), Actor{}));
        }
        record.incident.updated_at = scheduler_.now();
        ++record.incident.version;
        return store(tx, record);
      },
      true);
}

Status Service::set_summary(std::string_view id, const Summary& summary) {
  const auto changed = change(
      id, 0,
      [&](state::Tx& tx, IncidentRecord& record) -> Status {
        SENTINEL_TRY(
            tx.exec("INSERT INTO incident_summaries (incident_id, text, model, of_why, at) VALUES (?,?,?,?,?) "
                    "ON CONFLICT (incident_id) DO UPDATE SET text = excluded.text, model = excluded.model, "
                    "of_why = excluded.of_why, at = excluded.at",
                    {record.incident.id, summary.text, summary.model, summary.of_why, to_us(summary.at)}));
        SENTINEL_TRY(append_timeline(tx, record.incident, "summary", "Summed up by a model: " + summary.text, "",
                                     Actor{summary.model, "model"}));
        record.incident.updated_at = scheduler_.now();
        ++record.incident.version;
        return store(tx, record);
      },
      true);
  if (!changed) return fail(changed.error());
  return {};
}

Status Service::set_next_step(std::string_view id, std::string_view runbook_id, std::string_view next_step) {
  const auto changed = change(
      id, 0,
      [&](state::Tx& tx, IncidentRecord& record) -> Status {
        if (record.headline.next_step == next_step && record.incident.runbook_id == runbook_id) return {};
        record.headline.next_step = std::string(next_step);
        record.incident.runbook_id = std::string(runbook_id);
        ++record.incident.version;
        return store(tx, record);
      },
      true);
  if (!changed) return fail(changed.error());
  return {};
}

Status Service::add_timeline(state::Tx& tx, std::string_view id, std::string_view kind, std::string_view text,
                             std::string_view data_json, const Actor& actor) {
  SENTINEL_ASSIGN(IncidentRecord record, load(tx, id));
  SENTINEL_TRY(append_timeline(tx, record.incident, kind, text, data_json, actor));
  record.incident.updated_at = scheduler_.now();
  ++record.incident.version;
  return store(tx, record);
}

Status Service::append_timeline(state::Tx& tx, const model::Incident& incident, std::string_view kind,
                                std::string_view text, std::string_view data_json, const Actor& actor) {
  return tx.exec(
      "INSERT INTO incident_timeline (incident_id, sequence, at, kind, actor, source, text, data) "
      "SELECT ?, COALESCE(MAX(sequence), 0) + 1, ?, ?, ?, ?, ?, ? FROM incident_timeline WHERE incident_id = ?",
      {incident.id, to_us(scheduler_.now()), std::string(kind), actor.name, actor.source, std::string(text),
       std::string(data_json), incident.id});
}

// After the commit: the log, then whoever watches. The title is left out: a person may have written anything there.
void Service::tell(const IncidentRecord& record, bool opened) {
  const model::Incident& incident = record.incident;
  const std::string name = fmt::format("INC-{}", incident.number);
  if (opened) {
    log_info("incident", "incident opened",
             {{"incident", name},
              {"id", incident.id},
              {"severity", model::severity_name(incident.severity)},
              {"rule", incident.labels.get("alertname")},
              {"service", incident.labels.get("service")},
              {"assignee", incident.assignee}});
  }
  if (const auto change = status_changes_.find(incident.id); change != status_changes_.end()) {
    const StatusChange what = std::move(change->second);
    status_changes_.erase(change);
    if (what.to == incident.status) {
      const bool reopened = what.to == IncidentStatus::kOpen;
      log_info("incident", fmt::format("incident {}", reopened ? "reopened" : model::incident_status_name(what.to)),
               {{"incident", name},
                {"id", incident.id},
                {"from", model::incident_status_name(what.from)},
                {"actor", what.actor.name},
                {"source", what.actor.source}});
    }
  }
  if (change_handler_) change_handler_(record, opened);
}

// Posted, so that it runs after the transaction that is under way; once for all the changes of a transaction.
void Service::notify_changed(std::string id) {
  if (!to_tell_.insert(id).second) return;
  scheduler_.post([this, alive = alive_, id = std::move(id)] {
    if (!*alive) return;
    to_tell_.erase(id);
    const bool opened = just_opened_.erase(id) > 0;
    const bool led_anew = lead_changed_.erase(id) > 0;
    std::optional<IncidentRecord> record;
    const Status read = database_.read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(record, load(tx, id));
      return {};
    });
    if (!read) return;  // its transaction was rolled back
    if (opened) opened_.add();
    tell(*record, opened);
    if (!led_anew || opened || !lead_handler_) return;
    if (const auto detail = get(id, 0)) lead_handler_(*detail);
  });
}

}  // namespace sentinel::incident
