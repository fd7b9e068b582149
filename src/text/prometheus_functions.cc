#include "text/prometheus_functions.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/strings.h"
#include "text/go_time.h"
#include "text/gofmt.h"
#include "text/template.h"
#include "text/template_functions.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

using Args = std::span<const Value>;

tl::unexpected<Error> bad(std::string message) { return fail(ErrorCode::kUnprocessable, std::move(message)); }

const TypeInfo* sample_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "*template.sample";
    return t;
  }();
  return &type;
}
const TypeInfo* query_result_type() {
  static const TypeInfo type = [] {
    TypeInfo t;
    t.name = "template.queryResult";
    t.element = "*template.sample";
    return t;
  }();
  return &type;
}

Value labels_value(const model::Labels& labels) {
  Map map;
  for (const auto& label : labels) map.emplace(label.name, Value(label.value));
  return Value::map(std::move(map), string_map_type());
}

Value sample_value(const QuerySample& sample) {
  return Value::structure({{"Labels", labels_value(sample.labels)}, {"Value", Value(sample.value)}}, sample_type());
}

const Value& member(const Value& sample, std::string_view name) {
  for (const auto& [field, value] : sample.as_struct()) {
    if (field == name) return value;
  }
  static const Value nil;
  return nil;
}

std::string label_of(const Value& sample, const std::string& label) {
  const Map& labels = member(sample, "Labels").as_map();
  auto found = labels.find(label);
  return found == labels.end() ? "" : found->second.as_string();
}

// Stable: samples with the same value of the label keep their order.
List sorted_by_label(const List& samples, const std::string& label) {
  std::vector<std::pair<std::string, size_t>> order;
  for (const Value& sample : samples) order.emplace_back(label_of(sample, label), order.size());
  std::sort(order.begin(), order.end());
  List sorted;
  for (const auto& [value, index] : order) sorted.push_back(samples[index]);
  return sorted;
}

struct HostPort {
  std::string host;
  std::string port;
};
// net.SplitHostPort.
std::optional<HostPort> split_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close + 1 != colon) return std::nullopt;
    host = text.substr(1, close - 1);
    if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  } else if (host.find(':') != std::string_view::npos || host.find_first_of("[]") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view port = text.substr(colon + 1);
  if (port.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return HostPort{std::string(host), std::string(port)};
}

bool is_ip(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

std::string strip_port(std::string_view text) {
  auto parts = split_host_port(text);
  return parts ? parts->host : std::string(text);
}

std::string strip_domain(std::string_view text) {
  auto parts = split_host_port(text);
  const std::string host = parts ? parts->host : std::string(text);
  if (is_ip(host)) return std::string(text);
  const std::string first = host.substr(0, host.find('.'));
  if (!parts || parts->port.empty()) return first;
  return first.find(':') != std::string::npos ? fmt::format("[{}]:{}", first, parts->port) : first + ":" + parts->port;
}

std::string four_digits(double v) { return go_format_float(v, 'g', 4); }

// Scales into the range of a prefix; `up` has prefixes for large numbers, `down` for those below one.
std::string humanize(double v, double base, std::span<const std::string_view> up,
                     std::span<const std::string_view> down) {
  std::string_view prefix;
  if (std::abs(v) >= 1 || down.empty()) {
    for (std::string_view p : up) {
      if (std::abs(v) < base) break;
      prefix = p;
      v /= base;
    }
  } else {
    for (std::string_view p : down) {
      if (std::abs(v) >= 1) break;
      prefix = p;
      v *= base;
    }
  }
  return four_digits(v) + std::string(prefix);
}

constexpr std::string_view kUp[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr std::string_view kUp1024[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
constexpr std::string_view kDown[] = {"m", "u", "n", "p", "f", "a", "z", "y"};

Result<Value> to_time(double seconds) {
  if (!std::isfinite(seconds)) return bad("value is NaN or Inf");
  const double ns = seconds * 1e9;
  if (ns >= 9223372036854775808.0 || ns < -9223372036854775808.0) {
    return bad(go_format_float(seconds, 'g', -1) +
               " cannot be represented as a nanoseconds timestamp since it overflows int64");
  }
  return Value(ZonedTime{time_from_ms(static_cast<int64_t>(ns) / 1'000'000), "UTC"});
}

// A function of one number given in any form.
Func number_func(Result<Value> (*f)(double)) {
  return {{ParamKind::kAny}, false, [f](Args args) -> Result<Value> {
            SENTINEL_ASSIGN(double v, convert_to_float(args[0]));
            return f(v);
          }};
}

void add_number_functions(FuncMap& functions) {
  functions["humanize"] = number_func([](double v) -> Result<Value> {
    return Value(v == 0 || !std::isfinite(v) ? four_digits(v) : humanize(v, 1000, kUp, kDown));
  });
  functions["humanize1024"] = number_func([](double v) -> Result<Value> {
    return Value(std::abs(v) <= 1 || !std::isfinite(v) ? four_digits(v) : humanize(v, 1024, kUp1024, {}));
  });
  functions["humanizePercentage"] =
      number_func([](double v) -> Result<Value> { return Value(four_digits(v * 100) + "%"); });
  functions["humanizeTimestamp"] = number_func([](double v) -> Result<Value> {
    if (!std::isfinite(v)) return Value(four_digits(v));
    SENTINEL_ASSIGN(Value time, to_time(v));
    return Value(go_time_string(time.as_time()));
  });
  functions["toTime"] = number_func(to_time);
  functions["toDuration"] = number_func([](double v) -> Result<Value> {
    const double ns = v * 1e9;
    const bool fits = ns > -9223372036854775808.0 && ns < 9223372036854775808.0;
    return Value(GoDuration{fits ? static_cast<int64_t>(ns) : std::numeric_limits<int64_t>::min()});
  });
  functions["parseDuration"] = {{ParamKind::kString}, false, [](Args args) -> Result<Value> {
                                  std::string_view text = args[0].as_string();
                                  const bool negative = text.starts_with('-');
                                  SENTINEL_ASSIGN(Millis d, parse_duration(negative ? text.substr(1) : text));
                                  return Value((negative ? -1.0 : 1.0) * static_cast<double>(d.count()) / 1000);
                                }};
}

void add_query_functions(FuncMap& functions, const PrometheusContext& context) {
  functions["query"] = {{ParamKind::kString}, false, [query = context.query](Args args) -> Result<Value> {
                          if (!query) return bad("queries are not available here");
                          SENTINEL_ASSIGN(std::vector<QuerySample> samples, query(args[0].as_string()));
                          List list;
                          for (const QuerySample& sample : samples) list.push_back(sample_value(sample));
                          return Value::list(std::move(list), query_result_type());
                        }};
  functions["first"] = {{query_result_type()}, false, [](Args args) -> Result<Value> {
                          if (args[0].is_nil() || args[0].as_list().empty())
                            return bad("first() called on vector with no elements");
                          return args[0].as_list().front();
                        }};
  functions["label"] = {{ParamKind::kString, sample_type()}, false, [](Args args) -> Result<Value> {
                          if (args[1].is_nil())
                            return bad("runtime error: invalid memory address or nil pointer dereference");
                          return Value(label_of(args[1], args[0].as_string()));
                        }};
  functions["strvalue"] = {{sample_type()}, false, [](Args args) -> Result<Value> {
                             if (args[0].is_nil())
                               return bad("runtime error: invalid memory address or nil pointer dereference");
                             return Value(label_of(args[0], "__value__"));
                           }};
  functions["value"] = {{sample_type()}, false, [](Args args) -> Result<Value> {
                          if (args[0].is_nil())
                            return bad("runtime error: invalid memory address or nil pointer dereference");
                          return member(args[0], "Value");
                        }};
  functions["sortByLabel"] = {{ParamKind::kString, query_result_type()}, false, [](Args args) -> Result<Value> {
                                if (args[1].is_nil()) return args[1];
                                List list = sorted_by_label(args[1].as_list(), args[0].as_string());
                                return Value::list(std::move(list), query_result_type());
                              }};
}

// url.URL.Path of an absolute URL.
std::string url_path(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) {
    url.remove_prefix(scheme + 3);
    url.remove_prefix(std::min(url.find('/'), url.size()));
  }
  return std::string(url.substr(0, url.find_first_of("?#")));
}

Func constant(Value value) {
  return {{}, false, [value = std::move(value)](Args) -> Result<Value> { return value; }};
}

}  // namespace

std::string graph_link(std::string_view expression) {
  return fmt::format("/graph?g0.expr={}&g0.tab=0", query_escape_go(expression));
}
std::string table_link(std::string_view expression) {
  return fmt::format("/graph?g0.expr={}&g0.tab=1", query_escape_go(expression));
}

FuncMap prometheus_functions(const PrometheusContext& context) {
  FuncMap functions;
  add_common_functions(functions);
  add_number_functions(functions);
  add_query_functions(functions, context);
  functions["title"] = string_func([](std::string_view text) { return title_case(text, true); });
  functions["stripPort"] = string_func(strip_port);
  functions["stripDomain"] = string_func(strip_domain);
  functions["graphLink"] = string_func(graph_link);
  functions["tableLink"] = string_func(table_link);
  functions["urlQueryEscape"] = string_func(query_escape_go);
  functions["now"] = {{}, false, [now = context.now](Args) -> Result<Value> {
                        return Value(static_cast<double>(to_ms(now())) / 1000);
                      }};
  functions["pathPrefix"] = constant(Value(url_path(context.external_url)));
  functions["externalURL"] = constant(Value(context.external_url));
  functions["args"] = {{ParamKind::kAny}, true, [](Args args) -> Result<Value> {
                         Map map;
                         for (size_t i = 0; i < args.size(); ++i) map[fmt::format("arg{}", i)] = args[i];
                         return Value::map(std::move(map));
                       }};
  return functions;
}

}  // namespace sentinel::text
