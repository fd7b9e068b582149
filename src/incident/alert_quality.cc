#include "incident/alert_quality.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "incident/analytics.h"

namespace sentinel::incident {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds kMergedWithin{60};
constexpr seconds kTransient{300};
constexpr minutes kAgainWithin{30};
constexpr hours kShift{12};
constexpr double kNightHours = 10;
constexpr double kWilsonZ = 1.959964;  // 95 %

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }
double clamped(double x) { return std::clamp(x, 0.0, 1.0); }

double wilson_low(double share, double n) {
  if (n <= 0) return 0;
  const double z2 = kWilsonZ * kWilsonZ;
  const double middle = share + z2 / (2 * n);
  const double spread = kWilsonZ * std::sqrt((share * (1 - share) + z2 / (4 * n)) / n);
  return clamped((middle - spread) / (1 + z2 / n));
}

bool is_transient(const PagedIncident& i) {
  return i.resolved && i.resolved_by_itself && *i.resolved - i.created <= kTransient;
}
bool is_actionable(const PagedIncident& i) {
  return i.useful.value_or(!i.resolved_by_itself || i.acknowledged || i.touched);
}

// Of the same rule, begun within half an hour of the end of another.
std::set<std::string> flapping_incidents(const QualityInput& input) {
  std::map<std::string, std::vector<TimePoint>> ends;
  for (const auto& [id, i] : input.incidents) {
    if (!i.rule.empty() && i.resolved) ends[i.rule].push_back(*i.resolved);
  }
  for (auto& [rule, times] : ends) std::sort(times.begin(), times.end());
  std::set<std::string> out;
  for (const auto& [id, i] : input.incidents) {
    const auto times = ends.find(i.rule);
    if (times == ends.end()) continue;
    const auto from = std::lower_bound(times->second.begin(), times->second.end(), i.created - kAgainWithin);
    const auto to = std::upper_bound(from, times->second.end(), i.created);
    const bool own = i.resolved && *i.resolved == i.created;  // over at once: its own end is among them
    if (to - from > (own ? 1 : 0)) out.insert(id);
  }
  return out;
}

// What reaches one person for one incident within a minute of the last is one interruption.
std::vector<PageSeen> merged(const QualityInput& input) {
  std::map<std::pair<std::string, std::string>, TimePoint> last;
  std::vector<PageSeen> out;
  for (const PageSeen& page : input.pages) {
    if (!input.incidents.contains(page.incident)) continue;
    const auto [known, first] = last.try_emplace({page.incident, page.user}, page.at);
    if (first || page.at - known->second >= kMergedWithin) out.push_back(page);
    known->second = page.at;
  }
  return out;
}

struct Duty {
  std::vector<double> per_shift;  // pages in each 12 hours on call
  double nights = 0;
};

Duty duty_of(const QualityInput& input, const std::string& user, const std::vector<PageSeen>& pages) {
  Duty out;
  std::vector<TimePoint> times;  // ascending, as pages are
  for (const PageSeen& page : pages) {
    if (page.user == user) times.push_back(page.at);
  }
  const auto known = input.on_call.find(user);
  const std::vector<oncall::Span> spans =
      known == input.on_call.end() ? std::vector<oncall::Span>{input.window} : known->second;
  for (const oncall::Span& span : spans) {
    for (TimePoint from = span.start; from < span.end; from += kShift) {
      const oncall::Span shift{from, std::min<TimePoint>(from + kShift, span.end)};
      out.per_shift.push_back(static_cast<double>(std::count_if(
          pages.begin(), pages.end(), [&](const PageSeen& p) { return p.user == user && shift.contains(p.at); })));
    }
    for (TimePoint at = span.start; at < span.end; at += minutes(30)) {
      if (hour_class(at, input.zone) == HourClass::kSleep) out.nights += 0.5 / kNightHours;
    }
  }
  return out;
}

class Measure {
 public:
  explicit Measure(const QualityInput& input)
      : input_(input), flapping_(flapping_incidents(input)), pages_(merged(input)) {}

  AlertQuality run() {
    AlertQuality out;
    out.incidents = input_.incidents.size();
    std::set<std::string> users, rules;
    for (const PageSeen& page : pages_) {
      users.insert(page.user);
      rules.insert(input_.incidents.at(page.incident).rule);
    }
    for (const std::string& user : users) duties_.emplace(user, duty_of(input_, user, pages_));
    out.all = of([](const PageSeen&) { return true; }, users);
    for (const std::string& user : users)
      out.people.emplace_back(user, of([&](const PageSeen& p) { return p.user == user; }, {user}));
    for (const std::string& rule : rules) {
      out.rules.emplace_back(rule,
                             of([&](const PageSeen& p) { return input_.incidents.at(p.incident).rule == rule; }, {}));
    }
    for (const auto& [team, members] : input_.teams) {
      std::set<std::string> paged;
      std::set_intersection(members.begin(), members.end(), users.begin(), users.end(),
                            std::inserter(paged, paged.end()));
      if (!paged.empty())
        out.teams.emplace_back(team, of([&](const PageSeen& p) { return paged.contains(p.user); }, paged));
    }
    out.periods = periods();
    std::sort(out.rules.begin(), out.rules.end(), [](const auto& a, const auto& b) {
      return a.second.cost != b.second.cost ? a.second.cost > b.second.cost : a.second.pages > b.second.pages;
    });
    std::vector<uint64_t> noisiest;
    for (const auto& [rule, q] : out.rules) noisiest.push_back(q.pages);
    std::sort(noisiest.rbegin(), noisiest.rend());
    for (size_t i = 0; i < std::min<size_t>(3, noisiest.size()); ++i)
      out.top_three += ratio(static_cast<double>(noisiest[i]), static_cast<double>(out.all.pages));
    return out;
  }

 private:
  template <class Of>
  PageQuality of(const Of& chosen, const std::set<std::string>& users) const {
    PageQuality q;
    double actionable = 0;
    double weight = 0;
    for (const PageSeen& page : pages_) {
      if (!chosen(page)) continue;
      const PagedIncident& i = input_.incidents.at(page.incident);
      const bool flaps = flapping_.contains(page.incident);
      const HourClass when = hour_class(page.at, input_.zone);
      ++q.pages;
      q.business += when == HourClass::kBusiness;
      q.off_hours += when == HourClass::kOffHours;
      q.sleep += when == HourClass::kSleep;
      weight += when == HourClass::kSleep ? 3 : when == HourClass::kOffHours ? 2 : 1;
      q.rated += i.useful.has_value();
      q.resolved_by_itself += i.resolved_by_itself;
      q.transient += is_transient(i);
      q.flapping += flaps;
      q.noisy += flaps || is_transient(i);
      q.unattended += !i.acknowledged || i.escalated;
      actionable += is_actionable(i) ? 1 : 0;
    }
    const auto pages = static_cast<double>(q.pages);
    q.actionable = ratio(actionable, pages);
    q.actionable_low = wilson_low(q.actionable, pages);
    q.cost = weight * (1 - q.actionable);
    std::vector<double> shifts;
    double nights = 0;
    for (const std::string& user : users) {
      const Duty& duty = duties_.at(user);
      shifts.insert(shifts.end(), duty.per_shift.begin(), duty.per_shift.end());
      nights += duty.nights;
    }
    std::sort(shifts.begin(), shifts.end());
    q.load = shifts.empty() ? 0 : quantile(shifts, 0.9);
    q.sleep_per_week = ratio(static_cast<double>(q.sleep) * 7, nights);
    if (q.pages >= kPagesMin && !users.empty()) {
      const FatigueWeights& w = input_.weights;
      q.fatigue = w.load * clamped((q.load - 1) / 4) + w.useless * (1 - q.actionable) +
                  w.sleep * clamped(q.sleep_per_week / 5) + w.noisy * ratio(static_cast<double>(q.noisy), pages) +
                  w.unattended * ratio(static_cast<double>(q.unattended), pages);
    }
    return q;
  }

  std::vector<PagePeriod> periods() const {
    std::vector<PagePeriod> out;
    if (input_.step <= Micros(0)) return out;
    for (TimePoint at = input_.window.start; at < input_.window.end; at += input_.step) out.push_back({at});
    for (const PageSeen& page : pages_) {
      if (!input_.window.contains(page.at)) continue;
      PagePeriod& period = out[static_cast<size_t>((page.at - input_.window.start) / input_.step)];
      const HourClass when = hour_class(page.at, input_.zone);
      period.business += when == HourClass::kBusiness;
      period.off_hours += when == HourClass::kOffHours;
      period.sleep += when == HourClass::kSleep;
      period.useless += !is_actionable(input_.incidents.at(page.incident));
    }
    return out;
  }

  const QualityInput& input_;
  const std::set<std::string> flapping_;
  const std::vector<PageSeen> pages_;
  std::map<std::string, Duty> duties_;
};

}  // namespace

HourClass hour_class(TimePoint t, const oncall::Zone& zone) {
  const oncall::WallTime wall = zone.wall(t);
  const auto day = std::chrono::floor<std::chrono::days>(wall);
  const auto hour = std::chrono::duration_cast<hours>(wall - day).count();
  if (hour >= 22 || hour < 8) return HourClass::kSleep;
  const unsigned weekday = oncall::weekday_of(day).iso_encoding();
  return hour < 18 && weekday <= 5 ? HourClass::kBusiness : HourClass::kOffHours;
}

std::string_view PageQuality::band() const {
  if (!fatigue) return "";
  return *fatigue < 25 ? "healthy" : *fatigue < 50 ? "watch" : *fatigue < 75 ? "fatigued" : "critical";
}

AlertQuality measure_quality(const QualityInput& input) { return Measure(input).run(); }

// ---- from what was recorded ----

Status load_quality(state::Tx& tx, const std::vector<std::string>& quiet, QualityInput& input) {
  const state::SqlParams window{to_us(input.window.start), to_us(input.window.end)};
  SENTINEL_ASSIGN(
      const state::Rows incidents,
      tx.query(
          "SELECT i.id, i.title, i.created_at, i.resolved_at, i.acknowledged_at, r.useful, "
          "(SELECT COUNT(*) FROM incident_timeline t WHERE t.incident_id = i.id AND t.actor <> 'sentinel' AND "
          " t.kind IN ('note','status','severity','assignee','runbook','automation','role','field','link','update',"
          " 'attachment','action','merge','split')), "
          "(SELECT t.actor FROM incident_timeline t WHERE t.incident_id = i.id AND t.kind = 'status' "
          " ORDER BY t.sequence DESC LIMIT 1), "
          "(SELECT COUNT(DISTINCT json_extract(t.data, '$.level')) FROM incident_timeline t WHERE t.incident_id = i.id "
          " AND t.kind = 'page' AND json_extract(t.data, '$.event') = 'paged'), "
          "(SELECT a.rule FROM incident_alerts a WHERE a.incident_id = i.id ORDER BY a.starts_at, a.fingerprint LIMIT "
          "1) "
          "FROM incidents i LEFT JOIN incident_ratings r ON r.incident_id = i.id "
          "WHERE i.test_mode = 0 AND i.created_at >= ? AND i.created_at < ?",
          window));
  for (const state::Row& row : incidents) {
    PagedIncident i;
    i.rule = row.text(9);
    i.created = time_from_us(row.integer(2));
    if (!row.is_null(3)) i.resolved = time_from_us(row.integer(3));
    i.acknowledged = !row.is_null(4);
    if (!row.is_null(5)) i.useful = row.integer(5) != 0;
    i.touched = row.integer(6) > 0;
    i.resolved_by_itself = i.resolved && row.text(7) == "sentinel";
    i.escalated = row.integer(8) > 1;
    input.incidents.emplace(row.text(0), std::move(i));
  }
  SENTINEL_ASSIGN(
      const state::Rows pages,
      tx.query("SELECT t.incident_id, json_extract(t.data, '$.user'), t.at, json_extract(t.data, '$.detail') FROM "
               "incident_timeline t JOIN incidents i ON i.id = t.incident_id WHERE t.kind = 'page' AND "
               "json_extract(t.data, '$.event') = 'delivered' AND i.test_mode = 0 AND i.created_at >= ? AND "
               "i.created_at < ? ORDER BY t.at",
               window));
  for (const state::Row& row : pages) {
    if (std::find(quiet.begin(), quiet.end(), row.text(3)) != quiet.end()) continue;
    input.pages.push_back({row.text(0), row.text(1), time_from_us(row.integer(2))});
  }
  return {};
}

}  // namespace sentinel::incident
