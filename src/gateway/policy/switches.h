#pragma once
// Routes that somebody has switched off while the server runs: the kill switch. Kept over a restart, until switched on
// again; a route that the configuration disables stays off whatever stands here.

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sentinel::gateway {

struct RouteSwitch {
  std::string route;  // its name
  std::string reason;
  std::string by;
  TimePoint at;
};

// Immutable once published.
struct RouteSwitches {
  std::map<std::string, RouteSwitch, std::less<>> off;

  const RouteSwitch* find(std::string_view route) const {
    const auto found = off.find(route);
    return found == off.end() ? nullptr : &found->second;
  }
};

}  // namespace sentinel::gateway
