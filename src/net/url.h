#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sentinel::net {

// http://host[:port][/path][?query]; a fragment is dropped, user information is refused.
struct Url {
  bool tls = false;
  std::string host;  // without the brackets of an IPv6 literal
  uint16_t port = 0;
  std::string target;  // path and query, at least "/"

  std::string authority() const;  // as in a Host header: the port only when it is not the scheme's own
  std::string origin() const;     // "https://host:port", always with the port: the key of a pool
};

Result<Url> parse_url(std::string_view text);

}  // namespace sentinel::net
