#include "receivers/http_config.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/strings.h"
#include "net/address.h"
#include "net/url.h"

namespace sentinel::receivers {
namespace {

using text::YamlNode;

constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

// What the client sets itself, as Prometheus's common library has it.
constexpr std::array<std::string_view, 18> kReservedHeaders = {
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
};

void resolve(const std::string& folder, std::string& file) {
  if (!file.empty() && !file.starts_with('/')) file = folder + file;
}

Status read_version(const YamlNode& node, net::TlsVersion& out) {
  constexpr std::pair<std::string_view, net::TlsVersion> kNames[] = {{"TLS10", net::TlsVersion::k10},
                                                                     {"TLS11", net::TlsVersion::k11},
                                                                     {"TLS12", net::TlsVersion::k12},
                                                                     {"TLS13", net::TlsVersion::k13}};
  SENTINEL_ASSIGN(const std::string name, node.string());
  for (const auto& [known, version] : kNames) {
    if (known != name) continue;
    out = version;
    return {};
  }
  return fail(node.error("unknown TLS version \"" + name + "\", expected TLS10, TLS11, TLS12 or TLS13"));
}

// A value and its _file, where Prometheus words the pair as "x" and "x_file".
Status read_headers(const YamlNode& node, const std::string& folder, std::vector<HttpHeader>& out) {
  if (!node.is_map()) return fail(node.error("http_headers must be a map"));
  for (const YamlNode::Entry& entry : node.entries()) {
    HttpHeader header{entry.name(), {}, {}};
    if (std::any_of(kReservedHeaders.begin(), kReservedHeaders.end(),
                    [&](std::string_view reserved) { return iequals(reserved, header.name); })) {
      return fail(entry.key.error("setting header \"" + header.name + "\" is not allowed"));
    }
    std::vector<std::string> secrets;
    SENTINEL_TRY(read_fields(entry.value, "http_headers." + header.name,
                             {{"values", &header.values}, {"secrets", &secrets}, {"files", &header.files}}));
    header.values.insert(header.values.end(), secrets.begin(), secrets.end());
    for (std::string& file : header.files) resolve(folder, file);
    out.push_back(std::move(header));
  }
  return {};
}

// proxy_connect_header: {Name: [secret, …]}.
Status read_connect_headers(const YamlNode& node, std::map<std::string, std::vector<std::string>>& out) {
  if (!node.is_map()) return fail(node.error("proxy_connect_header must be a map of header name to a list of values"));
  for (const YamlNode::Entry& entry : node.entries()) {
    SENTINEL_ASSIGN(out[entry.name()], entry.value.strings());
  }
  return {};
}

Fields proxy_fields(ProxyConfig& proxy) {
  return {{"proxy_url", &proxy.url},
          {"no_proxy", &proxy.no_proxy},
          {"proxy_from_environment", &proxy.from_environment},
          {"proxy_connect_header",
           ReadNode([&proxy](const YamlNode& n) { return read_connect_headers(n, proxy.connect_headers); })}};
}

Status check_proxy(const YamlNode& node, const ProxyConfig& proxy) {
  if (!proxy.connect_headers.empty() && !proxy.from_environment && proxy.url.empty()) {
    return fail(node.error("proxy_connect_header needs proxy_url or proxy_from_environment"));
  }
  if (proxy.from_environment && !proxy.url.empty()) {
    return fail(node.error("proxy_from_environment excludes proxy_url"));
  }
  if (proxy.from_environment && !proxy.no_proxy.empty()) {
    return fail(node.error("proxy_from_environment excludes no_proxy"));
  }
  if (!node.has("proxy_url") && !proxy.no_proxy.empty()) return fail(node.error("no_proxy needs proxy_url"));
  return {};
}

Status read_claims(const YamlNode& node, StringMap& out) {
  if (!node.is_map()) return fail(node.error("claims must be a map"));
  for (const YamlNode::Entry& entry : node.entries()) {
    SENTINEL_ASSIGN(const std::string value, entry.value.string());
    const bool plain = !entry.value.quoted() && (parse_double(value) || value == "true" || value == "false");
    out[entry.name()] = plain ? value : json_quote(value);
  }
  return {};
}

Result<Oauth2Config> read_oauth2(const YamlNode& node, const std::string& folder) {
  Oauth2Config c;
  Fields fields = {{"client_id", &c.client_id},
                   {"client_secret", &c.client_secret},
                   {"client_secret_ref", Ignored{}},
                   {"client_certificate_key_id", &c.client_key_id},
                   {"client_certificate_key", &c.client_key},
                   {"client_certificate_key_ref", Ignored{}},
                   {"grant_type", &c.grant_type},
                   {"signature_algorithm", &c.signature_algorithm},
                   {"iss", &c.issuer},
                   {"audience", &c.audience},
                   {"claims", ReadNode([&](const YamlNode& n) { return read_claims(n, c.claims); })},
                   {"scopes", &c.scopes},
                   {"token_url", &c.token_url},
                   {"endpoint_params", &c.endpoint_params},
                   {"tls_config", ReadNode([&](const YamlNode& n) -> Status {
                      SENTINEL_ASSIGN(c.tls, read_tls_config(n, folder));
                      return {};
                    })}};
  for (Field& field : proxy_fields(c.proxy)) fields.push_back(std::move(field));
  SENTINEL_TRY(read_fields(node, "oauth2", fields));
  resolve(folder, c.client_secret.file);
  if (c.client_id.empty()) return fail(node.error("oauth2 needs a field \"client_id\""));
  if (c.token_url.empty()) return fail(node.error("oauth2 needs a field \"token_url\""));
  const std::string& algorithm = c.signature_algorithm;
  if (c.grant_type == kJwtBearer && !algorithm.empty() && algorithm != "RS256" && algorithm != "RS384" &&
      algorithm != "RS512") {
    return fail(node.get("signature_algorithm").error("valid signature algorithms are RS256, RS384 and RS512"));
  }
  SENTINEL_TRY(check_proxy(node, c.proxy));
  return c;
}

Status read_authorization(const YamlNode& node, HttpConfig& http) {
  SENTINEL_TRY(read_fields(
      node, "authorization",
      {{"type", &http.authorization_type}, {"credentials", &http.authorization}, {"credentials_ref", Ignored{}}}));
  http.authorization_type = std::string(trim(http.authorization_type));
  if (http.authorization_type.empty()) http.authorization_type = "Bearer";
  if (iequals(http.authorization_type, "basic")) {
    return fail(node.error("authorization type cannot be \"basic\", use basic_auth instead"));
  }
  return {};
}

// At most one way to say who asks; bearer_token is the old form of authorization.
Status check_credentials(const YamlNode& node, const Secret& bearer, HttpConfig& http) {
  const bool others = http.has_basic_auth || http.oauth2.has_value();
  if (!bearer.empty()) {
    if (others) {
      return fail(node.error("at most one of basic_auth, oauth2, bearer_token and bearer_token_file must be given"));
    }
    if (http.has_authorization) return fail(node.get("authorization").error("authorization excludes bearer_token"));
    http.has_authorization = true;
    http.authorization = bearer;
  }
  if ((http.has_authorization && others) || (http.has_basic_auth && http.oauth2)) {
    return fail(node.error("at most one of basic_auth, oauth2 and authorization must be given"));
  }
  return {};
}

}  // namespace

Result<TlsConfig> read_tls_config(const YamlNode& node, const std::string& folder) {
  TlsConfig c;
  SENTINEL_TRY(
      read_fields(node, "tls_config",
                  {{"ca", &c.ca},
                   {"cert", &c.cert},
                   {"key", &c.key},
                   {"ca_ref", Ignored{}},
                   {"cert_ref", Ignored{}},
                   {"key_ref", Ignored{}},
                   {"server_name", &c.server_name},
                   {"insecure_skip_verify", &c.insecure_skip_verify},
                   {"min_version", ReadNode([&](const YamlNode& n) { return read_version(n, c.min_version); })},
                   {"max_version", ReadNode([&](const YamlNode& n) { return read_version(n, c.max_version); })}}));
  for (Secret* secret : {&c.ca, &c.cert, &c.key}) resolve(folder, secret->file);
  if (c.cert.empty() != c.key.empty()) {
    return fail(node.error(c.key.empty() ? "a client certificate needs key or key_file"
                                         : "a client key needs cert or cert_file"));
  }
  return c;
}

Result<HttpConfig> read_http_config(const YamlNode& node, const std::string& folder, const HttpConfig& fallback) {
  if (node.is_null()) return fallback;
  HttpConfig http;
  Secret bearer;
  http.has_basic_auth = !node.get("basic_auth").is_null();
  http.has_authorization = !node.get("authorization").is_null();
  const auto basic = [&](const YamlNode& n) {
    return read_fields(n, "basic_auth",
                       {{"username", &http.basic_username},
                        {"username_ref", Ignored{}},
                        {"password", &http.basic_password},
                        {"password_ref", Ignored{}}});
  };
  Fields fields = {
      {"basic_auth", ReadNode(basic)},
      {"authorization", ReadNode([&](const YamlNode& n) { return read_authorization(n, http); })},
      {"bearer_token", &bearer},
      {"oauth2", ReadNode([&](const YamlNode& n) -> Status {
         SENTINEL_ASSIGN(http.oauth2, read_oauth2(n, folder));
         return {};
       })},
      {"tls_config", ReadNode([&](const YamlNode& n) -> Status {
         SENTINEL_ASSIGN(http.tls, read_tls_config(n, folder));
         return {};
       })},
      {"follow_redirects", &http.follow_redirects},
      {"enable_http2", Ignored{}},
      {"http_headers", ReadNode([&](const YamlNode& n) { return read_headers(n, folder, http.headers); })}};
  for (Field& field : proxy_fields(http.proxy)) fields.push_back(std::move(field));
  SENTINEL_TRY(read_fields(node, "http_config", fields));
  SENTINEL_TRY(check_credentials(node, bearer, http));
  SENTINEL_TRY(check_proxy(node, http.proxy));
  for (Secret* secret : {&http.basic_username, &http.basic_password, &http.authorization}) {
    resolve(folder, secret->file);
  }
  return http;
}

Status authorize(net::Headers& headers, const HttpConfig& config) {
  for (const HttpHeader& header : config.headers) {
    for (const std::string& value : header.values) headers.add(header.name, value);
    for (const std::string& file : header.files) {
      SENTINEL_ASSIGN(const std::string value, read_secret({"", file}));
      headers.add(header.name, value);
    }
  }
  if (config.has_basic_auth) {
    SENTINEL_ASSIGN(const std::string username, read_secret(config.basic_username));
    SENTINEL_ASSIGN(const std::string password, read_secret(config.basic_password));
    headers.set("Authorization", "Basic " + base64_encode(username + ":" + password));
  } else if (config.has_authorization) {
    SENTINEL_ASSIGN(const std::string credentials, read_secret(config.authorization));
    headers.set("Authorization", config.authorization_type + " " + credentials);
  }
  return {};
}

namespace {

std::string environment(const char* upper, const char* lower) {
  for (const char* name : {upper, lower}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

bool is_exempt_entry(const std::string& host, uint16_t port, std::string entry) {
  if (entry == "*") return true;
  if (net::cidr_contains(entry, host)) return true;
  const size_t colon = entry.rfind(':');
  if (colon != std::string::npos && entry.find(':') == colon) {
    if (parse_int(entry.substr(colon + 1)) != std::optional<int64_t>(port)) return false;
    entry.resize(colon);
  }
  if (entry.starts_with("*.")) entry.erase(0, 1);
  const bool only_below = entry.starts_with('.');
  if (!only_below && entry == host) return true;
  const std::string suffix = only_below ? entry : "." + entry;
  return suffix.size() > 1 && host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace

bool is_proxy_exempt(const std::string& host, uint16_t port, std::string_view no_proxy) {
  const std::string name = to_lower(host);
  if (name == "localhost" || net::is_loopback_address(name)) return true;
  for (const std::string_view entry : split(no_proxy, ',')) {
    if (const std::string text = to_lower(trim(entry)); !text.empty() && is_exempt_entry(name, port, text)) return true;
  }
  return false;
}

std::string proxy_for(const std::string& url, const ProxyConfig& config) {
  if (!config.from_environment && config.url.empty()) return "";
  const Result<net::Url> target = net::parse_url(url);
  if (!target) return "";
  if (!config.from_environment) {
    const bool direct = !config.no_proxy.empty() && is_proxy_exempt(target->host, target->port, config.no_proxy);
    return direct ? "" : config.url;
  }
  const std::string proxy =
      target->tls ? environment("HTTPS_PROXY", "https_proxy") : environment("HTTP_PROXY", "http_proxy");
  return is_proxy_exempt(target->host, target->port, environment("NO_PROXY", "no_proxy")) ? "" : proxy;
}

Result<net::TransportOptions> transport_options(const TlsConfig& tls, const ProxyConfig& proxy,
                                                const std::string& url) {
  net::TransportOptions out;
  SENTINEL_ASSIGN(out.ca_pem, read_secret(tls.ca));
  SENTINEL_ASSIGN(out.cert_pem, read_secret(tls.cert));
  SENTINEL_ASSIGN(out.key_pem, read_secret(tls.key));
  out.server_name = tls.server_name;
  out.verify = !tls.insecure_skip_verify;
  out.min_version = tls.min_version;
  out.max_version = tls.max_version;
  out.proxy_url = proxy_for(url, proxy);
  if (out.proxy_url.empty()) return out;
  for (const auto& [name, values] : proxy.connect_headers) {
    for (const std::string& value : values) out.connect_headers.emplace_back(name, value);
  }
  return out;
}

}  // namespace sentinel::receivers
