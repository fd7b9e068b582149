#pragma once
// scrape_configs and the global section in Prometheus's own syntax. What is not supported is refused with its place,
// never ignored.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/exposition_parser.h"
#include "ingest/relabel.h"
#include "model/labels.h"
#include "net/http.h"
#include "text/yaml.h"

namespace sentinel::ingest {

// Targets that share labels, as in static_configs and in files of file_sd_configs.
struct TargetGroup {
  std::vector<std::string> targets;  // addresses
  model::Labels labels;
};

struct FileDiscovery {
  std::vector<std::string> files;  // the last part may have * and ?
  Millis refresh_interval = std::chrono::minutes(5);
};

struct DnsDiscovery {
  enum class Type { kA, kAaaa, kMx, kNs, kSrv };
  std::vector<std::string> names;
  Type type = Type::kSrv;
  int port = 0;  // of all but SRV
  Millis refresh_interval = std::chrono::seconds(30);
};

// How a client authenticates and connects; shared with remote write.
struct HttpClientConfig {
  std::string authorization;       // the whole header, or empty
  std::string authorization_file;  // its credentials are read anew for each request
  std::string authorization_type = "Bearer";
  std::string basic_user;
  std::string basic_password_file;
  bool verify_tls = true;
  std::string ca_file;
  std::vector<std::pair<std::string, std::string>> headers;
  // kIo: a file of credentials cannot be read.
  Status apply(net::Headers& headers_out) const;
};
inline constexpr std::initializer_list<std::string_view> kHttpClientKeys{
    "basic_auth", "authorization",    "bearer_token", "bearer_token_file", "tls_config",
    "oauth2",     "follow_redirects", "enable_http2", "proxy_url",         "http_headers"};
// Reads those keys of `node`; others are the caller's. Files are relative to `folder`.
Result<HttpClientConfig> parse_http_client(const text::YamlNode& node, const std::string& folder);

// By Prometheus's names.
enum class ScrapeProtocol : uint8_t {
  kPrometheusProto,
  kPrometheusText0_0_4,
  kPrometheusText1_0_0,
  kOpenMetricsText0_0_1,
  kOpenMetricsText1_0_0,
};
// The Accept header that asks for them, the first one first.
std::string accept_header(const std::vector<ScrapeProtocol>& protocols);

struct ScrapeJob {
  std::string name;
  Millis interval = std::chrono::minutes(1);
  Millis timeout = std::chrono::seconds(10);
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  std::vector<std::pair<std::string, std::string>> params;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool enable_compression = true;
  std::vector<ScrapeProtocol> protocols;     // empty: Prometheus's order, protobuf first with native histograms
  std::optional<ExpositionFormat> fallback;  // of an answer without a usable Content-Type
  bool native_histograms = false;
  bool classic_histograms_too = false;  // where a target sends both
  uint64_t native_bucket_limit = 0;
  double native_bucket_factor_min = 0;
  std::string accept() const;
  uint64_t body_bytes_max = 0;  // 0: kScrapeBytesMax
  uint64_t sample_limit = 0;    // 0: none, here and below
  uint64_t target_limit = 0;
  uint64_t label_limit = 0;
  uint64_t label_name_length_limit = 0;
  uint64_t label_value_length_limit = 0;
  RelabelRules relabel_rules;
  RelabelRules metric_relabel_rules;
  std::vector<TargetGroup> static_groups;
  std::vector<FileDiscovery> file_discovery;
  std::vector<DnsDiscovery> dns_discovery;
  HttpClientConfig client;
};

struct ScrapeConfig {
  std::vector<ScrapeJob> jobs;
  model::Labels external_labels;
};

// `root` holds `global` and `scrape_configs`, both optional. Files are relative to `folder`.
Result<ScrapeConfig> parse_scrape_config(const text::YamlNode& root, const std::string& folder);

// A list of groups as YAML or JSON, as in files of file_sd_configs.
Result<std::vector<TargetGroup>> parse_target_groups(std::string_view text, const std::string& file);

}  // namespace sentinel::ingest
