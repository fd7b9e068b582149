#pragma once
// Sends notifications over the network: each attempt is one task on an I/O core.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http_client.h"
#include "net/task.h"
#include "receivers/receiver.h"
#include "receivers/sender.h"

namespace sentinel::receivers {

class NetSender final : public Sender {
 public:
  // All references outlive this object. `done` of send() is called on an I/O core: what it posts to (the control
  // scheduler) must outlive the runtime's tasks, so stop the runtime before that scheduler is destroyed.
  NetSender(net::Runtime& runtime, net::HttpClient& client, const Clock& clock);

  // The receivers of a configuration with their templates read; immutable.
  using Directory = std::map<std::string, std::shared_ptr<const Receiver>, std::less<>>;
  using Prepared = std::shared_ptr<const Directory>;
  // All that can fail of taking a configuration; changes nothing. From any thread, as install() and configure().
  Result<Prepared> prepare(const std::vector<ReceiverConfig>& receivers,
                           const std::vector<std::string>& template_globs) const;
  // Attempts that begin from now on go to these.
  void install(Prepared receivers);
  // Both; on an error the old receivers stay.
  Status configure(const std::vector<ReceiverConfig>& receivers, const std::vector<std::string>& template_globs);

  // An integration that the configuration does not have is a failure for good.
  void send(Outgoing message, Done done) override;

 private:
  net::Runtime& runtime_;
  net::HttpClient& client_;
  const Clock& clock_;
  std::atomic<std::shared_ptr<const Directory>> directory_;
};

}  // namespace sentinel::receivers
