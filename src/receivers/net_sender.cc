#include "receivers/net_sender.h"

#include "receivers/exchange.h"
#include "receivers/limits.h"

namespace sentinel::receivers {
namespace {

using Kind = SendResult::Kind;

// Whatever becomes of the task, its message is answered once.
class Answer {
 public:
  explicit Answer(Sender::Done done) : done_(std::move(done)) {}
  ~Answer() { give({Kind::kRetry, "the attempt was broken off", std::nullopt, ""}); }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  void give(SendResult result) {
    if (Sender::Done done = std::exchange(done_, nullptr)) done(std::move(result));
  }

 private:
  Sender::Done done_;
};

// One message on its way; owned by its task.
struct Errand {
  std::shared_ptr<Workshop> shop;
  Integration integration;
  std::shared_ptr<const Templates> templates;
  Outgoing message;
  std::shared_ptr<Answer> answer;
  const Receiver& receiver() const { return *integration.impl; }
  CallTerms terms() const { return {&receiver().http(), receiver().timeout(), message.key}; }
};

bool may_pass(const Error& error) {
  return error.code() == ErrorCode::kIo || error.code() == ErrorCode::kTimeout ||
         error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kCanceled;
}

Next network_failure(const Error& error) { return may_pass(error) ? retry(error.to_string()) : failed(error); }

// Asks until the receiver has its answer.
net::Task<SendResult> converse(Errand* errand, Attempt* attempt) {
  Next next = errand->receiver().begin(*attempt);
  for (size_t calls = 0; next.call || next.mail; ++calls) {
    if (calls == kCallsMax) co_return failed({ErrorCode::kInternal, "too many calls for one message"}).result;
    if (next.mail) {
      const Status sent = co_await net::send_mail(std::move(*next.mail));
      next = sent ? done() : network_failure(sent.error());
      continue;
    }
    const auto judge = std::move(next.then);
    const Result<net::Response> response =
        co_await exchange(errand->shop.get(), errand->terms(), std::move(*next.call));
    next = response ? judge(*response) : network_failure(response.error());
  }
  co_return std::move(next.result);
}

// Only receivers that ask for it go to the database.
net::Task<std::string> recall(Errand* errand, std::string group_key) {
  const std::shared_ptr<Memory> memory = errand->shop->memory;
  if (memory == nullptr || !errand->receiver().remembers()) co_return std::string();
  const auto load = [memory, id = errand->message.integration, group_key] { return memory->load(id, group_key); };
  co_return co_await net::blocking(&errand->shop->runtime, load);
}

net::Task<void> remember(Errand* errand, std::string group_key, std::string value) {
  const std::shared_ptr<Memory> memory = errand->shop->memory;
  if (memory == nullptr || value.empty()) co_return;
  const auto store = [memory, id = errand->message.integration, group_key, value] {
    memory->store(id, group_key, value);
    return true;
  };
  (void)co_await net::blocking(&errand->shop->runtime, store);
}

// Whoever is asked too often is left alone by all messages, not only by this one.
void respect(Errand& errand, const SendResult& result) {
  if (result.kind != Kind::kRetry || !result.retry_after) return;
  errand.shop->rates.pause(errand.message.integration, errand.shop->clock.now() + *result.retry_after);
}

net::Task<void> attempt(std::shared_ptr<Errand> errand) {
  const Result<Notification> notification = decode_notification(errand->message.payload);
  if (!notification) {
    errand->answer->give(failed(notification.error()).result);
    co_return;
  }
  const TimePoint now = errand->shop->clock.now();
  Expander expand(errand->templates, *notification);
  Attempt here{*notification, expand, errand->shop->tokens, now, errand->message.key, ""};
  here.remembered = co_await recall(errand.get(), notification->group_key);
  SendResult result = co_await converse(errand.get(), &here);
  respect(*errand, result);
  if (result.kind == Kind::kDelivered) co_await remember(errand.get(), notification->group_key, result.remember);
  errand->answer->give(std::move(result));
}

}  // namespace

Result<std::shared_ptr<const net::Transport>> Workshop::transport(net::TransportOptions options) {
  if (options.plain()) return std::shared_ptr<const net::Transport>();
  const std::string key = options.key();
  {
    const MutexLock lock(mutex_);
    if (const auto it = transports_.find(key); it != transports_.end()) return it->second;
  }
  SENTINEL_ASSIGN(std::shared_ptr<const net::Transport> made, net::make_transport(std::move(options)));
  const MutexLock lock(mutex_);
  if (transports_.size() >= kTransportsMax) transports_.clear();
  return transports_[key] = std::move(made);
}

NetSender::NetSender(net::Runtime& runtime, net::HttpClient& client, const Clock& clock, std::shared_ptr<Memory> memory)
    : shop_(std::make_shared<Workshop>(runtime, client, clock)), directory_(std::make_shared<const Directory>()) {
  shop_->memory = std::move(memory);
}

Result<NetSender::Prepared> NetSender::prepare(const std::vector<ReceiverConfig>& receivers,
                                               const std::vector<std::string>& template_globs) const {
  auto directory = std::make_shared<Directory>();
  SENTINEL_ASSIGN(directory->templates, Templates::load(template_globs, shop_->clock));
  for (const ReceiverConfig& receiver : receivers) {
    for (const Integration& integration : receiver.integrations) {
      directory->integrations.emplace(integration.id(), integration);
    }
  }
  return Prepared(std::move(directory));
}

void NetSender::install(Prepared receivers) {
  const Prepared before = directory_.exchange(receivers);
  for (const auto& [id, integration] : before->integrations) {
    if (!receivers->integrations.contains(id)) shop_->rates.forget(id);
  }
}

Status NetSender::configure(const std::vector<ReceiverConfig>& receivers,
                            const std::vector<std::string>& template_globs) {
  SENTINEL_ASSIGN(Prepared prepared, prepare(receivers, template_globs));
  install(std::move(prepared));
  return {};
}

void NetSender::send(Outgoing message, Done done) {
  const std::shared_ptr<const Directory> directory = directory_.load();
  const auto it = directory->integrations.find(message.integration);
  if (it == directory->integrations.end()) {
    return done({Kind::kFailed, "receiver " + message.integration + " is not in the configuration any more", {}, {}});
  }
  const Rate rate = rate_of(it->second.kind);
  if (const auto wait = shop_->rates.take(message.integration, rate, shop_->clock.now())) {
    return done({Kind::kRetry, "held back: this receiver is asked often enough", *wait, "", true});
  }
  auto errand = std::make_shared<Errand>();
  errand->shop = shop_;
  errand->integration = it->second;
  errand->templates = directory->templates;
  errand->message = std::move(message);
  errand->answer = std::make_shared<Answer>(std::move(done));
  net::Runtime& runtime = shop_->runtime;
  runtime.spawn(runtime.any_core(), "notify", attempt(std::move(errand)));
}

}  // namespace sentinel::receivers
