#pragma once
// Who a request is from: the signatures that services put on it. All compare in constant time.

#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "receivers/secret.h"

namespace sentinel::connect {

// Slack: X-Slack-Signature "v0=" HMAC-SHA256 of "v0:TIMESTAMP:BODY", X-Slack-Request-Timestamp within
// kSignatureAgeMax of `now`. kUnauthenticated.
Status check_slack(const net::Request& request, std::string_view secret, TimePoint now);
// PagerDuty: X-PagerDuty-Signature "v1=HEX,v1=HEX", one of which must be of the body; several while a secret is
// changed.
Status check_pagerduty(const net::Request& request, std::string_view secret);
// Jira and all that follows WebSub: X-Hub-Signature "sha256=HEX" of the body.
Status check_hub(const net::Request& request, std::string_view secret);

}  // namespace sentinel::connect
