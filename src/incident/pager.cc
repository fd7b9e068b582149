#include "incident/pager.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "alerting/alerting.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "incident/limits.h"
#include "incident/page_words.h"
#include "incident/schema.h"
#include "oncall/limits.h"

namespace sentinel::incident {
namespace {

constexpr std::string_view kAcknowledgePurpose = "acknowledge";
constexpr std::string_view kReplyPurpose = "reply";
const Actor kOncall{"sentinel", "oncall"};

}  // namespace

std::vector<receivers::ReceiverConfig> channel_configs(const oncall::Config& config) {
  std::vector<receivers::ReceiverConfig> out;
  for (const auto& [name, integration] : config.channels) {
    out.push_back({integration.receiver, {{"name", integration.receiver}}, {integration}});
  }
  for (receivers::ReceiverConfig& lane : message_configs(config)) out.push_back(std::move(lane));
  return out;
}

// From a page in the outbox to the notification that its channel sends, with what is true now.
class Pager::PageSender final : public receivers::Sender {
 public:
  PageSender(Pager& pager, receivers::Sender& under) : pager_(pager), under_(under) {}
  void send(receivers::Outgoing page, Done done) override {
    auto made = pager_.outgoing(std::move(page));
    if (!made) return done({receivers::SendResult::Kind::kFailed, made.error().message(), std::nullopt});
    under_.send(std::move(*made), std::move(done));
  }

 private:
  Pager& pager_;
  receivers::Sender& under_;
};

Status Pager::migrate(state::Database& database) {
  SENTINEL_TRY(alerting::Alerting::migrate(database));  // the audit
  return oncall::Escalations::migrate(database);
}

Result<std::unique_ptr<Pager>> Pager::open(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics,
                                           receivers::Sender& sender, Service& incidents,
                                           std::shared_ptr<const oncall::Config> config, std::string external_url,
                                           std::string reply_address) {
  std::unique_ptr<Pager> self(new Pager(scheduler, database, incidents, std::move(config), std::move(external_url)));
  self->set_reply_address(std::move(reply_address));
  SENTINEL_TRY(self->links_.open(database, scheduler.now()));
  SENTINEL_TRY(database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(self->changes_, oncall::ChangeStore::list(tx));
    SENTINEL_ASSIGN(self->calendars_, oncall::stored_calendars(tx));
    SENTINEL_ASSIGN(self->people_, oncall::PeopleStore::list(tx));
    return {};
  }));
  self->config_ = self->composed(*self->written_, self->changes_, self->people_);
  self->page_sender_ = std::make_unique<PageSender>(*self, sender);
  alerting::Delivery::Hooks hooks;
  hooks.finishing = [](state::Tx&, const std::vector<alerting::Finished>&) { return Status(); };
  hooks.finished = [] {};
  hooks.wanted = oncall::page_wanted;
  hooks.attempted = [pager = self.get()](state::Tx& tx, const std::vector<alerting::Attempted>& attempts) {
    return pager->attempted(tx, attempts);
  };
  self->delivery_ = std::make_unique<alerting::Delivery>(
      scheduler, database, metrics, *self->page_sender_, std::move(hooks), alerting::DigestOptions{.above = 0},
      alerting::Track{.channel = oncall::kPageChannel,
                      .pending_metric = "sentinel_oncall_pages_pending",
                      .pending_help = "Pages not yet taken by a service.",
                      .notifications = false});
  self->messenger_ = std::make_unique<Messenger>(
      scheduler, database, metrics, sender, [pager = self.get()] { return pager->shared_config(); },
      self->external_url_);
  SENTINEL_ASSIGN(self->escalations_,
                  oncall::Escalations::open(scheduler, database, metrics, self.get(), self->config_));
  self->escalations_->on_pages([pager = self.get()] { pager->delivery_->wake(); });
  incidents.set_escalator(self.get());
  self->delivery_->wake();
  self->prune();
  return self;
}

Pager::~Pager() {
  *self_ = nullptr;
  incidents_.set_escalator(nullptr);
  scheduler_.cancel(prune_timer_);
}

Status Pager::reload(std::shared_ptr<const oncall::Config> config) {
  return in_force(std::move(config), changes_, people_);
}
std::shared_ptr<const oncall::Config> Pager::composed(const oncall::Config& written,
                                                      const std::vector<oncall::ScheduleChange>& changes,
                                                      const oncall::People& people) const {
  const TimePoint now = scheduler_.now();
  return std::make_shared<const oncall::Config>(
      oncall::with_changes(oncall::with_calendars(oncall::with_people(written, people), calendars_, now), changes));
}

Status Pager::follow(const oncall::Subscription& calendar, const std::string& text) {
  const TimePoint now = scheduler_.now();
  const std::string name = oncall::calendar_name(calendar);
  SENTINEL_TRY(oncall::followed(oncall::with_people(*written_, people_), calendar, text, now));
  std::string& known = calendars_[name];
  if (known != text)
    SENTINEL_TRY(database_.write([&](state::Tx& tx) { return oncall::store_calendar(tx, name, text, now); }));
  known = text;
  return in_force(written_, changes_, people_);
}

Status Pager::in_force(std::shared_ptr<const oncall::Config> written, std::vector<oncall::ScheduleChange> changes,
                       oncall::People people) {
  const auto config = composed(*written, changes, people);
  const std::shared_ptr<const oncall::Config> before = std::exchange(config_, config);
  if (const Status reloaded = escalations_->reload(config); !reloaded) {
    config_ = before;
    return reloaded;
  }
  written_ = std::move(written);
  changes_ = std::move(changes);
  people_ = std::move(people);
  if (config_handler_) config_handler_();
  return {};
}

void Pager::prune() {
  const TimePoint before = scheduler_.now() - oncall::kResolvedKept;
  Status pruned = escalations_->prune(before);
  if (pruned) pruned = database_.write([&](state::Tx& tx) { return oncall::ChangeStore::prune(tx, before); });
  if (!pruned) log_warn("oncall", "old escalations were not pruned", {{"error", pruned.error().to_string()}});
  prune_timer_ = scheduler_.after(kPruneInterval, [this] { prune(); });
}

// ---- from incidents ----

oncall::Trigger Pager::trigger_of(const IncidentRecord& record, std::string policy) const {
  const model::Incident& i = record.incident;
  return {i.id, std::move(policy), page_title(i), config().routing.urgent(i.severity)};
}

Status Pager::on_incident(state::Tx& tx, IncidentEvent event, IncidentRecord& record, const Actor& actor) {
  const bool synthetic = record.incident.labels.has(oncall::kSyntheticLabel) && config().synthetic_page;
  if (record.incident.test_mode && !synthetic) return {};
  changing_ = &record.incident;
  just_paged_.clear();
  const auto act = [&]() -> Status {
    if (event == IncidentEvent::kOpened) return opened(tx, record);
    SENTINEL_ASSIGN(const std::optional<oncall::Escalation> known,
                    oncall::EscalationStore::find(tx, record.incident.id));
    const bool open = known && known->state != oncall::EscalationState::kResolved;
    switch (event) {
      case IncidentEvent::kReopened: {
        if (record.incident.test_mode) return {};
        std::string policy = config().routing.policy_of(record.incident.severity, record.incident.labels);
        if (policy.empty()) return {};
        return escalations_->restart_in(tx, trigger_of(record, std::move(policy)), actor.name);
      }
      case IncidentEvent::kAcknowledged:
        return open ? escalations_->acknowledge_in(tx, record.incident.id, actor.name) : Status();
      case IncidentEvent::kAcknowledgedAgain: return open ? acknowledged_again(tx, record, actor) : Status();
      case IncidentEvent::kResolved:
        return open ? escalations_->resolve_in(tx, record.incident.id, actor.name) : Status();
      default: return record.incident.test_mode ? Status() : changed(tx, record, actor);
    }
  };
  const Status done = act();
  changing_ = nullptr;
  if (done) settle();
  return done;
}

Status Pager::opened(state::Tx& tx, IncidentRecord& record) {
  model::Incident& incident = record.incident;
  std::string policy = incident.test_mode ? config().synthetic_page->policy
                                          : config().routing.policy_of(incident.severity, incident.labels);
  if (policy.empty()) return {};
  SENTINEL_TRY(escalations_->trigger_in(tx, trigger_of(record, std::move(policy))));
  if (just_paged_.empty() || incident.assignee != incidents_.options().default_assignee) return {};
  const std::string before = std::exchange(incident.assignee, name_of(just_paged_.front()));
  return incidents_.add_to_change(
      tx, incident, "assignee", fmt::format("assigned to {}, who is told", incident.assignee),
      fmt::format(R"({{"from":{},"to":{}}})", json_quote(before), json_quote(incident.assignee)), kOncall);
}

// One that told nobody may have become worth telling; one that is told of stays so.
Status Pager::changed(state::Tx& tx, const IncidentRecord& record, const Actor& actor) {
  SENTINEL_ASSIGN(const std::optional<oncall::Escalation> known, oncall::EscalationStore::find(tx, record.incident.id));
  std::string policy = config().routing.policy_of(record.incident.severity, record.incident.labels);
  if (known) {
    oncall::Trigger wanted = trigger_of(record, policy.empty() ? known->policy : std::move(policy));
    wanted.urgent = wanted.urgent || known->urgent;
    return escalations_->change_in(tx, wanted, actor.name);
  }
  if (policy.empty() || record.incident.status != model::IncidentStatus::kOpen) return {};
  return escalations_->trigger_in(tx, trigger_of(record, std::move(policy)));
}

// The acknowledgement before it had expired, somebody was told by hand since, or it would expire and is renewed.
Status Pager::acknowledged_again(state::Tx& tx, IncidentRecord& record, const Actor& actor) {
  SENTINEL_ASSIGN(const std::optional<oncall::Escalation> known, oncall::EscalationStore::find(tx, record.incident.id));
  if (!known) return {};
  if (known->state == oncall::EscalationState::kAcknowledged && !known->due_at) return {};  // for good
  SENTINEL_TRY(escalations_->acknowledge_in(tx, record.incident.id, actor.name));
  record.incident.updated_at = scheduler_.now();
  ++record.incident.version;
  return incidents_.add_to_change(tx, record.incident, "escalation", fmt::format("acknowledged by {}", actor.name),
                                  "{}", actor);
}

// ---- from escalations ----

std::string Pager::name_of(const std::string& user) const {
  const auto found = config().users.find(user);
  return found == config().users.end() ? user : found->second.name;
}

Status Pager::on_escalation(state::Tx& tx, const std::vector<oncall::EscalationEvent>& events) {
  for (const oncall::EscalationEvent& event : events) {
    if (event.kind == "paged") just_paged_.push_back(event.user);
    if (event.key.starts_with(oncall::kTestPrefix)) continue;
    SENTINEL_TRY(write_timeline(tx, event));
    // Told anew, and not since its incident was changed: nobody has answered what goes out now.
    const bool expired = event.kind == "reescalated";
    if ((!expired && event.kind != "reassigned") || (changing_ != nullptr && changing_->id == event.key)) continue;
    const Status opened = incidents_.unacknowledge(tx, event.key, expired ? event.detail : "given to another policy",
                                                   expired ? kOncall : Actor{event.user, kOncall.source});
    if (!opened && opened.error().code() != ErrorCode::kNotFound) return opened;
  }
  return {};
}

Status Pager::write_timeline(state::Tx& tx, const oncall::EscalationEvent& event) {
  const std::optional<PageWords> words = words_of(event, name_of(event.user));
  if (!words) return {};
  const Actor actor = words->by.empty() ? kOncall : Actor{words->by, "oncall"};
  if (changing_ != nullptr && changing_->id == event.key) {
    return incidents_.add_to_change(tx, *changing_, words->kind, words->text, words->data_json, actor);
  }
  const Status added = incidents_.add_timeline(tx, event.key, words->kind, words->text, words->data_json, actor);
  // An escalation outlives nothing, but must not stand still for want of an incident.
  if (!added) return added.error().code() == ErrorCode::kNotFound ? Status() : added;
  incidents_.notify_changed(event.key);
  return {};
}

void Pager::settle() {
  if (std::exchange(settling_, true)) return;
  scheduler_.post([self = self_] {
    if (*self == nullptr) return;
    (*self)->settling_ = false;
    (*self)->escalations_->committed();
  });
}

// ---- pages ----

Status Pager::attempted(state::Tx& tx, const std::vector<alerting::Attempted>& attempts) {
  using Kind = alerting::Attempted::Kind;
  for (const alerting::Attempted& a : attempts) {
    switch (a.kind) {
      case Kind::kDelivered: SENTINEL_TRY(escalations_->delivered_in(tx, a.key)); break;
      case Kind::kUnwanted: SENTINEL_TRY(escalations_->unwanted_in(tx, a.key)); break;
      case Kind::kRetry:
        if (scheduler_.now() - a.created_at < oncall::kPageStruggleMax) break;
        [[fallthrough]];
      case Kind::kFailed: SENTINEL_TRY(escalations_->undelivered_in(tx, a.key, a.error)); break;
    }
    if (a.kind == Kind::kDelivered || a.kind == Kind::kUnwanted) continue;
    log_warn("oncall", a.kind == Kind::kFailed ? "page undelivered" : "page not delivered yet, trying again",
             {{"key", a.key}, {"error", a.error}});
  }
  settle();
  return {};
}

Result<receivers::Outgoing> Pager::outgoing(receivers::Outgoing message) {
  SENTINEL_ASSIGN(oncall::Page page, oncall::decode_page(message.payload));
  const auto channel = config().channels.find(page.channel);
  if (channel == config().channels.end()) {
    return fail(ErrorCode::kNotFound, fmt::format("there is no channel \"{}\" any more", page.channel));
  }
  // A number that was corrected since is the right one.
  if (const auto user = config().users.find(page.user); user != config().users.end()) {
    const auto contact = user->second.contacts.find(page.channel);
    if (contact != user->second.contacts.end()) page.address = contact->second;
  }
  SENTINEL_ASSIGN(const oncall::PageText text, text_of(page));
  message.integration = channel->second.id();
  message.payload =
      receivers::encode_notification(oncall::page_notification(page, text, scheduler_.now() + kPageAttemptMax));
  return message;
}

Result<oncall::PageText> Pager::text_of(const oncall::Page& page) {
  if (page.escalation.starts_with(oncall::kTestPrefix)) return test_text(page, external_url_);
  std::optional<IncidentRecord> record;
  std::optional<oncall::PageRecord> row;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(row, oncall::EscalationStore::page(tx, page.key));
    if (auto found = load(tx, page.escalation)) record = std::move(*found);
    return {};
  }));
  const std::string token = row ? links_.token(row->id, kAcknowledgePurpose, page.key) : "";
  oncall::PageText text = page_text(page, record ? &*record : nullptr, external_url_, token);
  if (const size_t at = reply_address_.find('@'); row && at != std::string::npos)
    text.reply_to = fmt::format("{}+{}{}", reply_address_.substr(0, at), links_.token(row->id, kReplyPurpose, page.key),
                                reply_address_.substr(at));
  return text;
}

Result<oncall::PageRecord> Pager::page_of_reply(std::string_view token) {
  const auto id = PageLinks::id_of(token);
  std::optional<oncall::PageRecord> page;
  if (id) {
    SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(page, oncall::EscalationStore::page(tx, *id));
      return {};
    }));
  }
  // Mail servers may change the case of an address.
  const std::string wanted = page ? to_lower(links_.token(*id, kReplyPurpose, page->message_key)) : "";
  if (!page || !constant_time_equals(wanted, to_lower(token)))
    return fail(ErrorCode::kNotFound, "this address is not valid, or what it was about is long over");
  return *page;
}

Result<oncall::PageRecord> Pager::page_of(std::string_view token) {
  const auto id = PageLinks::id_of(token);
  std::optional<oncall::PageRecord> page;
  if (id) {
    SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(page, oncall::EscalationStore::page(tx, *id));
      return {};
    }));
  }
  if (!page || !links_.valid(token, kAcknowledgePurpose, page->message_key)) {
    return fail(ErrorCode::kNotFound, "this link is not valid, or what it was about is long over");
  }
  return *page;
}

Result<IncidentRecord> Pager::incident(std::string_view id) {
  IncidentRecord record;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(record, load(tx, id));
    return {};
  }));
  return record;
}

Result<IncidentRecord> Pager::acknowledge(const oncall::PageRecord& page) {
  return incidents_.acknowledge(page.key, "", {name_of(page.user), page.channel});
}

Status Pager::escalate(const oncall::PageRecord& page) { return escalations_->escalate(page.key, name_of(page.user)); }

}  // namespace sentinel::incident
