#pragma once
// What people do to an incident: POST .../{id}/NAME.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "incident/casework.h"
#include "incident/service.h"

namespace sentinel::api {

// What every change of an incident is given beside its own fields.
struct ActionCall {
  std::string id;
  std::string note;
  incident::Actor actor;
  int64_t version = 0;  // the caller saw; 0: any
};

struct IncidentAction {
  std::string_view name;
  // Called on the control loop; gives the incident that is shown as the answer.
  Result<incident::IncidentRecord> (*run)(incident::Service& desk, const ActionCall& call,
                                          const boost::json::object& body);
};

std::span<const IncidentAction> incident_actions();

Result<model::Severity> severity_from(std::string_view word);

}  // namespace sentinel::api
