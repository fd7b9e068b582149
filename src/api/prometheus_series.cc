// What series there are: their labels, exemplars, metadata and newest samples; and their deletion.
#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "api/prometheus.h"
#include "base/strings.h"
#include "ingest/exposition.h"
#include "promql/parser.h"

namespace sentinel::api {
namespace {

constexpr int64_t kMinMs = std::numeric_limits<int64_t>::min();
constexpr int64_t kMaxMs = std::numeric_limits<int64_t>::max();
const std::string kTruncated = "results truncated due to limit";

net::Response no_content() {
  net::Response response;
  response.status = 204;
  return response;
}

// limit, start, end and match[] of series, labels and label values.
struct Selection {
  size_t limit = 0;
  int64_t start = kMinMs;
  int64_t end = kMaxMs;
  std::vector<model::Matchers> sets;
};

Result<Selection> selection_of(const net::Params& params) {
  Selection out;
  SENTINEL_ASSIGN(out.limit, limit_parameter(params));
  SENTINEL_ASSIGN(out.start, time_parameter(params, "start", kMinMs));
  SENTINEL_ASSIGN(out.end, time_parameter(params, "end", kMaxMs));
  SENTINEL_ASSIGN(out.sets, selectors_parameter(params));
  return out;
}

net::Response strings_answer(std::vector<std::string> values, size_t limit) {
  const bool more = limit > 0 && values.size() > limit;
  if (more) values.resize(limit);
  return prometheus_success(strings_json(values), more ? std::vector{kTruncated} : std::vector<std::string>());
}

// Names that are no valid legacy names come as U__ with _hex_ for what is not a letter, digit or underscore.
std::string unescape_name(std::string_view name) {
  if (!name.starts_with("U__")) return std::string(name);
  std::string out;
  const std::string_view body = name.substr(3);
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '_') {
      out += body[i];
      continue;
    }
    if (i + 1 < body.size() && body[i + 1] == '_') {
      out += '_';
      ++i;
      continue;
    }
    const size_t close = body.find('_', i + 1);
    constexpr size_t kHexMax = 6;
    if (close == std::string_view::npos || close == i + 1 || close - i - 1 > kHexMax) return std::string(name);
    uint32_t code = 0;
    for (const char c : body.substr(i + 1, close - i - 1)) {
      const char low = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9')
        code = code * 16 + static_cast<uint32_t>(c - '0');
      else if (low >= 'a' && low <= 'f')
        code = code * 16 + static_cast<uint32_t>(low - 'a' + 10);
      else
        return std::string(name);
    }
    append_utf8(out, code);
    i = close;
  }
  return out;
}

std::string metadata_json(const ingest::FamilyMetadata& m) {
  return fmt::format(R"({{"type":"{}","help":{},"unit":{}}})", ingest::metric_kind_name(m.kind), json_quote(m.help),
                     json_quote(m.unit));
}

ingest::MetricKind kind_of(MetricType type) {
  switch (type) {
    case MetricType::kCounter: return ingest::MetricKind::kCounter;
    case MetricType::kGauge: return ingest::MetricKind::kGauge;
    case MetricType::kHistogram: return ingest::MetricKind::kHistogram;
  }
  return ingest::MetricKind::kUnknown;
}

void put_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string_view("\\n") : std::string_view(&c, 1);
  }
}

void put_federated(std::string& out, const model::Labels& labels, model::Sample sample) {
  const std::string name(labels.get(model::kMetricNameLabel));
  const bool legacy = model::is_legacy_metric_name(name);
  if (legacy) out += name;
  out += '{';
  bool first = true;
  if (!legacy) {
    out += '"';
    put_escaped(out, name);
    out += '"';
    first = false;
  }
  const auto put = [&](std::string_view label, std::string_view value) {
    if (!first) out += ',';
    first = false;
    if (model::is_legacy_label_name(label)) {
      out += label;
    } else {
      out += '"';
      put_escaped(out, label);
      out += '"';
    }
    out += "=\"";
    put_escaped(out, value);
    out += '"';
  };
  for (const model::Label& label : labels) {
    if (label.name != model::kMetricNameLabel) put(label.name, label.value);
  }
  // So that the federating server does not put its own instance there.
  if (!labels.has("instance")) put("instance", "");
  out += fmt::format("}} {} {}\n", format_double_g(sample.v), sample.t_ms);
}

}  // namespace

PrometheusApi::Answer PrometheusApi::series(const Call& call) const {
  if (!call.params.has("match[]")) return fail(ErrorCode::kInvalidArgument, "no match[] parameter provided");
  SENTINEL_ASSIGN(const Selection s, selection_of(call.params));
  SENTINEL_ASSIGN(const std::vector<model::Labels> found, parts_.store.series(s.sets, s.start, s.end));
  const bool more = s.limit > 0 && found.size() > s.limit;
  std::string out = "[";
  for (size_t i = 0; i < (more ? s.limit : found.size()); ++i) {
    if (i > 0) out += ',';
    put_labels_json(out, found[i]);
  }
  return prometheus_success(out + "]", more ? std::vector{kTruncated} : std::vector<std::string>());
}

PrometheusApi::Answer PrometheusApi::labels(const Call& call) const {
  SENTINEL_ASSIGN(const Selection s, selection_of(call.params));
  SENTINEL_ASSIGN(std::vector<std::string> names, parts_.store.label_names(s.sets, s.start, s.end));
  return strings_answer(std::move(names), s.limit);
}

PrometheusApi::Answer PrometheusApi::label_values(const Call& call) const {
  const std::string name = unescape_name(call.name);
  if (name.empty() || !is_valid_utf8(name)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("invalid label name: {}", go_quote(name)));
  }
  SENTINEL_ASSIGN(const Selection s, selection_of(call.params));
  SENTINEL_ASSIGN(std::vector<std::string> values, parts_.store.label_values(name, s.sets, s.start, s.end));
  return strings_answer(std::move(values), s.limit);
}

PrometheusApi::Answer PrometheusApi::query_exemplars(const Call& call) const {
  SENTINEL_ASSIGN(const int64_t start, time_parameter(call.params, "start", kMinMs));
  SENTINEL_ASSIGN(const int64_t end, time_parameter(call.params, "end", kMaxMs));
  if (end < start) return fail(ErrorCode::kInvalidArgument, "end timestamp must not be before start timestamp");
  const auto parsed = promql::parse(call.params.get("query"));
  if (!parsed) return fail(invalid_parameter("query", parsed.error()));
  const std::vector<model::Matchers> sets = promql::selectors(**parsed);
  if (sets.empty()) return no_content();
  SENTINEL_ASSIGN(const std::vector<tsdb::SeriesExemplars> found, parts_.store.exemplars(sets, start, end));
  std::string out = "[";
  for (const tsdb::SeriesExemplars& one : found) {
    if (one.exemplars.empty()) continue;
    out += out.size() > 1 ? R"(,{"seriesLabels":)" : R"({"seriesLabels":)";
    put_labels_json(out, one.series);
    out += R"(,"exemplars":[)";
    for (size_t i = 0; i < one.exemplars.size(); ++i) {
      out += i == 0 ? R"({"labels":)" : R"(,{"labels":)";
      put_labels_json(out, one.exemplars[i].labels);
      out += fmt::format(R"(,"value":"{}","timestamp":)", float_text(one.exemplars[i].v));
      put_time_json(out, one.exemplars[i].t_ms);
      out += '}';
    }
    out += "]}";
  }
  return prometheus_success(out + "]");
}

// What senders and targets said, and what our own registry knows.
PrometheusApi::Answer PrometheusApi::metadata(const Call& call) const {
  const auto number = [&](std::string_view name) -> Result<int64_t> {
    if (call.params.get(name).empty()) return -1;
    const auto v = parse_go_int(call.params.get(name));
    if (v) return *v;
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} must be a number", name));
  };
  SENTINEL_ASSIGN(const int64_t limit, number("limit"));
  SENTINEL_ASSIGN(const int64_t limit_each, number("limit_per_metric"));
  std::map<std::string, std::set<ingest::FamilyMetadata>> all;
  for (const auto& [family, known] : parts_.metadata.all()) all[family].insert(known.begin(), known.end());
  for (const MetricFamily& family : parts_.metrics.collect()) {
    all[family.name].insert({kind_of(family.type), family.help, ""});
  }
  const std::string_view metric = call.params.get("metric");
  std::string out = "{";
  int64_t shown = 0;
  for (const auto& [family, known] : all) {
    if (!metric.empty() && metric != family) continue;
    if (limit >= 0 && shown++ >= limit) break;
    if (out.size() > 1) out += ',';
    out += json_quote(family) + ":[";
    int64_t each = 0;
    for (const ingest::FamilyMetadata& m : known) {
      if (limit_each > 0 && each >= limit_each) break;
      if (each++ > 0) out += ',';
      out += metadata_json(m);
    }
    out += ']';
  }
  return prometheus_success(out + "}");
}

// The newest sample of each series within the lookback, as text.
PrometheusApi::Answer PrometheusApi::federate(const Call& call) const {
  const auto plain_error = [](std::string message) {
    net::Response response = net::text_response(400, std::move(message) + "\n");
    response.headers.set("X-Content-Type-Options", "nosniff");
    return response;
  };
  const int64_t now = to_ms(parts_.clock.now());
  const int64_t from = now - parts_.engine.options().lookback_delta.count() + 1;
  std::map<model::Labels, model::Sample> newest;
  for (const std::string& text : call.params.all("match[]")) {
    const auto matchers = promql::parse_metric_selector(text);
    if (!matchers) return plain_error(error_text(matchers.error()));
    SENTINEL_ASSIGN(const std::vector<tsdb::SeriesData> found, parts_.store.select(*matchers, from, now, {}));
    for (const tsdb::SeriesData& series : found) {
      if (series.samples.empty() || model::is_stale_nan(series.samples.back().v)) continue;
      newest[series.labels] = series.samples.back();
    }
  }
  std::map<std::string, std::string> families;
  for (const auto& [labels, sample] : newest) {
    std::string& lines = families[std::string(labels.get(model::kMetricNameLabel))];
    model::Labels all = labels;
    for (const model::Label& external : parts_.server.external_labels) {
      if (!all.has(external.name)) all.set(external.name, external.value);
    }
    put_federated(lines, all, sample);
  }
  net::Response response;
  for (const auto& [name, lines] : families) {
    response.body += fmt::format("# TYPE {} untyped\n", model::is_legacy_metric_name(name) ? name : go_quote(name));
    response.body += lines;
  }
  response.headers.set("Content-Type", ingest::kTextFormatContentType);
  return response;
}

namespace {

Error admin_disabled() { return Error(ErrorCode::kUnavailable, "admin APIs disabled"); }

}  // namespace

PrometheusApi::Answer PrometheusApi::delete_series(const Call& call) const {
  if (!parts_.server.admin_enabled) return fail(admin_disabled());
  if (!call.params.has("match[]")) return fail(ErrorCode::kInvalidArgument, "no match[] parameter provided");
  SENTINEL_ASSIGN(const Selection s, selection_of(call.params));
  SENTINEL_TRY(parts_.store.delete_series(s.sets, s.start, s.end));
  return no_content();
}

PrometheusApi::Answer PrometheusApi::clean_tombstones(const Call&) const {
  if (!parts_.server.admin_enabled) return fail(admin_disabled());
  SENTINEL_TRY(parts_.store.clean_tombstones());
  return no_content();
}

PrometheusApi::Answer PrometheusApi::snapshot(const Call& call) const {
  if (!parts_.server.admin_enabled) return fail(admin_disabled());
  bool skip_head = false;
  if (const std::string_view text = call.params.get("skip_head"); !text.empty()) {
    const auto v = parse_go_bool(text);
    if (!v) return fail(invalid_parameter("skip_head", "unable to parse boolean: " + v.error().message()));
    skip_head = *v;
  }
  SENTINEL_ASSIGN(const std::string name, parts_.store.snapshot(!skip_head));
  return prometheus_success(fmt::format(R"({{"name":{}}})", json_quote(name)));
}

}  // namespace sentinel::api
