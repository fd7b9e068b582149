#include "incident/messenger.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "incident/limits.h"
#include "oncall/channels.h"
#include "receivers/notification.h"
#include "state/outbox.h"
#include "text/json.h"

namespace sentinel::incident {
namespace {

// What rings, or goes on paging by itself, is for pages.
bool takes_messages(const oncall::Config& config, const std::string& channel) {
  const auto found = config.channels.find(channel);
  return found != config.channels.end() && !oncall::pages_on(found->second.kind) && found->second.kind != "twilio_call";
}

// Seen when somebody looks, before what makes a noise.
int loudness(std::string_view kind) {
  if (kind == "email") return 0;
  if (kind == "ntfy" || kind == "pushover") return 2;
  return kind == "twilio_sms" ? 3 : 1;
}

std::string encode(const Message& message, const std::string& channel, const std::string& address,
                   const std::string& link, TimePoint at) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object()
      .field("key", message.key)
      .field("user", message.user)
      .field("channel", channel)
      .field("address", address)
      .field("subject", message.subject)
      .field("text", message.text)
      .field("link", message.link.empty() ? link : message.link)
      .field("urgent", message.urgent)
      .field("at", format_rfc3339(at))
      .end_object();
  return out;
}

}  // namespace

std::vector<receivers::ReceiverConfig> message_configs(const oncall::Config& config) {
  std::vector<receivers::ReceiverConfig> out;
  for (const auto& [name, integration] : config.channels) {
    receivers::Integration lane = integration;
    lane.receiver = "message:" + name;
    out.push_back({lane.receiver, {{"name", lane.receiver}}, {lane}});
  }
  return out;
}

class Messenger::MessageSender final : public receivers::Sender {
 public:
  MessageSender(Messenger& messenger, receivers::Sender& under) : messenger_(messenger), under_(under) {}
  void send(receivers::Outgoing message, Done done) override {
    auto made = messenger_.outgoing(std::move(message));
    if (!made) return done({receivers::SendResult::Kind::kFailed, made.error().message(), std::nullopt});
    under_.send(std::move(*made), std::move(done));
  }

 private:
  Messenger& messenger_;
  receivers::Sender& under_;
};

Messenger::Messenger(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics,
                     receivers::Sender& sender, ConfigSource config, std::string external_url)
    : scheduler_(scheduler),
      config_(std::move(config)),
      external_url_(std::move(external_url)),
      undelivered_(metrics.counter("sentinel_messages_undelivered_total",
                                   "News, mentions and reminders that could not be delivered.")),
      sender_(std::make_unique<MessageSender>(*this, sender)) {
  alerting::Delivery::Hooks hooks;
  hooks.finishing = [](state::Tx&, const std::vector<alerting::Finished>&) { return Status(); };
  hooks.finished = [] {};
  hooks.attempted = [this](state::Tx&, const std::vector<alerting::Attempted>& attempts) {
    return attempted(attempts);
  };
  delivery_ = std::make_unique<alerting::Delivery>(
      scheduler, database, metrics, *sender_, std::move(hooks), alerting::DigestOptions{.above = 0},
      alerting::Track{.channel = kMessageChannel,
                      .pending_metric = "sentinel_messages_pending",
                      .pending_help = "News, mentions and reminders not yet taken by a service.",
                      .notifications = false});
  delivery_->wake();
}

Messenger::~Messenger() { *alive_ = false; }

std::string Messenger::channel_of(const oncall::Config& config, const oncall::User& user, std::string_view wanted,
                                  bool urgent) {
  if (!wanted.empty()) {
    const std::string channel(wanted);
    return user.contacts.contains(channel) && takes_messages(config, channel) ? channel : std::string();
  }
  const auto& rules = urgent ? user.urgent_rules : user.default_rules;
  for (const oncall::NotificationRule& rule : rules) {
    if (takes_messages(config, rule.channel)) return rule.channel;
  }
  std::string best;
  int best_loudness = 0;
  for (const auto& [channel, address] : user.contacts) {
    if (!takes_messages(config, channel)) continue;
    const int loud = loudness(config.channels.find(channel)->second.kind);
    if (best.empty() || loud < best_loudness) {
      best = channel;
      best_loudness = loud;
    }
  }
  return best;
}

Status Messenger::send(state::Tx& tx, const std::vector<Message>& messages, const std::string& link) {
  const auto config = config_();
  for (const Message& message : messages) {
    std::string channel = message.channel;
    std::string address = message.address;
    if (!message.user.empty()) {
      const auto user = config->users.find(message.user);
      if (user == config->users.end()) continue;  // he has left
      channel = channel_of(*config, user->second, message.channel, message.urgent);
      if (channel.empty()) channel = channel_of(*config, user->second, "", message.urgent);
      if (channel.empty()) continue;
      address = user->second.contacts.at(channel);
    }
    state::OutboxMessage row;
    row.key = "message/" + message.key;
    row.channel = kMessageChannel;
    row.receiver = "message:" + channel;
    row.created_at = row.due_at = scheduler_.now();
    row.payload = encode(message, channel, address, link, row.created_at);
    SENTINEL_TRY(state::Outbox::enqueue(tx, row));
  }
  // After the commit; where it is rolled back there is nothing to find.
  scheduler_.post([this, alive = alive_] {
    if (*alive) delivery_->wake();
  });
  return {};
}

Result<receivers::Outgoing> Messenger::outgoing(receivers::Outgoing message) const {
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(message.payload));
  oncall::Page page;
  oncall::PageText words;
  SENTINEL_ASSIGN(page.user, text::json_string(json, "user"));
  SENTINEL_ASSIGN(page.channel, text::json_string(json, "channel"));
  SENTINEL_ASSIGN(page.address, text::json_string(json, "address"));
  SENTINEL_ASSIGN(words.summary, text::json_string(json, "subject"));
  SENTINEL_ASSIGN(words.description, text::json_string(json, "text"));
  SENTINEL_ASSIGN(words.link, text::json_string(json, "link"));
  SENTINEL_ASSIGN(const bool urgent, text::json_bool(json, "urgent"));
  SENTINEL_ASSIGN(const std::string at, text::json_string(json, "at"));
  SENTINEL_ASSIGN(page.at, parse_time(at));
  const auto config = config_();
  const auto channel = config->channels.find(page.channel);
  if (channel == config->channels.end())
    return fail(ErrorCode::kNotFound, fmt::format("there is no channel \"{}\" any more", page.channel));
  page.key = message.key;
  page.escalation = message.key;  // services fold by it: each message stands for itself
  page.over = !urgent;            // what is not urgent has the lower priority that services give to an end
  words.sms = fmt::format("{} {}", words.summary, words.link);
  words.labels = model::Labels{{"alertname", "Message"}};
  receivers::Integration lane = channel->second;
  lane.receiver = "message:" + page.channel;
  message.integration = lane.id();
  message.payload =
      receivers::encode_notification(oncall::page_notification(page, words, scheduler_.now() + kPageAttemptMax));
  return message;
}

Status Messenger::attempted(const std::vector<alerting::Attempted>& attempts) {
  for (const alerting::Attempted& a : attempts) {
    if (a.kind != alerting::Attempted::Kind::kFailed) continue;
    undelivered_.add();
    log_warn("incident", "a message was not delivered", {{"key", a.key}, {"error", a.error}});
  }
  return {};
}

}  // namespace sentinel::incident
