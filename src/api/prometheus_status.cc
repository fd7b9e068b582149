// Targets, and what the server says of itself.
#include <unistd.h>

#include <climits>
#include <filesystem>

#include <fmt/format.h>

#include "api/prometheus.h"
#include "api/version.h"
#include "base/duration.h"
#include "base/strings.h"
#include "promql/parser.h"

namespace sentinel::api {
namespace {

using ingest::TargetStatus;

std::string labels_json(const model::Labels& labels) {
  std::string out;
  put_labels_json(out, labels);
  return out;
}

std::string time_json(TimePoint t) {
  return to_us(t) == 0 ? R"("0001-01-01T00:00:00Z")" : json_quote(format_rfc3339(t));
}

std::string target_json(const TargetStatus& t) {
  return fmt::format(
      R"({{"discoveredLabels":{},"labels":{},"scrapePool":{},"scrapeUrl":{},"globalUrl":{},"lastError":{},"lastScrape":{},"lastScrapeDuration":{},"health":"{}","scrapeInterval":"{}","scrapeTimeout":"{}"}})",
      labels_json(t.discovered), labels_json(t.labels), json_quote(t.scrape_pool), json_quote(t.scrape_url),
      json_quote(t.scrape_url), json_quote(t.last_error), time_json(t.last_scrape), t.last_scrape_seconds,
      ingest::target_health_name(t.health), format_duration(t.interval), format_duration(t.timeout));
}

std::string counts_json(const std::vector<tsdb::NamedCount>& counts) {
  std::string out = "[";
  for (const tsdb::NamedCount& c : counts) {
    if (out.size() > 1) out += ',';
    out += fmt::format(R"({{"name":{},"value":{}}})", json_quote(c.name), c.count);
  }
  return out + "]";
}

}  // namespace

PrometheusApi::Answer PrometheusApi::targets(const Call& call) const {
  const std::string state = to_lower(call.params.get("state"));
  const bool active = state.empty() || state == "any" || state == "active";
  const bool dropped = state.empty() || state == "any" || state == "dropped";
  const std::string_view pool = call.params.get("scrapePool");
  std::string active_json;
  std::string dropped_json;
  std::map<std::string, size_t> dropped_counts;
  for (const std::string& name : parts_.server.scrape_pools()) {
    if (pool.empty() || pool == name) dropped_counts[name] = 0;
  }
  for (const TargetStatus& t : parts_.server.targets()) {
    if (!pool.empty() && pool != t.scrape_pool) continue;
    if (t.dropped) ++dropped_counts[t.scrape_pool];
    if (t.dropped && dropped) {
      dropped_json += fmt::format(R"({}{{"discoveredLabels":{},"scrapePool":{}}})", dropped_json.empty() ? "" : ",",
                                  labels_json(t.discovered), json_quote(t.scrape_pool));
    } else if (!t.dropped && active) {
      active_json += (active_json.empty() ? "" : ",") + target_json(t);
    }
  }
  std::string counts;
  for (const auto& [name, count] : dropped_counts) {
    counts += fmt::format("{}{}:{}", counts.empty() ? "" : ",", json_quote(name), count);
  }
  return prometheus_success(
      fmt::format(R"({{"activeTargets":[{}],"droppedTargets":[{}],"droppedTargetCounts":{{{}}}}})", active_json,
                  dropped_json, dropped ? counts : ""));
}

PrometheusApi::Answer PrometheusApi::target_metadata(const Call& call) const {
  int64_t limit = -1;
  if (const std::string_view text = call.params.get("limit"); !text.empty()) {
    const auto v = parse_go_int(text);
    if (!v) return fail(ErrorCode::kInvalidArgument, "limit must be a number");
    limit = *v;
  }
  model::Matchers matchers;
  if (const std::string_view text = call.params.get("match_target"); !text.empty()) {
    auto parsed = promql::parse_metric_selector(text);
    if (!parsed) return fail(invalid_parameter("match_target", parsed.error()));
    matchers = std::move(*parsed);
  }
  const std::string_view metric = call.params.get("metric");
  std::string out;
  for (const TargetStatus& t : parts_.server.targets()) {
    const bool matches =
        std::all_of(matchers.begin(), matchers.end(), [&](const model::Matcher& m) { return m.matches(t.labels); });
    if (t.dropped || !matches || !t.metadata) continue;
    for (const auto& [family, m] : *t.metadata) {
      if (!metric.empty() && metric != family) continue;
      if (limit >= 0 && limit-- == 0) return prometheus_success("[" + out + "]");
      const std::string name = metric.empty() ? fmt::format(R"("metric":{},)", json_quote(family)) : "";
      out += fmt::format(R"({}{{"target":{},{}"type":"{}","help":{},"unit":{}}})", out.empty() ? "" : ",",
                         labels_json(t.labels), name, ingest::metric_kind_name(m.kind), json_quote(m.help),
                         json_quote(m.unit));
    }
  }
  return prometheus_success("[" + out + "]");
}

PrometheusApi::Answer PrometheusApi::scrape_pools(const Call&) const {
  return prometheus_success(fmt::format(R"({{"scrapePools":{}}})", strings_json(parts_.server.scrape_pools())));
}

// Alerts stay in this process, which answers as Alertmanager would.
PrometheusApi::Answer PrometheusApi::alertmanagers(const Call&) const {
  return prometheus_success(fmt::format(R"({{"activeAlertmanagers":[{{"url":{}}}],"droppedAlertmanagers":[]}})",
                                        json_quote(parts_.server.external_url + "/api/v2/alerts")));
}

PrometheusApi::Answer PrometheusApi::status_config(const Call&) const {
  return prometheus_success(fmt::format(R"({{"yaml":{}}})", json_quote(parts_.server.config_yaml())));
}

PrometheusApi::Answer PrometheusApi::status_flags(const Call&) const {
  std::string out = "{";
  for (const auto& [name, value] : parts_.server.flags()) {
    out += fmt::format("{}{}:{}", out.size() > 1 ? "," : "", json_quote(name), json_quote(value));
  }
  return prometheus_success(out + "}");
}

PrometheusApi::Answer PrometheusApi::status_runtime(const Call&) const {
  std::error_code ignored;
  const std::string folder = std::filesystem::current_path(ignored).string();
  char host[HOST_NAME_MAX + 1] = {};
  (void)gethostname(host, HOST_NAME_MAX);
  return prometheus_success(fmt::format(
      R"({{"startTime":{},"CWD":{},"hostname":{},"serverTime":{},"reloadConfigSuccess":true,"lastConfigTime":{},"corruptionCount":0,"goroutineCount":{},"GOMAXPROCS":{},"GOMEMLIMIT":0,"GOGC":"","GODEBUG":"","storageRetention":{}}})",
      time_json(parts_.server.started_at), json_quote(folder), json_quote(host), time_json(parts_.clock.now()),
      time_json(parts_.server.started_at), parts_.runtime.tasks_running(), parts_.runtime.cores(),
      json_quote(parts_.server.retention)));
}

PrometheusApi::Answer PrometheusApi::status_build(const Call&) const {
  return prometheus_success(fmt::format(
      R"({{"version":"{}","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":"","application":"sentinel"}})",
      kPrometheusCompatibleVersion));
}

PrometheusApi::Answer PrometheusApi::status_tsdb(const Call& call) const {
  constexpr int64_t kLimitMax = 10'000;
  int64_t limit = 10;
  if (const std::string_view text = call.params.get("limit"); !text.empty()) {
    const auto v = parse_go_int(text);
    if (!v || *v < 1) return fail(ErrorCode::kInvalidArgument, "limit must be a positive number");
    if (*v > kLimitMax) return fail(ErrorCode::kInvalidArgument, "limit must not exceed 10000");
    limit = *v;
  }
  const tsdb::Cardinality c = parts_.store.cardinality(static_cast<size_t>(limit));
  return prometheus_success(fmt::format(
      R"({{"headStats":{{"numSeries":{},"numLabelPairs":{},"chunkCount":{},"minTime":{},"maxTime":{}}},"seriesCountByMetricName":{},"labelValueCountByLabelName":{},"memoryInBytesByLabelName":{},"seriesCountByLabelValuePair":{}}})",
      c.series, c.label_pairs, c.chunks, c.min_ms, c.max_ms, counts_json(c.series_by_metric),
      counts_json(c.values_by_label), counts_json(c.value_bytes_by_label), counts_json(c.series_by_pair)));
}

// The log has been replayed before the first request is taken.
PrometheusApi::Answer PrometheusApi::status_replay(const Call&) const {
  return prometheus_success(R"({"min":0,"max":0,"current":0,"state":"done"})");
}

}  // namespace sentinel::api
