#include "oncall/escalation.h"

#include <utility>

#include "base/id.h"
#include "base/log.h"
#include "oncall/limits.h"

namespace sentinel::oncall {

Escalations::Escalations(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics,
                         EscalationListener* listener, std::shared_ptr<const Config> config)
    : scheduler_(scheduler),
      database_(database),
      listener_(listener),
      config_(std::move(config)),
      pages_(metrics.counter("sentinel_oncall_pages_total", "Pages written to the outbox.")),
      exhausted_(metrics.counter("sentinel_oncall_exhausted_total", "Escalations that used up all levels.")),
      nobody_(metrics.counter("sentinel_oncall_nobody_total", "Escalations without a last resort to tell.")),
      failures_(metrics.counter("sentinel_oncall_state_errors_total", "Due steps that the state store refused.")),
      undelivered_(metrics.counter("sentinel_oncall_pages_undelivered_total",
                                   "Pages that were refused or could not be delivered in time.")),
      unreached_(metrics.counter("sentinel_oncall_unreached_total",
                                 "Levels that were left early since nobody of them could be reached.")),
      delivered_(metrics.counter("sentinel_oncall_pages_delivered_total", "Pages that a service has taken.")) {}

Escalations::~Escalations() {
  *alive_ = false;
  scheduler_.cancel(timer_);
}

Result<std::unique_ptr<Escalations>> Escalations::open(Scheduler& scheduler, state::Database& database,
                                                       MetricRegistry& metrics, EscalationListener* listener,
                                                       std::shared_ptr<const Config> config) {
  std::unique_ptr<Escalations> out(new Escalations(scheduler, database, metrics, listener, std::move(config)));
  // The configuration may have changed while the process was down.
  SENTINEL_TRY(out->run_open([](EscalationSteps& steps) { return steps.reconsider(); }));
  return out;
}

Result<Escalations::Events> Escalations::run_in(state::Tx& tx, const Step& step) {
  EscalationSteps steps(*config_, tx, scheduler_.now());
  SENTINEL_TRY(step(steps));
  if (listener_ != nullptr && !steps.events().empty()) SENTINEL_TRY(listener_->on_escalation(tx, steps.events()));
  return steps.events();
}

Result<state::Written> Escalations::run_open(const Step& step) {
  Events events;
  SENTINEL_ASSIGN(const state::Written written, database_.write_fail_open([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(events, run_in(tx, step));  // a second run replaces the first
    return {};
  }));
  count(events);
  arm();
  return written;
}

Status Escalations::run_durable(const Step& step) {
  Events events;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(events, run_in(tx, step));
    return {};
  }));
  count(events);
  arm();
  return {};
}

void Escalations::committed() {
  count(std::exchange(uncommitted_, {}));
  arm();
}

void Escalations::count(const Events& events) {
  bool paged = false;  // something was put into the outbox
  for (const EscalationEvent& e : events) {
    if (e.kind == "paged") {
      pages_.add();
      paged = true;
    }
    if (e.kind == "acknowledged" || e.kind == "resolved") paged = true;  // what was taken back
    if (e.kind == "exhausted") exhausted_.add();
    if (e.kind == "nobody") nobody_.add();
    if (e.kind == "undelivered") undelivered_.add();
    if (e.kind == "unreached") unreached_.add();
    if (e.kind == "delivered") delivered_.add();
  }
  if (paged && wake_) wake_();
}

void Escalations::run_due() {
  timer_ = TimerId::kNone;
  const auto done = run_open([](EscalationSteps& steps) { return steps.run_due(); });
  if (done) return;
  failures_.add();
  log_error("oncall", "on-call steps that are due could not be stored, trying again",
            {{"error", done.error().to_string()}});
  arm_at(scheduler_.now() + kDiskRetry);
}

void Escalations::arm() {
  std::optional<TimePoint> next;
  const Status read = database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(next, EscalationStore::next_due(tx));
    return {};
  });
  if (!read) next = scheduler_.now() + kDiskRetry;
  if (next) arm_at(*next);
}

void Escalations::arm_at(TimePoint when) {
  scheduler_.cancel(timer_);
  timer_ = scheduler_.at(when, [this, alive = alive_] {
    if (*alive) run_due();
  });
}

Result<state::Written> Escalations::trigger(const Trigger& trigger) {
  return run_open([&](EscalationSteps& steps) { return steps.trigger(trigger); });
}

Result<state::Written> Escalations::resolve(std::string_view key, std::string_view actor) {
  return run_open([&](EscalationSteps& steps) { return steps.resolve(key, actor); });
}

Status Escalations::acknowledge(std::string_view key, std::string_view actor) {
  return run_durable([&](EscalationSteps& steps) { return steps.acknowledge(key, actor); });
}

Status Escalations::escalate(std::string_view key, std::string_view actor) {
  return run_durable([&](EscalationSteps& steps) { return steps.escalate(key, actor); });
}

Status Escalations::reassign(std::string_view key, std::string_view policy, std::string_view actor) {
  return run_durable([&](EscalationSteps& steps) { return steps.reassign(key, policy, actor); });
}

Status Escalations::reload(std::shared_ptr<const Config> config) {
  std::swap(config_, config);
  const auto done = run_open([](EscalationSteps& steps) { return steps.reconsider(); });
  if (done) return {};
  std::swap(config_, config);
  return fail(done.error());
}

Status Escalations::run_for_caller(state::Tx& tx, const Step& step) {
  SENTINEL_ASSIGN(const Events events, run_in(tx, step));
  uncommitted_.insert(uncommitted_.end(), events.begin(), events.end());
  return {};
}

Status Escalations::trigger_in(state::Tx& tx, const Trigger& trigger) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.trigger(trigger); });
}

Status Escalations::resolve_in(state::Tx& tx, std::string_view key, std::string_view actor) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.resolve(key, actor); });
}

Status Escalations::acknowledge_in(state::Tx& tx, std::string_view key, std::string_view actor) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.acknowledge(key, actor); });
}

Status Escalations::escalate_in(state::Tx& tx, std::string_view key, std::string_view actor) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.escalate(key, actor); });
}

Status Escalations::restart_in(state::Tx& tx, const Trigger& trigger, std::string_view actor) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.restart(trigger, actor); });
}

Status Escalations::change_in(state::Tx& tx, const Trigger& trigger, std::string_view actor) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.change(trigger, actor); });
}

Status Escalations::delivered_in(state::Tx& tx, std::string_view message_key) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.delivered(message_key); });
}

Status Escalations::undelivered_in(state::Tx& tx, std::string_view message_key, std::string_view error) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.undelivered(message_key, error); });
}

Status Escalations::unwanted_in(state::Tx& tx, std::string_view message_key) {
  return run_for_caller(tx, [&](EscalationSteps& steps) { return steps.unwanted(message_key); });
}

Result<std::string> Escalations::test_page(std::string_view user, std::string_view channel, std::string_view actor) {
  const std::string id = new_id(scheduler_.now());
  std::string key;
  SENTINEL_TRY(run_durable([&](EscalationSteps& steps) -> Status {
    SENTINEL_ASSIGN(key, steps.test_page(id, user, channel, actor));
    return {};
  }));
  return key;
}

Status Escalations::prune(TimePoint resolved_before) {
  return database_.write([&](state::Tx& tx) { return EscalationStore::prune(tx, resolved_before); });
}

Result<std::vector<Escalation>> Escalations::list(bool resolved, size_t limit) const {
  std::vector<Escalation> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out, EscalationStore::list(tx, resolved, limit));
    return {};
  }));
  return out;
}

Result<std::vector<EscalationEvent>> Escalations::events(std::string_view key, size_t limit) const {
  std::vector<EscalationEvent> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out, EscalationStore::events(tx, key, limit));
    return {};
  }));
  return out;
}

Result<std::vector<PageRecord>> Escalations::pages(std::string_view key, size_t limit) const {
  std::vector<PageRecord> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out, EscalationStore::pages(tx, key, limit));
    return {};
  }));
  return out;
}

Result<std::optional<Escalation>> Escalations::find(std::string_view key) const {
  std::optional<Escalation> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out, EscalationStore::find(tx, key));
    return {};
  }));
  return out;
}

}  // namespace sentinel::oncall
