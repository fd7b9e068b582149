#include "app/incident_story.h"

#include <fmt/format.h>

#include "app/commands/client.h"
#include "base/strings.h"

namespace sentinel::app {

std::vector<std::string> IncidentStory::news(const boost::json::array& items) {
  std::vector<std::string> lines;
  for (const boost::json::value& i : items) {
    const std::string name = field(i, "name");
    const std::string status = field(i, "status");
    const std::string why = field(i, "why");
    std::string& told = told_[name];
    if (told.empty() && parse_time(field(i, "created_at")).value_or(started_) < started_) told = "open/why/" + status;
    if (told.empty()) {
      lines.push_back(fmt::format("  !  {} {} opened: {}", name, field(i, "severity"), field(i, "what_failed")));
      told = "open/";
    }
    if (!why.empty() && told == "open/") {
      lines.push_back(
          fmt::format("     why:  {}\n     next: {}\n     {}/#/incidents/{}", why, field(i, "next_step"), url_, name));
      told = "open/why";
    }
    if (status != "open" && told.find(status) == std::string::npos) {
      lines.push_back(fmt::format("  ✓  {} is {}", name, status));
      told += "/" + status;
      if (status == "resolved")
        lines.push_back(fmt::format("     postmortem: {}/sentinel/v1/incidents/{}/postmortem", url_, name));
    }
  }
  return lines;
}

}  // namespace sentinel::app
