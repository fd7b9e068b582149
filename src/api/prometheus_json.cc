#include "api/prometheus_json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/strings.h"
#include "promql/parser.h"

namespace sentinel::api {
namespace {

// Prometheus's own words for the first and the last time it knows.
constexpr std::string_view kMinTime = "-292273086-05-16T16:47:06Z";
constexpr std::string_view kMaxTime = "292277025-08-18T07:12:54.999999999Z";

void put_sample(std::string& out, int64_t t_ms, double v) {
  out += '[';
  put_time_json(out, t_ms);
  out += ",\"";
  out += float_text(v);
  out += "\"]";
}

// 0: (lower, upper]; 1: [lower, upper); 2: (lower, upper); 3: [lower, upper].
int boundary_kind(const model::HistogramBucket& bucket) {
  if (bucket.lower_inclusive) return bucket.upper_inclusive ? 3 : 1;
  return bucket.upper_inclusive ? 0 : 2;
}

void put_histogram(std::string& out, int64_t t_ms, const model::FloatHistogram& h) {
  out += '[';
  put_time_json(out, t_ms);
  out += fmt::format(R"(,{{"count":"{}","sum":"{}")", float_text(h.count), float_text(h.sum));
  bool first = true;
  for (const model::HistogramBucket& bucket : h.all_buckets()) {
    if (bucket.count == 0) continue;
    out += first ? R"(,"buckets":[)" : ",";
    first = false;
    out += fmt::format(R"([{},"{}","{}","{}"])", boundary_kind(bucket), float_text(bucket.lower),
                       float_text(bucket.upper), float_text(bucket.count));
  }
  out += first ? "}]" : "]}]";
}

struct ValueWriter {
  std::string out;

  void operator()(const promql::Scalar& s) {
    // A scalar never has an exponent, unlike samples.
    out = R"({"resultType":"scalar","result":[)";
    put_time_json(out, s.t_ms);
    out += ",\"" + format_double(s.v) + "\"]";
  }
  void operator()(const promql::String& s) {
    out = R"({"resultType":"string","result":[)";
    put_time_json(out, s.t_ms);
    out += ',';
    append_json_quoted(out, s.v);
    out += ']';
  }
  void operator()(const promql::Vector& vector) {
    out = R"({"resultType":"vector","result":[)";
    for (size_t i = 0; i < vector.size(); ++i) {
      out += i == 0 ? R"({"metric":)" : R"(,{"metric":)";
      put_labels_json(out, vector[i].labels);
      if (vector[i].h) {
        out += R"(,"histogram":)";
        put_histogram(out, vector[i].t_ms, *vector[i].h);
      } else {
        out += R"(,"value":)";
        put_sample(out, vector[i].t_ms, vector[i].v);
      }
      out += '}';
    }
    out += ']';
  }
  void operator()(const promql::Matrix& matrix) {
    out = R"({"resultType":"matrix","result":[)";
    for (size_t i = 0; i < matrix.size(); ++i) {
      out += i == 0 ? R"({"metric":)" : R"(,{"metric":)";
      put_labels_json(out, matrix[i].labels);
      put_points(matrix[i]);
      out += '}';
    }
    out += ']';
  }
  void put_points(const tsdb::SeriesData& series) {
    for (size_t k = 0; k < series.samples.size(); ++k) {
      out += k == 0 ? R"(,"values":[)" : ",";
      put_sample(out, series.samples[k].t_ms, series.samples[k].v);
    }
    if (!series.samples.empty()) out += ']';
    for (size_t k = 0; k < series.histograms.size(); ++k) {
      out += k == 0 ? R"(,"histograms":[)" : ",";
      put_histogram(out, series.histograms[k].t_ms, *series.histograms[k].h);
    }
    if (!series.histograms.empty()) out += ']';
  }
};

}  // namespace

std::string error_text(const Error& error) {
  const auto& position = error.position();
  if (!position || position->line == 0) {
    // An empty query has no place where anything could be wrong.
    return (error.message().starts_with("parse error: ") ? "unknown position: " : "") + error.message();
  }
  return fmt::format("{}:{}: {}", position->line, position->column, error.message());
}

net::Response prometheus_success(std::string_view data, const std::vector<std::string>& warnings,
                                 const std::vector<std::string>& infos) {
  std::string body = R"({"status":"success")";
  if (!data.empty()) body.append(R"(,"data":)").append(data);
  if (!warnings.empty()) body += fmt::format(R"(,"warnings":{})", strings_json(warnings));
  if (!infos.empty()) body += fmt::format(R"(,"infos":{})", strings_json(infos));
  return net::json_response(200, body + "}");
}

net::Response prometheus_error(const Error& error) {
  struct Kind {
    std::string_view type;
    int status;
  };
  const Kind kind = [&]() -> Kind {
    switch (error.code()) {
      case ErrorCode::kInvalidArgument: return {"bad_data", 400};
      case ErrorCode::kTimeout: return {"timeout", 503};
      case ErrorCode::kCanceled: return {"canceled", 499};
      case ErrorCode::kNotFound: return {"not_found", 404};
      case ErrorCode::kUnavailable: return {"unavailable", 503};
      case ErrorCode::kInternal:
      case ErrorCode::kIo: return {"internal", 500};
      default: return {"execution", 422};
    }
  }();
  return net::json_response(kind.status, fmt::format(R"({{"status":"error","errorType":"{}","error":{}}})", kind.type,
                                                     json_quote(error_text(error))));
}

Error invalid_parameter(std::string_view name, std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("invalid parameter \"{}\": {}", name, why));
}
Error invalid_parameter(std::string_view name, const Error& why) { return invalid_parameter(name, error_text(why)); }

Result<int64_t> parse_api_time(std::string_view text) {
  if (text == kMinTime) return std::numeric_limits<int64_t>::min();
  if (text == kMaxTime) return std::numeric_limits<int64_t>::max();
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidArgument, fmt::format("cannot parse {} to a valid timestamp", go_quote(text)));
  };
  if (const auto seconds = parse_double(text)) {
    constexpr double kSecondsMax = 9.2e15;  // what int64 milliseconds hold
    if (!(std::abs(*seconds) < kSecondsMax)) return wrong();
    double whole = 0;
    const double part = std::modf(*seconds, &whole);
    return static_cast<int64_t>(whole) * 1000 + std::llround(part * 1000);
  }
  const auto time = parse_time(text);
  if (!time) return wrong();
  return to_ms(*time);
}

Result<int64_t> time_parameter(const net::Params& params, std::string_view name, int64_t fallback) {
  if (params.get(name).empty()) return fallback;
  const auto time = parse_api_time(params.get(name));
  if (time) return *time;
  return fail(invalid_parameter(name, fmt::format("invalid time value for '{}': {}", name, time.error().message())));
}

Result<int64_t> parse_api_duration(std::string_view text) {
  if (const auto seconds = parse_double(text)) {
    constexpr double kSecondsMax = 9.2e9;  // what int64 nanoseconds hold
    if (!(std::abs(*seconds) < kSecondsMax)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("cannot parse {} to a valid duration. It overflows int64", go_quote(text)));
    }
    return static_cast<int64_t>(*seconds * 1000);
  }
  const auto duration = parse_duration(text);
  if (duration) return duration->count();
  return fail(ErrorCode::kInvalidArgument, fmt::format("cannot parse {} to a valid duration", go_quote(text)));
}

Result<int64_t> parse_go_int(std::string_view text) {
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  const auto v = digits.starts_with('+') ? std::nullopt : parse_int(digits);
  if (v) return *v;
  const bool number = !digits.empty() && digits.find_first_not_of("0123456789", digits[0] == '-') == std::string::npos;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("strconv.Atoi: parsing {}: {}", go_quote(text),
                          number && digits != "-" ? "value out of range" : "invalid syntax"));
}

Result<bool> parse_go_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("strconv.ParseBool: parsing {}: invalid syntax", go_quote(text)));
}

Result<size_t> limit_parameter(const net::Params& params) {
  const std::string_view text = params.get("limit");
  if (text.empty()) return size_t{0};
  const auto limit = parse_go_int(text);
  if (!limit) return fail(invalid_parameter("limit", limit.error()));
  if (*limit < 0) return fail(invalid_parameter("limit", "limit must be non-negative"));
  return static_cast<size_t>(*limit);
}

Result<std::vector<model::Matchers>> selectors_parameter(const net::Params& params) {
  std::vector<model::Matchers> sets;
  for (const std::string& text : params.all("match[]")) {
    auto matchers = promql::parse_metric_selector(text);
    if (!matchers) return fail(invalid_parameter("match[]", matchers.error()));
    const bool bounded = std::any_of(matchers->begin(), matchers->end(),
                                     [](const model::Matcher& m) { return !m.matches(std::string_view()); });
    if (!bounded) return fail(invalid_parameter("match[]", "match[] must contain at least one non-empty matcher"));
    sets.push_back(std::move(*matchers));
  }
  return sets;
}

void put_labels_json(std::string& out, const model::Labels& labels) {
  out += '{';
  bool first = true;
  for (const model::Label& label : labels) {
    if (!first) out += ',';
    first = false;
    append_json_quoted(out, label.name);
    out += ':';
    append_json_quoted(out, label.value);
  }
  out += '}';
}

// Seconds, with three digits where it is no whole number of them.
void put_time_json(std::string& out, int64_t t_ms) {
  const uint64_t magnitude = t_ms < 0 ? 0 - static_cast<uint64_t>(t_ms) : static_cast<uint64_t>(t_ms);
  if (t_ms < 0) out += '-';
  out += std::to_string(magnitude / 1000);
  if (magnitude % 1000 != 0) out += fmt::format(".{:03}", magnitude % 1000);
}

std::string strings_json(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const std::string& value : values) {
    if (out.size() > 1) out += ',';
    append_json_quoted(out, value);
  }
  return out + "]";
}

std::string float_text(double v) {
  const double magnitude = std::abs(v);
  const bool exponent = std::isfinite(v) && magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  return exponent ? format_double_g(v) : format_double(v);
}

std::string value_json(const promql::Value& value) {
  ValueWriter writer;
  std::visit(writer, value);
  return std::move(writer.out);
}

bool truncate(promql::Value& value, size_t limit) {
  if (limit == 0) return false;
  const auto cut = [limit](auto& series) {
    const bool more = series.size() > limit;
    if (more) series.resize(limit);
    return more;
  };
  if (auto* vector = std::get_if<promql::Vector>(&value)) return cut(*vector);
  if (auto* matrix = std::get_if<promql::Matrix>(&value)) return cut(*matrix);
  return false;
}

}  // namespace sentinel::api
