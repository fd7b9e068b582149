#include "net/url.h"

#include <algorithm>

#include "base/strings.h"
#include "net/limits.h"

namespace sentinel::net {
namespace {

tl::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(ErrorCode::kInvalidArgument,
              "not a usable URL, " + std::string(why) + ": " + std::string(text.substr(0, 200)));
}

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

std::string Url::origin() const {
  std::string out = tls ? "https://" : "http://";
  out += host;
  out += ':';
  out += std::to_string(port);
  return out;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) return bad(text, "too long");
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return bad(text, "it holds a space or control character");
  }
  Url url;
  std::string_view rest = text;
  const size_t scheme_end = rest.find("://");
  if (scheme_end == std::string_view::npos) return bad(text, "no scheme");
  if (iequals(rest.substr(0, scheme_end), "https")) {
    url.tls = true;
  } else if (!iequals(rest.substr(0, scheme_end), "http")) {
    return bad(text, "only http and https are known");
  }
  rest.remove_prefix(scheme_end + 3);
  const size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  if (authority.find('@') != std::string_view::npos) return bad("(hidden)", "it holds a user name or password");
  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad(text, "unclosed [");
    url.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
    if (!authority.empty() && authority.front() != ':') return bad(text, "rubbish after ]");
    has_port = !authority.empty();
    if (has_port) port = authority.substr(1);
  } else {
    const size_t colon = authority.find(':');
    url.host = to_lower(authority.substr(0, colon));
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
  }
  if (url.host.empty()) return bad(text, "no host");
  url.port = url.tls ? 443 : 80;
  if (has_port && !port.empty()) {
    const auto number = parse_int(port);
    if (!number || *number < 1 || *number > 65535) return bad(text, "the port is not in 1..65535");
    url.port = static_cast<uint16_t>(*number);
  }
  const std::string_view target = rest.substr(0, rest.find('#'));
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

}  // namespace sentinel::net
