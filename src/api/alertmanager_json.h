#pragma once
// Alertmanager's API v2 as JSON: bodies in, values out, and its three forms of an error. Pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "alerting/query.h"
#include "alerting/silences.h"
#include "model/alert.h"
#include "net/http.h"

namespace sentinel::api {

// What Alertmanager answers to a request it does not like: a JSON string where its handlers speak, an object with code
// and message where the check against the OpenAPI document does.
struct AlertmanagerError {
  int status = 400;
  int code = 0;  // 0: a JSON string
  std::string message;
};
template <class T>
using AlertmanagerResult = tl::expected<T, AlertmanagerError>;

net::Response alertmanager_response(const AlertmanagerError& error);
net::Response alertmanager_json(int status, std::string body);

// The body of POST /api/v2/alerts. Times that are absent, null or in the year 1 are unset. What is wrong with a single
// alert (no labels, an end before its start) is for alerting to say.
AlertmanagerResult<std::vector<model::Alert>> parse_alerts(std::string_view body);
// The body of POST /api/v2/silences. Beside `matchers` there may be `matcherSets`, a list of further lists.
AlertmanagerResult<alerting::Silence> parse_silence(std::string_view body);
// Only the matchers of such a body; all else may be missing.
AlertmanagerResult<std::vector<model::Matchers>> parse_matcher_sets(std::string_view body);
// "filter" parameters, one matcher each.
AlertmanagerResult<model::Matchers> parse_filter(const std::vector<std::string>& texts);
// As Go's swag.ConvertBool: what is no known word for yes is no.
bool parse_flag(std::string_view text, bool absent);

std::string alerts_json(const std::vector<alerting::AlertView>& alerts);
std::string groups_json(const std::vector<alerting::GroupView>& groups);
std::string silence_json(const alerting::Silence& silence, TimePoint now);
std::string silences_json(const std::vector<alerting::Silence>& silences, TimePoint now);
// "2026-11-21T02:24:57.123Z", always with milliseconds.
std::string alertmanager_time(TimePoint t);

}  // namespace sentinel::api
