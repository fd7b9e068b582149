#pragma once
// Bearer tokens before everything but the gateway's own paths (those carry the providers' keys) and /-/healthy.

#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace sentinel::api {

// The same routes behind a check of `Authorization: Bearer TOKEN` against SHA-256 hashes (hex); without hashes,
// `routes` itself.
std::shared_ptr<const net::Router> with_auth(std::shared_ptr<const net::Router> routes,
                                             std::vector<std::string> token_sha256);

}  // namespace sentinel::api
