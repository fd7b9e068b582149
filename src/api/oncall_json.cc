#include "api/oncall_json.h"

#include <algorithm>
#include <set>

#include <boost/json.hpp>

#include "base/strings.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

using oncall::Config;
using oncall::Schedule;
using oncall::Span;

json::array people_json(const Config& config, const std::vector<std::string>& users) {
  json::array out;
  for (const std::string& user : users) out.push_back(person_json(config, user));
  return out;
}

json::object span_json(const Span& s) { return {{"start", format_rfc3339(s.start)}, {"end", format_rfc3339(s.end)}}; }

json::array spans_json(const std::vector<Span>& spans) {
  json::array out;
  for (const Span& s : spans) out.push_back(span_json(s));
  return out;
}

json::object override_json(const Config& config, const oncall::Override& o) {
  constexpr const char* kKinds[] = {"add", "remove", "replace"};
  json::object out = span_json(o.span);
  out["id"] = o.id;
  out["kind"] = kKinds[static_cast<size_t>(o.kind)];
  out["user"] = person_json(config, o.user);
  out["with"] = o.with.empty() ? json::value(nullptr) : json::value(person_json(config, o.with));
  return out;
}

json::object swap_json(const Config& config, const oncall::Swap& s) {
  json::object out = span_json(s.span);
  out["id"] = s.id;
  out["user"] = person_json(config, s.user);
  out["taken_by"] = s.taken_by.empty() ? json::value(nullptr) : json::value(person_json(config, s.taken_by));
  out["in_return"] = s.in_return ? json::value(span_json(*s.in_return)) : json::value(nullptr);
  return out;
}

// Whether it was made while the server runs, by whom; null for what the configuration says.
json::value made_by(const std::vector<oncall::ScheduleChange>& changes, const std::string& id) {
  const auto it = std::find_if(changes.begin(), changes.end(), [&](const auto& c) { return c.id == id; });
  return it == changes.end() ? json::value(nullptr) : json::value(it->by);
}

// The first instant after `at` at which other people are on call.
std::optional<TimePoint> next_handover(const Schedule& schedule, TimePoint at, const std::vector<std::string>& now) {
  const oncall::FinalSchedule final = oncall::final_schedule(schedule, {at, at + kHandoverHorizon});
  std::set<TimePoint> edges;
  for (const oncall::Shift& s : final.shifts) edges.insert({s.span.start, s.span.end});
  for (const TimePoint edge : edges) {
    if (edge <= at || edge >= final.range.end) continue;
    std::set<std::string> then;
    for (const oncall::Shift& s : final.shifts) {
      if (s.span.contains(edge)) then.insert(s.user);
    }
    if (!std::equal(then.begin(), then.end(), now.begin(), now.end())) return edge;
  }
  return std::nullopt;
}

std::string recipient_text(const Config& config, const oncall::Recipient& r, TimePoint at) {
  using Kind = oncall::Recipient::Kind;
  const auto names = [&config](const std::vector<std::string>& users) {
    std::vector<std::string> out;
    for (const std::string& user : users) out.push_back(std::string(person_json(config, user).at("name").as_string()));
    return out.empty() ? std::string("nobody") : join(out, ", ");
  };
  if (r.kind == Kind::kUser) return names({r.id});
  if (r.kind == Kind::kRoundRobin) return "one of " + names(r.users);
  if (r.kind == Kind::kTeam) {
    const auto team = config.teams.find(r.id);
    return team == config.teams.end() ? r.id : names(team->second.members);
  }
  const auto schedule = config.schedules.find(r.id);
  return schedule == config.schedules.end() ? r.id : names(oncall::who_is_on_call(schedule->second, at));
}

}  // namespace

json::object person_json(const Config& config, const std::string& user) {
  const auto it = config.users.find(user);
  return {{"id", user}, {"name", it == config.users.end() ? user : it->second.name}};
}

json::object now_json(const Config& config, const Schedule& schedule, TimePoint at) {
  const std::vector<std::string> now = oncall::who_is_on_call(schedule, at);
  json::object out{{"id", schedule.id},
                   {"name", schedule.name},
                   {"time_zone", schedule.zone.name()},
                   {"users", people_json(config, now)},
                   {"until", nullptr},
                   {"next", json::array()}};
  if (const auto handover = next_handover(schedule, at, now)) {
    out["until"] = format_rfc3339(*handover);
    out["next"] = people_json(config, oncall::who_is_on_call(schedule, *handover));
  }
  out["gaps"] = spans_json(oncall::coverage(schedule, at, kGapHorizon).final.gaps);
  return out;
}

json::object schedule_json(const Config& config, const Schedule& schedule, Span range,
                           const std::vector<oncall::ScheduleChange>& changes) {
  const oncall::Coverage coverage = oncall::coverage(schedule, range.start, range.end - range.start);
  const oncall::FinalSchedule& final = coverage.final;
  json::array shifts;
  for (const oncall::Shift& s : final.shifts) {
    json::object shift = span_json(s.span);
    shift["user"] = person_json(config, s.user);
    shift["source"] = s.source;
    shifts.push_back(std::move(shift));
  }
  json::array overrides;
  for (const oncall::Override& o : schedule.overrides) {
    if (!o.span.overlaps(range)) continue;
    overrides.push_back(override_json(config, o));
    overrides.back().as_object()["by"] = made_by(changes, o.id);
  }
  json::array swaps;
  for (const oncall::Swap& s : schedule.swaps) {
    if (!s.span.overlaps(range) && !(s.in_return && s.in_return->overlaps(range))) continue;
    swaps.push_back(swap_json(config, s));
    swaps.back().as_object()["by"] = made_by(changes, s.id);
  }
  return {{"id", schedule.id},
          {"name", schedule.name},
          {"time_zone", schedule.zone.name()},
          {"from", format_rfc3339(final.range.start)},
          {"to", format_rfc3339(final.range.end)},
          {"shifts", std::move(shifts)},
          {"gaps", spans_json(final.gaps)},
          {"overlaps", spans_json(final.overlaps)},
          {"never_serve", people_json(config, coverage.never_serve)},
          {"overrides", std::move(overrides)},
          {"swaps", std::move(swaps)}};
}

json::object change_json(const Config& config, const oncall::ScheduleChange& change) {
  json::object out = change.over ? override_json(config, *change.over) : swap_json(config, *change.swap);
  out["by"] = change.by;
  out["schedule"] = change.schedule;
  return out;
}

json::object page_json(const Config& config, const oncall::PageRecord& page) {
  return {{"key", page.message_key},
          {"user", person_json(config, page.user)},
          {"channel", page.channel},
          {"level", page.level_id},
          {"at", format_rfc3339(page.at)},
          {"outcome", page.outcome.empty() ? "under way" : page.outcome},
          {"outcome_at", page.outcome_at ? json::value(format_rfc3339(*page.outcome_at)) : json::value(nullptr)},
          {"error", page.error}};
}

json::value next_level_json(const Config& config, const oncall::Escalation& e) {
  const auto policy = config.policies.find(e.policy);
  if (e.state != oncall::EscalationState::kEscalating || !e.due_at || policy == config.policies.end()) return nullptr;
  const std::vector<oncall::Level>& levels = policy->second.levels;
  auto next = levels.begin();
  const auto last = std::find_if(levels.begin(), levels.end(), [&](const auto& l) { return l.id == e.level_id; });
  if (last != levels.end()) next = last + 1;
  json::object out{{"at", format_rfc3339(*e.due_at)}};
  const std::vector<oncall::Recipient>* who = nullptr;
  if (next != levels.end()) {
    out["level"] = next->id;
    who = &next->recipients;
  } else if (e.cycle < policy->second.repeats && !levels.empty()) {
    out["level"] = levels.front().id;
    who = &levels.front().recipients;
  } else {
    out["level"] = "last_resort";
    who = policy->second.last_resort.empty() ? &config.last_resort : &policy->second.last_resort;
  }
  std::vector<std::string> texts;
  for (const oncall::Recipient& r : *who) texts.push_back(recipient_text(config, r, *e.due_at));
  out["who"] = texts.empty() ? "nobody" : join(texts, ", ");
  return out;
}

}  // namespace sentinel::api
