#pragma once
// Asks the addresses of the outside watcher (alerting/dead_man.h). Any thread.

#include <string>
#include <vector>

#include "base/thread_annotations.h"
#include "net/http_client.h"
#include "receivers/sender.h"

namespace sentinel::app {

class PingSender final : public receivers::Sender {
 public:
  // The runtime is stopped before this is destroyed.
  PingSender(net::Runtime& runtime, net::HttpClient& client) : runtime_(runtime), client_(client) {}
  void set_urls(std::vector<std::string> urls);
  void send(receivers::Outgoing message, Done done) override;

 private:
  net::Task<void> ask(std::string url, Done done);

  net::Runtime& runtime_;
  net::HttpClient& client_;
  Mutex mutex_;
  std::vector<std::string> urls_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::app
