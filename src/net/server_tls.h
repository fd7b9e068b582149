#pragma once
// TLS of a listener: who it is, and whom it lets in.

#include <memory>
#include <string>

#include "base/result.h"
#include "net/transport.h"

namespace sentinel::net {

// As Go's tls.ClientAuthType.
enum class ClientAuth { kNone, kRequest, kRequireAny, kVerifyIfGiven, kRequireAndVerify };

struct ServerTlsOptions {
  std::string cert_pem;  // with its chain
  std::string key_pem;
  std::string client_ca_pem;  // who may have signed a client's certificate
  ClientAuth client_auth = ClientAuth::kNone;
  TlsVersion min_version = TlsVersion::kDefault;
  TlsVersion max_version = TlsVersion::kDefault;
};

class ServerTls;  // immutable; from any thread

// kInvalidArgument: a certificate or key that cannot be used.
Result<std::shared_ptr<const ServerTls>> make_server_tls(const ServerTlsOptions& options);

}  // namespace sentinel::net
