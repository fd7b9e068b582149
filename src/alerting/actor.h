#pragma once
// Who does something to alerts, and from where.

#include <string>

namespace sentinel::alerting {

// "ada", "page", "10.0.0.7:5123". What Sentinel does by itself has no address.
struct Actor {
  std::string name = "sentinel";
  std::string source = "sentinel";  // page, cli, api, amtool, …
  std::string address{};
};

}  // namespace sentinel::alerting
