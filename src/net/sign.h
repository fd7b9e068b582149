#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace sentinel::net {

// RSASSA-PKCS1-v1_5 over `text` with SHA256, SHA384 or SHA512. kInvalidArgument: no RSA private key in PEM.
Result<std::string> rsa_sign(const std::string& key_pem, const std::string& digest, std::string_view text);

}  // namespace sentinel::net
