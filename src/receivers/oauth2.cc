#include "receivers/oauth2.h"

#include <boost/json.hpp>

#include "base/hash.h"
#include "base/strings.h"
#include "net/sign.h"
#include "receivers/limits.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

std::string cache_key(const Oauth2Config& c, const std::string& secret) {
  std::string all = c.client_id + "\n" + secret + "\n" + join(c.scopes, " ");
  for (const auto& [name, value] : c.endpoint_params) all += "\n" + name + "=" + value;
  return "oauth2 " + c.token_url + " " + hex_encode(sha256(all));
}

Result<std::string> secret_of(const Oauth2Config& c) {
  return read_secret(c.grant_type == kJwtBearer ? c.client_key : c.client_secret);
}

std::string base64_url(std::string_view bytes) {
  std::string out = base64_encode(bytes);
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (out.ends_with('=')) out.pop_back();
  return out;
}

struct Granted {
  std::string authorization;
  Micros lifetime{0};
};

Result<Granted> read_answer(const net::Response& response) {
  if (response.status / 100 != 2) {
    const bool later = response.status / 100 == 5 || response.status == 429;
    return fail(later ? ErrorCode::kUnavailable : ErrorCode::kUnauthenticated,
                "the OAuth2 server answers " + std::to_string(response.status) + ": " + shown_body(response.body));
  }
  const auto answer = text::parse_json_object(response.body);
  const std::string token = answer ? text::json_string_or(*answer, "access_token", "").value_or("") : std::string();
  if (token.empty()) return fail(ErrorCode::kUnauthenticated, "the OAuth2 server gave no access_token");
  std::string type = text::json_string_or(*answer, "token_type", "").value_or("");
  if (type.empty() || iequals(type, "bearer")) type = "Bearer";
  const int64_t seconds = text::json_int_or(*answer, "expires_in", 0).value_or(0);
  return Granted{type + " " + token, seconds > 0 ? Micros(std::chrono::seconds(std::min<int64_t>(seconds, 31'536'000)))
                                                 : kTokenKeptDefault + kTokenEarly};
}

StringMap token_form(const Oauth2Config& c) {
  StringMap form = c.endpoint_params;
  if (!c.scopes.empty()) form["scope"] = join(c.scopes, " ");
  form["grant_type"] = c.grant_type == kJwtBearer ? std::string(kJwtBearer) : "client_credentials";
  return form;
}

net::Task<Result<Granted>> request_token(Workshop* shop, const Oauth2Config* c, StringMap form, std::string basic) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = c->token_url;
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.headers.set("User-Agent", "Sentinel");
  if (!basic.empty()) request.headers.set("Authorization", "Basic " + basic);
  request.body = form_encode(form);
  request.body_bytes_max = kResponseBytesMax;
  request.timeouts.connect = kConnectTimeout;
  request.timeouts.total = kSendTimeout;
  Result<net::TransportOptions> options = transport_options(c->tls, c->proxy, c->token_url);
  if (!options) co_return fail(options.error());
  auto transport = shop->transport(std::move(*options));
  if (!transport) co_return fail(transport.error());
  request.transport = std::move(*transport);
  const Result<net::Response> response = co_await shop->client.fetch(std::move(request));
  if (!response) co_return fail(ErrorCode::kUnavailable, "the OAuth2 server: " + response.error().message());
  co_return read_answer(*response);
}

}  // namespace

Result<std::string> jwt_assertion(const Oauth2Config& c, const std::string& key_pem, TimePoint now) {
  const std::string algorithm = c.signature_algorithm.empty() ? "RS256" : c.signature_algorithm;
  boost::json::object header = {{"alg", algorithm}, {"typ", "JWT"}};
  if (!c.client_key_id.empty()) header["kid"] = c.client_key_id;
  const int64_t seconds = to_us(now) / 1'000'000;
  boost::json::object claims = {{"iss", c.issuer.empty() ? c.client_id : c.issuer},
                                {"aud", c.audience.empty() ? c.token_url : c.audience},
                                {"iat", seconds},
                                {"exp", seconds + 3600}};
  if (!c.scopes.empty()) claims["scope"] = join(c.scopes, " ");
  for (const auto& [name, value] : c.claims) {
    SENTINEL_ASSIGN(claims[name], text::parse_json(value));
  }
  const std::string text = base64_url(serialize(header)) + "." + base64_url(serialize(claims));
  SENTINEL_ASSIGN(const std::string signature, net::rsa_sign(key_pem, "SHA" + algorithm.substr(2), text));
  return text + "." + base64_url(signature);
}

net::Task<Result<std::string>> oauth2_authorization(Workshop* shop, const Oauth2Config* c) {
  const Result<std::string> secret = secret_of(*c);
  if (!secret) co_return fail(secret.error());
  const std::string key = cache_key(*c, *secret);
  if (const auto kept = shop->tokens.find(key, shop->clock.now())) co_return *kept;
  StringMap form = token_form(*c);
  std::string basic;
  const bool assertion = c->grant_type == kJwtBearer;
  if (assertion) {
    Result<std::string> signed_claims = jwt_assertion(*c, *secret, shop->clock.now());
    if (!signed_claims) co_return fail(signed_claims.error());
    form["assertion"] = std::move(*signed_claims);
  } else {
    basic = base64_encode(text::query_escape_go(c->client_id) + ":" + text::query_escape_go(*secret));
  }
  Result<Granted> granted = co_await request_token(shop, c, form, basic);
  if (!granted && !assertion && granted.error().code() == ErrorCode::kUnauthenticated) {
    // Servers that want the credentials in the form do not say so.
    form["client_id"] = c->client_id;
    if (!secret->empty()) form["client_secret"] = *secret;
    granted = co_await request_token(shop, c, form, "");
  }
  if (!granted) co_return fail(granted.error());
  shop->tokens.put(key, granted->authorization, shop->clock.now() + granted->lifetime - kTokenEarly);
  co_return granted->authorization;
}

void forget_oauth2_token(Workshop& shop, const Oauth2Config& config) {
  if (const Result<std::string> secret = secret_of(config)) shop.tokens.drop(cache_key(config, *secret));
}

}  // namespace sentinel::receivers
