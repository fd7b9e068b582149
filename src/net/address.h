#pragma once
// IP addresses as text, for lists such as NO_PROXY.

#include <string_view>

namespace sentinel::net {

bool is_loopback_address(std::string_view host);  // false for names
// `range` is an address or a CIDR range, "10.0.0.0/8"; false when either is not what it should be.
bool cidr_contains(std::string_view range, std::string_view host);

}  // namespace sentinel::net
