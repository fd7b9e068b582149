#include "alerting/heartbeats.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"
#include "state/kv.h"
#include "text/json.h"

namespace sentinel::alerting {
namespace {

constexpr std::string_view kPrefix = "heartbeat/";
constexpr std::string_view kAliveKey = "heartbeats/alive";
constexpr Micros kTick = std::chrono::seconds(1);
constexpr Micros kAliveEvery = std::chrono::seconds(15);
// The loop is never held up so long: more is a process that stood still.
constexpr Micros kPauseMin = std::chrono::seconds(10);
constexpr Micros kJumpMin = std::chrono::seconds(2);       // between both clocks; less is drift
constexpr Micros kClocksDiffer = std::chrono::minutes(1);  // the job's machine and ours
// A clock that is set back by less makes cron run nothing again.
constexpr Micros kCronSetBackMax = std::chrono::hours(3);
constexpr Micros kFires = std::chrono::days(3650);  // until we say that it is over

int64_t or_zero(const std::optional<TimePoint>& t) { return t ? to_us(*t) : 0; }
std::optional<TimePoint> time_or_none(int64_t us) { return us == 0 ? std::nullopt : std::optional(time_from_us(us)); }
std::string duration_text(Micros d) { return format_duration(std::chrono::duration_cast<Millis>(d)); }
Micros max_run_of(const HeartbeatDefinition& d) { return d.max_run.value_or(d.grace); }
// Jobs are early as well as late; but not so much that any restart at any time puts them off.
Micros early_of(const HeartbeatDefinition& d) {
  return d.schedule ? std::min(d.grace, kClocksDiffer) : std::min(d.grace, d.every / 4);
}

}  // namespace

Result<Beat> parse_beat(std::string_view word, std::string_view body) {
  std::string said(utf8_prefix(trim(body), kBeatDetailMax));
  said = to_valid_utf8(said);
  if (word.empty() || word == "success") return Beat{};
  if (word == "start") return Beat{Beat::Kind::kStart, ""};
  if (word == "fail") return Beat{Beat::Kind::kFail, said.empty() ? "it says that it failed" : said};
  const auto code = parse_int(word);
  if (!code || *code < 0 || *code > 255)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("\"{}\" is neither start, fail nor an exit code from 0 to 255", word));
  if (*code == 0) return Beat{};
  return Beat{Beat::Kind::kFail, fmt::format("exit code {}{}{}", *code, said.empty() ? "" : ": ", said)};
}

std::string_view heartbeat_state_name(HeartbeatState state) {
  constexpr std::array<std::string_view, 5> kNames = {"waiting", "ok", "running", "late", "failed"};
  return kNames[static_cast<size_t>(state)];
}

Result<std::unique_ptr<Heartbeats>> Heartbeats::open(Scheduler& scheduler, state::Database& database,
                                                     MetricRegistry& metrics, Put put,
                                                     std::vector<HeartbeatDefinition> definitions,
                                                     Monotonic monotonic) {
  std::unique_ptr<Heartbeats> self(new Heartbeats(scheduler, database, metrics, std::move(put), std::move(monotonic)));
  SENTINEL_TRY(self->load(std::move(definitions)));
  self->timer_ = scheduler.after(Micros(0), [raw = self.get()] { raw->tick(); });
  return self;
}

Heartbeats::~Heartbeats() { scheduler_.cancel(timer_); }

Status Heartbeats::load(std::vector<HeartbeatDefinition> definitions) {
  std::optional<std::string> alive;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const auto documents, state::KeyValue::list(tx, kPrefix, 2 * kHeartbeatsMax));
    for (const auto& [key, document] : documents) {
      SENTINEL_ASSIGN(Row row, parse(document));
      rows_.emplace(key.substr(kPrefix.size()), std::move(row));
    }
    SENTINEL_ASSIGN(alive, state::KeyValue::get(tx, kAliveKey));
    return {};
  }));
  SENTINEL_TRY(reload(std::move(definitions)));
  const TimePoint now = scheduler_.now();
  last_look_ = now;
  last_monotonic_us_ = monotonic_();
  const auto heard_until = alive ? parse_int(*alive) : std::nullopt;
  if (!heard_until) return {};
  const TimePoint from = time_from_us(*heard_until);
  if (from > now) {
    shift(now - from);  // the clock was set back while we were down
  } else {
    missed(from, now);
  }
  return {};
}

Status Heartbeats::reload(std::vector<HeartbeatDefinition> definitions) {
  const TimePoint now = scheduler_.now();
  std::map<std::string, HeartbeatDefinition, std::less<>> fresh;
  for (HeartbeatDefinition& d : definitions) {
    const std::string name = d.name;
    fresh.emplace(name, std::move(d));
  }
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    for (const auto& [name, definition] : fresh) {
      if (rows_.contains(name)) continue;
      SENTINEL_TRY(state::KeyValue::put(tx, std::string(kPrefix) + name, document(Row{.anchor = now}), now));
    }
    return {};
  }));
  for (const auto& [name, definition] : fresh) rows_.try_emplace(name, Row{.anchor = now});
  definitions_ = std::move(fresh);
  return {};
}

// ---- rows ----

std::string Heartbeats::document(const Row& row) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object()
      .field("anchor", to_us(row.anchor))
      .field("last_beat", or_zero(row.last_beat))
      .field("started_at", or_zero(row.started_at))
      .field("failure", row.failure);
  if (row.told) {
    json.key("told").begin_object();
    for (const model::Label& l : *row.told) json.field(l.name, l.value);
    json.end_object();
  }
  json.end_object();
  return out;
}

Result<Heartbeats::Row> Heartbeats::parse(const std::string& document) {
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(document));
  Row row;
  SENTINEL_ASSIGN(const int64_t anchor, text::json_int(json, "anchor"));
  SENTINEL_ASSIGN(const int64_t last_beat, text::json_int(json, "last_beat"));
  SENTINEL_ASSIGN(const int64_t started_at, text::json_int(json, "started_at"));
  SENTINEL_ASSIGN(row.failure, text::json_string(json, "failure"));
  row.anchor = time_from_us(anchor);
  row.last_beat = time_or_none(last_beat);
  row.started_at = time_or_none(started_at);
  if (!json.contains("told")) return row;
  SENTINEL_ASSIGN(const boost::json::object* told, text::json_object(json, "told"));
  std::vector<model::Label> labels;
  for (const auto& [name, value] : *told) {
    SENTINEL_ASSIGN(std::string text, text::json_string(*told, std::string_view(name)));
    labels.push_back({std::string(name), std::move(text)});
  }
  row.told = model::Labels(std::move(labels));
  return row;
}

Status Heartbeats::save(const std::string& name, const Row& row) {
  return database_.write([&](state::Tx& tx) {
    const std::string key = std::string(kPrefix) + name;
    if (!definitions_.contains(name) && !row.told) return state::KeyValue::remove(tx, key);
    return state::KeyValue::put(tx, key, document(row), scheduler_.now());
  });
}

// ---- what happens ----

Status Heartbeats::beat(std::string_view name, const Beat& beat) {
  const auto definition = definitions_.find(name);
  if (definition == definitions_.end())
    return fail(ErrorCode::kNotFound, fmt::format("no heartbeat \"{}\" under `heartbeats` of sentinel.yml", name));
  const TimePoint now = scheduler_.now();
  // A clock that was set back holds up the timer until it has caught up; not the counting.
  if (now < last_look_) {
    scheduler_.cancel(timer_);
    timer_ = scheduler_.after(kTick, [this] { tick(); });
  }
  look_at_clocks(now);
  Row& row = rows_.find(name)->second;
  Row next = row;
  if (beat.kind == Beat::Kind::kStart) {
    next.started_at = now;
  } else {
    next.anchor = now;
    next.last_beat = now;
    next.started_at.reset();
    next.failure = beat.kind == Beat::Kind::kFail ? beat.detail : "";
  }
  SENTINEL_TRY(save(definition->first, next));
  row = std::move(next);
  metrics_.counter("sentinel_heartbeats_received_total", "Signs of life of jobs.", {{"heartbeat", definition->first}})
      .add();
  judge(definition->first, row);
  return {};
}

TimePoint Heartbeats::expected_of(const HeartbeatDefinition& d, const Row& row) {
  return d.schedule ? d.schedule->next(row.anchor + early_of(d)) : row.anchor + d.every;
}

TimePoint Heartbeats::due_of(const HeartbeatDefinition& d, const Row& row) {
  const TimePoint due = expected_of(d, row) + d.grace;
  return row.started_at ? std::min(due, *row.started_at + max_run_of(d)) : due;
}

std::optional<Heartbeats::Problem> Heartbeats::problem_of(const HeartbeatDefinition& d, const Row& row, TimePoint now) {
  if (!row.failure.empty())
    return Problem{HeartbeatState::kFailed, row.last_beat.value_or(row.anchor), "it failed: " + row.failure};
  if (row.started_at && now >= *row.started_at + max_run_of(d))
    return Problem{HeartbeatState::kLate, *row.started_at + max_run_of(d),
                   fmt::format("it began at {} and has not ended within {}", format_rfc3339(*row.started_at),
                               duration_text(max_run_of(d)))};
  const TimePoint expected = expected_of(d, row);
  const TimePoint due = expected + d.grace;
  if (now < due) return std::nullopt;
  const std::string last =
      row.last_beat ? "was last heard of at " + format_rfc3339(*row.last_beat) : "was never heard of";
  const std::string when = d.schedule ? fmt::format("was expected at {} in {} ({})", d.schedule->shown(expected),
                                                    d.schedule->zone(), d.schedule->text())
                                      : fmt::format("is expected every {}", duration_text(d.every));
  return Problem{HeartbeatState::kLate, due,
                 fmt::format("it {}, and {} (and {} later at most)", last, when, duration_text(d.grace))};
}

model::Alert Heartbeats::alert_of(const HeartbeatDefinition& d, const Row& row, const Problem& problem) const {
  model::Alert alert;
  alert.labels = d.labels;
  alert.labels.set("alertname", kHeartbeatAlertName);
  alert.labels.set("heartbeat", d.name);
  if (!alert.labels.has("severity")) alert.labels.set("severity", "high");
  alert.annotations = d.annotations;
  const auto say = [&alert](std::string_view name, std::string text) {
    if (!alert.annotations.has(name)) alert.annotations.set(name, std::move(text));
  };
  say("summary",
      problem.state == HeartbeatState::kFailed ? fmt::format("{} failed", d.name) : fmt::format("{} is late", d.name));
  say("description", fmt::format("The job {}: {}.", d.name, problem.words));
  say("action", "Look whether the job runs, what its last run said, and whether it can reach Sentinel.");
  alert.starts_at = problem.since;
  alert.ends_at = scheduler_.now() + kFires;
  alert.updated_at = scheduler_.now();
  (void)row;
  return alert;
}

// Alerts and rows are written one after the other: what a crash leaves between them is said again, which alerting
// folds.
void Heartbeats::judge(const std::string& name, Row& row) {
  const TimePoint now = scheduler_.now();
  const auto definition = definitions_.find(name);
  std::optional<Problem> problem;
  if (definition != definitions_.end()) problem = problem_of(definition->second, row, now);
  std::vector<model::Alert> alerts;
  std::optional<model::Labels> told;
  if (problem) {
    alerts.push_back(alert_of(definition->second, row, *problem));
    told = alerts.front().labels;
  }
  publish(name, row, !problem);
  if (told == row.told) return;
  if (row.told) {
    model::Alert over;
    over.labels = *row.told;
    over.starts_at = now - std::chrono::seconds(1);
    over.ends_at = over.updated_at = now;
    alerts.push_back(std::move(over));
  }
  // Not on disk is still told; it is said again at the next look.
  if (const Status put = put_(std::move(alerts)); !put) {
    log_warn("heartbeats", "an alert was not stored", {{"heartbeat", name}, {"error", put.error().to_string()}});
    return;
  }
  row.told = std::move(told);
  if (const Status saved = save(name, row); !saved)
    log_warn("heartbeats", "not stored", {{"heartbeat", name}, {"error", saved.error().to_string()}});
}

void Heartbeats::publish(const std::string& name, const Row& row, bool up) {
  const bool known = definitions_.contains(name);
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  metrics_
      .gauge("sentinel_heartbeat_up", "Whether the job is heard of as often as it should be.", {{"heartbeat", name}})
      .set(!known ? nothing
           : up   ? 1
                  : 0);
  metrics_
      .gauge("sentinel_heartbeat_last_beat_timestamp_seconds", "When the job was last heard of; 0: never.",
             {{"heartbeat", name}})
      .set(!known ? nothing : static_cast<double>(or_zero(row.last_beat)) / 1e6);
}

// Before anything is counted: has the clock been set, have we stood still?
void Heartbeats::look_at_clocks(TimePoint now) {
  const int64_t monotonic = monotonic_();
  const Micros passed(monotonic - last_monotonic_us_);
  const Micros jump = (now - last_look_) - passed;
  if (jump > kJumpMin || jump < -kJumpMin) shift(jump);
  if (passed > kPauseMin) missed(now - passed, now);
  last_look_ = now;
  last_monotonic_us_ = monotonic;
}

void Heartbeats::tick() {
  const TimePoint now = scheduler_.now();
  look_at_clocks(now);
  note_alive(now);
  for (auto row = rows_.begin(); row != rows_.end();) {
    judge(row->first, row->second);
    const bool gone = !definitions_.contains(row->first) && !row->second.told;
    if (gone) (void)save(row->first, row->second);
    row = gone ? rows_.erase(row) : std::next(row);
  }
  timer_ = scheduler_.after(kTick, [this] { tick(); });
}

void Heartbeats::note_alive(TimePoint now) {
  if (definitions_.empty()) return;
  if (alive_written_ && now >= *alive_written_ && now < *alive_written_ + kAliveEvery) return;
  const Status written = database_.write(
      [&](state::Tx& tx) { return state::KeyValue::put(tx, kAliveKey, std::to_string(to_us(now)), now); });
  if (written) alive_written_ = now;
}

// Nobody could be heard from `from` to `to`: a beat that may have come then has come. Who was late before stays late.
void Heartbeats::missed(TimePoint from, TimePoint to) {
  for (auto& [name, row] : rows_) {
    const auto definition = definitions_.find(name);
    // What was told stays told: how long we were here to hear is known to a quarter of a minute only.
    if (definition == definitions_.end() || row.told || problem_of(definition->second, row, from)) continue;
    const Row before = row;
    put_off(definition->second, row, from, to);
    if (row.anchor == before.anchor && row.started_at == before.started_at) continue;
    log_info("heartbeats", "nobody was here to hear it: put off", {{"heartbeat", name}});
    if (const Status saved = save(name, row); !saved)
      log_warn("heartbeats", "not stored", {{"heartbeat", name}, {"error", saved.error().to_string()}});
  }
}

void Heartbeats::put_off(const HeartbeatDefinition& d, Row& row, TimePoint from, TimePoint to) {
  const Micros early = early_of(d);
  const TimePoint expected = expected_of(d, row);
  if (expected - early <= to && expected + d.grace >= from) {
    row.anchor = d.schedule ? d.schedule->last(expected, to + early)
                            : row.anchor + d.every * ((to - (expected - early)) / d.every + 1);
  }
  if (row.started_at && *row.started_at + max_run_of(d) >= from) row.started_at.reset();
}

// The runs of a crontab are at times of the clock: those that it leapt over may have come at once or never, and what it
// shows again for a while does not run again.
void Heartbeats::shift_scheduled(const HeartbeatDefinition& d, Row& row, Micros by, TimePoint now) {
  if (by < Micros(0) && by > -kCronSetBackMax) return;
  row.anchor += by;
  if (by > Micros(0) && !row.told) put_off(d, row, now - by, now);
}

void Heartbeats::shift(Micros by) {
  for (auto& [name, row] : rows_) {
    if (row.started_at) *row.started_at += by;
    const auto definition = definitions_.find(name);
    if (definition != definitions_.end() && definition->second.schedule) {
      shift_scheduled(definition->second, row, by, scheduler_.now());
    } else {
      row.anchor += by;
    }
    if (const Status saved = save(name, row); !saved)
      log_warn("heartbeats", "not stored", {{"heartbeat", name}, {"error", saved.error().to_string()}});
  }
}

std::vector<HeartbeatView> Heartbeats::list() const {
  std::vector<HeartbeatView> out;
  const TimePoint now = scheduler_.now();
  for (const auto& [name, definition] : definitions_) {
    const Row& row = rows_.find(name)->second;
    HeartbeatView view;
    view.definition = definition;
    view.last_beat = row.last_beat;
    view.started_at = row.started_at;
    view.expected_at = expected_of(definition, row);
    view.due_at = due_of(definition, row);
    view.detail = row.failure;
    if (const auto problem = problem_of(definition, row, now)) {
      view.state = problem->state;
    } else {
      view.state = row.started_at  ? HeartbeatState::kRunning
                   : row.last_beat ? HeartbeatState::kOk
                                   : HeartbeatState::kWaiting;
    }
    out.push_back(std::move(view));
  }
  return out;
}

}  // namespace sentinel::alerting
