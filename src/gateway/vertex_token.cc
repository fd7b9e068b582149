#include "gateway/vertex_token.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "gateway/limits.h"
#include "net/sign.h"
#include "text/json.h"

namespace sentinel::gateway {
namespace {

constexpr std::string_view kScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr int64_t kAssertionSeconds = 3600;

// base64url without padding.
std::string jwt_part(std::string_view bytes) {
  std::string out = base64_encode(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

struct Fresh {
  std::string token;
  int64_t seconds = 0;
};

Result<Fresh> read_token(const net::Response& response) {
  const auto body = text::parse_json_object(response.body);
  if (response.status != 200 || !body) {
    std::string why = "token endpoint answered " + std::to_string(response.status);
    if (body) {
      const auto said = text::json_string_or(*body, "error_description", "");
      if (said && !said->empty()) why += ": " + *said;
    }
    return fail(response.status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kUnauthenticated, why);
  }
  Fresh fresh;
  SENTINEL_ASSIGN(fresh.token, text::json_string(*body, "access_token"));
  SENTINEL_ASSIGN(fresh.seconds, text::json_int_or(*body, "expires_in", kAssertionSeconds));
  return fresh;
}

net::Task<Result<Fresh>> exchange(net::HttpClient* client, std::string url, std::string assertion) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.headers.add("content-type", "application/x-www-form-urlencoded");
  request.body = "grant_type=" + url_encode("urn:ietf:params:oauth:grant-type:jwt-bearer") + "&assertion=" + assertion;
  request.timeouts.first_byte = request.timeouts.idle = request.timeouts.total = kTokenTimeout;
  request.body_bytes_max = kErrorBodyBytesMax;
  auto answer = co_await client->fetch(std::move(request));
  if (!answer) co_return fail(answer.error());
  co_return read_token(*answer);
}

}  // namespace

Result<ServiceAccount> parse_service_account(std::string_view json) {
  SENTINEL_ASSIGN(const boost::json::object file, text::parse_json_object(json));
  ServiceAccount account;
  SENTINEL_ASSIGN(account.email, text::json_string(file, "client_email"));
  SENTINEL_ASSIGN(account.private_key, text::json_string(file, "private_key"));
  SENTINEL_ASSIGN(account.project, text::json_string_or(file, "project_id", ""));
  SENTINEL_ASSIGN(account.key_id, text::json_string_or(file, "private_key_id", ""));
  SENTINEL_ASSIGN(account.token_url, text::json_string_or(file, "token_uri", "https://oauth2.googleapis.com/token"));
  return account;
}

Result<std::string> make_assertion(const ServiceAccount& account, TimePoint now) {
  const int64_t at = to_us(now) / 1'000'000;
  std::string header = R"({"alg":"RS256","typ":"JWT")";
  if (!account.key_id.empty()) header += ",\"kid\":" + json_quote(account.key_id);
  header += "}";
  const std::string claims = "{\"iss\":" + json_quote(account.email) + ",\"scope\":" + json_quote(kScope) +
                             ",\"aud\":" + json_quote(account.token_url) + ",\"iat\":" + std::to_string(at) +
                             ",\"exp\":" + std::to_string(at + kAssertionSeconds) + "}";
  const std::string text = jwt_part(header) + "." + jwt_part(claims);
  SENTINEL_ASSIGN(const std::string signature, net::rsa_sign(account.private_key, "SHA256", text));
  return text + "." + jwt_part(signature);
}

net::Task<Result<std::string>> TokenSource::token(net::HttpClient* client, const Clock* clock) {
  const TimePoint now = clock->now();
  std::string kept;
  {
    MutexLock lock(mutex_);
    const bool good = !token_.empty() && now < good_until_;
    if (good && (renewing_ || now < good_until_ - kTokenRefreshAhead)) co_return token_;
    if (good) kept = token_;
    renewing_ = true;
  }
  Result<Fresh> fresh = Fresh{};
  auto assertion = make_assertion(account_, now);
  if (assertion) {
    fresh = co_await exchange(client, account_.token_url, std::move(*assertion));
  } else {
    fresh = fail(assertion.error());
  }
  MutexLock lock(mutex_);
  renewing_ = false;
  if (!fresh) {
    log_warn("gateway", "no access token", {{"account", account_.email}, {"error", fresh.error().message()}});
    if (!kept.empty()) co_return kept;  // still good for a while
    co_return fail(fresh.error());
  }
  token_ = fresh->token;
  good_until_ = now + std::chrono::seconds(std::max<int64_t>(fresh->seconds, 1));
  co_return token_;
}

void TokenSource::forget() {
  MutexLock lock(mutex_);
  token_.clear();
}

}  // namespace sentinel::gateway
