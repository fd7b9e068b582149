#include "automation/config.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <re2/re2.h>

#include "automation/limits.h"
#include "base/strings.h"
#include "text/yaml.h"

namespace sentinel::automation {
namespace {

using text::YamlNode;

bool is_name(std::string_view name, std::string_view also) {
  const auto good = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || also.find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 64 && name.front() >= 'a' && name.front() <= 'z' &&
         std::all_of(name.begin(), name.end(), good);
}

// Of a variable: upper case, digits, underscores.
bool is_variable(std::string_view name) {
  return !name.empty() && name.size() <= 64 && !(name.front() >= '0' && name.front() <= '9') &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
}

Result<Parameter> parse_parameter(const std::string& name, const YamlNode& node) {
  if (!is_name(name, "_")) return fail(node.error("a parameter's name is a-z, 0-9 and _: " + json_quote(name)));
  SENTINEL_TRY(node.expect_keys("parameter", {"description", "pattern", "default", "from_label"}));
  Parameter out;
  out.name = name;
  SENTINEL_ASSIGN(out.description, node.string_or("description", ""));
  SENTINEL_ASSIGN(out.from_label, node.string_or("from_label", ""));
  SENTINEL_ASSIGN(const YamlNode pattern, node.require("parameter", "pattern"));
  SENTINEL_ASSIGN(const std::string text, pattern.string());
  auto compiled = std::make_shared<re2::RE2>(text, re2::RE2::Quiet);
  if (!compiled->ok()) return fail(pattern.error("not a regular expression: " + compiled->error()));
  out.pattern = std::move(compiled);
  out.pattern_text = text;
  if (!node.get("default").is_null()) {
    SENTINEL_ASSIGN(out.fallback, node.get("default").string());
    if (!re2::RE2::FullMatch(*out.fallback, *out.pattern))
      return fail(node.get("default").error("the default does not match the pattern"));
  }
  return out;
}

Status parse_parameters(const YamlNode& node, Automation& out) {
  for (const auto& entry : node.entries()) {
    SENTINEL_ASSIGN(Parameter parameter, parse_parameter(entry.name(), entry.value));
    out.parameters.push_back(std::move(parameter));
  }
  return {};
}

Result<std::map<std::string, std::string>> parse_variables(const YamlNode& node, const char* what) {
  std::map<std::string, std::string> out;
  for (const auto& entry : node.entries()) {
    const std::string name = entry.name();
    if (!is_variable(name)) return fail(entry.key.error(fmt::format("{}: a name is A-Z, 0-9 and _", what)));
    if (name.starts_with("SENTINEL_") || name.starts_with("LD_"))
      return fail(entry.key.error(fmt::format("{}: {} is not for the taking", what, name)));
    SENTINEL_ASSIGN(out[name], entry.value.string());
  }
  return out;
}

Result<std::vector<std::string>> parse_paths(const YamlNode& node, const char* key) {
  SENTINEL_ASSIGN(std::vector<std::string> paths, node.strings_or(key, {}));
  for (const std::string& path : paths) {
    if (!path.starts_with('/') || path.find("/../") != std::string::npos || path.ends_with("/.."))
      return fail(node.get(key).error("expected an absolute path: " + json_quote(path)));
    // What would hand over the machine.
    for (const char* forbidden :
         {"/", "/proc", "/sys", "/dev", "/run/dbus", "/var/run/docker.sock", "/run/docker.sock"}) {
      if (path == forbidden) return fail(node.get(key).error(path + " must not be in a sandbox"));
    }
  }
  return paths;
}

Status parse_limits(const YamlNode& node, SandboxLimits& out) {
  SENTINEL_TRY(node.expect_keys(
      "limits", {"network", "read", "write", "timeout", "grace", "output", "memory", "processes", "files"}));
  SENTINEL_ASSIGN(out.network, node.boolean_or("network", out.network));
  SENTINEL_ASSIGN(out.read, parse_paths(node, "read"));
  SENTINEL_ASSIGN(out.write, parse_paths(node, "write"));
  SENTINEL_ASSIGN(out.timeout, node.duration_or("timeout", std::chrono::duration_cast<Millis>(out.timeout)));
  SENTINEL_ASSIGN(out.grace, node.duration_or("grace", std::chrono::duration_cast<Millis>(out.grace)));
  SENTINEL_ASSIGN(out.output_bytes_max, node.bytes_or("output", out.output_bytes_max));
  SENTINEL_ASSIGN(out.memory_bytes_max, node.bytes_or("memory", out.memory_bytes_max));
  SENTINEL_ASSIGN(out.file_bytes_max, node.bytes_or("files", out.file_bytes_max));
  SENTINEL_ASSIGN(const int64_t processes, node.integer_or("processes", static_cast<int64_t>(out.processes_max)));
  if (processes < 1 || processes > 4096) return fail(node.get("processes").error("expected 1 to 4096"));
  out.processes_max = static_cast<uint64_t>(processes);
  if (out.timeout <= Micros(0) || out.timeout > kTimeoutMax)
    return fail(node.get("timeout").error("expected more than 0s and at most 1h"));
  if (out.output_bytes_max == 0 || out.output_bytes_max > kOutputBytesMax)
    return fail(node.get("output").error("expected at most 1MB"));
  return {};
}

Result<std::optional<Approval>> parse_approval(const YamlNode& node) {
  if (node.is_null()) return std::optional<Approval>();
  SENTINEL_TRY(node.expect_keys("approval", {"role", "within"}));
  Approval out;
  SENTINEL_ASSIGN(const YamlNode role, node.require("approval", "role"));
  SENTINEL_ASSIGN(out.role, role.string());
  SENTINEL_ASSIGN(out.within, node.duration_or("within", std::chrono::duration_cast<Millis>(out.within)));
  if (out.within <= Micros(0)) return fail(node.get("within").error("expected more than 0s"));
  return std::optional(std::move(out));
}

Result<Trigger> parse_trigger(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("trigger", {"match", "at_most", "per"}));
  Trigger out;
  SENTINEL_ASSIGN(const YamlNode match, node.require("trigger", "match"));
  for (const auto& entry : match.entries()) {
    SENTINEL_ASSIGN(std::string value, entry.value.string());
    out.match.push_back({entry.name(), std::move(value)});
  }
  if (out.match.empty()) return fail(match.error("a trigger needs at least one label"));
  SENTINEL_ASSIGN(out.at_most, node.integer_or("at_most", out.at_most));
  SENTINEL_ASSIGN(out.per, node.duration_or("per", std::chrono::duration_cast<Millis>(out.per)));
  if (out.at_most < 1 || out.at_most > 1000) return fail(node.get("at_most").error("expected 1 to 1000"));
  return out;
}

Status parse_argv(const YamlNode& node, Automation& out) {
  SENTINEL_ASSIGN(const YamlNode argv, node.require("automation", "argv"));
  SENTINEL_ASSIGN(out.argv, argv.strings());
  if (out.argv.empty() || !out.argv.front().starts_with('/'))
    return fail(argv.error("argv begins with the absolute path of a program"));
  if (out.argv.size() > kArgumentsMax) return fail(argv.error(fmt::format("more than {} arguments", kArgumentsMax)));
  return {};
}

Status parse_retries(const YamlNode& node, Automation& out) {
  SENTINEL_ASSIGN(out.idempotent, node.boolean_or("idempotent", false));
  SENTINEL_ASSIGN(out.retries, node.integer_or("retries", 0));
  SENTINEL_ASSIGN(out.retry_after,
                  node.duration_or("retry_after", std::chrono::duration_cast<Millis>(out.retry_after)));
  if (out.retries < 0 || out.retries > kRetriesMax)
    return fail(node.get("retries").error(fmt::format("expected 0 to {}", kRetriesMax)));
  if (out.retries > 0 && !out.idempotent)
    return fail(
        node.get("retries").error("only what is idempotent may be tried again: say `idempotent: true`, if it is"));
  return {};
}

Result<Automation> parse_automation(const YamlNode& node) {
  SENTINEL_TRY(
      node.expect_keys("automation", {"id", "description", "argv", "parameters", "environment", "secrets", "limits",
                                      "approval", "idempotent", "retries", "retry_after", "rollback", "triggers"}));
  Automation out;
  SENTINEL_ASSIGN(const YamlNode id, node.require("automation", "id"));
  SENTINEL_ASSIGN(out.id, id.string());
  if (!is_name(out.id, "-_")) return fail(id.error("an id is a-z, 0-9, - and _"));
  SENTINEL_ASSIGN(out.description, node.string_or("description", ""));
  SENTINEL_TRY(parse_argv(node, out));
  SENTINEL_TRY(parse_parameters(node.get("parameters"), out));
  SENTINEL_ASSIGN(out.environment, parse_variables(node.get("environment"), "environment"));
  SENTINEL_ASSIGN(out.secret_files, parse_variables(node.get("secrets"), "secrets"));
  for (const auto& [name, path] : out.secret_files) {
    if (!path.starts_with('/'))
      return fail(node.get("secrets").error(name + ": expected the absolute path of the file that holds it"));
  }
  SENTINEL_TRY(parse_limits(node.get("limits"), out.limits));
  SENTINEL_ASSIGN(out.approval, parse_approval(node.get("approval")));
  SENTINEL_TRY(parse_retries(node, out));
  SENTINEL_ASSIGN(out.rollback, node.string_or("rollback", ""));
  for (const YamlNode& item : node.get("triggers").items()) {
    SENTINEL_ASSIGN(Trigger trigger, parse_trigger(item));
    out.triggers.push_back(std::move(trigger));
  }
  return out;
}

}  // namespace

Result<std::shared_ptr<const Catalogue>> Catalogue::parse(std::string_view text, std::string_view file) {
  SENTINEL_ASSIGN(const YamlNode root, text::parse_yaml(text, file));
  SENTINEL_TRY(root.expect_keys("automations", {"automations"}));
  auto out = std::make_shared<Catalogue>();
  std::vector<YamlNode> nodes = root.get("automations").items();
  for (const YamlNode& node : nodes) {
    SENTINEL_ASSIGN(Automation automation, parse_automation(node));
    if (out->find(automation.id) != nullptr)
      return fail(node.get("id").error(fmt::format("automation \"{}\" is there twice", automation.id)));
    out->automations_.push_back(std::move(automation));
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::string& rollback = out->automations_[i].rollback;
    if (!rollback.empty() && out->find(rollback) == nullptr)
      return fail(nodes[i].get("rollback").error(fmt::format("there is no automation \"{}\"", rollback)));
  }
  std::sort(out->automations_.begin(), out->automations_.end(),
            [](const Automation& a, const Automation& b) { return a.id < b.id; });
  return std::shared_ptr<const Catalogue>(std::move(out));
}

const Automation* Catalogue::find(std::string_view id) const {
  const auto it =
      std::find_if(automations_.begin(), automations_.end(), [&](const Automation& a) { return a.id == id; });
  return it == automations_.end() ? nullptr : &*it;
}

Result<std::map<std::string, std::string>> resolve_parameters(const Automation& automation,
                                                              const std::map<std::string, std::string>& given,
                                                              const model::Labels& alert_labels) {
  for (const auto& [name, value] : given) {
    const bool known = std::any_of(automation.parameters.begin(), automation.parameters.end(),
                                   [&](const Parameter& p) { return p.name == name; });
    if (!known)
      return fail(ErrorCode::kInvalidArgument, fmt::format("{} has no parameter \"{}\"", automation.id, name));
  }
  std::map<std::string, std::string> out;
  for (const Parameter& p : automation.parameters) {
    std::optional<std::string> value = p.fallback;
    if (const std::string_view label = p.from_label.empty() ? std::string_view() : alert_labels.get(p.from_label);
        !label.empty())
      value = std::string(label);
    if (const auto it = given.find(p.name); it != given.end()) value = it->second;
    if (!value)
      return fail(ErrorCode::kInvalidArgument, fmt::format("parameter \"{}\" of {} is missing", p.name, automation.id));
    const bool fits = value->size() <= kParameterBytesMax && value->find('\0') == std::string::npos &&
                      re2::RE2::FullMatch(*value, *p.pattern);
    if (!fits)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("parameter \"{}\" of {}: {} does not match {}", p.name, automation.id,
                              json_quote(utf8_prefix(*value, 60)), p.pattern->pattern()));
    out[p.name] = std::move(*value);
  }
  return out;
}

}  // namespace sentinel::automation
