#pragma once
// What a page says, and how the timeline puts what an escalation does. Private to the module.

#include <optional>
#include <string>
#include <string_view>

#include "incident/service.h"
#include "oncall/channels.h"
#include "oncall/escalation_store.h"

namespace sentinel::incident {

std::string page_title(const model::Incident& incident);  // "[SEV1] INC-17: it broke"

// `record` null: the incident cannot be read; the page says what it knew when it was written. `token` "": no links by
// which it can be answered.
oncall::PageText page_text(const oncall::Page& page, const IncidentRecord* record, const std::string& external_url,
                           const std::string& token);
oncall::PageText test_text(const oncall::Page& page, const std::string& external_url);

struct PageWords {
  std::string kind;  // page, escalation
  std::string text;
  std::string data_json;
  std::string by;  // who did it; "": Sentinel
};
// Absent: the incident's own entries say it already. `name` is that of the event's user.
std::optional<PageWords> words_of(const oncall::EscalationEvent& event, const std::string& name);

}  // namespace sentinel::incident
