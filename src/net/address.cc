#include "net/address.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <string>

namespace sentinel::net {
namespace ip = boost::asio::ip;

bool is_loopback_address(std::string_view host) {
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

bool cidr_contains(std::string_view range, std::string_view host) {
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(host), error);
  if (error) return false;
  if (const ip::address single = ip::make_address(std::string(range), error); !error) return single == address;
  if (range.find('/') == std::string_view::npos) return false;
  if (address.is_v4()) {
    const ip::network_v4 network = ip::make_network_v4(std::string(range), error);
    return !error && (ip::network_v4(address.to_v4(), network.prefix_length()).canonical() == network.canonical());
  }
  const ip::network_v6 network = ip::make_network_v6(std::string(range), error);
  return !error && (ip::network_v6(address.to_v6(), network.prefix_length()).canonical() == network.canonical());
}

}  // namespace sentinel::net
