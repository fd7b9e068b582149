#include "app/config.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "app/analysis_config.h"
#include "app/incident_config.h"
#include "app/watch_config.h"
#include "base/duration.h"
#include "base/strings.h"
#include "text/yaml.h"

namespace sentinel::app {
namespace {

using text::YamlNode;

// Relative paths are relative to the configuration file, so that it can be started from anywhere.
std::string resolve(const std::string& path, const std::string& config_file) {
  if (path.empty() || path.starts_with("builtin:") || std::filesystem::path(path).is_absolute() ||
      config_file.empty() || config_file.starts_with("builtin:")) {
    return path;
  }
  return (std::filesystem::path(config_file).parent_path() / path).string();
}

Status parse_log(const YamlNode& node, Config& config) {
  SENTINEL_TRY(node.expect_keys("log", {"level", "format"}));
  SENTINEL_ASSIGN(const std::string level, node.string_or("level", "info"));
  if (level == "debug")
    config.log_level = LogLevel::kDebug;
  else if (level == "info")
    config.log_level = LogLevel::kInfo;
  else if (level == "warn")
    config.log_level = LogLevel::kWarn;
  else if (level == "error")
    config.log_level = LogLevel::kError;
  else
    return fail(
        node.get("level").error(fmt::format("unknown level \"{}\"; expected debug, info, warn or error", level)));
  SENTINEL_ASSIGN(const std::string format, node.string_or("format", "json"));
  if (format == "json")
    config.log_format = LogFormat::kJson;
  else if (format == "text")
    config.log_format = LogFormat::kText;
  else
    return fail(node.get("format").error(fmt::format("unknown format \"{}\"; expected json or text", format)));
  return {};
}

Result<uint64_t> count_or(const YamlNode& node, std::string_view key, uint64_t fallback, int64_t least) {
  SENTINEL_ASSIGN(const int64_t v, node.integer_or(key, static_cast<int64_t>(fallback)));
  if (v < least) return fail(node.get(key).error(fmt::format("expected a whole number from {}", least)));
  return static_cast<uint64_t>(v);
}

Status parse_stores(const YamlNode& root, Config& config) {
  const YamlNode metrics = root.get("metrics");
  SENTINEL_TRY(metrics.expect_keys("metrics", {"collect_interval", "retention", "retention_size", "block_range",
                                               "out_of_order_window", "max_series", "max_exemplars"}));
  SENTINEL_ASSIGN(config.collect_interval, metrics.duration_or("collect_interval", config.collect_interval));
  SENTINEL_ASSIGN(config.metrics_retention, metrics.duration_or("retention", config.metrics_retention));
  SENTINEL_ASSIGN(config.metrics_retention_bytes, metrics.bytes_or("retention_size", config.metrics_retention_bytes));
  SENTINEL_ASSIGN(config.metrics_block_range, metrics.duration_or("block_range", config.metrics_block_range));
  if (config.metrics_block_range < std::chrono::minutes(1))
    return fail(metrics.get("block_range").error("expected at least 1m"));
  SENTINEL_ASSIGN(config.out_of_order_window, metrics.duration_or("out_of_order_window", config.out_of_order_window));
  SENTINEL_ASSIGN(config.metrics_series_max, count_or(metrics, "max_series", config.metrics_series_max, 1));
  SENTINEL_ASSIGN(config.exemplars_max, count_or(metrics, "max_exemplars", config.exemplars_max, 0));
  if (config.collect_interval < Millis(50))
    return fail(metrics.get("collect_interval").error("expected at least 50ms"));
  const YamlNode events = root.get("events");
  SENTINEL_TRY(events.expect_keys("events", {"retention", "hot_rows"}));
  SENTINEL_ASSIGN(config.events_retention, events.duration_or("retention", config.events_retention));
  SENTINEL_ASSIGN(const int64_t hot_rows, events.integer_or("hot_rows", static_cast<int64_t>(config.events_hot_rows)));
  if (hot_rows < 100) return fail(events.get("hot_rows").error("expected at least 100"));
  config.events_hot_rows = static_cast<uint64_t>(hot_rows);
  const YamlNode telemetry = root.get("telemetry");
  SENTINEL_TRY(telemetry.expect_keys("telemetry", {"spill_max_mb", "otlp_traces"}));
  SENTINEL_ASSIGN(const int64_t spill_mb,
                  telemetry.integer_or("spill_max_mb", static_cast<int64_t>(config.spill_max_mb)));
  if (spill_mb < 1 || spill_mb > 1'000'000) return fail(telemetry.get("spill_max_mb").error("expected 1 to 1000000"));
  config.spill_max_mb = static_cast<uint64_t>(spill_mb);
  SENTINEL_ASSIGN(config.spans, ingest::parse_span_export(telemetry.get("otlp_traces")));
  return {};
}

Status parse_rules(const YamlNode& node, Config& config) {
  SENTINEL_TRY(node.expect_keys("rules", {"files", "evaluation_interval", "evaluate_on_arrival"}));
  SENTINEL_ASSIGN(config.rule_files, node.strings_or("files", config.rule_files));
  for (std::string& path : config.rule_files) path = resolve(path, config.file);
  SENTINEL_ASSIGN(config.evaluation_interval, node.duration_or("evaluation_interval", config.evaluation_interval));
  if (config.evaluation_interval < Millis(50))
    return fail(node.get("evaluation_interval").error("expected at least 50ms"));
  SENTINEL_ASSIGN(config.evaluate_on_arrival, node.boolean_or("evaluate_on_arrival", config.evaluate_on_arrival));
  return {};
}

Status parse_prometheus(const YamlNode& node, Config& config) {
  SENTINEL_TRY(node.expect_keys("prometheus", {"admin_api", "cors_origin", "query"}));
  SENTINEL_ASSIGN(config.admin_api, node.boolean_or("admin_api", config.admin_api));
  SENTINEL_ASSIGN(config.cors_origin, node.string_or("cors_origin", config.cors_origin));
  const YamlNode query = node.get("query");
  SENTINEL_TRY(
      query.expect_keys("query", {"max_samples", "max_memory", "timeout", "max_concurrency", "lookback_delta"}));
  promql::EngineOptions& limits = config.query;
  SENTINEL_ASSIGN(limits.samples_max, count_or(query, "max_samples", limits.samples_max, 1));
  SENTINEL_ASSIGN(limits.memory_max, query.bytes_or("max_memory", limits.memory_max));
  SENTINEL_ASSIGN(limits.timeout, query.duration_or("timeout", limits.timeout));
  SENTINEL_ASSIGN(limits.lookback_delta, query.duration_or("lookback_delta", limits.lookback_delta));
  if (limits.timeout.count() <= 0) return fail(query.get("timeout").error("expected a duration above 0"));
  SENTINEL_ASSIGN(config.query_concurrency_max, count_or(query, "max_concurrency", config.query_concurrency_max, 1));
  if (config.query_concurrency_max > 256) return fail(query.get("max_concurrency").error("expected 1 to 256"));
  return {};
}

// The sections of an existing prometheus.yml: what is scraped, and its rule files beside our own.
Status parse_prometheus_sections(const YamlNode& root, Config& config) {
  const std::string folder = std::filesystem::path(config.file).parent_path().string();
  const YamlNode global = root.get("global");
  SENTINEL_TRY(global.expect_keys("global", {"scrape_interval",
                                             "scrape_timeout",
                                             "evaluation_interval",
                                             "external_labels",
                                             "query_log_file",
                                             "scrape_failure_log_file",
                                             "rule_query_offset",
                                             "body_size_limit",
                                             "sample_limit",
                                             "label_limit",
                                             "label_name_length_limit",
                                             "label_value_length_limit",
                                             "target_limit",
                                             "keep_dropped_targets",
                                             "scrape_protocols",
                                             "metric_name_validation_scheme",
                                             "metric_name_escaping_scheme",
                                             "always_scrape_classic_histograms",
                                             "convert_classic_histograms_to_nhcb",
                                             "runtime"}));
  SENTINEL_ASSIGN(config.scrape, ingest::parse_scrape_config(root, folder));
  SENTINEL_ASSIGN(config.remote_write, ingest::parse_write_targets(root, folder));
  if (global.has("evaluation_interval") && !root.get("rules").has("evaluation_interval")) {
    SENTINEL_ASSIGN(config.evaluation_interval, global.duration_or("evaluation_interval", config.evaluation_interval));
    if (config.evaluation_interval < Millis(50)) {
      return fail(global.get("evaluation_interval").error("expected at least 50ms"));
    }
  }
  SENTINEL_ASSIGN(const std::vector<std::string> files, root.strings_or("rule_files", {}));
  for (const std::string& file : files) config.rule_files.push_back(resolve(file, config.file));
  for (const std::string_view key : {"alerting", "remote_read", "storage", "tracing", "otlp", "runtime"}) {
    if (root.has(key)) log_warn("config", "a section of prometheus.yml has no effect here", {{"section", key}});
  }
  return {};
}

// What alertmanager.yml has no word for.
Status parse_routing(const YamlNode& node, alerting::Options& routing) {
  SENTINEL_TRY(node.expect_keys("routing", {"silence_reminder", "flapping", "digest_above"}));
  const YamlNode reminder = node.get("silence_reminder");
  SENTINEL_TRY(reminder.expect_keys("silence_reminder", {"before", "receiver"}));
  SENTINEL_ASSIGN(routing.reminders.before,
                  reminder.duration_or("before", std::chrono::floor<Millis>(routing.reminders.before)));
  SENTINEL_ASSIGN(routing.reminders.receiver, reminder.string_or("receiver", ""));
  SENTINEL_ASSIGN(const std::string flapping, node.string_or("flapping", "off"));
  const auto damping = alerting::parse_flap_options(flapping);
  if (!damping) return fail(node.get("flapping").error(R"(expected "off" or as "6 in 1h" or "6 in 1h, calm at 2")"));
  routing.flapping = *damping;
  SENTINEL_ASSIGN(routing.digests.above, count_or(node, "digest_above", routing.digests.above, 0));
  return {};
}

Result<std::string> parse_token_hash(const YamlNode& node) {
  SENTINEL_ASSIGN(const std::string text, node.string());
  std::string hash = to_lower(text);
  if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
    return fail(node.error("expected 64 hexadecimal digits: printf %s TOKEN | sha256sum"));
  return hash;
}

Status parse_auth(const YamlNode& node, Config& config) {
  SENTINEL_TRY(node.expect_keys("auth", {"tokens_sha256", "tokens"}));
  for (const char* key : {"tokens_sha256", "tokens"}) {
    const YamlNode list = node.get(key);
    if (!list.is_null() && !list.is_list()) return fail(list.error(std::string("auth.") + key + " must be a list"));
  }
  for (const YamlNode& item : node.get("tokens_sha256").items()) {
    SENTINEL_ASSIGN(std::string hash, parse_token_hash(item));
    config.tokens.push_back({std::move(hash)});
  }
  for (const YamlNode& item : node.get("tokens").items()) {
    SENTINEL_TRY(item.expect_keys("token", {"user", "sha256", "roles"}));
    api::Token token;
    SENTINEL_ASSIGN(const YamlNode hash, item.require("token", "sha256"));
    SENTINEL_ASSIGN(token.sha256, parse_token_hash(hash));
    const bool taken = std::any_of(config.tokens.begin(), config.tokens.end(),
                                   [&](const api::Token& other) { return other.sha256 == token.sha256; });
    if (taken) return fail(hash.error("this token is there twice: whose it is could not be told"));
    SENTINEL_ASSIGN(const YamlNode user, item.require("token", "user"));
    SENTINEL_ASSIGN(token.user, user.string());
    SENTINEL_ASSIGN(token.roles, item.strings_or("roles", {"responder"}));
    config.tokens.push_back(std::move(token));
  }
  return {};
}

Status parse_automation(const YamlNode& node, Config& config) {
  SENTINEL_TRY(node.expect_keys("automation", {"enabled", "file", "at_once"}));
  SENTINEL_ASSIGN(config.automation.enabled, node.boolean_or("enabled", false));
  SENTINEL_ASSIGN(const std::string file, node.string_or("file", ""));
  config.automation_file = resolve(file, config.file);
  SENTINEL_ASSIGN(config.automation.at_once_max, count_or(node, "at_once", config.automation.at_once_max, 1));
  if (config.automation.at_once_max > 16) return fail(node.get("at_once").error("expected at most 16"));
  if (config.automation.enabled && config.automation_file.empty())
    return fail(node.error("automations are enabled, but there is no `file` of them"));
  return {};
}

}  // namespace

Status parse_listen(std::string_view text, Config& config) {
  const size_t colon = text.rfind(':');
  const std::string_view host = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const auto number = parse_int(port);
  if (!number || *number < 0 || *number > 65535) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("listen address \"{}\": expected host:port, such as 127.0.0.1:8080", text));
  }
  if (!host.empty()) config.address = std::string(host);
  config.port = static_cast<uint16_t>(*number);
  return {};
}

Result<Config> parse_config(std::string_view raw, const std::string& file) {
  const auto expanded = text::expand_environment(raw);
  if (!expanded) return fail(expanded.error().in_file(file));
  SENTINEL_ASSIGN(const YamlNode root, text::parse_yaml(*expanded, file));
  SENTINEL_TRY(root.expect_keys(
      "configuration",
      {"listen",    "external_url", "data_dir",     "log",          "gateway",        "metrics",
       "events",    "telemetry",    "rules",        "alertmanager", "runbooks",       "prices",
       "incidents", "auth",         "prometheus",   "global",       "scrape_configs", "rule_files",
       "alerting",  "remote_read",  "remote_write", "storage",      "tracing",        "otlp",
       "runtime",   "shutdown",     "budgets",      "routing",      "analysis",       "web_config_file",
       "oncall",    "automation",   "status_page",  "heartbeats",   "dead_man",       "integrations"}));
  Config config;
  config.file = file;
  if (const YamlNode listen = root.get("listen"); !listen.is_null()) {
    SENTINEL_ASSIGN(const std::string address, listen.string());
    const Status parsed = parse_listen(address, config);
    if (!parsed) return fail(listen.error(parsed.error().message()));
  }
  SENTINEL_ASSIGN(config.external_url, root.string_or("external_url", ""));
  SENTINEL_ASSIGN(config.web_config_file, root.string_or("web_config_file", ""));
  config.web_config_file = resolve(config.web_config_file, file);
  SENTINEL_ASSIGN(config.data_dir, root.string_or("data_dir", config.data_dir));
  SENTINEL_TRY(parse_log(root.get("log"), config));
  SENTINEL_TRY(parse_stores(root, config));
  SENTINEL_ASSIGN(config.analysis, parse_analysis(root.get("analysis")));
  SENTINEL_TRY(parse_rules(root.get("rules"), config));
  SENTINEL_ASSIGN(config.alertmanager, root.string_or("alertmanager", config.alertmanager));
  SENTINEL_ASSIGN(config.runbooks, root.string_or("runbooks", config.runbooks));
  SENTINEL_ASSIGN(config.prices, root.string_or("prices", config.prices));
  SENTINEL_ASSIGN(config.oncall, root.string_or("oncall", config.oncall));
  config.alertmanager = resolve(config.alertmanager, file);
  if (!config.oncall.empty()) config.oncall = resolve(config.oncall, file);
  config.runbooks = resolve(config.runbooks, file);
  config.prices = resolve(config.prices, file);
  SENTINEL_TRY(parse_routing(root.get("routing"), config.routing));
  SENTINEL_TRY(parse_incidents(root.get("incidents"), config.incidents));
  SENTINEL_ASSIGN(config.summary, parse_summary(root.get("incidents").get("summary")));
  SENTINEL_ASSIGN(config.status_page, parse_status_page(root.get("status_page")));
  SENTINEL_ASSIGN(config.heartbeats, parse_heartbeats(root.get("heartbeats")));
  SENTINEL_ASSIGN(config.dead_man, parse_dead_man(root.get("dead_man")));
  std::string folder = std::filesystem::path(file).parent_path().string();
  if (!folder.empty()) folder += '/';
  SENTINEL_ASSIGN(connect::Config integrations, connect::parse_integrations(root.get("integrations"), folder));
  config.integrations = std::make_shared<const connect::Config>(std::move(integrations));
  SENTINEL_TRY(parse_auth(root.get("auth"), config));
  SENTINEL_TRY(parse_automation(root.get("automation"), config));
  const YamlNode shutdown = root.get("shutdown");
  SENTINEL_TRY(shutdown.expect_keys("shutdown", {"drain"}));
  SENTINEL_ASSIGN(config.drain, shutdown.duration_or("drain", config.drain));
  if (config.drain > std::chrono::hours(1)) return fail(shutdown.get("drain").error("expected at most 1h"));
  SENTINEL_TRY(parse_prometheus(root.get("prometheus"), config));
  SENTINEL_TRY(parse_prometheus_sections(root, config));
  if (!root.get("gateway").is_null()) {
    SENTINEL_ASSIGN(config.gateway, gateway::parse_config(*expanded, file));
  }
  SENTINEL_ASSIGN(config.budgets, parse_budgets(root.get("budgets"), config.gateway.service, config.gateway.env));
  return config;
}

std::string effective_yaml(const Config& config) {
  std::string out =
      fmt::format("global:\n  evaluation_interval: {}\nrule_files:\n", format_duration(config.evaluation_interval));
  for (const std::string& file : config.rule_files) out += fmt::format("- {}\n", json_quote(file));
  return out;
}

Status validate_config(const Config& config) {
  const bool loopback = config.address == "localhost" || config.address == "::1" || config.address.starts_with("127.");
  if (!loopback && config.tokens.empty()) {
    return fail(Error(ErrorCode::kInvalidArgument,
                      fmt::format("listening on {} without authentication is refused: set auth.tokens or "
                                  "auth.tokens_sha256, or listen on 127.0.0.1",
                                  config.address),
                      Position{config.file, 0, 0}));
  }
  return {};
}

}  // namespace sentinel::app
