#pragma once
// Sends notifications over the network: each attempt is one task on an I/O core, which passes through small stages:
// admit (rates), begin (the receiver), authorize, call, judge, remember.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_annotations.h"
#include "net/http_client.h"
#include "net/task.h"
#include "receivers/memory.h"
#include "receivers/rate_limit.h"
#include "receivers/receiver.h"
#include "receivers/sender.h"
#include "receivers/token_cache.h"

namespace sentinel::receivers {

// What all attempts share. Shared by tasks that may outlive the sender.
struct Workshop {
  Workshop(net::Runtime& r, net::HttpClient& c, const Clock& k) : runtime(r), client(c), clock(k) {}
  // A ready transport for these settings; null when the client's own will do.
  Result<std::shared_ptr<const net::Transport>> transport(net::TransportOptions options);

  net::Runtime& runtime;
  net::HttpClient& client;
  const Clock& clock;
  std::shared_ptr<Memory> memory;  // null: nothing is remembered
  TokenCache tokens;
  RateLimiter rates;

 private:
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<const net::Transport>> transports_ GUARDED_BY(mutex_);
};

class NetSender final : public Sender {
 public:
  // All references outlive this object. `done` of send() is called on an I/O core: what it posts to (the control
  // scheduler) must outlive the runtime's tasks, so stop the runtime before that scheduler is destroyed.
  NetSender(net::Runtime& runtime, net::HttpClient& client, const Clock& clock,
            std::shared_ptr<Memory> memory = nullptr);

  // The receivers of a configuration with their templates read; immutable.
  struct Directory {
    std::map<std::string, Integration, std::less<>> integrations;
    std::shared_ptr<const Templates> templates;
  };
  using Prepared = std::shared_ptr<const Directory>;
  // All that can fail of taking a configuration; changes nothing. From any thread, as install() and configure().
  Result<Prepared> prepare(const std::vector<ReceiverConfig>& receivers,
                           const std::vector<std::string>& template_globs) const;
  // Attempts that begin from now on go to these.
  void install(Prepared receivers);
  // Both; on an error the old receivers stay.
  Status configure(const std::vector<ReceiverConfig>& receivers, const std::vector<std::string>& template_globs);

  // Of the receivers in force.
  std::shared_ptr<const Templates> templates() const { return directory_.load()->templates; }

  // An integration that the configuration does not have is a failure for good.
  void send(Outgoing message, Done done) override;

 private:
  std::shared_ptr<Workshop> shop_;
  std::atomic<std::shared_ptr<const Directory>> directory_;
};

}  // namespace sentinel::receivers
