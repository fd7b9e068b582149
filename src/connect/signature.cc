#include "connect/signature.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "connect/limits.h"

namespace sentinel::connect {
namespace {

Status refused(std::string why) { return fail(ErrorCode::kUnauthenticated, std::move(why)); }

std::string signed_hex(std::string_view secret, std::string_view text) { return hex_encode(hmac_sha256(secret, text)); }

}  // namespace

Status check_slack(const net::Request& request, std::string_view secret, TimePoint now) {
  if (secret.empty()) return refused("the signing secret is empty");
  const std::string_view stamp = request.headers.get("X-Slack-Request-Timestamp");
  const auto seconds = parse_int(stamp);
  const std::string_view shown = request.headers.get("X-Slack-Signature");
  if (!seconds || shown.empty()) return refused("the request is not signed");
  constexpr int64_t kAge = std::chrono::duration_cast<std::chrono::seconds>(kSignatureAgeMax).count();
  const int64_t here = to_us(now) / 1'000'000;
  if (*seconds < here - kAge || *seconds > here + kAge) return refused("the request is too old, or from the future");
  const std::string wanted = "v0=" + signed_hex(secret, fmt::format("v0:{}:{}", stamp, request.body));
  return constant_time_equals(wanted, shown) ? Status() : refused("the signature is wrong");
}

Status check_pagerduty(const net::Request& request, std::string_view secret) {
  if (secret.empty()) return refused("the signing secret is empty");
  const std::string wanted = "v1=" + signed_hex(secret, request.body);
  bool found = false;
  for (const std::string_view shown : split(request.headers.get("X-PagerDuty-Signature"), ','))
    found = constant_time_equals(wanted, trim(shown)) || found;
  return found ? Status() : refused("the signature is missing or wrong");
}

Status check_hub(const net::Request& request, std::string_view secret) {
  if (secret.empty()) return refused("the secret is empty");
  const std::string wanted = "sha256=" + signed_hex(secret, request.body);
  if (constant_time_equals(wanted, request.headers.get("X-Hub-Signature"))) return {};
  return refused("the signature is missing or wrong");
}

}  // namespace sentinel::connect
