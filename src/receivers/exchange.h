#pragma once
// One call over the network as a configuration wants it: credentials, OAuth2, TLS, proxy, redirects, time limits.

#include <string>

#include "net/http.h"
#include "net/task.h"
#include "receivers/http_config.h"
#include "receivers/net_sender.h"
#include "receivers/receiver.h"

namespace sentinel::receivers {

struct CallTerms {
  const HttpConfig* http = nullptr;
  Millis timeout{0};  // 0: the default
  std::string key;    // goes along as Idempotency-Key
};

// The answer with the start of its body, whatever its status. Errors contain neither the URL nor credentials. `shop`
// and `terms.http` outlive the task. Blocks on secret files.
net::Task<Result<net::Response>> exchange(Workshop* shop, CallTerms terms, HttpCall call);

}  // namespace sentinel::receivers
