#include "ingest/discovery.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <array>
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

model::Labels dns_labels(const std::string& name, const std::string& address) {
  return model::Labels{{kAddress, address}, {"__meta_dns_name", name}};
}

Status lookup_addresses(const DnsDiscovery& discovery, const std::string& name, DiscoveredTargets& out) {
  addrinfo hints{};
  hints.ai_family = discovery.type == DnsDiscovery::Type::kA ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (status == EAI_NONAME) return {};
  if (status != 0)
    return fail(ErrorCode::kUnavailable, fmt::format("cannot resolve {}: {}", name, gai_strerror(status)));
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    std::array<char, NI_MAXHOST> host{};
    if (getnameinfo(at->ai_addr, at->ai_addrlen, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    const std::string text = host.data();
    const std::string shown = at->ai_family == AF_INET6 ? "[" + text + "]" : text;
    out.push_back(dns_labels(name, fmt::format("{}:{}", shown, discovery.port)));
  }
  freeaddrinfo(found);
  return {};
}

Status lookup_services(const std::string& name, DiscoveredTargets& out) {
  std::vector<unsigned char> answer(NS_MAXMSG);
  const int size = res_query(name.c_str(), ns_c_in, ns_t_srv, answer.data(), static_cast<int>(answer.size()));
  if (size < 0) {
    if (h_errno == HOST_NOT_FOUND || h_errno == NO_DATA) return {};
    return fail(ErrorCode::kUnavailable,
                fmt::format("cannot resolve the SRV records of {}: {}", name, hstrerror(h_errno)));
  }
  ns_msg message{};
  if (ns_initparse(answer.data(), size, &message) != 0) return fail(ErrorCode::kUnavailable, "malformed DNS answer");
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record{};
    constexpr int kFixedBytes = 6;  // priority, weight, port
    if (ns_parserr(&message, ns_s_an, i, &record) != 0 || ns_rr_type(record) != ns_t_srv ||
        ns_rr_rdlen(record) <= kFixedBytes) {
      continue;
    }
    const unsigned char* data = ns_rr_rdata(record);
    std::array<char, NS_MAXDNAME> target{};
    if (dn_expand(ns_msg_base(message), ns_msg_end(message), data + kFixedBytes, target.data(), target.size()) < 0)
      continue;
    const unsigned port = ns_get16(data + 4);
    model::Labels labels = dns_labels(name, fmt::format("{}:{}", target.data(), port));
    labels.set("__meta_dns_srv_record_target", target.data());
    labels.set("__meta_dns_srv_record_port", std::to_string(port));
    out.push_back(std::move(labels));
  }
  return {};
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

Result<DiscoveredTargets> dns_targets(const DnsDiscovery& discovery) {
  DiscoveredTargets out;
  for (const std::string& name : discovery.names) {
    SENTINEL_TRY(discovery.type == DnsDiscovery::Type::kSrv ? lookup_services(name, out)
                                                            : lookup_addresses(discovery, name, out));
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
