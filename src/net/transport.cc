#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/hash.h"
#include "base/strings.h"
#include "net/transport_impl.h"

namespace sentinel::net {
namespace {

using boost::system::error_code;
namespace ssl = boost::asio::ssl;

int openssl_version(TlsVersion version) {
  switch (version) {
    case TlsVersion::k10: return TLS1_VERSION;
    case TlsVersion::k11: return TLS1_1_VERSION;
    case TlsVersion::k12: return TLS1_2_VERSION;
    case TlsVersion::k13: return TLS1_3_VERSION;
    case TlsVersion::kDefault: break;
  }
  return 0;
}

tl::unexpected<Error> refused(const char* what, const error_code& error) {
  return fail(ErrorCode::kInvalidArgument, std::string(what) + " cannot be used: " + error.message());
}

// http://user:password@host:port: the user information goes into a header of its own.
Status set_proxy(Transport& transport) {
  std::string url = transport.options.proxy_url;
  if (url.find("://") == std::string::npos) url = "http://" + url;
  const size_t start = url.find("://") + 3;
  const size_t end = std::min(url.find_first_of("/?#", start), url.size());
  if (const size_t at = url.substr(0, end).rfind('@'); at != std::string::npos && at >= start) {
    const std::string user = url.substr(start, at - start);
    const size_t colon = std::min(user.find(':'), user.size());
    const auto name = url_decode(user.substr(0, colon), false);
    const auto password = url_decode(colon < user.size() ? user.substr(colon + 1) : "", false);
    if (!name || !password) return fail(ErrorCode::kInvalidArgument, "the proxy's user information is malformed");
    transport.proxy_authorization = "Basic " + base64_encode(*name + ":" + *password);
    url.erase(start, at + 1 - start);
  }
  if (!url.starts_with("http://")) {
    return fail(ErrorCode::kInvalidArgument, "proxies are reached over http://, not " + url.substr(0, url.find(':')));
  }
  SENTINEL_ASSIGN(transport.proxy, parse_url(url));
  return {};
}

}  // namespace

bool TransportOptions::plain() const { return key() == TransportOptions().key(); }

std::string TransportOptions::key() const {
  std::string all;
  const auto add = [&all](std::string_view part) { (all += std::to_string(part.size()) += ':').append(part); };
  for (const std::string* part : {&ca_pem, &cert_pem, &key_pem, &server_name, &proxy_url}) add(*part);
  for (const auto& [name, value] : connect_headers) {
    add(name);
    add(value);
  }
  for (const int number : {verify ? 1 : 0, static_cast<int>(min_version), static_cast<int>(max_version)}) {
    add(std::to_string(number));
  }
  return hex_encode(sha256(all)).substr(0, 32);
}

Status apply_tls_options(ssl::context& context, const TransportOptions& options) {
  error_code error;
  if (options.ca_pem.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.add_certificate_authority(boost::asio::buffer(options.ca_pem), error);
  }
  if (error) return refused("the certificate authority", error);
  if (!options.cert_pem.empty()) context.use_certificate_chain(boost::asio::buffer(options.cert_pem), error);
  if (error) return refused("the client certificate", error);
  if (!options.key_pem.empty()) context.use_private_key(boost::asio::buffer(options.key_pem), ssl::context::pem, error);
  if (error) return refused("the client key", error);
  context.set_verify_mode(options.verify ? ssl::verify_peer : ssl::verify_none, error);
  const int least = openssl_version(options.min_version);
  SSL_CTX_set_min_proto_version(context.native_handle(), least == 0 ? TLS1_2_VERSION : least);
  SSL_CTX_set_max_proto_version(context.native_handle(), openssl_version(options.max_version));
  // OpenSSL's default security level forbids what an explicit min_version below 1.2 asks for.
  if (least != 0 && least < TLS1_2_VERSION) SSL_CTX_set_security_level(context.native_handle(), 0);
  return {};
}

Result<std::shared_ptr<const Transport>> make_transport(TransportOptions options) {
  auto transport = std::make_shared<Transport>(std::move(options));
  transport->key = transport->options.key();
  SENTINEL_TRY(apply_tls_options(transport->tls, transport->options));
  if (!transport->options.proxy_url.empty()) SENTINEL_TRY(set_proxy(*transport));
  return std::shared_ptr<const Transport>(std::move(transport));
}

}  // namespace sentinel::net
