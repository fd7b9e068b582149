#include "app/incident_config.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::app {
namespace {

using text::YamlNode;

Result<model::Severity> severity_of(const YamlNode& node) {
  SENTINEL_ASSIGN(const std::string word, node.string());
  const auto severity = model::parse_severity(word);
  if (severity) return *severity;
  return fail(node.error(
      fmt::format("unknown severity \"{}\"; expected SEV1..SEV4, P1..P4 or critical, high, medium, low", word)));
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Result<incident::FieldDefinition> parse_field(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("field", {"name", "title", "type", "values"}));
  incident::FieldDefinition field;
  SENTINEL_ASSIGN(const YamlNode name, node.require("field", "name"));
  SENTINEL_ASSIGN(field.name, name.string());
  if (!is_field_name(field.name)) return fail(name.error("expected small letters, digits and _, at most 64"));
  SENTINEL_ASSIGN(field.title, node.string_or("title", field.name));
  SENTINEL_ASSIGN(const std::string type, node.string_or("type", "text"));
  const auto known = incident::parse_field_type(type);
  if (!known) {
    return fail(node.get("type").error(
        fmt::format("unknown type \"{}\"; expected text, number, boolean, date, choice or choices", type)));
  }
  field.type = *known;
  SENTINEL_ASSIGN(field.values, node.strings_or("values", {}));
  const bool choice = field.type == incident::FieldType::kChoice || field.type == incident::FieldType::kChoices;
  if (choice && field.values.empty()) return fail(node.error(fmt::format("a field of type {} needs values", type)));
  if (!choice && !field.values.empty())
    return fail(node.get("values").error("only fields of type choice and choices have values"));
  return field;
}

Status parse_fields(const YamlNode& node, std::vector<incident::FieldDefinition>& fields) {
  if (node.is_null()) return {};
  if (!node.is_list()) return fail(node.error("expected a list of fields"));
  fields.clear();
  for (const YamlNode& item : node.items()) {
    SENTINEL_ASSIGN(incident::FieldDefinition field, parse_field(item));
    const bool twice = std::any_of(fields.begin(), fields.end(), [&](const auto& f) { return f.name == field.name; });
    if (twice) return fail(item.error(fmt::format("field \"{}\" is there twice", field.name)));
    fields.push_back(std::move(field));
  }
  return {};
}

Status parse_attachments(const YamlNode& node, incident::AttachmentLimits& limits) {
  SENTINEL_TRY(node.expect_keys("attachments", {"max_size", "max_count", "types"}));
  SENTINEL_ASSIGN(limits.bytes_max, node.bytes_or("max_size", limits.bytes_max));
  // What the listener takes in one request.
  if (limits.bytes_max < 1 || limits.bytes_max > 32 * 1024 * 1024)
    return fail(node.get("max_size").error("expected 1 byte to 32MB"));
  SENTINEL_ASSIGN(const int64_t count, node.integer_or("max_count", static_cast<int64_t>(limits.count_max)));
  if (count < 0 || count > 1000) return fail(node.get("max_count").error("expected 0 to 1000"));
  limits.count_max = static_cast<size_t>(count);
  if (!node.has("types")) return {};
  SENTINEL_ASSIGN(const std::vector<std::string> types, node.get("types").strings());
  limits.types = {types.begin(), types.end()};
  return {};
}

Status parse_time_of(const YamlNode& node, std::string_view key, std::optional<Micros>& out) {
  if (!node.has(key)) return {};
  const YamlNode value = node.get(key);
  if (value.string().value_or("") == "none") {
    out.reset();
    return {};
  }
  SENTINEL_ASSIGN(const Millis duration, value.duration());
  if (duration <= Millis(0)) return fail(value.error("expected a duration above 0, or none"));
  out = duration;
  return {};
}

Status parse_deadlines(const YamlNode& node, incident::DeadlineOptions& options) {
  if (node.is_null()) return {};
  if (node.is_scalar() && node.string().value_or("") == "none") {
    options.by_severity.clear();
    return {};
  }
  SENTINEL_TRY(node.expect_keys("deadlines", {"SEV1", "SEV2", "SEV3", "SEV4", "remind_before", "escalate_to"}));
  for (const char* severity : {"SEV1", "SEV2", "SEV3", "SEV4"}) {
    const YamlNode times = node.get(severity);
    if (!node.has(severity)) continue;
    SENTINEL_TRY(times.expect_keys(severity, {"acknowledge", "update", "review"}));
    incident::DeadlineTimes& of = options.by_severity[*model::parse_severity(severity)];
    SENTINEL_TRY(parse_time_of(times, "acknowledge", of.acknowledge));
    SENTINEL_TRY(parse_time_of(times, "update", of.update));
    SENTINEL_TRY(parse_time_of(times, "review", of.review));
  }
  SENTINEL_ASSIGN(options.remind_before,
                  node.duration_or("remind_before", std::chrono::floor<Millis>(options.remind_before)));
  SENTINEL_ASSIGN(options.escalate_to, node.strings_or("escalate_to", options.escalate_to));
  for (const std::string& who : options.escalate_to) {
    if (!who.starts_with("user:") && !who.starts_with("team:") && !who.starts_with("schedule:"))
      return fail(
          node.get("escalate_to").error(fmt::format("\"{}\": expected user:, team: or schedule: and an id", who)));
  }
  return {};
}

Status parse_group_by_diagnosis(const YamlNode& node, incident::GroupByDiagnosis& out) {
  if (node.is_null()) return {};
  SENTINEL_ASSIGN(const std::string word, node.string());
  if (word != "off" && word != "suggest" && word != "merge")
    return fail(node.error(fmt::format("\"{}\": expected off, suggest or merge", word)));
  out = word == "off"       ? incident::GroupByDiagnosis::kOff
        : word == "suggest" ? incident::GroupByDiagnosis::kSuggest
                            : incident::GroupByDiagnosis::kMerge;
  return {};
}

Status parse_fatigue(const YamlNode& node, incident::FatigueWeights& weights) {
  if (node.is_null()) return {};
  SENTINEL_TRY(node.expect_keys("fatigue_weights", {"load", "useless", "sleep", "noisy", "unattended"}));
  const std::pair<const char*, double*> parts[] = {{"load", &weights.load},
                                                   {"useless", &weights.useless},
                                                   {"sleep", &weights.sleep},
                                                   {"noisy", &weights.noisy},
                                                   {"unattended", &weights.unattended}};
  double sum = 0;
  for (const auto& [name, weight] : parts) {
    SENTINEL_ASSIGN(*weight, node.number_or(name, *weight));
    if (!(*weight >= 0 && *weight <= 100)) return fail(node.get(name).error("expected 0 to 100"));
    sum += *weight;
  }
  if (std::abs(sum - 100) > 1e-6)
    return fail(
        node.error(fmt::format("the weights add up to {}; expected 100 (load 30, useless 25, sleep 20, noisy 15, "
                               "unattended 10 unless given)",
                               sum)));
  return {};
}

// "/status-page": a path that neither the page nor an API has.
bool is_own_path(std::string_view path) {
  if (path.size() < 2 || path.front() != '/' || path.back() == '/' || path.find("//") != std::string_view::npos)
    return false;
  const bool plain = std::all_of(path.begin(), path.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '/';
  });
  const std::string_view first = path.substr(1, path.find('/', 1) - 1);
  for (const std::string_view taken : {"api", "v1", "v1beta", "sentinel", "-", "debug", "datadog", "metrics",
                                       "federate", "oncall", "assets", "integrations"}) {
    if (first == taken) return false;
  }
  return plain;
}

Result<incident::StatusComponent> parse_component(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("component", {"id", "name", "description", "match"}));
  incident::StatusComponent out;
  SENTINEL_ASSIGN(const YamlNode id, node.require("component", "id"));
  SENTINEL_ASSIGN(out.id, id.string());
  SENTINEL_ASSIGN(out.name, node.string_or("name", out.id));
  SENTINEL_ASSIGN(out.description, node.string_or("description", ""));
  SENTINEL_ASSIGN(const YamlNode match, node.require("component", "match"));
  if (!match.is_map() || match.entries().empty())
    return fail(match.error("expected labels that its incidents have, such as {service: shop}"));
  for (const YamlNode::Entry& entry : match.entries()) {
    SENTINEL_ASSIGN(const std::string value, entry.value.string());
    out.match.set(entry.name(), value);
  }
  return out;
}

}  // namespace

Result<incident::StatusPageOptions> parse_status_page(const YamlNode& node) {
  incident::StatusPageOptions out;
  if (node.is_null()) return out;
  SENTINEL_TRY(
      node.expect_keys("status_page", {"path", "title", "url", "components", "least_severity", "automatic", "mail"}));
  SENTINEL_ASSIGN(out.path, node.string_or("path", "/status-page"));
  if (!is_own_path(out.path))
    return fail(node.get("path").error("expected a path that nothing else has, of small letters, digits and -"));
  SENTINEL_ASSIGN(out.title, node.string_or("title", out.title));
  SENTINEL_ASSIGN(out.url, node.string_or("url", ""));
  SENTINEL_ASSIGN(out.automatic, node.boolean_or("automatic", out.automatic));
  SENTINEL_ASSIGN(out.mail_channel, node.string_or("mail", ""));
  if (node.has("least_severity")) {
    SENTINEL_ASSIGN(out.least, severity_of(node.get("least_severity")));
  }
  for (const YamlNode& item : node.get("components").items()) {
    SENTINEL_ASSIGN(incident::StatusComponent component, parse_component(item));
    const bool twice =
        std::any_of(out.components.begin(), out.components.end(), [&](const auto& c) { return c.id == component.id; });
    if (twice) return fail(item.error(fmt::format("component \"{}\" is there twice", component.id)));
    out.components.push_back(std::move(component));
  }
  return out;
}

Status parse_incidents(const YamlNode& node, incident::Options& options) {
  SENTINEL_TRY(node.expect_keys("incidents", {"create_for", "group_by", "group_by_diagnosis", "auto_resolve",
                                              "auto_resolve_after", "default_assignee", "never_for", "resolve_children",
                                              "fields", "attachments", "deadlines", "summary", "fatigue_weights"}));
  if (node.has("create_for")) {
    options.create_for.clear();
    for (const YamlNode& item : node.get("create_for").items()) {
      SENTINEL_ASSIGN(const model::Severity severity, severity_of(item));
      options.create_for.insert(severity);
    }
  }
  SENTINEL_ASSIGN(options.group_by, node.strings_or("group_by", options.group_by));
  SENTINEL_TRY(parse_group_by_diagnosis(node.get("group_by_diagnosis"), options.group_by_diagnosis));
  SENTINEL_ASSIGN(options.auto_resolve, node.boolean_or("auto_resolve", options.auto_resolve));
  SENTINEL_ASSIGN(options.auto_resolve_after, node.duration_or("auto_resolve_after", Millis(0)));
  SENTINEL_ASSIGN(options.default_assignee, node.string_or("default_assignee", options.default_assignee));
  SENTINEL_ASSIGN(const std::vector<std::string> never, node.strings_or("never_for", {"Watchdog"}));
  options.never_for = {never.begin(), never.end()};
  SENTINEL_ASSIGN(options.resolve_children, node.boolean_or("resolve_children", options.resolve_children));
  SENTINEL_TRY(parse_fields(node.get("fields"), options.fields));
  SENTINEL_TRY(parse_attachments(node.get("attachments"), options.attachments));
  SENTINEL_TRY(parse_fatigue(node.get("fatigue_weights"), options.fatigue));
  return parse_deadlines(node.get("deadlines"), options.deadlines);
}

}  // namespace sentinel::app
