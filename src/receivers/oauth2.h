#pragma once
// OAuth2 for http_config: an access token for the client itself (client credentials, or a signed assertion), kept until
// shortly before its end.

#include <string>

#include "net/task.h"
#include "receivers/http_config.h"
#include "receivers/net_sender.h"

namespace sentinel::receivers {

// "Bearer abc". kUnavailable: the server cannot be asked or will answer later; kUnauthenticated: it refuses.
// `shop` and `config` outlive the task.
net::Task<Result<std::string>> oauth2_authorization(Workshop* shop, const Oauth2Config* config);
// The next request asks anew.
void forget_oauth2_token(Workshop& shop, const Oauth2Config& config);

// The assertion of the jwt-bearer grant (RFC 7523), signed with `key_pem`. kInvalidArgument: the key cannot be used.
Result<std::string> jwt_assertion(const Oauth2Config& config, const std::string& key_pem, TimePoint now);

}  // namespace sentinel::receivers
