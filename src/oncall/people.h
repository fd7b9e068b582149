#pragma once
// What people change about users, teams and maintenance windows while the server runs, kept in the state store beside
// what the configuration says. Which wins: a user who was changed here is as he was changed, whatever the file says of
// his contacts and rules, until the change is taken back; so a reload never destroys a number that somebody corrected.
// A user who leaves the file is gone, with his change (which is kept, and in force again when he is back); only one who
// was created here stays by himself. The same of teams; a member who is gone is left out. Windows add to those of the
// file. All functions run inside the caller's transaction.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "oncall/config.h"
#include "state/database.h"

namespace sentinel::oncall {

struct UserChange {
  User user;             // whole: name, contacts, rules
  bool created = false;  // the file has, or had, no such user
  std::string by;
  TimePoint at;
};

struct TeamChange {
  Team team;             // whole
  bool created = false;  // the file has, or had, no such team
  std::string by;
  TimePoint at;
};

struct WindowChange {
  MaintenanceWindow window;
  std::string by;
  TimePoint at;
};

struct People {
  std::map<std::string, UserChange, std::less<>> users;      // by id
  std::map<std::string, TeamChange, std::less<>> teams;      // by id
  std::map<std::string, WindowChange, std::less<>> windows;  // by id
};

class PeopleStore {
 public:
  // REQUIRES: state::KeyValue::migrate() ran.
  static Result<People> list(state::Tx& tx);
  static Status put(state::Tx& tx, const UserChange& change);
  static Status put(state::Tx& tx, const TeamChange& change);
  static Status put(state::Tx& tx, const WindowChange& change);
  static Status remove_user(state::Tx& tx, std::string_view id);
  static Status remove_team(state::Tx& tx, std::string_view id);
  static Status remove_window(state::Tx& tx, std::string_view id);
};

// A window of a policy that is gone is for the others it names; of none that is left it is left out.
Config with_people(Config config, const People& people);
// kInvalidArgument: an id, an empty address, a rule by no contact, a contact without its channel, or one by a test
// channel beside others.
Status check_user(const Config& config, const User& user);
// kInvalidArgument: an id, no member, or one twice; kNotFound: a member.
Status check_team(const Config& config, const Team& team);
// The same for a window; kNotFound: a policy.
Status check_window(const Config& config, const MaintenanceWindow& window, TimePoint now);

// What the audit may keep: addresses are cut to what tells them apart.
std::string audit_json(const User& user);
std::string audit_json(const Team& team);
std::string audit_json(const MaintenanceWindow& window);

}  // namespace sentinel::oncall
