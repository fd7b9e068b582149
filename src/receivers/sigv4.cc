#include "receivers/sigv4.h"

#include <map>

#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::receivers {
namespace {

// "20260102T030405Z".
std::string basic_time(TimePoint now) {
  std::string text = format_rfc3339(now).substr(0, 19);  // 2026-01-02T03:04:05
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

}  // namespace

void sign_v4(const SigV4Request& request, const AwsCredentials& credentials, std::string_view region,
             std::string_view service, TimePoint now, net::Headers& headers) {
  const std::string time = basic_time(now);
  headers.set("X-Amz-Date", time);
  if (!credentials.session_token.empty()) headers.set("X-Amz-Security-Token", credentials.session_token);
  std::map<std::string, std::string> signed_headers = {{"host", request.host}};
  for (const auto& [name, value] : headers.all()) signed_headers[to_lower(name)] = std::string(trim(value));
  std::string canonical_headers;
  std::string names;
  for (const auto& [name, value] : signed_headers) {
    canonical_headers += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string canonical = request.method + "\n" + request.path + "\n" + request.query + "\n" + canonical_headers +
                                "\n" + names + "\n" + hex_encode(sha256(request.body));
  const std::string date = time.substr(0, 8);
  const std::string scope = date + "/" + std::string(region) + "/" + std::string(service) + "/aws4_request";
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + hex_encode(sha256(canonical));
  std::string key = hmac_sha256("AWS4" + credentials.secret_key, date);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")}) key = hmac_sha256(key, part);
  headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=" + credentials.access_key + "/" + scope +
                                   ", SignedHeaders=" + names + ", Signature=" + hex_encode(hmac_sha256(key, to_sign)));
}

}  // namespace sentinel::receivers
