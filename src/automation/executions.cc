#include "automation/executions.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "automation/limits.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"

namespace sentinel::automation {
namespace {

constexpr Micros kWriteRetry = std::chrono::seconds(1);
constexpr size_t kAuditPage = 1000;

const Who& ourselves() {
  static const Who who{"sentinel", "sentinel", "", {}};
  return who;
}

std::string audit_data(const Execution& e) {
  std::string out =
      fmt::format(R"({{"automation":{},"incident":{},"step":{},"state":"{}","attempt":{})", json_quote(e.automation_id),
                  json_quote(e.incident_id), json_quote(e.step_id), execution_state_name(e.state), e.attempt);
  out += R"(,"parameters":{)";
  bool first = true;
  for (const auto& [name, value] : e.parameters) {
    out += fmt::format("{}{}:{}", first ? "" : ",", json_quote(name), json_quote(value));
    first = false;
  }
  out += "}";
  if (e.exit_code) out += fmt::format(R"(,"exit_code":{})", *e.exit_code);
  if (!e.reason.empty()) out += fmt::format(R"(,"reason":{})", json_quote(e.reason));
  if (!e.output.empty()) out += fmt::format(R"(,"output_sha256":"{}")", hex_encode(sha256(e.output)));
  return out + "}";
}

// Between 75 % and 125 %, the same after a restart.
Micros jittered(Micros delay, const Execution& e) {
  const double x = static_cast<double>(hash64(e.id, static_cast<uint64_t>(e.attempt)) >> 11) * 0x1p-53;
  return Micros(static_cast<int64_t>(static_cast<double>(delay.count()) * (0.75 + 0.5 * x)));
}

TimePoint next_try(const Execution& e, const Automation& automation, TimePoint now) {
  const auto doublings = std::min<int64_t>(e.attempt - 1, 10);
  return now + jittered(automation.retry_after * (int64_t{1} << doublings), e);
}

bool may_retry(const Execution& e, const Automation* automation) {
  return automation != nullptr && automation->idempotent && e.attempt <= automation->retries;
}

std::string upper(std::string name) {
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

bool has_role(const Who& who, const std::string& role) {
  return std::any_of(who.roles.begin(), who.roles.end(), [&](const auto& r) { return r == role || r == "admin"; });
}

Result<Execution> found_or_error(Result<std::optional<Execution>> found, std::string_view id) {
  if (!found) return fail(found.error());
  if (!*found) return fail(ErrorCode::kNotFound, fmt::format("there is no execution {}", id));
  return std::move(**found);
}

}  // namespace

// ---- start ----

Status Executions::migrate(state::Database& database) { return ExecutionStore::migrate(database); }

Executions::Executions(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics,
                       std::shared_ptr<const Catalogue> catalogue, ExecutionOptions options, Listener listener,
                       Runner runner, StillWanted still_wanted)
    : scheduler_(scheduler),
      database_(database),
      metrics_(metrics),
      catalogue_(std::move(catalogue)),
      options_(options),
      listener_(std::move(listener)),
      runner_(std::move(runner)),
      still_wanted_(std::move(still_wanted)),
      self_(std::make_shared<Executions*>(this)),
      running_gauge_(metrics.gauge("sentinel_automation_running", "Automations that run now.")) {}

Executions::~Executions() {
  *self_ = nullptr;
  scheduler_.cancel(timer_);
  for (const auto& [id, running] : running_) running.cancel->store(true);
}

Result<std::unique_ptr<Executions>> Executions::open(Scheduler& scheduler, state::Database& database,
                                                     MetricRegistry& metrics,
                                                     std::shared_ptr<const Catalogue> catalogue,
                                                     ExecutionOptions options, Listener listener, Runner runner,
                                                     StillWanted still_wanted) {
  std::unique_ptr<Executions> out(new Executions(scheduler, database, metrics, std::move(catalogue), options,
                                                 std::move(listener), std::move(runner), std::move(still_wanted)));
  SENTINEL_TRY(out->resume());
  return out;
}

Status Executions::resume() {
  std::vector<Execution> open;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(open, ExecutionStore::not_ended(tx));
    return {};
  }));
  for (Execution& e : open) {
    if (e.state == ExecutionState::kRunning) {
      SENTINEL_TRY(resume_running(std::move(e)));
    } else {
      track(e);
    }
  }
  arm();
  return {};
}

// Its sandbox died with us. How far it had come nobody knows, so only what may be done twice is tried again.
Status Executions::resume_running(Execution e) {
  const Automation* automation = catalogue_->find(e.automation_id);
  const TimePoint now = scheduler_.now();
  e.reason = "the server ended while it ran; how far it had come is not known";
  if (may_retry(e, automation)) {
    e.due_at = next_try(e, *automation, now);
    ++e.attempt;
    e.state = ExecutionState::kQueued;
  } else {
    e.state = ExecutionState::kLost;
    e.ended_at = now;
  }
  SENTINEL_TRY(save(e, "lost", ourselves()));
  if (!has_ended(e.state)) track(e);
  return {};
}

void Executions::install(std::shared_ptr<const Catalogue> catalogue, ExecutionOptions options) {
  catalogue_ = std::move(catalogue);
  options_ = options;
  run_due();
}

// ---- asked for ----

Result<Execution> Executions::request(const Request& request, const Who& who) {
  if (!options_.enabled)
    return fail(ErrorCode::kUnprocessable, "automations are off: set automation.enabled in sentinel.yml");
  const Automation* automation = catalogue_->find(request.automation_id);
  if (automation == nullptr)
    return fail(ErrorCode::kNotFound, fmt::format("there is no automation {}", json_quote(request.automation_id)));
  Execution e;
  SENTINEL_ASSIGN(e.parameters, resolve_parameters(*automation, request.parameters, request.alert_labels));
  e.incident_id = request.incident_id;
  e.step_id = request.step_id;
  e.automation_id = request.automation_id;
  e.dry_run = request.dry_run;
  return add(std::move(e), *automation, who);
}

Result<Execution> Executions::add(Execution e, const Automation& automation, const Who& who) {
  if (queue_.size() + waiting_.size() + running_.size() >= kWaitingMax)
    return fail(ErrorCode::kRateLimited, fmt::format("{} executions have not ended yet", kWaitingMax));
  const TimePoint now = scheduler_.now();
  e.id = new_id(now);
  e.requested_by = who;
  e.requested_at = now;
  if (e.dry_run) {
    Command command;
    SENTINEL_TRY(make_command(e, automation, command));
    e.state = ExecutionState::kSucceeded;
    e.ended_at = now;
    e.output = describe(command);
    if (automation.approval)
      e.output += fmt::format("approval: by somebody else with the role {}\n", automation.approval->role);
  } else if (automation.approval) {
    e.state = ExecutionState::kAwaitingApproval;
    e.approval_role = automation.approval->role;
    e.approve_until = now + automation.approval->within;
  } else {
    e.state = ExecutionState::kQueued;
    e.due_at = now;
  }
  const Status saved = save(e, "requested", who, true);
  if (!saved && saved.error().code() == ErrorCode::kConflict) {
    std::optional<Execution> other;
    SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(other, ExecutionStore::find_active(tx, e));
      return {};
    }));
    if (other)
      return fail(ErrorCode::kConflict,
                  fmt::format("{} is {} already, asked for by {} at {} (execution {})", e.automation_id,
                              execution_state_name(other->state), other->requested_by.name,
                              format_rfc3339(other->requested_at), other->id));
  }
  if (!saved) return fail(saved.error());
  track(e);
  run_due();
  return get(e.id);
}

Result<Execution> Executions::roll_back(std::string_view id, const Who& who) {
  if (!options_.enabled)
    return fail(ErrorCode::kUnprocessable, "automations are off: set automation.enabled in sentinel.yml");
  SENTINEL_ASSIGN(const Execution done, get(id));
  if (!has_ended(done.state) || !done.started_at)
    return fail(ErrorCode::kConflict, "only what has run and ended can be taken back");
  const Automation* automation = catalogue_->find(done.automation_id);
  const Automation* rollback = automation == nullptr ? nullptr : catalogue_->find(automation->rollback);
  if (rollback == nullptr) return fail(ErrorCode::kNotFound, fmt::format("{} has no rollback", done.automation_id));
  std::map<std::string, std::string> given;
  for (const Parameter& p : rollback->parameters) {
    if (const auto it = done.parameters.find(p.name); it != done.parameters.end()) given.insert(*it);
  }
  Execution e;
  SENTINEL_ASSIGN(e.parameters, resolve_parameters(*rollback, given, {}));
  e.incident_id = done.incident_id;
  e.step_id = done.step_id;
  e.automation_id = rollback->id;
  e.rollback_of = done.id;
  return add(std::move(e), *rollback, who);
}

Result<std::vector<Execution>> Executions::on_alert(std::string_view incident_id, const model::Labels& labels) {
  std::vector<Execution> out;
  if (!options_.enabled) return out;
  const Who rule{std::string(labels.get(model::kAlertNameLabel)), "rule", "", {}};
  for (const Automation& automation : catalogue_->all()) {
    for (const Trigger& trigger : automation.triggers) {
      const bool fits = std::all_of(trigger.match.begin(), trigger.match.end(),
                                    [&](const model::Label& l) { return labels.get(l.name) == l.value; });
      if (!fits) continue;
      int64_t here = 0, lately = 0;
      SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
        SENTINEL_ASSIGN(here, ExecutionStore::count_by_rule(tx, automation.id, incident_id, TimePoint{}));
        SENTINEL_ASSIGN(lately, ExecutionStore::count_by_rule(tx, automation.id, "", scheduler_.now() - trigger.per));
        return {};
      }));
      if (here > 0) break;  // once an incident, however many alerts it has
      if (lately >= trigger.at_most) {
        metrics_
            .counter("sentinel_automation_triggers_held_total", "Triggers beyond their limit.",
                     {{"automation", automation.id}})
            .add();
        log_warn("automation", "not started: the trigger's limit is reached",
                 {{"automation", automation.id}, {"incident", std::string(incident_id)}});
        break;
      }
      auto asked = request({std::string(incident_id), "", automation.id, {}, labels, false}, rule);
      if (asked) {
        out.push_back(std::move(*asked));
      } else {
        log_warn("automation", "an alert could not start it",
                 {{"automation", automation.id}, {"error", asked.error().to_string()}});
      }
      break;
    }
  }
  return out;
}

// ---- changed by people ----

Result<Execution> Executions::change(std::string_view id, std::string_view action, const Who& who,
                                     const std::function<Status(Execution&)>& apply) {
  Execution e;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(e, found_or_error(ExecutionStore::get(tx, id), id));
    SENTINEL_TRY(apply(e));
    SENTINEL_TRY(ExecutionStore::update(tx, e));
    SENTINEL_TRY(ExecutionStore::add_audit(
        tx, {0, scheduler_.now(), who.name, who.source, who.address, std::string(action), e.id, audit_data(e), ""}));
    return listener_(tx, e);
  }));
  forget(e);
  track(e);
  if (has_ended(e.state)) count_end(e);
  return e;
}

Result<Execution> Executions::approve(std::string_view id, const Who& who) {
  SENTINEL_TRY(change(id, "approved", who, [&](Execution& e) -> Status {
    if (e.state != ExecutionState::kAwaitingApproval || *e.approve_until <= scheduler_.now())
      return fail(
          ErrorCode::kConflict,
          fmt::format("it does not wait for approval: it is {}",
                      e.state == ExecutionState::kAwaitingApproval ? "expired" : execution_state_name(e.state)));
    if (!has_role(who, e.approval_role))
      return fail(ErrorCode::kPermissionDenied, fmt::format("the role {} is needed", e.approval_role));
    if (who.name == e.requested_by.name)
      return fail(ErrorCode::kPermissionDenied, "somebody else than the one who asked must agree");
    e.state = ExecutionState::kQueued;
    e.approved_by = who.name;
    e.due_at = scheduler_.now();
    return {};
  }));
  run_due();
  return get(id);
}

Result<Execution> Executions::reject(std::string_view id, const Who& who, std::string_view why) {
  return change(id, "rejected", who, [&](Execution& e) -> Status {
    if (e.state != ExecutionState::kAwaitingApproval)
      return fail(ErrorCode::kConflict,
                  fmt::format("it does not wait for approval: it is {}", execution_state_name(e.state)));
    if (!has_role(who, e.approval_role))
      return fail(ErrorCode::kPermissionDenied, fmt::format("the role {} is needed", e.approval_role));
    e.state = ExecutionState::kRejected;
    e.ended_at = scheduler_.now();
    e.reason = fmt::format("rejected by {}{}{}", who.name, why.empty() ? "" : ": ", why);
    return {};
  });
}

Result<Execution> Executions::cancel(std::string_view id, const Who& who) {
  if (const auto running = running_.find(id); running != running_.end()) {
    SENTINEL_TRY(database_.write([&](state::Tx& tx) {
      return ExecutionStore::add_audit(
          tx, {0, scheduler_.now(), who.name, who.source, who.address, "cancelled", std::string(id), "{}", ""});
    }));
    running->second.cancelled_by = who.name;
    running->second.cancel->store(true);
    return get(id);
  }
  return change(id, "cancelled", who, [&](Execution& e) -> Status {
    if (has_ended(e.state))
      return fail(ErrorCode::kConflict, fmt::format("it has ended already: {}", execution_state_name(e.state)));
    e.state = ExecutionState::kCancelled;
    e.ended_at = scheduler_.now();
    e.reason = "cancelled by " + who.name;
    return {};
  });
}

// ---- run ----

Status Executions::save(const Execution& e, std::string_view action, const Who& who, bool is_new) {
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(is_new ? ExecutionStore::insert(tx, e) : ExecutionStore::update(tx, e));
    SENTINEL_TRY(ExecutionStore::add_audit(
        tx, {0, scheduler_.now(), who.name, who.source, who.address, std::string(action), e.id, audit_data(e), ""}));
    return listener_(tx, e);
  }));
  if (has_ended(e.state)) count_end(e);
  return {};
}

void Executions::count_end(const Execution& e) {
  metrics_
      .counter("sentinel_automation_executions_total", "Executions that have ended, by how.",
               {{"automation", e.automation_id}, {"state", std::string(execution_state_name(e.state))}})
      .add();
}

void Executions::track(const Execution& e) {
  if (e.state == ExecutionState::kQueued) queue_.emplace(e.due_at.value_or(e.requested_at), e.id);
  if (e.state == ExecutionState::kAwaitingApproval) waiting_.emplace(*e.approve_until, e.id);
  arm();
}

void Executions::forget(const Execution& e) {
  std::erase_if(queue_, [&](const auto& entry) { return entry.second == e.id; });
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second == e.id; });
}

void Executions::arm() {
  TimePoint next = TimePoint::max();
  if (!queue_.empty() && running_.size() < options_.at_once_max) next = std::min(next, queue_.begin()->first);
  if (!waiting_.empty()) next = std::min(next, waiting_.begin()->first);
  for (const Ended& ended : unwritten_) next = std::min(next, ended.retry_at);
  scheduler_.cancel(timer_);
  if (next == TimePoint::max()) return;
  timer_ = scheduler_.at(next, [self = self_] {
    if (*self != nullptr) (*self)->run_due();
  });
}

void Executions::run_due() {
  const TimePoint now = scheduler_.now();
  std::vector<Ended> ended;
  std::swap(ended, unwritten_);
  for (Ended& one : ended) {
    if (one.retry_at > now) {
      unwritten_.push_back(std::move(one));
    } else {
      write_end(std::move(one.execution));
    }
  }
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const std::string id = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    end_early(id, ExecutionState::kExpired, "expired", "nobody agreed in time");
  }
  while (!queue_.empty() && queue_.begin()->first <= now && running_.size() < options_.at_once_max) {
    const std::string id = queue_.begin()->second;
    queue_.erase(queue_.begin());
    start(id);
  }
  arm();
}

// Without having run. What the disk refuses is tried again.
void Executions::end_early(const std::string& id, ExecutionState state, std::string_view action,
                           const std::string& reason) {
  auto e = get(id);
  if (!e) {
    log_error("automation", "an execution cannot be read", {{"id", id}, {"error", e.error().to_string()}});
    return;
  }
  e->state = state;
  e->ended_at = scheduler_.now();
  e->reason = reason;
  if (const Status saved = save(*e, action, ourselves()); !saved) {
    log_warn("automation", "the end of an execution is not on disk yet",
             {{"id", id}, {"error", saved.error().to_string()}});
    unwritten_.push_back({std::move(*e), scheduler_.now() + kWriteRetry});
  }
}

Status Executions::make_command(const Execution& e, const Automation& automation, Command& out) const {
  out.argv = automation.argv;
  out.limits = automation.limits;
  out.environment = automation.environment;
  for (const auto& [name, value] : e.parameters) out.environment["SENTINEL_PARAM_" + upper(name)] = value;
  out.environment["SENTINEL_INCIDENT"] = e.incident_id;
  out.environment["SENTINEL_EXECUTION"] = e.id;
  out.environment["SENTINEL_ATTEMPT"] = std::to_string(e.attempt);
  for (const auto& [name, path] : automation.secret_files) {
    SENTINEL_ASSIGN(std::string secret, posix_env().read_file(path));
    if (secret.size() > kSecretBytesMax)
      return fail(ErrorCode::kTooLarge, fmt::format("{}: a secret of more than 64 KB", path));
    out.secrets[name] = std::move(secret);
  }
  return {};
}

void Executions::start(const std::string& id) {
  auto e = get(id);
  if (!e) {
    log_error("automation", "an execution cannot be read", {{"id", id}, {"error", e.error().to_string()}});
    return;
  }
  const TimePoint now = scheduler_.now();
  if (!options_.enabled)
    return end_early(id, ExecutionState::kCancelled, "cancelled", "automations have been switched off");
  if (*e->due_at + kQueuedMax < now) return end_early(id, ExecutionState::kExpired, "expired", "it waited too long");
  if (!e->incident_id.empty() && !still_wanted_(e->incident_id))
    return end_early(id, ExecutionState::kCancelled, "cancelled", "the incident is over");
  const Automation* automation = catalogue_->find(e->automation_id);
  if (automation == nullptr)
    return end_early(id, ExecutionState::kFailed, "ended", "the automation is no longer in the configuration");
  Command command;
  if (const Status made = make_command(*e, *automation, command); !made)
    return end_early(id, ExecutionState::kFailed, "ended", made.error().to_string());
  e->state = ExecutionState::kRunning;
  e->started_at = now;
  if (const Status saved = save(*e, "started", ourselves()); !saved) {
    // What is not on disk must not run: after a crash nobody would know that it had.
    log_warn("automation", "not started yet", {{"id", id}, {"error", saved.error().to_string()}});
    queue_.emplace(now + kWriteRetry, id);
    return;
  }
  auto cancel = std::make_shared<std::atomic<bool>>(false);
  log_info("automation", "started", {{"id", id}, {"automation", e->automation_id}, {"incident", e->incident_id}});
  running_[id] = {std::move(*e), cancel, ""};
  running_gauge_.set(static_cast<double>(running_.size()));
  runner_(std::move(command), cancel, [self = self_, id](Result<Outcome> outcome) {
    if (*self != nullptr) (*self)->finished(id, std::move(outcome));
  });
}

void Executions::finished(const std::string& id, Result<Outcome> outcome) {
  auto ended = running_.extract(id);
  if (ended.empty()) return;
  running_gauge_.set(static_cast<double>(running_.size()));
  Execution& e = ended.mapped().execution;
  judge(e, outcome);
  if (e.state == ExecutionState::kCancelled) {
    const std::string& by = ended.mapped().cancelled_by;
    e.reason = by.empty() ? "the server was stopped" : "cancelled by " + by;
  }
  write_end(std::move(e));
  run_due();
}

// What its end means: done, failed, or to be tried again.
void Executions::judge(Execution& e, const Result<Outcome>& outcome) const {
  const TimePoint now = scheduler_.now();
  e.ended_at = now;
  e.state = ExecutionState::kFailed;
  if (!outcome) {
    e.reason = outcome.error().to_string();
  } else {
    e.output = outcome->output;
    e.output_bytes = outcome->output_bytes;
    switch (outcome->kind) {
      case Outcome::Kind::kExited:
        e.exit_code = outcome->exit_code;
        if (outcome->exit_code == 0) {
          e.state = ExecutionState::kSucceeded;
          e.reason.clear();
          return;
        }
        e.reason = fmt::format("exit code {}", outcome->exit_code);
        break;
      case Outcome::Kind::kTimedOut: e.reason = "it took longer than it may"; break;
      case Outcome::Kind::kFlooded: e.reason = "it wrote far more than is kept"; break;
      case Outcome::Kind::kCancelled: e.state = ExecutionState::kCancelled; return;
    }
  }
  const Automation* automation = catalogue_->find(e.automation_id);
  if (!may_retry(e, automation)) return;
  e.due_at = next_try(e, *automation, now);
  e.state = ExecutionState::kQueued;
  e.ended_at.reset();
  ++e.attempt;
}

void Executions::write_end(Execution e) {
  if (const Status saved = save(e, "ended", ourselves()); !saved) {
    log_warn("automation", "the end of an execution is not on disk yet",
             {{"id", e.id}, {"error", saved.error().to_string()}});
    unwritten_.push_back({std::move(e), scheduler_.now() + kWriteRetry});
    return;
  }
  log_info("automation", "ended",
           {{"id", e.id}, {"state", std::string(execution_state_name(e.state))}, {"reason", e.reason}});
  track(e);
}

// ---- read ----

Result<Execution> Executions::get(std::string_view id) const {
  Execution e;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(e, found_or_error(ExecutionStore::get(tx, id), id));
    return {};
  }));
  return e;
}

Result<std::vector<Execution>> Executions::list(std::string_view incident_id, size_t limit) const {
  std::vector<Execution> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out, ExecutionStore::list(tx, incident_id, limit));
    return {};
  }));
  return out;
}

Result<std::vector<AuditLine>> Executions::audit(int64_t after_id, size_t limit) const {
  std::vector<AuditLine> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(out, ExecutionStore::audit(tx, after_id, limit));
    return {};
  }));
  return out;
}

Result<std::optional<int64_t>> Executions::verify_audit() const {
  std::string before;
  int64_t last = 0;
  while (true) {
    SENTINEL_ASSIGN(const std::vector<AuditLine> page, audit(last, kAuditPage));
    for (const AuditLine& line : page) {
      if (ExecutionStore::hash_of(line, before) != line.hash) return std::optional(line.id);
      before = line.hash;
      last = line.id;
    }
    if (page.size() < kAuditPage) return std::optional<int64_t>();
  }
}

}  // namespace sentinel::automation
