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

constexpr size_t kSocksTextMax = 255;  // RFC 1929: the length is one byte

// Makes a URL that parse_url() knows of a SOCKS proxy's; its port is 1080 unless said otherwise.
std::string as_http(std::string url) {
  url = "http" + url.substr(url.find("://"));
  const size_t start = url.find("://") + 3;
  const size_t end = std::min(url.find_first_of("/?#", start), url.size());
  const std::string host = url.substr(start, end - start);
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  return has_port ? url : url.insert(end, ":1080");
}

// scheme://user:password@host:port: the user information is said apart.
Status set_proxy(Transport& transport) {
  std::string url = transport.options.proxy_url;
  if (url.find("://") == std::string::npos) url = "http://" + url;
  const std::string scheme = to_lower(url.substr(0, url.find("://")));
  const size_t start = url.find("://") + 3;
  const size_t end = std::min(url.find_first_of("/?#", start), url.size());
  if (const size_t at = url.substr(0, end).rfind('@'); at != std::string::npos && at >= start) {
    const std::string user = url.substr(start, at - start);
    const size_t colon = std::min(user.find(':'), user.size());
    const auto name = url_decode(user.substr(0, colon), false);
    const auto password = url_decode(colon < user.size() ? user.substr(colon + 1) : "", false);
    if (!name || !password) return fail(ErrorCode::kInvalidArgument, "the proxy's user information is malformed");
    transport.proxy_authorization = "Basic " + base64_encode(*name + ":" + *password);
    transport.socks_user = *name;
    transport.socks_password = *password;
    url.erase(start, at + 1 - start);
  }
  transport.socks = scheme == "socks5" || scheme == "socks5h";
  if (transport.socks) {
    if (transport.socks_user.size() > kSocksTextMax || transport.socks_password.size() > kSocksTextMax)
      return fail(ErrorCode::kInvalidArgument, "the proxy's user information is longer than 255 bytes");
    url = as_http(std::move(url));
  } else if (scheme != "http" && scheme != "https") {
    return fail(ErrorCode::kInvalidArgument,
                "proxies are reached over http://, https:// or socks5://, not " + scheme + "://");
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

namespace {

int verify_mode(ClientAuth auth) {
  switch (auth) {
    case ClientAuth::kNone: return SSL_VERIFY_NONE;
    case ClientAuth::kRequest:
    case ClientAuth::kVerifyIfGiven: return SSL_VERIFY_PEER;
    case ClientAuth::kRequireAny:
    case ClientAuth::kRequireAndVerify: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

// Of those who only have to show some certificate.
int take_any(int /*verified*/, X509_STORE_CTX* /*chain*/) { return 1; }

}  // namespace

Result<std::shared_ptr<const ServerTls>> make_server_tls(const ServerTlsOptions& options) {
  auto out = std::make_shared<ServerTls>();
  error_code error;
  out->context.use_certificate_chain(boost::asio::buffer(options.cert_pem), error);
  if (error) return refused("the server certificate", error);
  out->context.use_private_key(boost::asio::buffer(options.key_pem), ssl::context::pem, error);
  if (error) return refused("the server key", error);
  if (!options.client_ca_pem.empty()) {
    out->context.add_certificate_authority(boost::asio::buffer(options.client_ca_pem), error);
    if (error) return refused("the client certificate authority", error);
  }
  const bool any = options.client_auth == ClientAuth::kRequest || options.client_auth == ClientAuth::kRequireAny;
  SSL_CTX* native = out->context.native_handle();
  SSL_CTX_set_verify(native, verify_mode(options.client_auth), any ? take_any : nullptr);
  // Without a name for them, a session that is taken up again with a client's certificate is refused.
  static constexpr unsigned char kSessionName[] = "sentinel";
  SSL_CTX_set_session_id_context(native, kSessionName, sizeof kSessionName - 1);
  const int least = openssl_version(options.min_version);
  SSL_CTX_set_min_proto_version(native, least == 0 ? TLS1_2_VERSION : least);
  SSL_CTX_set_max_proto_version(native, openssl_version(options.max_version));
  return std::shared_ptr<const ServerTls>(std::move(out));
}

Result<std::shared_ptr<const Transport>> make_transport(TransportOptions options) {
  auto transport = std::make_shared<Transport>(std::move(options));
  transport->key = transport->options.key();
  SENTINEL_TRY(apply_tls_options(transport->tls, transport->options));
  if (!transport->options.proxy_url.empty()) SENTINEL_TRY(set_proxy(*transport));
  return std::shared_ptr<const Transport>(std::move(transport));
}

}  // namespace sentinel::net
