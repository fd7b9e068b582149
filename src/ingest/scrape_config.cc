#include "ingest/scrape_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/file.h"
#include "base/strings.h"
#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

using text::YamlNode;

std::string resolve(const std::string& path, const std::string& folder) {
  if (path.empty() || folder.empty() || std::filesystem::path(path).is_absolute()) return path;
  return (std::filesystem::path(folder) / path).string();
}

Result<uint64_t> count_or(const YamlNode& node, std::string_view key, uint64_t fallback) {
  SENTINEL_ASSIGN(const int64_t v, node.integer_or(key, static_cast<int64_t>(fallback)));
  if (v < 0) return fail(node.get(key).error("expected a number from 0"));
  return static_cast<uint64_t>(v);
}

Result<model::Labels> parse_labels(const YamlNode& node) {
  std::vector<model::Label> labels;
  if (!node.is_null() && !node.is_map()) return fail(node.error("expected a map of labels"));
  for (const YamlNode::Entry& entry : node.entries()) {
    SENTINEL_ASSIGN(std::string value, entry.value.string());
    labels.push_back({entry.name(), std::move(value)});
  }
  return model::Labels(std::move(labels));
}

Result<TargetGroup> parse_group(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("target group", {"targets", "labels"}));
  TargetGroup group;
  SENTINEL_ASSIGN(group.targets, node.strings_or("targets", {}));
  for (const std::string& target : group.targets) {
    if (target.find('/') != std::string::npos) {
      return fail(node.get("targets").error(fmt::format("{} is not a valid hostname", go_quote(target))));
    }
  }
  SENTINEL_ASSIGN(group.labels, parse_labels(node.get("labels")));
  return group;
}

Result<FileDiscovery> parse_file_discovery(const YamlNode& node, const std::string& folder) {
  SENTINEL_TRY(node.expect_keys("file_sd_config", {"files", "refresh_interval"}));
  FileDiscovery out;
  SENTINEL_ASSIGN(out.files, node.strings_or("files", {}));
  if (out.files.empty()) return fail(node.error("file service discovery config must contain at least one path name"));
  for (std::string& file : out.files) {
    const bool known = file.ends_with(".json") || file.ends_with(".yml") || file.ends_with(".yaml");
    if (!known) {
      return fail(node.get("files").error(fmt::format("path name {} is not valid for file discovery", go_quote(file))));
    }
    file = resolve(file, folder);
  }
  SENTINEL_ASSIGN(out.refresh_interval, node.duration_or("refresh_interval", out.refresh_interval));
  return out;
}

Result<DnsDiscovery> parse_dns_discovery(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("dns_sd_config", {"names", "type", "port", "refresh_interval"}));
  DnsDiscovery out;
  SENTINEL_ASSIGN(out.names, node.strings_or("names", {}));
  if (out.names.empty()) return fail(node.error("DNS-SD config must contain at least one SRV record name"));
  SENTINEL_ASSIGN(const std::string type, node.string_or("type", "SRV"));
  SENTINEL_ASSIGN(const int64_t port, node.integer_or("port", 0));
  if (port < 0 || port > 65535) return fail(node.get("port").error("expected a port"));
  out.port = static_cast<int>(port);
  using Type = DnsDiscovery::Type;
  constexpr std::pair<std::string_view, Type> kTypes[] = {
      {"SRV", Type::kSrv}, {"A", Type::kA}, {"AAAA", Type::kAaaa}, {"MX", Type::kMx}, {"NS", Type::kNs}};
  const auto* const found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& one) { return iequals(type, one.first); });
  if (found == std::end(kTypes)) {
    return fail(
        node.get("type").error(fmt::format("invalid DNS-SD records type {}; expected SRV, A, AAAA, MX or NS", type)));
  }
  out.type = found->second;
  if (out.type != DnsDiscovery::Type::kSrv && out.port == 0) {
    return fail(node.error("a port is required in DNS-SD configs for all record types except SRV"));
  }
  SENTINEL_ASSIGN(out.refresh_interval, node.duration_or("refresh_interval", out.refresh_interval));
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_params(const YamlNode& node) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const YamlNode::Entry& entry : node.entries()) {
    SENTINEL_ASSIGN(const std::vector<std::string> values, entry.value.strings());
    for (const std::string& value : values) out.emplace_back(entry.name(), value);
  }
  return out;
}

struct ProtocolName {
  std::string_view name;
  std::string_view media_type;  // as asked for
  ExpositionFormat format;
};
// By ScrapeProtocol.
constexpr std::array<ProtocolName, 5> kProtocols{
    {{"PrometheusProto", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
      ExpositionFormat::kProtobuf},
     {"PrometheusText0.0.4", "text/plain;version=0.0.4", ExpositionFormat::kText},
     {"PrometheusText1.0.0", "text/plain;version=1.0.0;escaping=allow-utf-8", ExpositionFormat::kText},
     {"OpenMetricsText0.0.1", "application/openmetrics-text;version=0.0.1", ExpositionFormat::kOpenMetrics},
     {"OpenMetricsText1.0.0", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
      ExpositionFormat::kOpenMetrics}}};

Result<ScrapeProtocol> parse_protocol(const YamlNode& node) {
  SENTINEL_ASSIGN(const std::string name, node.string());
  for (size_t i = 0; i < kProtocols.size(); ++i) {
    if (kProtocols[i].name == name) return static_cast<ScrapeProtocol>(i);
  }
  return fail(
      node.error(fmt::format("unknown scrape protocol {}, supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 "
                             "PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0]",
                             name)));
}

Status parse_protocols(const YamlNode& node, ScrapeJob& job) {
  const YamlNode list = node.get("scrape_protocols");
  if (list.is_null()) return {};
  if (!list.is_list() || list.items().empty()) return fail(list.error("scrape_protocols cannot be empty"));
  job.protocols.clear();
  for (const YamlNode& item : list.items()) {
    SENTINEL_ASSIGN(const ScrapeProtocol protocol, parse_protocol(item));
    if (std::find(job.protocols.begin(), job.protocols.end(), protocol) != job.protocols.end()) {
      return fail(item.error("duplicated protocol in scrape_protocols"));
    }
    job.protocols.push_back(protocol);
  }
  return {};
}

Status parse_native_histograms(const YamlNode& node, ScrapeJob& job) {
  SENTINEL_ASSIGN(job.native_histograms, node.boolean_or("scrape_native_histograms", job.native_histograms));
  SENTINEL_ASSIGN(const bool old_name, node.boolean_or("scrape_classic_histograms", job.classic_histograms_too));
  SENTINEL_ASSIGN(job.classic_histograms_too, node.boolean_or("always_scrape_classic_histograms", old_name));
  SENTINEL_ASSIGN(job.native_bucket_limit, count_or(node, "native_histogram_bucket_limit", job.native_bucket_limit));
  SENTINEL_ASSIGN(job.native_bucket_factor_min,
                  node.number_or("native_histogram_min_bucket_factor", job.native_bucket_factor_min));
  return {};
}

Result<std::optional<ExpositionFormat>> parse_fallback(const YamlNode& node) {
  if (node.is_null()) return std::optional<ExpositionFormat>();
  SENTINEL_ASSIGN(const ScrapeProtocol protocol, parse_protocol(node));
  return std::optional(kProtocols[static_cast<size_t>(protocol)].format);
}

Status parse_discovery(const YamlNode& node, const std::string& folder, ScrapeJob& job) {
  for (const YamlNode& item : node.get("static_configs").items()) {
    SENTINEL_ASSIGN(job.static_groups.emplace_back(), parse_group(item));
  }
  for (const YamlNode& item : node.get("file_sd_configs").items()) {
    SENTINEL_ASSIGN(job.file_discovery.emplace_back(), parse_file_discovery(item, folder));
  }
  for (const YamlNode& item : node.get("dns_sd_configs").items()) {
    SENTINEL_ASSIGN(job.dns_discovery.emplace_back(), parse_dns_discovery(item));
  }
  return {};
}

Status parse_limits(const YamlNode& node, ScrapeJob& job) {
  SENTINEL_ASSIGN(job.body_bytes_max, node.bytes_or("body_size_limit", job.body_bytes_max));
  SENTINEL_ASSIGN(job.sample_limit, count_or(node, "sample_limit", job.sample_limit));
  SENTINEL_ASSIGN(job.target_limit, count_or(node, "target_limit", job.target_limit));
  SENTINEL_ASSIGN(job.label_limit, count_or(node, "label_limit", job.label_limit));
  SENTINEL_ASSIGN(job.label_name_length_limit, count_or(node, "label_name_length_limit", job.label_name_length_limit));
  SENTINEL_ASSIGN(job.label_value_length_limit,
                  count_or(node, "label_value_length_limit", job.label_value_length_limit));
  return {};
}

// Keys that only Prometheus's own machinery needs, and whose absence changes nothing here.
constexpr std::array<std::string_view, 3> kIgnoredKeys{"keep_dropped_targets", "metric_name_validation_scheme",
                                                       "metric_name_escaping_scheme"};

Status check_keys(const YamlNode& node) {
  static const std::set<std::string_view> known{"job_name",
                                                "scrape_interval",
                                                "scrape_timeout",
                                                "metrics_path",
                                                "scheme",
                                                "params",
                                                "honor_labels",
                                                "honor_timestamps",
                                                "track_timestamps_staleness",
                                                "enable_compression",
                                                "scrape_protocols",
                                                "fallback_scrape_protocol",
                                                "scrape_native_histograms",
                                                "scrape_classic_histograms",
                                                "always_scrape_classic_histograms",
                                                "native_histogram_bucket_limit",
                                                "native_histogram_min_bucket_factor",
                                                "body_size_limit",
                                                "sample_limit",
                                                "target_limit",
                                                "label_limit",
                                                "label_name_length_limit",
                                                "label_value_length_limit",
                                                "relabel_configs",
                                                "metric_relabel_configs",
                                                "static_configs",
                                                "file_sd_configs",
                                                "dns_sd_configs"};
  if (!node.is_map()) return fail(node.error("scrape config must be a map"));
  for (const YamlNode::Entry& entry : node.entries()) {
    const std::string name = entry.name();
    const bool shared = std::find(kHttpClientKeys.begin(), kHttpClientKeys.end(), name) != kHttpClientKeys.end();
    const bool ignored = std::find(kIgnoredKeys.begin(), kIgnoredKeys.end(), name) != kIgnoredKeys.end();
    if (known.contains(name) || shared || ignored) continue;
    if (name.ends_with("_sd_configs")) {
      return fail(entry.key.error(
          fmt::format("{} is not supported; there are static_configs, file_sd_configs and dns_sd_configs", name)));
    }
    std::vector<std::string> words(known.begin(), known.end());
    const auto nearest = text::nearest_word(name, words);
    return fail(entry.key.error(fmt::format("unknown field \"{}\" in scrape config{}", name,
                                            nearest ? fmt::format("; did you mean \"{}\"?", *nearest) : "")));
  }
  return {};
}

Result<ScrapeJob> parse_job(const YamlNode& node, const std::string& folder, const ScrapeJob& defaults) {
  SENTINEL_TRY(check_keys(node));
  ScrapeJob job = defaults;
  SENTINEL_ASSIGN(job.name, node.string_or("job_name", ""));
  if (job.name.empty()) return fail(node.error("job_name is empty"));
  SENTINEL_ASSIGN(job.interval, node.duration_or("scrape_interval", defaults.interval));
  SENTINEL_ASSIGN(job.timeout, node.duration_or("scrape_timeout", std::min(defaults.timeout, job.interval)));
  if (job.interval < kScrapeIntervalMin) return fail(node.get("scrape_interval").error("expected at least 100ms"));
  if (job.timeout <= Millis(0) || job.timeout > job.interval) {
    return fail(node.error(fmt::format("scrape timeout greater than scrape interval for scrape config with job name {}",
                                       go_quote(job.name))));
  }
  SENTINEL_ASSIGN(job.metrics_path, node.string_or("metrics_path", job.metrics_path));
  SENTINEL_ASSIGN(job.scheme, node.string_or("scheme", job.scheme));
  if (job.scheme != "http" && job.scheme != "https") return fail(node.get("scheme").error("expected http or https"));
  SENTINEL_ASSIGN(job.params, parse_params(node.get("params")));
  SENTINEL_ASSIGN(job.honor_labels, node.boolean_or("honor_labels", false));
  SENTINEL_ASSIGN(job.honor_timestamps, node.boolean_or("honor_timestamps", true));
  SENTINEL_ASSIGN(job.track_timestamps_staleness, node.boolean_or("track_timestamps_staleness", false));
  SENTINEL_ASSIGN(job.enable_compression, node.boolean_or("enable_compression", true));
  SENTINEL_TRY(parse_protocols(node, job));
  SENTINEL_TRY(parse_native_histograms(node, job));
  SENTINEL_ASSIGN(job.fallback, parse_fallback(node.get("fallback_scrape_protocol")));
  SENTINEL_TRY(parse_limits(node, job));
  SENTINEL_ASSIGN(job.relabel_rules, parse_relabel_rules(node.get("relabel_configs")));
  SENTINEL_ASSIGN(job.metric_relabel_rules, parse_relabel_rules(node.get("metric_relabel_configs")));
  SENTINEL_TRY(parse_discovery(node, folder, job));
  SENTINEL_ASSIGN(job.client, parse_http_client(node, folder));
  return job;
}

Status parse_authorization(const YamlNode& node, const std::string& folder, HttpClientConfig& out) {
  const YamlNode authorization = node.get("authorization");
  SENTINEL_TRY(authorization.expect_keys("authorization", {"type", "credentials", "credentials_file"}));
  SENTINEL_ASSIGN(out.authorization_type, authorization.string_or("type", "Bearer"));
  SENTINEL_ASSIGN(std::string credentials, authorization.string_or("credentials", ""));
  SENTINEL_ASSIGN(std::string file, authorization.string_or("credentials_file", ""));
  if (credentials.empty()) {
    SENTINEL_ASSIGN(credentials, node.string_or("bearer_token", ""));
  }
  if (file.empty()) {
    SENTINEL_ASSIGN(file, node.string_or("bearer_token_file", ""));
  }
  if (!credentials.empty() && !file.empty()) {
    return fail(node.error("at most one of authorization credentials & credentials_file must be configured"));
  }
  if (!credentials.empty()) out.authorization = out.authorization_type + " " + credentials;
  out.authorization_file = resolve(file, folder);
  const YamlNode basic = node.get("basic_auth");
  SENTINEL_TRY(basic.expect_keys("basic_auth", {"username", "username_file", "password", "password_file"}));
  if (basic.is_null()) return {};
  if (!out.authorization.empty() || !file.empty()) {
    return fail(basic.error("at most one of basic_auth, oauth2 & authorization must be configured"));
  }
  if (basic.has("username_file")) return fail(basic.get("username_file").error("username_file is not supported"));
  SENTINEL_ASSIGN(out.basic_user, basic.string_or("username", ""));
  SENTINEL_ASSIGN(const std::string password, basic.string_or("password", ""));
  SENTINEL_ASSIGN(const std::string password_file, basic.string_or("password_file", ""));
  out.basic_password_file = resolve(password_file, folder);
  if (password_file.empty()) out.authorization = "Basic " + base64_encode(out.basic_user + ":" + password);
  return {};
}

}  // namespace

// Weights as Prometheus gives them: one less for each, so that anything else comes last.
std::string accept_header(const std::vector<ScrapeProtocol>& protocols) {
  size_t weight = kProtocols.size() + 1;
  std::string out;
  for (const ScrapeProtocol protocol : protocols) {
    out += fmt::format("{};q=0.{},", kProtocols[static_cast<size_t>(protocol)].media_type, weight--);
  }
  return out + fmt::format("*/*;q=0.{}", weight);
}

std::string ScrapeJob::accept() const {
  using enum ScrapeProtocol;
  if (!protocols.empty()) return accept_header(protocols);
  std::vector<ScrapeProtocol> usual{kOpenMetricsText1_0_0, kOpenMetricsText0_0_1, kPrometheusText1_0_0,
                                    kPrometheusText0_0_4};
  if (native_histograms) usual.insert(usual.begin(), kPrometheusProto);
  return accept_header(usual);
}

Result<HttpClientConfig> parse_http_client(const YamlNode& node, const std::string& folder) {
  HttpClientConfig out;
  for (const std::string_view key : {"oauth2", "proxy_url"}) {
    if (!node.get(key).is_null()) return fail(node.get(key).error(fmt::format("{} is not supported", key)));
  }
  SENTINEL_TRY(parse_authorization(node, folder, out));
  const YamlNode tls = node.get("tls_config");
  SENTINEL_TRY(tls.expect_keys("tls_config", {"ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify",
                                              "min_version", "max_version"}));
  for (const std::string_view key : {"cert_file", "key_file", "server_name", "max_version"}) {
    if (tls.has(key)) return fail(tls.get(key).error(fmt::format("{} is not supported", key)));
  }
  SENTINEL_ASSIGN(const bool insecure, tls.boolean_or("insecure_skip_verify", false));
  out.verify_tls = !insecure;
  SENTINEL_ASSIGN(const std::string ca_file, tls.string_or("ca_file", ""));
  out.ca_file = resolve(ca_file, folder);
  const YamlNode headers = node.get("http_headers");  // owns the entries
  for (const YamlNode::Entry& entry : headers.entries()) {
    SENTINEL_TRY(entry.value.expect_keys("http header", {"values"}));
    SENTINEL_ASSIGN(const std::vector<std::string> values, entry.value.strings_or("values", {}));
    for (const std::string& value : values) out.headers.emplace_back(entry.name(), value);
  }
  return out;
}

Status HttpClientConfig::apply(net::Headers& headers_out) const {
  for (const auto& [name, value] : headers) headers_out.add(name, value);
  if (!authorization.empty()) headers_out.set("Authorization", authorization);
  if (!authorization_file.empty()) {
    SENTINEL_ASSIGN(const std::string secret, posix_env().read_file(authorization_file));
    headers_out.set("Authorization", authorization_type + " " + std::string(trim(secret)));
  }
  if (!basic_password_file.empty()) {
    SENTINEL_ASSIGN(const std::string password, posix_env().read_file(basic_password_file));
    headers_out.set("Authorization", "Basic " + base64_encode(basic_user + ":" + std::string(trim(password))));
  }
  return {};
}

Result<ScrapeConfig> parse_scrape_config(const YamlNode& root, const std::string& folder) {
  ScrapeConfig config;
  const YamlNode global = root.get("global");
  ScrapeJob defaults;
  SENTINEL_ASSIGN(defaults.interval, global.duration_or("scrape_interval", defaults.interval));
  SENTINEL_ASSIGN(defaults.timeout,
                  global.duration_or("scrape_timeout", std::min(defaults.timeout, defaults.interval)));
  SENTINEL_TRY(parse_limits(global, defaults));
  SENTINEL_TRY(parse_protocols(global, defaults));
  SENTINEL_TRY(parse_native_histograms(global, defaults));
  SENTINEL_ASSIGN(config.external_labels, parse_labels(global.get("external_labels")));
  const YamlNode jobs = root.get("scrape_configs");
  if (!jobs.is_null() && !jobs.is_list()) return fail(jobs.error("expected a list of scrape configs"));
  std::set<std::string> names;
  for (const YamlNode& item : jobs.items()) {
    SENTINEL_ASSIGN(ScrapeJob job, parse_job(item, folder, defaults));
    if (!names.insert(job.name).second) {
      return fail(item.error(fmt::format("found multiple scrape configs with job name {}", go_quote(job.name))));
    }
    config.jobs.push_back(std::move(job));
  }
  return config;
}

Result<std::vector<TargetGroup>> parse_target_groups(std::string_view text, const std::string& file) {
  // JSON is YAML as well.
  SENTINEL_ASSIGN(const YamlNode root, text::parse_yaml(text, file));
  std::vector<TargetGroup> out;
  if (root.is_null()) return out;
  if (!root.is_list()) return fail(root.error("expected a list of target groups"));
  for (const YamlNode& item : root.items()) {
    SENTINEL_ASSIGN(out.emplace_back(), parse_group(item));
  }
  return out;
}

}  // namespace sentinel::ingest
