#pragma once
// What the importers share: tolerant reading of JSON, ids, and turns as we count them. Private to this folder.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "oncall/import/import.h"

namespace sentinel::oncall::import {

namespace json = boost::json;

// Absent, null, or of another kind: empty.
std::string text_at(const json::object& object, std::string_view key);  // numbers as they are written
int64_t int_at(const json::object& object, std::string_view key, int64_t fallback);
bool bool_at(const json::object& object, std::string_view key, bool fallback);
const json::array& array_at(const json::object& object, std::string_view key);
const json::object& object_at(const json::object& object, std::string_view key);
std::vector<const json::object*> objects_in(const json::array& array);
std::optional<TimePoint> time_at(const json::object& object, std::string_view key);

// Under construction. Ids of the tool lead to ids of ours.
struct Draft {
  TimePoint now;
  Imported out;
  std::map<std::string, std::string> users, teams, schedules, policies;
  std::set<std::string> taken;  // "user/ada"

  void note(std::string what, std::string why);
  // An id of ours made of a name: "Ada Lovelace" is ada-lovelace, the second one ada-lovelace-2.
  std::string new_id(std::string_view kind, std::string_view name);
  // "" when the tool's id is not known; noted then.
  std::string user(const std::string& id, const std::string& where);
  User* add_user(const std::string& their_id, std::string_view id_from, std::string name);
};
// "ada" of "ada@example.org"
std::string_view local_part(std::string_view address);

// ---- schedules ----

// kInvalidArgument: not a whole number of hours, or too long.
Status set_length(Rotation& rotation, int64_t seconds);
// On that weekday (0 is Sunday) from that clock time on, for so long; over midnight and over days too.
void allow_span(std::vector<Restriction>& to, unsigned weekday, int64_t from_s, int64_t length_s);
// Every day.
void allow_daily(std::vector<Restriction>& to, int64_t from_s, int64_t length_s);
// We pass over turns of days that the restrictions leave nothing of, the tools count them: the participants are written
// out so that each day has whom the tool puts on it. False: that needs too many.
bool count_every_turn(Layer& layer, const Zone& zone);
// The layer is silent before `from`.
void silent_before(Layer& layer, const Zone& zone, TimePoint from);
// Instead of whatever the schedule says, and only in what is left of it after `now`.
void add_temporary(Draft& draft, Schedule& schedule, const std::string& id, const Span& span,
                   const std::vector<std::string>& users);

// ---- the three ----

using Documents = std::vector<std::pair<std::string, json::value>>;  // file name, content
void read_pagerduty(const Documents& documents, Draft& draft);
void read_opsgenie(const Documents& documents, Draft& draft);
void read_grafana(const Documents& documents, Draft& draft);

}  // namespace sentinel::oncall::import
