#pragma once
// AWS Signature Version 4: signs a request so that AWS knows who asks. Pure.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http.h"

namespace sentinel::receivers {

struct AwsCredentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // of temporary credentials
};

struct SigV4Request {
  std::string method;
  std::string host;   // as in the Host header
  std::string path;   // "/"; encoded
  std::string query;  // encoded, sorted; without "?"
  std::string body;
};

// Adds X-Amz-Date, X-Amz-Security-Token and Authorization. Signed are these, Host, and all that `headers` holds.
void sign_v4(const SigV4Request& request, const AwsCredentials& credentials, std::string_view region,
             std::string_view service, TimePoint now, net::Headers& headers);

}  // namespace sentinel::receivers
