#pragma once
// Access tokens for Vertex AI: a JWT signed with a service account's key is exchanged for a token of about an hour,
// which is kept and renewed before it ends.

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "net/http_client.h"
#include "net/task.h"

namespace sentinel::gateway {

struct ServiceAccount {
  std::string email;
  std::string project;
  std::string key_id;
  std::string private_key;  // PEM
  std::string token_url;
};

// The JSON file Google Cloud gives out. kInvalidArgument: not such a file.
Result<ServiceAccount> parse_service_account(std::string_view json);

// The signed assertion of RFC 7523, good for an hour from `now`. kInvalidArgument: the key is none.
Result<std::string> make_assertion(const ServiceAccount& account, TimePoint now);

// Shared by all cores; a leaf lock. While a token is good calls never wait; in its last minutes one call renews it for
// all.
class TokenSource {
 public:
  explicit TokenSource(ServiceAccount account) : account_(std::move(account)) {}

  // `client` and `clock` outlive the task. kUnauthenticated: Google refused; else as HttpClient.
  net::Task<Result<std::string>> token(net::HttpClient* client, const Clock* clock);
  // The provider refused what it has: the next call gets another.
  void forget();

 private:
  const ServiceAccount account_;
  mutable Mutex mutex_;
  std::string token_ GUARDED_BY(mutex_);
  TimePoint good_until_ GUARDED_BY(mutex_){};
  bool renewing_ GUARDED_BY(mutex_) = false;
};

}  // namespace sentinel::gateway
