// What a server does while it runs: its own series, upkeep of the stores, drift, and what follows from incidents and
// calls.

#include <condition_variable>
#include <mutex>

#include "app/server_parts.h"
#include "base/heap.h"
#include "base/log.h"
#include "oncall/coverage_metrics.h"
#include "state/kv.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace {

constexpr Micros kDriftSaveInterval = std::chrono::minutes(1);
constexpr Micros kEarlyPassSpacing = std::chrono::milliseconds(50);  // passes of the collector between its own
constexpr Micros kAlertCountsInterval = std::chrono::seconds(1);
constexpr Micros kUpkeepInterval = std::chrono::minutes(1);
constexpr Micros kCoverageAhead = std::chrono::days(14);  // in which gaps of schedules are looked for
constexpr int kLiveCallsPerSecond = 5;
constexpr Micros kWorkerPatience = std::chrono::seconds(10);

}  // namespace

// A series that had come to rest is stored as soon as it moves: a first error is not a second old before a rule sees
// it. What moves all the time keeps the interval.
void Server::Parts::collect_soon() {
  if (early_pass_due.exchange(true)) return;
  upkeep_loop.at(std::max(clock.now(), time_from_us(early_pass_after_us.load())), [this] {
    early_pass_due = false;
    const int64_t started = monotonic_us();
    const Status status = collector->collect_moved("llm_");
    if (!status) log_warn("collector", "own series were not stored", {{"error", status.error().to_string()}});
    const Micros rest = std::max(Micros(kEarlyPassSpacing), 20 * Micros(monotonic_us() - started));
    early_pass_after_us = to_us(clock.now() + rest);
  });
}

void Server::Parts::start_upkeep() {
  next_drift_save = clock.now() + kDriftSaveInterval;
  next_upkeep = clock.now() + kUpkeepInterval;
  upkeep_loop.post([this] { collect(); });
  upkeep_loop.post([this] { tell_alerts(); });
}

// What the page shows beside "Alerts", as it changes.
void Server::Parts::tell_alerts() {
  if (live->has_subscribers()) live->publish_state("alerts", text::serialize(api::alert_counts(*rules)));
  upkeep_loop.at(clock.now() + kAlertCountsInterval, [this] { tell_alerts(); });
}

// One pass of the collector, and now and then the upkeep of the stores; then sets itself again on the grid of the
// interval.
void Server::Parts::collect() {
  const Status means = feedback->refresh();
  if (!means) log_warn("collector", "feedback was not summed up", {{"error", means.error().to_string()}});
  const Status status = collector->collect();
  if (!status) log_warn("collector", "own series were not stored", {{"error", status.error().to_string()}});
  database->tend();
  if (const Status seen = change_watch->breakers_seen(gateway->breakers(), clock.now()); !seen)
    log_warn("server", "a circuit breaker is not among the changes", {{"error", seen.error().to_string()}});
  if (web_watch) web_watch->look();
  save_spending();
  const TimePoint now = clock.now();
  if (now >= next_drift_save) {
    next_drift_save = now + kDriftSaveInterval;
    save_drift();
  }
  if (now >= next_upkeep) {
    next_upkeep = now + kUpkeepInterval;
    net::asio::post(runtime.blocking_pool(), [this] { upkeep(); });
  }
  const int64_t interval = std::chrono::duration_cast<Micros>(config.collect_interval).count();
  upkeep_loop.at(time_from_us((to_us(clock.now()) / interval + 1) * interval), [this] { collect(); });
}

void Server::Parts::upkeep() {
  for (const Status& status :
       {tsdb->maintain(), events->maintain(), feedback->prune(clock.now() - config.events_retention),
        judges->prune(clock.now() - config.events_retention)}) {
    if (!status) log_error("server", "upkeep of a store failed", {{"error", status.error().to_string()}});
  }
  release_free_memory();
  publish_oncall();
}

// Gaps ahead, while there is time to fill them.
void Server::Parts::publish_oncall() {
  auto now = oncall_in_force.load();
  oncall::publish_coverage(*now, clock.now(), kCoverageAhead, metrics, covered.get());
  covered = std::move(now);
}

// The references are read on the worker that owns the analyzer.
void Server::Parts::save_drift() {
  pipeline->run_on_worker([this] { write_drift(); });
}

void Server::Parts::write_drift() {
  const std::optional<std::string> networks = access.changed() ? std::optional(access.save()) : std::nullopt;
  const Status saved = database->write([&](state::Tx& tx) -> Status {
    if (networks) SENTINEL_TRY(state::KeyValue::put(tx, kAccessKey, *networks, clock.now()));
    return drift_store.save(tx, *analyzer, clock.now());
  });
  if (saved) analyzer->drift_saved();
  if (!saved) log_warn("server", "drift references were not saved", {{"error", saved.error().to_string()}});
}

template <class T>
Result<T> Server::Parts::ask_worker(std::function<T()> question) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<T> value;
  };
  const auto answer = std::make_shared<Answer>();
  pipeline->run_on_worker([question = std::move(question), answer] {
    T value = question();
    const std::lock_guard guard(answer->mutex);
    answer->value = std::move(value);
    answer->ready.notify_all();
  });
  std::unique_lock waiting(answer->mutex);
  if (!answer->ready.wait_for(waiting, kWorkerPatience, [&] { return answer->value.has_value(); }))
    return fail(ErrorCode::kTimeout, "analysis is too far behind to answer now; try again");
  return std::move(*answer->value);
}

// What was changed is changed on disk as well before it is answered.
Result<size_t> Server::Parts::change_drift(const analysis::DriftRoute& which, api::DriftChange change) {
  return ask_worker<size_t>([this, which, change] {
    const size_t count =
        change == api::DriftChange::kReset ? analyzer->reset_drift(which) : analyzer->adopt_drift(which);
    saved_references = analyzer->frozen_references();
    write_drift();
    return count;
  });
}

Result<boost::json::object> Server::Parts::drift_report() {
  using Summaries = std::vector<analysis::DriftTracker::Summary>;
  SENTINEL_ASSIGN(const Summaries references, ask_worker<Summaries>([this] { return analyzer->drift_summaries(); }));
  return drift_json(references);
}

// What budgets have spent since the last time; a crash forgets the last second.
void Server::Parts::save_spending() {
  const std::vector<gateway::Spending> changed = gateway->policies().budgets.changed();
  const Status saved = policy_store->save_spending(changed);
  if (saved) return;
  gateway->policies().budgets.mark_changed(changed);
  log_warn("server", "what budgets have spent was not saved", {{"error", saved.error().to_string()}});
}

void Server::Parts::incident_changed(const incident::IncidentRecord& record, bool created) {
  live->publish("incident", text::serialize(api::incident_json(record)));
  if (!created) return;
  const std::string& id = record.incident.id;
  if (const auto detail = incidents->get(id, 0)) {
    follow_lead(*detail);
    if (remedies) remedies->lead_is(*detail);
  }
  diagnosis->watch(id);
}

// The runbook of the alert the incident is called after; one that somebody is in the middle of stays.
void Server::Parts::follow_lead(const incident::IncidentDetail& detail) {
  if (!detail.lead) return;
  const runbook::Runbook* book = runbooks->match(detail.lead->labels, detail.lead->annotations);
  if (book == nullptr) return;
  const std::string& id = detail.record.incident.id;
  const auto run = runs->attach(id, *book);
  if (!run) {
    log_error("runbook", "not attached", {{"incident", id}, {"error", run.error().to_string()}});
  } else if (run->next_step() != nullptr) {
    (void)incidents->set_next_step(id, run->runbook.id, run->next_step()->description);
  }
}

void Server::Parts::call_scored(const model::Interaction& interaction) {
  access.observe(interaction);
  judges->offer(interaction);
  spans->submit(interaction);
  // A reference just frozen is kept at once: collected anew after a crash, it would be made of what is failing now.
  if (analyzer->frozen_references() != saved_references) {
    saved_references = analyzer->frozen_references();
    save_drift();
  }
  if (!live || !live->has_subscribers()) return;
  live->publish_sampled("call", text::serialize(api::call_json(interaction)), kLiveCallsPerSecond);
}

}  // namespace sentinel::app
