#pragma once
// Internal to net: what is inside a Transport.

#include <boost/asio/ssl/context.hpp>

#include <optional>

#include "net/server_tls.h"
#include "net/transport.h"
#include "net/url.h"

namespace sentinel::net {

class Transport {
 public:
  explicit Transport(TransportOptions o) : options(std::move(o)), tls(boost::asio::ssl::context::tls_client) {}
  TransportOptions options;
  std::string key;
  // OpenSSL counts references and locks inside; the C++ face is not const-correct.
  mutable boost::asio::ssl::context tls;
  std::optional<Url> proxy;  // with tls: over TLS; of a SOCKS proxy too
  bool socks = false;
  std::string socks_user;
  std::string socks_password;
  std::string proxy_authorization;  // value of the header; "" without user information
};

class ServerTls {
 public:
  ServerTls() : context(boost::asio::ssl::context::tls_server) {}
  mutable boost::asio::ssl::context context;  // as Transport::tls
};

// Whether requests to `url` name their whole target, since an HTTP proxy reads them.
inline bool asks_proxy(const Transport* transport, const Url& url) {
  return transport != nullptr && transport->proxy && !transport->socks && !url.tls;
}

// Fills `context` from the TLS part of `options`.
Status apply_tls_options(boost::asio::ssl::context& context, const TransportOptions& options);

}  // namespace sentinel::net
