#include "oncall/config.h"

#include <algorithm>
#include <tuple>

#include "oncall/config_read.h"
#include "oncall/limits.h"

namespace sentinel::oncall {
namespace {

using text::YamlNode;

Result<std::vector<NotificationRule>> read_rules(const YamlNode& rules, std::string_view kind, const User& user) {
  std::vector<NotificationRule> out;
  if (rules.is_null()) return out;
  SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(rules, kind, kRulesMax));
  for (const YamlNode& item : items) {
    SENTINEL_TRY(item.expect_keys("rule", {"after", "by"}));
    NotificationRule rule;
    SENTINEL_ASSIGN(rule.after, item.duration_or("after", Millis(0)));
    SENTINEL_ASSIGN(const YamlNode by, item.require("rule", "by"));
    SENTINEL_ASSIGN(rule.channel, by.string());
    if (!user.contacts.contains(rule.channel)) {
      return fail(by.error("user \"" + user.id + "\" has no contact \"" + rule.channel + "\""));
    }
    out.push_back(std::move(rule));
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return std::tie(a.after, a.channel) < std::tie(b.after, b.channel); });
  return out;
}

Result<User> read_user(const YamlNode& node, std::set<std::string>& seen) {
  SENTINEL_TRY(node.expect_keys("user", {"id", "name", "contacts", "rules"}));
  User out;
  SENTINEL_ASSIGN(out.id, read_id(node, "user", seen));
  SENTINEL_ASSIGN(out.name, node.string_or("name", out.id));
  const YamlNode contacts = node.get("contacts");
  if (!contacts.is_null() && !contacts.is_map()) return fail(contacts.error("contacts must be a map"));
  for (const YamlNode::Entry& entry : contacts.entries()) {
    SENTINEL_ASSIGN(std::string address, entry.value.string());
    if (address.empty()) return fail(entry.value.error("an address is missing"));
    out.contacts.emplace(entry.name(), std::move(address));
  }
  const YamlNode rules = node.get("rules");
  if (!rules.is_null()) SENTINEL_TRY(rules.expect_keys("rules", {"default", "urgent"}));
  SENTINEL_ASSIGN(out.default_rules, read_rules(rules, "default", out));
  SENTINEL_ASSIGN(out.urgent_rules, read_rules(rules, "urgent", out));
  return out;
}

// Reads the configuration from the top; what is named must have been read before.
class Reader {
 public:
  Result<Config> read(const YamlNode& root) {
    if (!root.is_null()) {
      SENTINEL_TRY(
          root.expect_keys("on-call configuration",
                           {"global", "channels", "users", "teams", "schedules", "policies", "maintenance",
                            "last_resort", "page_for", "urgent_for", "routes", "default_policy", "synthetic_page"}));
    }
    SENTINEL_ASSIGN(config_.channels, read_channels(root));
    SENTINEL_TRY(users(root));
    SENTINEL_TRY(teams(root));
    SENTINEL_TRY(schedules(root));
    SENTINEL_ASSIGN(config_.last_resort, recipients(root, "last_resort"));
    SENTINEL_TRY(policies(root));
    SENTINEL_TRY(maintenance(root));
    SENTINEL_ASSIGN(config_.routing, read_routing(root, config_.policies));
    SENTINEL_TRY(read_synthetic(root, config_));
    return std::move(config_);
  }

 private:
  Status known_user(const YamlNode& node, const std::string& id) const {
    if (config_.users.contains(id)) return {};
    return fail(node.error("user \"" + id + "\" is not defined"));
  }

  Status users(const YamlNode& root) {
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(root, "users", kUsersMax));
    std::set<std::string> seen;
    for (const YamlNode& item : items) {
      SENTINEL_ASSIGN(User user, read_user(item, seen));
      const std::string id = user.id;
      config_.users.emplace(id, std::move(user));
    }
    return {};
  }

  Status teams(const YamlNode& root) {
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(root, "teams", kUsersMax));
    std::set<std::string> seen;
    for (const YamlNode& item : items) {
      SENTINEL_TRY(item.expect_keys("team", {"id", "name", "members"}));
      Team team;
      SENTINEL_ASSIGN(team.id, read_id(item, "team", seen));
      SENTINEL_ASSIGN(team.name, item.string_or("name", team.id));
      SENTINEL_ASSIGN(team.members, user_list(item, "members"));
      const std::string id = team.id;
      config_.teams.emplace(id, std::move(team));
    }
    return {};
  }

  Result<std::vector<std::string>> user_list(const YamlNode& map, std::string_view key) const {
    std::vector<std::string> out;
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(map, key, kParticipantsMax));
    for (const YamlNode& item : items) {
      SENTINEL_ASSIGN(std::string user, item.string());
      SENTINEL_TRY(known_user(item, user));
      if (std::find(out.begin(), out.end(), user) != out.end())
        return fail(item.error("\"" + user + "\" is there twice"));
      out.push_back(std::move(user));
    }
    return out;
  }

  Status schedules(const YamlNode& root) {
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(root, "schedules", kSchedulesMax));
    for (const YamlNode& item : items) {
      SENTINEL_ASSIGN(Schedule schedule, parse_schedule(item));
      SENTINEL_TRY(check_users(item, schedule));
      const std::string id = schedule.id;
      SENTINEL_ASSIGN(const std::vector<Subscription> calendars, read_calendars(item, id));
      config_.calendars.insert(config_.calendars.end(), calendars.begin(), calendars.end());
      if (!config_.schedules.emplace(id, std::move(schedule)).second) {
        return fail(item.get("id").error("schedule \"" + id + "\" is there twice"));
      }
    }
    return {};
  }

  Status check_users(const YamlNode& node, const Schedule& s) const {
    const std::vector<YamlNode> layers = node.get("layers").items();
    for (size_t i = 0; i < s.layers.size(); ++i) {
      const std::vector<YamlNode> slots = layers[i].get("participants").items();
      for (size_t j = 0; j < slots.size(); ++j) {
        for (const std::string& user : s.layers[i].rotation.slots[j]) SENTINEL_TRY(known_user(slots[j], user));
      }
    }
    const std::vector<YamlNode> overrides = node.get("overrides").items();
    for (size_t i = 0; i < overrides.size(); ++i) {
      SENTINEL_TRY(known_user(overrides[i], s.overrides[i].user));
      if (!s.overrides[i].with.empty()) SENTINEL_TRY(known_user(overrides[i], s.overrides[i].with));
    }
    const std::vector<YamlNode> temporary = node.get("temporary").items();
    for (size_t i = 0; i < temporary.size(); ++i) {
      for (const auto& [span, user] : s.temporary[i].shifts) SENTINEL_TRY(known_user(temporary[i], user));
    }
    const std::vector<YamlNode> swaps = node.get("swaps").items();
    for (size_t i = 0; i < swaps.size(); ++i) {
      SENTINEL_TRY(known_user(swaps[i], s.swaps[i].user));
      if (!s.swaps[i].taken_by.empty()) SENTINEL_TRY(known_user(swaps[i], s.swaps[i].taken_by));
    }
    return {};
  }

  Result<Recipient> recipient(const YamlNode& node) const {
    SENTINEL_TRY(node.expect_keys("recipient", {"user", "schedule", "team", "round_robin"}));
    if (node.entries().size() != 1) {
      return fail(node.error("a recipient is one of user, schedule, team and round_robin"));
    }
    Recipient out;
    if (node.has("round_robin")) {
      out.kind = Recipient::Kind::kRoundRobin;
      SENTINEL_ASSIGN(out.users, user_list(node, "round_robin"));
      return out;
    }
    const YamlNode::Entry& entry = node.entries().front();
    SENTINEL_ASSIGN(out.id, entry.value.string());
    const std::string kind = entry.name();
    out.kind = kind == "user" ? Recipient::Kind::kUser
                              : (kind == "team" ? Recipient::Kind::kTeam : Recipient::Kind::kSchedule);
    const bool known = kind == "user"   ? config_.users.contains(out.id)
                       : kind == "team" ? config_.teams.contains(out.id)
                                        : config_.schedules.contains(out.id);
    if (!known) return fail(entry.value.error(kind + " \"" + out.id + "\" is not defined"));
    return out;
  }

  Result<std::vector<Recipient>> recipients(const YamlNode& map, std::string_view key) const {
    std::vector<Recipient> out;
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(map, key, kParticipantsMax));
    for (const YamlNode& item : items) {
      SENTINEL_ASSIGN(Recipient one, recipient(item));
      out.push_back(std::move(one));
    }
    return out;
  }

  Result<std::optional<TimeGate>> gate(const YamlNode& node) const {
    if (node.is_null()) return std::nullopt;
    SENTINEL_TRY(node.expect_keys("when", {"time_zone", "restrictions", "outside"}));
    TimeGate out;
    SENTINEL_ASSIGN(out.zone, read_zone(node, Zone()));
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(node, "restrictions", kRestrictionsMax));
    if (items.empty()) return fail(node.error("when needs restrictions"));
    for (const YamlNode& item : items) {
      SENTINEL_ASSIGN(Restriction restriction, read_restriction(item));
      out.restrictions.push_back(std::move(restriction));
    }
    SENTINEL_ASSIGN(const std::string outside, node.string_or("outside", "wait"));
    if (outside != "wait" && outside != "skip") return fail(node.get("outside").error("outside is wait or skip"));
    out.wait = outside == "wait";
    return out;
  }

  Result<Level> level(const YamlNode& node, size_t number, std::set<std::string>& seen) const {
    SENTINEL_TRY(node.expect_keys("level", {"id", "notify", "by", "timeout", "when"}));
    Level out;
    if (node.has("id")) {
      SENTINEL_ASSIGN(out.id, read_id(node, "level", seen));
    } else {
      out.id = "L" + std::to_string(number);
      if (!seen.insert(out.id).second) return fail(node.error("level \"" + out.id + "\" is there twice"));
    }
    SENTINEL_ASSIGN(out.recipients, recipients(node, "notify"));
    if (out.recipients.empty()) return fail(node.error("a level needs somebody to notify"));
    SENTINEL_ASSIGN(out.channels, node.strings_or("by", {}));
    SENTINEL_ASSIGN(out.timeout, node.duration_or("timeout", std::chrono::minutes(5)));
    if (out.timeout <= Micros(0)) return fail(node.get("timeout").error("a timeout must be positive"));
    SENTINEL_ASSIGN(out.gate, gate(node.get("when")));
    return out;
  }

  Status policies(const YamlNode& root) {
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(root, "policies", kPoliciesMax));
    std::set<std::string> seen;
    for (const YamlNode& item : items) {
      SENTINEL_TRY(
          item.expect_keys("policy", {"id", "name", "levels", "repeat", "acknowledge_timeout", "last_resort"}));
      Policy policy;
      SENTINEL_ASSIGN(policy.id, read_id(item, "policy", seen));
      SENTINEL_ASSIGN(policy.name, item.string_or("name", policy.id));
      SENTINEL_ASSIGN(const std::vector<YamlNode> levels, list_of(item, "levels", kLevelsMax));
      std::set<std::string> level_ids;
      for (const YamlNode& node : levels) {
        SENTINEL_ASSIGN(Level one, level(node, policy.levels.size() + 1, level_ids));
        policy.levels.push_back(std::move(one));
      }
      SENTINEL_ASSIGN(const int64_t repeats, item.integer_or("repeat", 0));
      if (repeats < 0 || repeats > kRepeatsMax) return fail(item.get("repeat").error("repeat is between 0 and 100"));
      policy.repeats = static_cast<int>(repeats);
      if (item.has("acknowledge_timeout")) {
        SENTINEL_ASSIGN(const Millis timeout, item.get("acknowledge_timeout").duration());
        if (timeout <= Millis(0)) return fail(item.get("acknowledge_timeout").error("a timeout must be positive"));
        policy.acknowledge_timeout = timeout;
      }
      SENTINEL_ASSIGN(policy.last_resort, recipients(item, "last_resort"));
      const std::string id = policy.id;
      config_.policies.emplace(id, std::move(policy));
    }
    return {};
  }

  static Status read_repeat(const YamlNode& item, MaintenanceWindow& window) {
    if (item.has("repeat")) {
      SENTINEL_ASSIGN(const std::string repeat, item.get("repeat").string());
      if (repeat != "day" && repeat != "week") return fail(item.get("repeat").error("repeat is day or week"));
      window.repeat = repeat == "day" ? RotationUnit::kDay : RotationUnit::kWeek;
    }
    if (item.has("until")) {
      SENTINEL_ASSIGN(window.until, read_instant(item.get("until"), window.zone, true));
    }
    const Status fits = check_window(window);
    return fits ? fits : fail(item.error(fits.error().message()));
  }

  Status maintenance(const YamlNode& root) {
    SENTINEL_ASSIGN(const std::vector<YamlNode> items, list_of(root, "maintenance", kChangesMax));
    std::set<std::string> seen;
    for (const YamlNode& item : items) {
      SENTINEL_TRY(item.expect_keys("maintenance", {"id", "from", "to", "duration", "time_zone", "policies", "repeat",
                                                    "until", "reason", "components", "public_reason"}));
      MaintenanceWindow window;
      SENTINEL_ASSIGN(window.id, read_id(item, "maintenance", seen));
      SENTINEL_ASSIGN(const Zone zone, read_zone(item, Zone()));
      SENTINEL_ASSIGN(window.span, read_span(item, "maintenance", zone));
      window.zone = zone;
      SENTINEL_ASSIGN(window.reason, item.string_or("reason", ""));
      SENTINEL_ASSIGN(window.components, item.strings_or("components", {}));
      SENTINEL_ASSIGN(window.public_reason, item.string_or("public_reason", ""));
      SENTINEL_TRY(read_repeat(item, window));
      SENTINEL_ASSIGN(window.policies, item.strings_or("policies", {}));
      for (const std::string& id : window.policies) {
        if (!config_.policies.contains(id)) return fail(item.error("policy \"" + id + "\" is not defined"));
      }
      config_.maintenance.push_back(std::move(window));
    }
    return {};
  }

  Config config_;
};

}  // namespace

std::vector<NotificationRule> User::rules(bool urgent) const {
  const std::vector<NotificationRule>& own = urgent && !urgent_rules.empty() ? urgent_rules : default_rules;
  if (!own.empty()) return own;
  std::vector<NotificationRule> all;
  for (const auto& [channel, address] : contacts) all.push_back({Micros(0), channel});
  return all;
}

bool TimeGate::open(TimePoint t) const { return !allowed_spans(restrictions, zone, {t, t + Micros(1)}).empty(); }

std::optional<TimePoint> TimeGate::next_open(TimePoint t) const {
  if (open(t)) return t;
  // A week holds every weekday; only a day that never comes can make it more.
  for (const int ahead : {8, 366}) {
    const std::vector<Span> spans = allowed_spans(restrictions, zone, {t, t + std::chrono::days(ahead)});
    if (!spans.empty()) return spans.front().start;
  }
  return std::nullopt;
}

Status check_window(const MaintenanceWindow& window) {
  const Micros length = window.span.end - window.span.start;
  if (length <= Micros(0)) return fail(ErrorCode::kInvalidArgument, "the end must be after the start");
  if (window.until && !window.repeat) return fail(ErrorCode::kInvalidArgument, "`until` needs `repeat`");
  const Micros period = std::chrono::days(window.repeat == RotationUnit::kDay ? 1 : 7);
  if (window.repeat && length >= period)
    return fail(ErrorCode::kInvalidArgument, "a window that repeats is shorter than the time between two of it");
  if (!window.public_reason.empty() && window.components.empty())
    return fail(ErrorCode::kInvalidArgument, "`public_reason` needs `components` of the status page");
  return {};
}

namespace {

// Looked for among those near `t`.
template <class Fits>
std::optional<Span> first_that(const MaintenanceWindow& w, TimePoint t, Fits fits) {
  if (fits(w.span)) return w.span;
  if (!w.repeat || t < w.span.start) return std::nullopt;
  const std::chrono::seconds period(*w.repeat == RotationUnit::kDay ? 86400 : 7 * 86400);
  const WallTime first = w.zone.wall(w.span.start);
  const int64_t about = (w.zone.wall(t) - first) / period;
  // Where the clock was changed in between, the neighbour may be meant.
  for (int64_t n = std::max<int64_t>(0, about - 1); n <= about + 2; ++n) {
    const TimePoint start = w.zone.first(first + n * period);
    const Span one{start, start + (w.span.end - w.span.start)};
    if (fits(one) && (!w.until || start < *w.until)) return one;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Span> MaintenanceWindow::occurrence(TimePoint t) const {
  return first_that(*this, t, [t](const Span& one) { return one.contains(t); });
}

std::optional<Span> MaintenanceWindow::next(TimePoint t) const {
  return first_that(*this, t, [t](const Span& one) { return one.end > t; });
}

std::optional<TimePoint> Config::maintenance_until(std::string_view policy, TimePoint t) const {
  std::optional<TimePoint> until;
  for (const MaintenanceWindow& w : maintenance) {
    const bool meant =
        w.policies.empty() || std::find(w.policies.begin(), w.policies.end(), policy) != w.policies.end();
    const auto lasts = meant ? w.occurrence(t) : std::nullopt;
    if (lasts) until = std::max(until.value_or(t), lasts->end);
  }
  return until;
}

void remove_user(Config& config, std::string_view user, TimePoint now) {
  const auto leave = [user](std::vector<Recipient>& recipients) {
    for (Recipient& r : recipients) std::erase(r.users, user);
    std::erase_if(recipients, [user](const Recipient& r) { return r.kind == Recipient::Kind::kUser && r.id == user; });
  };
  for (auto& [id, team] : config.teams) std::erase(team.members, user);
  for (auto& [id, schedule] : config.schedules) remove_user(schedule, user, now);
  for (auto& [id, policy] : config.policies) {
    for (Level& level : policy.levels) leave(level.recipients);
    leave(policy.last_resort);
  }
  leave(config.last_resort);
  if (const auto it = config.users.find(user); it != config.users.end()) config.users.erase(it);
}

Result<Config> parse_config(std::string_view yaml, std::string_view file) {
  SENTINEL_ASSIGN(const YamlNode root, text::parse_yaml(yaml, file));
  return Reader().read(root);
}

}  // namespace sentinel::oncall
