#pragma once
// Bearer tokens before everything but the page's files, probes, and a gateway whose callers bring the provider's key.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "net/http_server.h"

namespace sentinel::api {

// `gateway_open`, asked each time: /v1 needs no token of ours. It must be false where the gateway adds a key of its own
// and asks for no virtual key, or anybody could spend it. The same routes behind a check of `Authorization: Bearer
// TOKEN` against SHA-256 hashes (hex); without hashes, `routes` itself. What is refused counts in
// sentinel_authentication_failures_total{where="api"|"gateway"}.
std::shared_ptr<const net::Router> with_auth(std::shared_ptr<const net::Router> routes,
                                             std::vector<std::string> token_sha256, std::function<bool()> gateway_open,
                                             MetricRegistry& metrics);

}  // namespace sentinel::api
