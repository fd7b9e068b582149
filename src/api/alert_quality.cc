#include "api/alert_quality.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "incident/analytics.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

constexpr std::chrono::days kWindowUsual{28};
constexpr std::chrono::days kWindowMax{366};

json::object quality_json(const incident::PageQuality& q) {
  return {{"pages", q.pages},
          {"business", q.business},
          {"off_hours", q.off_hours},
          {"sleep", q.sleep},
          {"rated", q.rated},
          {"resolved_by_itself", q.resolved_by_itself},
          {"transient", q.transient},
          {"flapping", q.flapping},
          {"noisy", q.noisy},
          {"unattended", q.unattended},
          {"actionable", q.actionable},
          {"actionable_low", q.actionable_low},
          {"load", q.load},
          {"sleep_per_week", q.sleep_per_week},
          {"cost", q.cost},
          {"fatigue", q.fatigue ? json::value(*q.fatigue) : json::value(nullptr)},
          {"band", q.band()}};
}

json::array named_json(const char* key, const std::vector<std::pair<std::string, incident::PageQuality>>& all,
                       const oncall::Config* people) {
  json::array out;
  for (const auto& [name, quality] : all) {
    json::object one = quality_json(quality);
    one[key] = name;
    if (people != nullptr) {
      const auto user = people->users.find(name);
      one["name"] = user == people->users.end() ? name : user->second.name;
    }
    out.push_back(std::move(one));
  }
  return out;
}

json::array periods_json(const std::vector<incident::PagePeriod>& periods) {
  json::array out;
  for (const incident::PagePeriod& p : periods) {
    out.push_back(json::object{{"start", format_rfc3339(p.start)},
                               {"business", p.business},
                               {"off_hours", p.off_hours},
                               {"sleep", p.sleep},
                               {"useless", p.useless}});
  }
  return out;
}

void add_duty(const oncall::Config& people, incident::QualityInput& input) {
  std::map<std::string, std::vector<oncall::Span>> spans;
  for (const auto& [id, schedule] : people.schedules) {
    for (const oncall::Shift& shift : oncall::final_schedule(schedule, input.window).shifts)
      spans[shift.user].push_back(oncall::intersect(shift.span, input.window));
  }
  for (auto& [user, all] : spans) input.on_call.emplace(user, oncall::join_spans(std::move(all)));
}

}  // namespace

void AlertQualityApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/analytics/alerts", this, &AlertQualityApi::get);
}

// On the pool: the rows of a month of a busy place are read and weighed there, not on the control loop.
net::Task<Result<net::Response>> AlertQualityApi::get(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const TimePoint now = parts_.control.now();
  incident::QualityInput input;
  SENTINEL_CO_ASSIGN(input.window.start, time_param(params, "from", now - kWindowUsual));
  SENTINEL_CO_ASSIGN(input.window.end, time_param(params, "to", now));
  if (input.window.empty() || input.window.end - input.window.start > kWindowMax)
    co_return fail(ErrorCode::kInvalidArgument, "\"from\" must lie before \"to\", at most 366 days");
  if (const std::string zone(params.get("time_zone")); !zone.empty()) {
    SENTINEL_CO_ASSIGN(input.zone, oncall::Zone::load(zone));
  }
  input.step = incident::usual_period(input.window.end - input.window.start);
  const auto people = co_await net::on_loop(&parts_.control, [this, &input] {
    input.weights = parts_.incidents.options().fatigue;
    return parts_.pager.shared_config();
  });
  for (const auto& [id, team] : people->teams) input.teams[id] = {team.members.begin(), team.members.end()};
  SENTINEL_CO_ASSIGN(
      const json::object body, co_await net::blocking(&parts_.runtime, [this, input, people]() -> Result<json::object> {
        incident::QualityInput all = input;
        std::vector<std::string> quiet;
        for (const auto& [name, channel] : people->channels) {
          if (channel.kind == "email") quiet.push_back(name);
        }
        SENTINEL_TRY(parts_.database.read([&](state::Tx& tx) { return incident::load_quality(tx, quiet, all); }));
        add_duty(*people, all);
        const incident::AlertQuality q = incident::measure_quality(all);
        return json::object{{"from", format_rfc3339(all.window.start)},
                            {"to", format_rfc3339(all.window.end)},
                            {"time_zone", all.zone.name()},
                            {"incidents", q.incidents},
                            {"top_three", q.top_three},
                            {"all", quality_json(q.all)},
                            {"rules", named_json("rule", q.rules, nullptr)},
                            {"people", named_json("user", q.people, people.get())},
                            {"teams", named_json("team", q.teams, nullptr)},
                            {"period_s", std::chrono::duration<double>(all.step).count()},
                            {"periods", periods_json(q.periods)}};
      }));
  co_return net::json_response(200, text::serialize(body));
}

}  // namespace sentinel::api
