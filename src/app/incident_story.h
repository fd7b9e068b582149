#pragma once
// What the demo tells on the terminal of its incidents, from what the API lists.

#include <map>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"

namespace sentinel::app {

// Each incident is told of once as it opens, once with its "why" and once for each status it comes to. Those of before
// `started`, which a restarted demo finds in its data, are known already: only what becomes of them is news.
class IncidentStory {
 public:
  IncidentStory(TimePoint started, std::string url) : started_(started), url_(std::move(url)) {}

  // Lines to print, in order. `items`: those of GET /sentinel/v1/incidents.
  std::vector<std::string> news(const boost::json::array& items);

 private:
  const TimePoint started_;
  const std::string url_;
  std::map<std::string, std::string> told_;  // by incident
};

}  // namespace sentinel::app
