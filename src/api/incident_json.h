#pragma once
// Incidents and what belongs to them, as the API shows them.

#include <optional>
#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "connect/hub.h"
#include "incident/casework.h"
#include "incident/options.h"
#include "incident/service.h"
#include "runbook/runs.h"

namespace sentinel::api {

boost::json::object incident_json(const incident::IncidentRecord& record);
boost::json::object alert_json(const incident::IncidentAlert& entry);
boost::json::object timeline_json(const model::TimelineEntry& entry);
boost::json::value summary_json(const std::optional<incident::Summary>& summary);
boost::json::value runbook_json(const std::optional<runbook::Run>& run);
boost::json::object attachment_json(const incident::Attachment& attachment);
// roles, fields, links, subscribers, updates, attachments: added to the incident.
void add_case(boost::json::object& out, const incident::Case& known);
boost::json::object settings_json(const incident::Options& options);
// Where else the incident is: its Slack channel, its ticket.
boost::json::array external_json(const std::vector<connect::LinkView>& links);
boost::json::value parse_or_null(const std::string& text);

}  // namespace sentinel::api
