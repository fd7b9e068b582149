// What people change about on-call while the server runs: in force, on disk and in the audit on return.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "alerting/audit.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "incident/pager.h"

namespace sentinel::incident {
namespace {

std::string audit_json(const oncall::ScheduleChange& c) {
  constexpr const char* kKinds[] = {"add", "remove", "replace"};
  const oncall::Span& span = c.over ? c.over->span : c.swap->span;
  const std::string kind = c.over ? kKinds[static_cast<size_t>(c.over->kind)] : "swap";
  return fmt::format(R"({{"schedule":{},"kind":"{}","user":{},"with":{},"from":"{}","to":"{}"}})",
                     json_quote(c.schedule), kind, json_quote(c.over ? c.over->user : c.swap->user),
                     json_quote(c.over ? c.over->with : c.swap->taken_by), format_rfc3339(span.start),
                     format_rfc3339(span.end));
}

}  // namespace

Status Pager::note(state::Tx& tx, const alerting::Actor& by, std::string action, std::string target, std::string before,
                   std::string after) const {
  return alerting::Audit::add(
      tx, {0, scheduler_.now(), by, std::move(action), std::move(target), std::move(before), std::move(after)});
}

Result<oncall::ScheduleChange> Pager::change_schedule(oncall::ScheduleChange change, const alerting::Actor& by) {
  const TimePoint now = scheduler_.now();
  if (change.id.empty()) {
    change.id = new_id(now);
    change.at = now;
    if (change.over) change.over->id = change.id;
    if (change.swap) change.swap->id = change.id;
  }
  SENTINEL_TRY(oncall::check_change(*config_, change, now));
  std::vector<oncall::ScheduleChange> all = changes_;
  const auto known = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.id == change.id; });
  const std::string before = known == all.end() ? "" : audit_json(*known);
  const std::string action =
      fmt::format("oncall.{}.{}", change.over ? "override" : "swap", before.empty() ? "added" : "changed");
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(note(tx, by, action, change.id, before, audit_json(change)));
    return oncall::ChangeStore::put(tx, change);
  }));
  if (known == all.end()) {
    all.push_back(change);
  } else {
    *known = change;
  }
  log_info("oncall", "a schedule was changed", {{"schedule", change.schedule}, {"id", change.id}, {"by", change.by}});
  SENTINEL_TRY(in_force(written_, std::move(all), people_));
  return change;
}

Status Pager::remove_change(std::string_view id, const alerting::Actor& by) {
  std::vector<oncall::ScheduleChange> all = changes_;
  const auto known = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.id == id; });
  if (known == all.end()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("no override or swap \"{}\"; those of the configuration are changed there", id));
  }
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(note(tx, by, fmt::format("oncall.{}.removed", known->over ? "override" : "swap"), std::string(id),
                      audit_json(*known), ""));
    SENTINEL_TRY(oncall::ChangeStore::remove(tx, id));
    return {};
  }));
  all.erase(known);
  return in_force(written_, std::move(all), people_);
}

Status Pager::put_people(oncall::People people, const alerting::Actor& by, const PeopleNote& what,
                         const std::function<Status(state::Tx&)>& put) {
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(note(tx, by, "oncall." + what.action, what.target, what.before, what.after));
    return put(tx);
  }));
  return in_force(written_, changes_, std::move(people));
}

Status Pager::change_user(oncall::User user, const alerting::Actor& by) {
  SENTINEL_TRY(oncall::check_user(*config_, user));
  const auto before = config_->users.find(user.id);
  const bool known = before != config_->users.end();
  const auto changed = people_.users.find(user.id);
  oncall::UserChange change{std::move(user), false, by.name, scheduler_.now()};
  change.created = changed != people_.users.end() ? changed->second.created : !known;
  oncall::People people = people_;
  people.users.insert_or_assign(change.user.id, change);
  const PeopleNote what{known ? "user.changed" : "user.added", change.user.id,
                        known ? oncall::audit_json(before->second) : "", oncall::audit_json(change.user)};
  return put_people(std::move(people), by, what, [&](state::Tx& tx) { return oncall::PeopleStore::put(tx, change); });
}

Status Pager::reset_user(std::string_view id, const alerting::Actor& by) {
  oncall::People people = people_;
  const auto known = people.users.find(id);
  if (known == people.users.end())
    return fail(ErrorCode::kNotFound,
                fmt::format("nothing was changed here about the user \"{}\"; the configuration is changed there", id));
  const auto written = written_->users.find(id);
  const std::string after = written == written_->users.end() ? "" : oncall::audit_json(written->second);
  const PeopleNote what{after.empty() ? "user.removed" : "user.reset", std::string(id),
                        oncall::audit_json(known->second.user), after};
  people.users.erase(known);
  return put_people(std::move(people), by, what,
                    [&](state::Tx& tx) { return oncall::PeopleStore::remove_user(tx, id); });
}

Status Pager::change_team(oncall::Team team, const alerting::Actor& by) {
  SENTINEL_TRY(oncall::check_team(*config_, team));
  const auto before = config_->teams.find(team.id);
  const bool known = before != config_->teams.end();
  const auto changed = people_.teams.find(team.id);
  oncall::TeamChange change{std::move(team), false, by.name, scheduler_.now()};
  change.created = changed != people_.teams.end() ? changed->second.created : !known;
  oncall::People people = people_;
  people.teams.insert_or_assign(change.team.id, change);
  const PeopleNote what{known ? "team.changed" : "team.added", change.team.id,
                        known ? oncall::audit_json(before->second) : "", oncall::audit_json(change.team)};
  return put_people(std::move(people), by, what, [&](state::Tx& tx) { return oncall::PeopleStore::put(tx, change); });
}

Status Pager::reset_team(std::string_view id, const alerting::Actor& by) {
  oncall::People people = people_;
  const auto known = people.teams.find(id);
  if (known == people.teams.end())
    return fail(ErrorCode::kNotFound,
                fmt::format("nothing was changed here about the team \"{}\"; the configuration is changed there", id));
  const auto written = written_->teams.find(id);
  const std::string after = written == written_->teams.end() ? "" : oncall::audit_json(written->second);
  const PeopleNote what{after.empty() ? "team.removed" : "team.reset", std::string(id),
                        oncall::audit_json(known->second.team), after};
  people.teams.erase(known);
  return put_people(std::move(people), by, what,
                    [&](state::Tx& tx) { return oncall::PeopleStore::remove_team(tx, id); });
}

Result<oncall::WindowChange> Pager::add_window(oncall::MaintenanceWindow window, const alerting::Actor& by) {
  const TimePoint now = scheduler_.now();
  window.id = new_id(now);
  SENTINEL_TRY(oncall::check_window(*config_, window, now));
  oncall::WindowChange change{std::move(window), by.name, now};
  oncall::People people = people_;
  people.windows.insert_or_assign(change.window.id, change);
  const PeopleNote what{"maintenance.added", change.window.id, "", oncall::audit_json(change.window)};
  SENTINEL_TRY(
      put_people(std::move(people), by, what, [&](state::Tx& tx) { return oncall::PeopleStore::put(tx, change); }));
  return change;
}

Status Pager::remove_window(std::string_view id, const alerting::Actor& by) {
  oncall::People people = people_;
  const auto known = people.windows.find(id);
  if (known == people.windows.end())
    return fail(
        ErrorCode::kNotFound,
        fmt::format("no maintenance window \"{}\" was made here; those of the configuration are changed there", id));
  const PeopleNote what{"maintenance.removed", std::string(id), oncall::audit_json(known->second.window), ""};
  people.windows.erase(known);
  return put_people(std::move(people), by, what,
                    [&](state::Tx& tx) { return oncall::PeopleStore::remove_window(tx, id); });
}

}  // namespace sentinel::incident
