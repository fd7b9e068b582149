#pragma once
// Plays Slack's incoming webhook, a generic webhook and a push service (ntfy) on loopback: keeps what it gets and
// shows it at GET /messages.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/thread_annotations.h"
#include "net/http_server.h"

namespace sentinel::app {

inline constexpr size_t kInboxMessagesMax = 1000;  // older ones are forgotten

struct InboxMessage {
  std::string path;  // /slack, /webhook, /ntfy
  std::string key;   // Idempotency-Key
  std::string body;  // as received
  TimePoint at;
};

class Inbox {
 public:
  using Observer = std::function<void(const InboxMessage&)>;
  static Result<std::unique_ptr<Inbox>> start(net::Runtime& runtime, MetricRegistry& metrics, const Clock& clock,
                                              std::string address, uint16_t port, Observer observer);
  uint16_t port() const { return server_->port(); }
  void stop() { server_->stop(std::chrono::seconds(1)); }

 private:
  Inbox(const Clock& clock, Observer observer) : clock_(clock), observer_(std::move(observer)) {}
  net::Task<void> receive(net::Exchange* exchange);
  net::Task<void> list(net::Exchange* exchange);

  const Clock& clock_;
  const Observer observer_;
  Mutex mutex_;
  std::vector<InboxMessage> messages_ GUARDED_BY(mutex_);
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace sentinel::app
