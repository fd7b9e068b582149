#pragma once
// Messages that people read and need not answer: news for those who subscribed, mentions, reminders. Rows of the outbox
// with a delivery and lanes of their own, so that no page waits before them. They go by the channels of on-call.
//
// Lives on the control scheduler: every call is made on its thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "alerting/delivery.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "incident/escalator.h"
#include "incident/service.h"
#include "oncall/config.h"
#include "receivers/config.h"
#include "receivers/sender.h"
#include "state/database.h"

namespace sentinel::incident {

inline constexpr std::string_view kMessageChannel = "message";  // of the outbox

// The lanes of messages, beside those of pages.
std::vector<receivers::ReceiverConfig> message_configs(const oncall::Config& config);

class Messenger {
 public:
  using ConfigSource = std::function<std::shared_ptr<const oncall::Config>()>;
  // All references outlive it. `sender` knows message_configs().
  Messenger(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
            ConfigSource config, std::string external_url);
  ~Messenger();

  // In the transaction of what they tell of. Whom nobody can reach is left out.
  Status send(state::Tx& tx, const std::vector<Message>& messages, const std::string& link);
  // By what this user would get a message; "": he has no contact that takes any. `wanted` "": by his rules.
  static std::string channel_of(const oncall::Config& config, const oncall::User& user, std::string_view wanted,
                                bool urgent);
  size_t waiting() const { return delivery_->queued(); }

 private:
  class MessageSender;
  Result<receivers::Outgoing> outgoing(receivers::Outgoing message) const;
  Status attempted(const std::vector<alerting::Attempted>& attempts);

  Scheduler& scheduler_;
  const ConfigSource config_;
  const std::string external_url_;
  Counter& undelivered_;
  std::unique_ptr<receivers::Sender> sender_;
  std::unique_ptr<alerting::Delivery> delivery_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sentinel::incident
