#include "receivers/exchange.h"

#include <boost/url.hpp>

#include "base/strings.h"
#include "net/url.h"
#include "receivers/limits.h"
#include "receivers/oauth2.h"

namespace sentinel::receivers {
namespace {

// user:password@ in a URL becomes a header, as Go's client does it.
void move_user_info(net::ClientRequest& request) {
  const size_t start = request.url.find("://");
  if (start == std::string::npos) return;
  const size_t end = std::min(request.url.find_first_of("/?#", start + 3), request.url.size());
  const size_t at = request.url.rfind('@', end);
  if (at == std::string::npos || at < start + 3 || at >= end) return;
  const auto user = url_decode(request.url.substr(start + 3, at - start - 3), false);
  request.url.erase(start + 3, at + 1 - start - 3);
  if (user && !request.headers.has("Authorization")) {
    request.headers.set("Authorization", "Basic " + base64_encode(user->find(':') == user->npos ? *user + ":" : *user));
  }
}

// What goes over the wire for a call; the URL is a secret and stays out of errors.
Result<net::ClientRequest> make_request(const CallTerms& terms, HttpCall call) {
  net::ClientRequest request;
  request.method = std::move(call.method);
  request.url = std::move(call.url);
  request.headers = std::move(call.headers);
  if (!request.headers.has("Authorization")) SENTINEL_TRY(authorize(request.headers, *terms.http));
  request.headers.set("User-Agent", "Sentinel");
  request.headers.set("Idempotency-Key", terms.key);
  move_user_info(request);
  if (!net::parse_url(request.url)) return fail(ErrorCode::kInvalidArgument, "the configured address is not a URL");
  request.body = std::move(call.body);
  request.timeouts.connect = kConnectTimeout;
  request.timeouts.total = terms.timeout.count() > 0 ? terms.timeout : kSendTimeout;
  request.timeouts.first_byte = request.timeouts.total;
  request.timeouts.idle = request.timeouts.total;
  return request;
}

// Where the answer sends the request, as Go's client follows it: 301, 302, 303, 307 and 308 with a Location. "" when it
// is none of these or leads to no web address.
std::string redirect_target(const std::string& from, const net::Response& response) {
  const int status = response.status;
  if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) return "";
  const auto base = boost::urls::parse_uri(from);
  const auto location = boost::urls::parse_uri_reference(response.headers.get("Location"));
  if (!base || !location || response.headers.get("Location").empty()) return "";
  boost::urls::url target;
  if (!boost::urls::resolve(*base, *location, target)) return "";
  const std::string text(target.buffer());
  return text.starts_with("http://") || text.starts_with("https://") ? text : "";
}

// 307 and 308 ask for the same request again; the older ones for the page that answers it.
void turn_to_get(net::ClientRequest& request, int status) {
  if (status == 307 || status == 308) return;
  if (request.method != "GET" && request.method != "HEAD") request.method = "GET";
  request.body.clear();
  for (const char* name : {"Content-Type", "Content-Encoding", "Content-Language", "Content-Location"})
    request.headers.remove(name);
}

std::string origin_of(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  return parsed ? std::string(parsed->scheme()) + "://" + std::string(parsed->encoded_host_and_port()) : "";
}

// Credentials are for the host they were given for; the configured ones, and those a receiver set itself.
void drop_credentials(net::Headers& headers, const HttpConfig& config) {
  for (const char* name : {"Authorization", "X-Auth-Token", "X-User-Id", "X-Amz-Security-Token"}) headers.remove(name);
  for (const HttpHeader& header : config.headers) headers.remove(header.name);
}

// Adds what an OAuth2 server gives; nothing without one.
net::Task<Status> add_oauth2(Workshop* shop, const HttpConfig* http, net::Headers* headers) {
  const auto& config = http->oauth2;
  if (!config || headers->has("Authorization")) co_return Status();
  const Result<std::string> token = co_await oauth2_authorization(shop, &*config);
  if (!token) co_return fail(token.error());
  headers->set("Authorization", *token);
  co_return Status();
}

// The answer with the start of its body. What a server says beyond that changes nothing.
net::Task<Result<net::Response>> fetch_start(net::HttpClient* client, net::ClientRequest request) {
  auto sent = co_await client->send(std::move(request));
  if (!sent) co_return fail(sent.error());
  net::Response response;
  response.status = (*sent)->status();
  response.headers = (*sent)->headers();
  while (response.body.size() < kResponseBytesMax) {
    const Result<std::string> chunk = co_await (*sent)->next_chunk();
    if (!chunk) co_return fail(chunk.error());
    if (chunk->empty()) break;
    response.body += *chunk;
  }
  co_return response;
}

}  // namespace

net::Task<Result<net::Response>> exchange(Workshop* shop, CallTerms terms, HttpCall call) {
  const HttpConfig& http = *terms.http;
  Result<net::ClientRequest> request = make_request(terms, std::move(call));
  if (!request) co_return fail(request.error());
  SENTINEL_CO_TRY(co_await add_oauth2(shop, terms.http, &request->headers));
  for (int hop = 0;; ++hop) {
    Result<net::TransportOptions> options = transport_options(http.tls, http.proxy, request->url);
    if (!options) co_return fail(options.error());
    auto transport = shop->transport(std::move(*options));
    if (!transport) co_return fail(transport.error());
    request->transport = std::move(*transport);
    Result<net::Response> response = co_await fetch_start(&shop->client, *request);
    if (!response) co_return fail(response.error());
    if (response->status == 401 && http.oauth2) forget_oauth2_token(*shop, *http.oauth2);
    const std::string target = http.follow_redirects ? redirect_target(request->url, *response) : "";
    if (target.empty()) co_return response;
    if (hop == kRedirectsMax)
      co_return fail(ErrorCode::kIo, "stopped after " + std::to_string(kRedirectsMax) + " redirects");
    turn_to_get(*request, response->status);
    if (origin_of(target) != origin_of(request->url)) drop_credentials(request->headers, http);
    request->url = target;
  }
}

}  // namespace sentinel::receivers
