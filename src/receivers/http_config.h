#pragma once
// http_config of alertmanager.yml: who asks (credentials), over what (TLS, proxy), and what goes along (headers).

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/http.h"
#include "net/transport.h"
#include "receivers/fields.h"
#include "receivers/secret.h"

namespace sentinel::receivers {

struct TlsConfig {
  Secret ca;
  Secret cert;
  Secret key;
  std::string server_name;
  bool insecure_skip_verify = false;
  net::TlsVersion min_version = net::TlsVersion::kDefault;
  net::TlsVersion max_version = net::TlsVersion::kDefault;
  bool operator==(const TlsConfig&) const;
};

struct ProxyConfig {
  std::string url;  // "": none; may carry user:password
  std::string no_proxy;
  bool from_environment = false;
  std::map<std::string, std::vector<std::string>> connect_headers;
  bool operator==(const ProxyConfig&) const = default;
};

struct Oauth2Config {
  std::string client_id;
  Secret client_secret;
  Secret client_key;  // PEM, for the jwt-bearer grant
  std::string client_key_id;
  std::string grant_type;
  std::string signature_algorithm;
  std::string issuer;
  std::string audience;
  StringMap claims;  // name to a JSON value
  std::vector<std::string> scopes;
  std::string token_url;
  StringMap endpoint_params;
  TlsConfig tls;
  ProxyConfig proxy;
};

struct HttpHeader {
  std::string name;
  std::vector<std::string> values;
  std::vector<std::string> files;
};

struct HttpConfig {
  bool has_basic_auth = false;
  Secret basic_username;
  Secret basic_password;
  bool has_authorization = false;
  std::string authorization_type = "Bearer";
  Secret authorization;
  std::optional<Oauth2Config> oauth2;
  TlsConfig tls;
  ProxyConfig proxy;
  bool follow_redirects = true;
  std::vector<HttpHeader> headers;
};

// `folder`: what relative file names start from ("" or ending in a slash). A null node gives `fallback`.
Result<HttpConfig> read_http_config(const text::YamlNode& node, const std::string& folder, const HttpConfig& fallback);
Result<TlsConfig> read_tls_config(const text::YamlNode& node, const std::string& folder);

// Sets the headers that `config` gives every request: http_headers, basic_auth, authorization. Blocks on secret files.
Status authorize(net::Headers& headers, const HttpConfig& config);
// The proxy for `url`; "" for none. From `config`, or from HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment.
// Loopback is reached directly when the proxy comes from the environment or beside no_proxy, as with Go.
std::string proxy_for(const std::string& url, const ProxyConfig& config);
bool is_proxy_exempt(const std::string& host, uint16_t port, std::string_view no_proxy);
// What a connection needs to know. Blocks on certificate files.
Result<net::TransportOptions> transport_options(const TlsConfig& tls, const ProxyConfig& proxy, const std::string& url);

}  // namespace sentinel::receivers
