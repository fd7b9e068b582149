#pragma once
// Internal to net: what is inside a Transport.

#include <boost/asio/ssl/context.hpp>

#include <optional>

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
  std::optional<Url> proxy;
  std::string proxy_authorization;  // value of the header; "" without user information
};

// Fills `context` from the TLS part of `options`.
Status apply_tls_options(boost::asio::ssl::context& context, const TransportOptions& options);

}  // namespace sentinel::net
