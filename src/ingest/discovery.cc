#include "ingest/discovery.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::ingest {
namespace {

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kParamPrefix = "__param_";

void add_group(const TargetGroup& group, const model::Labels& more, DiscoveredTargets& out) {
  for (const std::string& address : group.targets) {
    model::Labels labels = group.labels;
    for (const model::Label& label : more) labels.set(label.name, label.value);
    labels.set(kAddress, address);
    out.push_back(std::move(labels));
  }
}

// "*" and "?" in the last part of a path.
bool glob_matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    for (size_t i = 0; i <= name.size(); ++i) {
      if (glob_matches(pattern.substr(1), name.substr(i))) return true;
    }
    return false;
  }
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) &&
         glob_matches(pattern.substr(1), name.substr(1));
}

Result<std::vector<std::string>> files_of(Env& env, const std::string& pattern) {
  const std::filesystem::path path(pattern);
  const std::string last = path.filename().string();
  if (last.find_first_of("*?") == std::string::npos) return std::vector{pattern};
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  std::vector<std::string> out;
  if (!env.exists(folder)) return out;
  SENTINEL_ASSIGN(const std::vector<std::string> names, env.list(folder));
  for (const std::string& name : names) {
    if (glob_matches(last, name)) out.push_back(folder + "/" + name);
  }
  return out;
}

// The query of the scrape: the job's parameters, of which __param_ labels replace the first value.
std::string query_of(const ScrapeJob& job, const model::Labels& labels) {
  std::map<std::string, std::vector<std::string>> params;
  for (const auto& [name, value] : job.params) params[name].push_back(value);
  for (const model::Label& label : labels) {
    if (!label.name.starts_with(kParamPrefix)) continue;
    std::vector<std::string>& values = params[label.name.substr(kParamPrefix.size())];
    if (values.empty()) values.emplace_back();
    values[0] = label.value;
  }
  std::string out;
  for (const auto& [name, values] : params) {
    for (const std::string& value : values) {
      out += fmt::format("{}{}={}", out.empty() ? "?" : "&", url_encode(name), url_encode(value));
    }
  }
  return out;
}

Result<Millis> duration_label(const model::Labels& labels, std::string_view name) {
  const auto v = parse_duration(labels.get(name));
  if (v && *v > Millis(0)) return *v;
  return fail(ErrorCode::kInvalidArgument, fmt::format("error parsing {}: {}", name, go_quote(labels.get(name))));
}

}  // namespace

DiscoveredTargets static_targets(const ScrapeJob& job) {
  DiscoveredTargets out;
  for (const TargetGroup& group : job.static_groups) add_group(group, {}, out);
  return out;
}

Result<DiscoveredTargets> file_targets(Env& env, const FileDiscovery& discovery) {
  DiscoveredTargets out;
  for (const std::string& pattern : discovery.files) {
    SENTINEL_ASSIGN(const std::vector<std::string> files, files_of(env, pattern));
    for (const std::string& file : files) {
      SENTINEL_ASSIGN(const std::string text, env.read_file(file));
      SENTINEL_ASSIGN(const std::vector<TargetGroup> groups, parse_target_groups(text, file));
      for (const TargetGroup& group : groups) add_group(group, model::Labels{{"__meta_filepath", file}}, out);
    }
  }
  return out;
}

Result<ScrapeTarget> make_target(const ScrapeJob& job, const model::Labels& discovered) {
  ScrapeTarget out;
  out.discovered = discovered;
  const std::pair<std::string_view, std::string> defaults[] = {{"job", job.name},
                                                               {"__scrape_interval__", format_duration(job.interval)},
                                                               {"__scrape_timeout__", format_duration(job.timeout)},
                                                               {"__metrics_path__", job.metrics_path},
                                                               {"__scheme__", job.scheme}};
  for (const auto& [name, value] : defaults) {
    if (!out.discovered.has(name)) out.discovered.set(name, value);
  }
  for (const auto& [name, value] : job.params) {
    const std::string label = std::string(kParamPrefix) + name;
    if (!out.discovered.has(label)) out.discovered.set(label, value);
  }
  model::Labels labels = out.discovered;
  if (!relabel(job.relabel_rules, labels)) return out;
  const std::string address(labels.get(kAddress));
  if (address.empty()) return fail(ErrorCode::kInvalidArgument, "no address");
  if (address.find('/') != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a valid hostname", go_quote(address)));
  }
  const std::string_view scheme = labels.get("__scheme__");
  if (scheme != "http" && scheme != "https") {
    return fail(ErrorCode::kInvalidArgument, fmt::format("invalid scheme: {}", go_quote(scheme)));
  }
  SENTINEL_ASSIGN(out.interval, duration_label(labels, "__scrape_interval__"));
  SENTINEL_ASSIGN(out.timeout, duration_label(labels, "__scrape_timeout__"));
  if (out.timeout > out.interval) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("scrape timeout cannot be greater than scrape interval ({} > {})",
                            format_duration(out.timeout), format_duration(out.interval)));
  }
  std::string path(labels.get("__metrics_path__"));
  if (!path.starts_with('/')) path.insert(0, "/");
  out.url = fmt::format("{}://{}{}{}", scheme, address, path, query_of(job, labels));
  for (const model::Label& label : labels) {
    if (!label.name.starts_with("__")) out.labels.set(label.name, label.value);
  }
  if (!out.labels.has("instance")) out.labels.set("instance", address);
  return out;
}

}  // namespace sentinel::ingest
