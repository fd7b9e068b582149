#include "ingest/write_config.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

using text::YamlNode;

constexpr std::array<std::string_view, 11> kKeys{"url",
                                                 "name",
                                                 "headers",
                                                 "remote_timeout",
                                                 "write_relabel_configs",
                                                 "send_exemplars",
                                                 "queue_config",
                                                 "metadata_config",
                                                 "protobuf_message",
                                                 "send_native_histograms",
                                                 "round_robin_dns"};

Status check_keys(const YamlNode& node) {
  if (!node.is_map()) return fail(node.error("remote_write must be a list of maps"));
  for (const YamlNode::Entry& entry : node.entries()) {
    const std::string name = entry.name();
    if (name == "sigv4" || name == "azuread" || name == "google_iam") {
      return fail(entry.key.error(fmt::format("{} is not supported", name)));
    }
    const bool shared = std::find(kHttpClientKeys.begin(), kHttpClientKeys.end(), name) != kHttpClientKeys.end();
    if (shared || std::find(kKeys.begin(), kKeys.end(), name) != kKeys.end()) continue;
    const auto nearest = text::nearest_word(name, std::vector<std::string>(kKeys.begin(), kKeys.end()));
    return fail(entry.key.error(fmt::format("unknown field \"{}\" in remote_write{}", name,
                                            nearest ? fmt::format("; did you mean \"{}\"?", *nearest) : "")));
  }
  return {};
}

Status parse_headers(const YamlNode& node, WriteTarget& out) {
  static const std::set<std::string> reserved{"authorization",
                                              "host",
                                              "content-encoding",
                                              "content-length",
                                              "content-type",
                                              "user-agent",
                                              "connection",
                                              "keep-alive",
                                              "proxy-authenticate",
                                              "proxy-authorization",
                                              "www-authenticate",
                                              "accept-encoding",
                                              "x-prometheus-remote-write-version",
                                              "x-prometheus-remote-read-version",
                                              "x-amz-date",
                                              "x-amz-security-token",
                                              "x-amz-content-sha256"};
  for (const YamlNode::Entry& entry : node.entries()) {
    const std::string name = entry.name();
    if (to_lower(name) == "authorization") {
      return fail(
          entry.key.error("authorization header must be changed via the basic_auth or authorization parameter"));
    }
    if (reserved.contains(to_lower(name))) {
      return fail(entry.key.error(fmt::format("{} is a reserved header. It must not be changed", name)));
    }
    SENTINEL_ASSIGN(const std::string value, entry.value.string());
    out.client.headers.emplace_back(name, value);
  }
  return {};
}

Result<size_t> count_of(const YamlNode& node, std::string_view key, size_t fallback, size_t most) {
  SENTINEL_ASSIGN(const int64_t v, node.integer_or(key, static_cast<int64_t>(fallback)));
  if (v < 1) return fail(node.get(key).error("expected a number from 1"));
  return std::min(static_cast<size_t>(v), most);
}

Status parse_queue(const YamlNode& node, WriteTarget& out) {
  SENTINEL_TRY(node.expect_keys("queue_config",
                                {"capacity", "max_shards", "min_shards", "max_samples_per_send", "batch_send_deadline",
                                 "min_backoff", "max_backoff", "retry_on_http_429", "sample_age_limit"}));
  SENTINEL_ASSIGN(out.capacity, count_of(node, "capacity", out.capacity, kWriteShardCapacityMax));
  SENTINEL_ASSIGN(out.shards, count_of(node, "max_shards", out.shards, kWriteShardsMax));
  SENTINEL_ASSIGN(out.samples_per_send,
                  count_of(node, "max_samples_per_send", out.samples_per_send, kWriteShardCapacityMax));
  out.samples_per_send = std::min(out.samples_per_send, out.capacity);
  SENTINEL_ASSIGN(out.send_deadline, node.duration_or("batch_send_deadline", out.send_deadline));
  SENTINEL_ASSIGN(out.backoff_min, node.duration_or("min_backoff", out.backoff_min));
  SENTINEL_ASSIGN(out.backoff_max, node.duration_or("max_backoff", out.backoff_max));
  if (out.backoff_min <= Millis(0)) return fail(node.get("min_backoff").error("expected more than 0s"));
  if (out.backoff_max < out.backoff_min) {
    return fail(node.get(node.has("max_backoff") ? "max_backoff" : "min_backoff")
                    .error("max_backoff must not be less than min_backoff"));
  }
  SENTINEL_ASSIGN(out.retry_on_429, node.boolean_or("retry_on_http_429", out.retry_on_429));
  SENTINEL_ASSIGN(out.age_limit, node.duration_or("sample_age_limit", out.age_limit));
  return {};
}

Status parse_metadata(const YamlNode& node, WriteTarget& out) {
  SENTINEL_TRY(node.expect_keys("metadata_config", {"send", "send_interval", "max_samples_per_send"}));
  SENTINEL_ASSIGN(out.send_metadata, node.boolean_or("send", out.send_metadata));
  SENTINEL_ASSIGN(out.metadata_interval, node.duration_or("send_interval", out.metadata_interval));
  if (out.metadata_interval < Millis(1'000)) return fail(node.get("send_interval").error("expected at least 1s"));
  SENTINEL_ASSIGN(out.metadata_per_send,
                  count_of(node, "max_samples_per_send", out.metadata_per_send, kWriteShardCapacityMax));
  return {};
}

Result<WriteTarget> parse_target(const YamlNode& node, const std::string& folder) {
  SENTINEL_TRY(check_keys(node));
  WriteTarget out;
  SENTINEL_ASSIGN(out.url, node.string_or("url", ""));
  if (out.url.empty()) return fail(node.error("url for remote_write is empty"));
  if (!out.url.starts_with("http://") && !out.url.starts_with("https://")) {
    return fail(node.get("url").error("expected http:// or https://"));
  }
  SENTINEL_ASSIGN(out.name, node.string_or("name", ""));
  SENTINEL_ASSIGN(out.timeout, node.duration_or("remote_timeout", out.timeout));
  if (out.timeout <= Millis(0)) return fail(node.get("remote_timeout").error("expected more than 0s"));
  SENTINEL_ASSIGN(const std::string message, node.string_or("protobuf_message", "prometheus.WriteRequest"));
  if (message == "io.prometheus.write.v2.Request") {
    out.protocol = WriteProtocol::kV2;
  } else if (message != "prometheus.WriteRequest") {
    return fail(node.get("protobuf_message")
                    .error(fmt::format("unknown remote write protobuf message {}, supported: prometheus.WriteRequest, "
                                       "io.prometheus.write.v2.Request",
                                       message)));
  }
  SENTINEL_ASSIGN(out.send_exemplars, node.boolean_or("send_exemplars", false));
  SENTINEL_ASSIGN(out.send_histograms, node.boolean_or("send_native_histograms", false));
  SENTINEL_ASSIGN(out.client, parse_http_client(node, folder));
  SENTINEL_TRY(parse_headers(node.get("headers"), out));
  SENTINEL_ASSIGN(out.relabel_rules, parse_relabel_rules(node.get("write_relabel_configs")));
  SENTINEL_TRY(parse_queue(node.get("queue_config"), out));
  SENTINEL_TRY(parse_metadata(node.get("metadata_config"), out));
  // As in Prometheus a name of its own, six digits of a hash.
  constexpr int kDigits = 6;
  if (out.name.empty()) out.name = fmt::format("{:016x}", hash64(out.url + "\n" + message)).substr(0, kDigits);
  return out;
}

}  // namespace

Result<std::vector<WriteTarget>> parse_write_targets(const YamlNode& root, const std::string& folder) {
  std::vector<WriteTarget> out;
  const YamlNode list = root.get("remote_write");
  if (!list.is_null() && !list.is_list()) return fail(list.error("expected a list of remote write configs"));
  std::set<std::string> names;
  for (const YamlNode& item : list.items()) {
    SENTINEL_ASSIGN(WriteTarget target, parse_target(item, folder));
    if (!names.insert(target.name).second) {
      return fail(
          item.error(fmt::format("found multiple remote write configs with job name {}", go_quote(target.name))));
    }
    out.push_back(std::move(target));
  }
  return out;
}

}  // namespace sentinel::ingest
