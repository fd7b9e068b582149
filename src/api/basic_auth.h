#pragma once
// Users with passwords (HTTP Basic, RFC 7617; bcrypt) before every route, as the exporter toolkit of Prometheus has it.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/thread_annotations.h"
#include "net/http_server.h"

namespace sentinel::api {

// $2a$, $2b$ or $2y$ with its cost.
bool is_bcrypt(std::string_view hash);

// A password takes some 50 ms of a core to check (on the pool, a few at once); what was found is remembered, hashed.
// From any thread. Outlives the server that has its routes.
class BasicAuth {
 public:
  BasicAuth(net::Runtime& runtime, MetricRegistry& metrics);
  // Name to bcrypt hash. Empty: everybody is let in.
  void set_users(std::map<std::string, std::string> users);
  // The same routes behind the check. What is refused counts in sentinel_authentication_failures_total{where="basic"}.
  std::shared_ptr<const net::Router> guard(std::shared_ptr<const net::Router> routes);

 private:
  enum class Verdict { kYes, kNo, kBusy };
  net::Task<void> handle(net::Exchange* exchange, const net::Router* routes);
  net::Task<Verdict> check(std::string name, std::string password);

  net::Runtime& runtime_;
  Counter& refused_;
  Mutex mutex_;
  std::map<std::string, std::string> users_ GUARDED_BY(mutex_);
  std::map<std::string, bool> checked_ GUARDED_BY(mutex_);  // SHA-256 of name, password and hash
  size_t checking_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sentinel::api
