#pragma once
// How the hub makes a call. Two implementations: the network, and a script of answers in tests.

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "connect/connection.h"
#include "net/http_client.h"
#include "net/task.h"
#include "receivers/net_sender.h"

namespace sentinel::connect {

class Caller {
 public:
  using Done = std::function<void(Result<net::Response>)>;
  virtual ~Caller() = default;
  // `bare`: without the connection's own credentials; the address is enough. Does not block. `done` is called once, on
  // any thread, also from inside; after a stop of the process perhaps never.
  virtual void call(std::shared_ptr<const Connection> connection, receivers::HttpCall call, std::string key, bool bare,
                    Done done) = 0;
};

class NetCaller final : public Caller {
 public:
  // All references outlive this object; what `done` posts to outlives the runtime's tasks.
  NetCaller(net::Runtime& runtime, net::HttpClient& client, const Clock& clock);
  void call(std::shared_ptr<const Connection> connection, receivers::HttpCall call, std::string key, bool bare,
            Done done) override;

 private:
  std::shared_ptr<receivers::Workshop> shop_;
};

}  // namespace sentinel::connect
