#include "connect/hub.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "connect/limits.h"
#include "state/outbox.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

using Kind = receivers::SendResult::Kind;

constexpr size_t kPollsPerTurn = 100;
constexpr Micros kPollRetry = std::chrono::seconds(10);

// "connect/NAME/INCIDENT/SERIAL": connection and incident. An aside has no incident.
std::pair<std::string, std::string> parts_of(std::string_view key) {
  const std::vector<std::string_view> parts = split(key, '/');
  if (parts.size() != 4) return {};
  return {std::string(parts[1]), parts[2] == "aside" ? std::string() : std::string(parts[2])};
}

std::string lane_of(const Connection& by) { return fmt::format("connect:{}/{}/0", by.name(), by.kind()); }

// Users who were told, as the timeline has them.
std::vector<std::string> paged_in(const std::vector<model::TimelineEntry>& timeline) {
  std::vector<std::string> out;
  for (const model::TimelineEntry& entry : timeline) {
    if (entry.kind != "page") continue;
    const auto data = text::parse_json(entry.data_json);
    if (!data || string_at(*data, {"event"}) != "paged") continue;
    std::string user = string_at(*data, {"user"});
    if (!user.empty() && std::find(out.begin(), out.end(), user) == out.end()) out.push_back(std::move(user));
  }
  return out;
}

}  // namespace

class Hub::Outbound final : public receivers::Sender {
 public:
  explicit Outbound(Hub& hub) : hub_(hub) {}
  void send(receivers::Outgoing message, Done done) override { hub_.send(std::move(message), std::move(done)); }

 private:
  Hub& hub_;
};

Status Hub::migrate(state::Database& database) { return migrate_links(database); }

Hub::Hub(Parts parts, std::shared_ptr<const Config> config)
    : parts_(std::move(parts)),
      config_(std::move(config)),
      opened_at_(parts_.scheduler.now()),
      casework_(parts_.incidents),
      outbound_(std::make_unique<Outbound>(*this)) {
  alerting::Delivery::Hooks hooks;
  hooks.finishing = [](state::Tx&, const std::vector<alerting::Finished>&) { return Status(); };
  hooks.finished = [this] {
    for (const std::string& key : std::exchange(settled_, {})) outcomes_.erase(key);
  };
  hooks.attempted = [this](state::Tx& tx, const std::vector<alerting::Attempted>& attempts) {
    return attempted(tx, attempts);
  };
  delivery_ = std::make_unique<alerting::Delivery>(
      parts_.scheduler, parts_.database, parts_.metrics, *outbound_, std::move(hooks),
      alerting::DigestOptions{.above = 0},
      alerting::Track{.channel = kChannel,
                      .pending_metric = "sentinel_integration_calls_pending",
                      .pending_help = "What other services have yet to be told of incidents.",
                      .notifications = false});
  parts_.incidents.set_watcher(this);
  resume();
  prune();
  poll();
}

Hub::~Hub() {
  *self_ = nullptr;
  parts_.incidents.set_watcher(nullptr);
  parts_.scheduler.cancel(prune_timer_);
  parts_.scheduler.cancel(poll_timer_);
}

void Hub::reload(std::shared_ptr<const Config> config) {
  config_ = std::move(config);
  resume();
}

// ---- what is to be said ----

Status Hub::on_stored(state::Tx& tx, const incident::IncidentRecord& record) {
  const model::Incident& incident = record.incident;
  for (const auto& connection : config_->connections) {
    SENTINEL_ASSIGN(std::optional<Link> link, find_link(tx, connection->name(), incident.id));
    if (!link && !connection->wants(incident)) continue;
    if (!link) link = Link{connection->name(), incident.id, {}, {}, 0, 0, 0, false, "", TimePoint{}, TimePoint{}};
    link->wanted = std::max(link->wanted, incident.version);
    if (link->pending) {
      SENTINEL_TRY(put_link(tx, *link));  // what is on its way looks again when it has arrived
    } else {
      SENTINEL_TRY(enqueue(tx, *link));
    }
  }
  return {};
}

// Also stores the link. A connection that is not configured any more says nothing.
Status Hub::enqueue(state::Tx& tx, Link& link) {
  const auto by = config_->find(link.connection);
  if (by == nullptr) return put_link(tx, link);
  ++link.serial;
  link.pending = true;
  link.updated_at = parts_.scheduler.now();
  state::OutboxMessage row;
  row.key = link.message_key();
  row.channel = kChannel;
  row.receiver = lane_of(*by);
  row.order_key = link.incident;
  row.created_at = row.due_at = link.updated_at;
  row.payload = boost::json::serialize(boost::json::object{{"at", to_us(row.created_at)}});
  SENTINEL_TRY(state::Outbox::enqueue(tx, row));
  wake_soon();
  return put_link(tx, link);
}

Status Hub::enqueue_aside(state::Tx& tx, const Connection& by, const std::string& id, const receivers::HttpCall& call) {
  state::OutboxMessage row;
  row.key = fmt::format("connect/{}/aside/{}", by.name(), print_of(id));
  row.channel = kChannel;
  row.receiver = lane_of(by);
  row.created_at = row.due_at = parts_.scheduler.now();
  row.payload = boost::json::serialize(boost::json::object{{"url", call.url}, {"body", call.body}});
  SENTINEL_TRY(state::Outbox::enqueue(tx, row));
  wake_soon();
  return {};
}

// After the commit; where it is rolled back there is nothing to find.
void Hub::wake_soon() {
  if (std::exchange(waking_, true)) return;
  parts_.scheduler.post([self = self_] {
    if (*self == nullptr) return;
    (*self)->waking_ = false;
    (*self)->delivery_->wake();
  });
}

// What was unsaid when the last run ended, and what failed.
void Hub::resume() {
  const Status resumed = parts_.database.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(std::vector<Link> links, unsettled_links(tx));
    for (Link& link : links) {
      if (link.pending) {
        SENTINEL_ASSIGN(const state::Rows row,
                        tx.query("SELECT 1 FROM outbox WHERE key = ? AND status = 0", {link.message_key()}));
        if (!row.empty()) continue;
        link.pending = false;
      }
      SENTINEL_TRY(enqueue(tx, link));
    }
    return {};
  });
  if (!resumed) log_error("connect", "what is unsaid cannot be read", {{"error", resumed.error().to_string()}});
  delivery_->wake();
}

void Hub::prune() {
  const TimePoint before = parts_.scheduler.now() - kSeenKept;
  const Status pruned = parts_.database.write([&](state::Tx& tx) { return prune_seen(tx, before); });
  if (!pruned) log_warn("connect", "old requests were not forgotten", {{"error", pruned.error().to_string()}});
  prune_timer_ = parts_.scheduler.after(kPruneInterval, [this] { prune(); });
}

// Asks for a look at what is due. A poll that finds a message on its way leaves the look to it.
void Hub::poll() {
  const TimePoint now = parts_.scheduler.now();
  const Status asked = parts_.database.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(std::vector<Link> due, links_to_poll(tx, now, kPollsPerTurn));
    for (Link& link : due) {
      const auto by = config_->find(link.connection);
      const bool looks = by != nullptr && by->poll_interval() > Micros(0);
      link.poll_at = looks ? now + by->poll_interval() : TimePoint{};
      if (looks) link.memory[kLook] = true;
      SENTINEL_TRY(link.pending ? put_link(tx, link) : enqueue(tx, link));
    }
    return {};
  });
  if (!asked) log_warn("connect", "what is to be looked at cannot be read", {{"error", asked.error().to_string()}});
  arm_poll();
}

// After the transaction under way.
void Hub::arm_poll_soon() {
  parts_.scheduler.post([self = self_] {
    if (*self != nullptr) (*self)->arm_poll();
  });
}

void Hub::arm_poll() {
  std::optional<TimePoint> next;
  const Status read = parts_.database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(next, next_poll(tx));
    return {};
  });
  const TimePoint now = parts_.scheduler.now();
  if (!read) next = now + kPollRetry;
  parts_.scheduler.cancel(poll_timer_);
  if (next) poll_timer_ = parts_.scheduler.at(std::max(*next, now + std::chrono::seconds(1)), [this] { poll(); });
}

// ---- one message ----

void Hub::send(receivers::Outgoing message, receivers::Sender::Done done) {
  const auto [name, incident] = parts_of(message.key);
  const auto by = config_->find(name);
  if (by == nullptr) return done(never(fmt::format("there is no integration \"{}\" any more", name)));
  const auto payload = text::parse_json_object(message.payload);
  if (!payload) return done(never(payload.error().to_string()));
  if (const auto wait = rates_.take(name, receivers::rate_of(by->kind()), parts_.scheduler.now())) {
    untried_[message.key] = message.attempt == 1 || untried_.contains(message.key);
    return done({Kind::kRetry, "held back: this service is asked often enough", *wait, "", true});
  }
  if (!incident.empty()) {
    const auto untried = untried_.extract(message.key);
    const bool sure = !untried.empty() && untried.mapped();
    // A message of an earlier run may have been sent by it.
    const bool doubtful = !sure && (message.attempt > 1 || memory_int(*payload, "at") < to_us(opened_at_));
    return say(by, incident, std::move(message), doubtful, std::move(done));
  }
  receivers::HttpCall call{memory_text(*payload, "url"), memory_text(*payload, "body")};
  call.headers.set("Content-Type", "application/json; charset=utf-8");
  parts_.caller.call(
      by, std::move(call), message.key, true,
      [scheduler = &parts_.scheduler, done](const Result<net::Response>& answer) {
        done(answer ? receivers::judge_status(*answer, scheduler->now()) : retry_later(answer.error().to_string()));
      });
}

Result<View> Hub::view_of(const std::string& incident) {
  View view;
  SENTINEL_ASSIGN(incident::IncidentDetail detail, parts_.incidents.get(incident, 0));
  SENTINEL_ASSIGN(incident::Case known, casework_.get(incident));
  view.record = std::move(detail.record);
  view.timeline = std::move(detail.timeline);
  view.updates = std::move(known.updates);
  view.paged = paged_in(view.timeline);
  view.link = fmt::format("{}/#/incidents/INC-{}", parts_.external_url, view.record.incident.number);
  view.now = parts_.scheduler.now();
  return view;
}

void Hub::say(std::shared_ptr<const Connection> by, const std::string& incident, receivers::Outgoing message,
              bool doubtful, receivers::Sender::Done done) {
  const auto view = view_of(incident);
  if (!view) return done(never(view.error().to_string()));
  std::optional<Link> link;
  const Status read = parts_.database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(link, find_link(tx, by->name(), incident));
    return {};
  });
  if (!read || !link) return done(retry_later(read ? "its link is missing" : read.error().to_string()));
  Outcome outcome;
  outcome.connection = by->name();
  outcome.incident = incident;
  outcome.by = by;
  outcome.step = by->next(*view, link->memory, doubtful);
  outcome.version = view->incident().version;
  outcome.over = view->incident().status == model::IncidentStatus::kResolved;
  if (!outcome.step) outcome.again_at = by->again_at(*view, link->memory);
  const std::optional<Step> step = outcome.step;
  outcomes_.insert_or_assign(message.key, std::move(outcome));
  if (!step) return done({});
  log_debug("connect", "asking", {{"integration", by->name()}, {"incident", view->name()}, {"call", step->name}});
  parts_.caller.call(
      by, step->call, message.key, false,
      [self = self_, scheduler = &parts_.scheduler, key = message.key, done](const Result<net::Response>& answer) {
        scheduler->post([self, key, answer, done] {
          if (*self != nullptr) (*self)->answered(key, answer, done);
        });
      });
}

void Hub::answered(const std::string& key, const Result<net::Response>& answer, const receivers::Sender::Done& done) {
  const auto found = outcomes_.find(key);
  if (found == outcomes_.end()) return done(retry_later("its call is forgotten"));
  Outcome& outcome = found->second;
  const std::string call = outcome.step->name;
  if (!answer) {
    const ErrorCode code = answer.error().code();
    const bool misconfigured = code == ErrorCode::kInvalidArgument || code == ErrorCode::kNotFound;
    const std::string why = fmt::format("{}: {}", call, answer.error().to_string());
    return done(misconfigured ? never(why) : retry_later(why));
  }
  outcome.answer = *answer;
  outcome.heard = true;
  std::optional<Link> link;
  const Status read = parts_.database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(link, find_link(tx, outcome.connection, outcome.incident));
    return {};
  });
  if (!read || !link) return done(retry_later("its link cannot be read"));
  std::vector<Command> asks;
  receivers::SendResult result = outcome.by->heard(*outcome.step, *answer, parts_.scheduler.now(), link->memory, asks);
  if (!result.error.empty()) result.error = fmt::format("{}: {}", call, result.error);
  if (answer->status == 429) untried_[key] = true;
  if (answer->status == 429 || answer->status == 503) remember_pressure(outcome.connection, result);
  if (const Status obeyed = obey_answer(outcome, std::move(asks)); !obeyed)
    return done(retry_later(obeyed.error().to_string()));
  done(std::move(result));
}

// What an answer says was done over there.
Status Hub::obey_answer(const Outcome& outcome, std::vector<Command> asks) {
  const Connection& by = *outcome.by;
  for (Command& ask : asks) {
    ask.incident = outcome.incident;
    const auto [actor, known] = actor_of(by, by.user_of(ask.person), ask.person, ask.person_name);
    if (!ask.person.empty() && !known && !by.takes_strangers()) continue;
    const auto done_there = obey(by, ask, actor);
    if (!done_there) return fail(done_there.error());
  }
  return {};
}

// Whoever is asked too often is left alone by all messages, not only by this one.
void Hub::remember_pressure(const std::string& connection, const receivers::SendResult& result) {
  if (result.kind == Kind::kRetry && result.retry_after)
    rates_.pause(connection, parts_.scheduler.now() + *result.retry_after);
}

Status Hub::attempted(state::Tx& tx, const std::vector<alerting::Attempted>& attempts) {
  settled_.clear();
  for (const alerting::Attempted& attempt : attempts) {
    SENTINEL_TRY(settle(tx, attempt));
    settled_.push_back(attempt.key);
  }
  return {};
}

// The end of a message, what is remembered of its call, and the next message.
Status Hub::settle(state::Tx& tx, const alerting::Attempted& attempt) {
  const auto [name, incident] = parts_of(attempt.key);
  const bool failed = attempt.kind == alerting::Attempted::Kind::kFailed;
  if (failed) {
    parts_.metrics
        .counter("sentinel_integration_calls_failed_total", "Calls to other services that were given up.",
                 {{"integration", name}})
        .add();
    log_warn("connect", "a service was not told", {{"key", attempt.key}, {"error", attempt.error}});
  }
  if (incident.empty()) return {};
  SENTINEL_ASSIGN(std::optional<Link> link, find_link(tx, name, incident));
  if (!link) return {};
  const auto outcome = outcomes_.find(attempt.key);
  const bool known = outcome != outcomes_.end();
  if (known && outcome->second.heard) {
    std::vector<Command> asks;  // obeyed already
    (void)outcome->second.by->heard(*outcome->second.step, outcome->second.answer, parts_.scheduler.now(), link->memory,
                                    asks);
    link->place = outcome->second.by->place(link->memory);
  }
  link->updated_at = parts_.scheduler.now();
  link->error = std::string(utf8_prefix(attempt.error, kErrorBytesMax));
  if (attempt.kind == alerting::Attempted::Kind::kRetry) return put_link(tx, *link);
  const int64_t version = known ? outcome->second.version : link->wanted;
  const bool nothing_left = known && !outcome->second.step;
  if (failed || nothing_left) link->said = std::max(link->said, version);
  link->pending = false;
  const auto by = config_->find(name);
  const bool look = !failed && memory_flag(link->memory, kLook);
  const bool polls = by != nullptr && by->poll_interval() > Micros(0) && !link->place.remote.empty();
  if (known && nothing_left && (outcome->second.over || !polls)) {
    link->poll_at = outcome->second.again_at.value_or(TimePoint{});  // none: until it is opened again
    if (outcome->second.again_at) arm_poll_soon();
  } else if (polls && link->poll_at == TimePoint{}) {
    link->poll_at = link->updated_at + by->poll_interval();
    arm_poll_soon();
  }
  return link->wanted > link->said || look ? enqueue(tx, *link) : put_link(tx, *link);
}

// ---- for the page ----

Result<std::vector<LinkView>> Hub::links(std::string_view incident) {
  std::vector<LinkView> out;
  SENTINEL_TRY(parts_.database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const std::vector<Link> links, links_of(tx, incident));
    for (const Link& link : links) {
      const auto by = config_->find(link.connection);
      out.push_back({link.connection, by == nullptr ? "" : std::string(by->kind()), link.place.title, link.place.url,
                     link.error, link.pending});
    }
    return {};
  }));
  return out;
}

Result<std::vector<ConnectionView>> Hub::connections() {
  std::vector<ConnectionView> out;
  SENTINEL_TRY(parts_.database.read([&](state::Tx& tx) -> Status {
    for (const auto& by : config_->connections) {
      ConnectionView view{by->name(), std::string(by->kind()), 0, 0, "", std::nullopt};
      SENTINEL_ASSIGN(
          const state::Rows counts,
          tx.query("SELECT COUNT(*), COALESCE(SUM(pending), 0) FROM connect_links WHERE connection = ?", {by->name()}));
      view.incidents = static_cast<size_t>(counts.front().integer(0));
      view.pending = static_cast<size_t>(counts.front().integer(1));
      SENTINEL_ASSIGN(const state::Rows errors,
                      tx.query("SELECT error FROM connect_links WHERE connection = ? AND error <> '' ORDER BY "
                               "updated_at DESC LIMIT 1",
                               {by->name()}));
      if (!errors.empty()) view.error = errors.front().text(0);
      if (const auto last = last_request_.find(by->name()); last != last_request_.end())
        view.last_request = last->second;
      out.push_back(std::move(view));
    }
    return {};
  }));
  return out;
}

}  // namespace sentinel::connect
