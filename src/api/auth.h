#pragma once
// Bearer tokens before everything but the page's files, probes, and a gateway whose callers bring the provider's key.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "net/http_server.h"

namespace sentinel::api {

// Who may do what. The token of a role `viewer` alone may look and ask, and change nothing; `admin` may approve
// whatever wants another role. Other roles mean what the configuration says they do (who may approve an automation).
struct Token {
  std::string sha256;  // hex
  std::string user{};  // "": it may say itself who acts
  std::vector<std::string> roles{"admin"};
};

// `gateway_open`, asked each time: /v1 needs no token of ours. It must be false where the gateway adds a key of its own
// and asks for no virtual key, or anybody could spend it. The same routes behind a check of `Authorization: Bearer
// TOKEN`; without tokens, `routes` itself: everybody is let in. The request then says whose token it was. What is
// refused counts in sentinel_authentication_failures_total{where="api"|"gateway"}.
std::shared_ptr<const net::Router> with_auth(std::shared_ptr<const net::Router> routes, std::vector<Token> tokens,
                                             std::function<bool()> gateway_open, MetricRegistry& metrics);

// Whether the token is more than one that may only look (role viewer).
bool may_act(const net::Request& request);

}  // namespace sentinel::api
