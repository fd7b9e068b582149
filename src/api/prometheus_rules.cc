// /api/v1/rules with all its filters and pages, and /api/v1/alerts.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "api/prometheus.h"
#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::api {
namespace {

using detection::ActiveAlert;
using detection::GroupStatus;
using detection::RuleStatus;

double seconds(Millis d) { return static_cast<double>(d.count()) / 1000; }

std::string time_json(TimePoint t) {
  return to_us(t) == 0 ? R"("0001-01-01T00:00:00Z")" : json_quote(format_rfc3339(t));
}

// As Go's FormatFloat(v, 'e', -1, 64).
std::string exponent_text(double v) {
  if (!std::isfinite(v)) return format_double(v);
  char buffer[32];
  const auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific);
  return std::string(buffer, end);
}

void put_texts_json(std::string& out, const detection::NamedTexts& texts) {
  out += '{';
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    append_json_quoted(out, texts[i].first);
    out += ':';
    append_json_quoted(out, texts[i].second);
  }
  out += '}';
}

void put_alert_json(std::string& out, const ActiveAlert& a) {
  out += R"({"labels":)";
  put_labels_json(out, a.labels);
  out += R"(,"annotations":)";
  put_labels_json(out, a.annotations);
  out += fmt::format(R"(,"state":"{}","activeAt":{})", model::alert_state_name(a.state), time_json(a.active_at));
  if (a.keep_firing_since) out += fmt::format(R"(,"keepFiringSince":{})", time_json(*a.keep_firing_since));
  out += fmt::format(R"(,"value":"{}"}})", exponent_text(a.value));
}

void put_rule_json(std::string& out, const RuleStatus& r, bool with_alerts) {
  out += '{';
  if (r.alerting) out += fmt::format(R"("state":"{}",)", model::alert_state_name(r.state));
  out += fmt::format(R"("name":{},"query":{})", json_quote(r.name), json_quote(r.query));
  if (r.alerting) {
    out += fmt::format(R"(,"duration":{},"keepFiringFor":{})", seconds(r.for_duration), seconds(r.keep_firing_for));
    if (!r.resolve_expr.empty()) out += fmt::format(R"(,"resolveExpr":{})", json_quote(r.resolve_expr));
  }
  if (r.alerting || !r.labels.empty()) {
    out += R"(,"labels":)";
    put_texts_json(out, r.labels);
  }
  if (r.alerting) {
    out += R"(,"annotations":)";
    put_texts_json(out, r.annotations);
    out += R"(,"alerts":[)";
    for (size_t i = 0; with_alerts && i < r.alerts.size(); ++i) {
      if (i > 0) out += ',';
      put_alert_json(out, r.alerts[i]);
    }
    out += ']';
  }
  out += fmt::format(R"(,"health":"{}")", detection::rule_health_name(r.health));
  if (!r.last_error.empty()) out += fmt::format(R"(,"lastError":{})", json_quote(r.last_error));
  out += fmt::format(R"(,"evaluationTime":{},"lastEvaluation":{},"type":"{}"}})", r.evaluation_seconds,
                     time_json(r.last_evaluation), r.alerting ? "alerting" : "recording");
}

struct RuleFilter {
  bool alerting = true;
  bool recording = true;
  bool with_alerts = true;
  std::set<std::string, std::less<>> names, groups, files;
  std::vector<model::Matchers> sets;

  bool wants(const GroupStatus& group) const {
    return (groups.empty() || groups.contains(group.name)) && (files.empty() || files.contains(group.file));
  }
  bool wants(const RuleStatus& rule) const {
    if (rule.alerting ? !alerting : !recording) return false;
    if (!names.empty() && !names.contains(rule.name)) return false;
    if (sets.empty()) return true;
    model::Labels labels;
    for (const auto& [name, value] : rule.labels) labels.set(name, value);
    return std::any_of(sets.begin(), sets.end(), [&](const model::Matchers& set) {
      return std::all_of(set.begin(), set.end(), [&](const model::Matcher& m) { return m.matches(labels); });
    });
  }
};

std::set<std::string, std::less<>> set_of(std::vector<std::string> values) { return {values.begin(), values.end()}; }

Result<RuleFilter> filter_of(const net::Params& params) {
  RuleFilter filter;
  filter.names = set_of(params.all("rule_name[]"));
  filter.groups = set_of(params.all("rule_group[]"));
  filter.files = set_of(params.all("file[]"));
  SENTINEL_ASSIGN(filter.sets, selectors_parameter(params));
  const std::string type = to_lower(params.get("type"));
  if (!type.empty() && type != "alert" && type != "record") {
    return fail(invalid_parameter("type", fmt::format("not supported value {}", go_quote(params.get("type")))));
  }
  filter.alerting = type != "record";
  filter.recording = type != "alert";
  if (const std::string_view text = params.get("exclude_alerts"); !text.empty()) {
    const auto exclude = parse_go_bool(text);
    if (!exclude)
      return fail(invalid_parameter("exclude_alerts", "error converting exclude_alerts: " + exclude.error().message()));
    filter.with_alerts = !*exclude;
  }
  return filter;
}

struct Page {
  int64_t limit = 0;  // 0: all
  std::string token;  // of the first group to show
};

std::string token_of(const GroupStatus& group) { return hex_encode(sha256(group.file + ";" + group.name)); }

Result<Page> page_of(const net::Params& params) {
  Page page;
  page.token = params.get("group_next_token");
  const std::string_view limit = params.get("group_limit");
  if (limit.empty()) {
    if (page.token.empty()) return page;
    return fail(
        invalid_parameter("group_limit", "group_limit needs to be present in order to paginate over the groups"));
  }
  const auto v = parse_go_int(limit);
  if (!v) {
    return fail(invalid_parameter("group_limit", "group_limit needs to be a valid number: " + v.error().message()));
  }
  if (*v <= 0) return fail(invalid_parameter("group_limit", "group_limit needs to be greater than 0"));
  page.limit = *v;
  return page;
}

}  // namespace

PrometheusApi::Answer PrometheusApi::rules(const Call& call) const {
  SENTINEL_ASSIGN(const RuleFilter filter, filter_of(call.params));
  SENTINEL_ASSIGN(const Page page, page_of(call.params));
  std::string out = R"({"groups":[)";
  std::string next_token;
  int64_t shown = 0;
  bool found = page.token.empty();
  for (const detection::GroupStatusPtr& group : parts_.rules.groups()) {
    found = found || token_of(*group) == page.token;
    if (!found || !filter.wants(*group)) continue;
    std::string rules;
    for (const RuleStatus& rule : group->rules) {
      if (!filter.wants(rule)) continue;
      if (!rules.empty()) rules += ',';
      put_rule_json(rules, rule, filter.with_alerts);
    }
    // All its rules were filtered out.
    if (rules.empty()) continue;
    if (page.limit > 0 && shown == page.limit) {
      next_token = token_of(*group);
      break;
    }
    if (shown++ > 0) out += ',';
    out += fmt::format(
        R"({{"name":{},"file":{},"rules":[{}],"interval":{},"limit":{},"evaluationTime":{},"lastEvaluation":{}}})",
        json_quote(group->name), json_quote(group->file), rules, seconds(group->interval), group->limit,
        group->evaluation_seconds, time_json(group->last_evaluation));
  }
  if (!found) {
    return fail(invalid_parameter("group_next_token",
                                  fmt::format("invalid group_next_token '{}'. were rule groups changed?", page.token)));
  }
  out += ']';
  if (!next_token.empty()) out += fmt::format(R"(,"groupNextToken":"{}")", next_token);
  return prometheus_success(out + "}");
}

PrometheusApi::Answer PrometheusApi::alerts(const Call&) const {
  std::string out = R"({"alerts":[)";
  bool first = true;
  for (const detection::ListedAlert& listed : parts_.rules.alerts()) {
    if (!first) out += ',';
    first = false;
    put_alert_json(out, listed.alert);
  }
  return prometheus_success(out + "]}");
}

}  // namespace sentinel::api
