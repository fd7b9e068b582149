#pragma once
// How a request travels when the client's own settings do not do: certificates, TLS versions, a proxy. Made once,
// shared by many requests (ClientRequest::transport); connections are pooled for each transport apart.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sentinel::net {

enum class TlsVersion { kDefault, k10, k11, k12, k13 };  // kDefault: at least TLS 1.2

struct TransportOptions {
  bool verify = true;
  std::string ca_pem;    // "": the system's authorities
  std::string cert_pem;  // with key_pem: what the client shows of itself
  std::string key_pem;
  std::string server_name;  // asked for and verified instead of the URL's host
  TlsVersion min_version = TlsVersion::kDefault;
  TlsVersion max_version = TlsVersion::kDefault;
  // http:// or https://[user:password@]host:port: http targets are asked through it, https targets are tunnelled
  // (CONNECT). socks5:// (or socks5h://): both are tunnelled, and the proxy resolves the names. The TLS settings above
  // hold for an https proxy too.
  std::string proxy_url;
  std::vector<std::pair<std::string, std::string>> connect_headers;  // of CONNECT

  bool plain() const;       // nothing is set
  std::string key() const;  // the same for the same options; no secret can be read from it
};

class Transport;  // immutable; from any thread

// kInvalidArgument: a certificate or key that cannot be used, a proxy of another scheme.
Result<std::shared_ptr<const Transport>> make_transport(TransportOptions options);

}  // namespace sentinel::net
