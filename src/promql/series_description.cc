#include "promql/series_description.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/strings.h"
#include "model/sample.h"
#include "promql/go_text.h"
#include "promql/lexer.h"
#include "promql/limits.h"

namespace sentinel::promql {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, "parse error: " + std::move(message));
}

class ValueParser {
 public:
  explicit ValueParser(std::string_view text) : rest_(text) {}

  Result<std::vector<SequenceValue>> run() {
    while (true) {
      skip_spaces();
      if (rest_.empty()) return std::move(out_);
      SENTINEL_TRY(item());
      if (!rest_.empty() && !is_space(rest_[0])) return unexpected();
    }
  }

 private:
  void skip_spaces() {
    while (!rest_.empty() && is_space(rest_[0])) rest_.remove_prefix(1);
  }
  bool accept(std::string_view token) {
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  tl::unexpected<Error> unexpected() const {
    constexpr size_t kShown = 20;
    return invalid("unexpected " + go_quote(rest_.substr(0, kShown)) + " in series values");
  }

  Status item() {
    if (accept("{{")) return histogram_item();
    if (accept("_")) {
      uint64_t times = 1;
      if (accept("x")) {
        SENTINEL_ASSIGN(times, repetitions());
      }
      out_.insert(out_.end(), times, SequenceValue{true, 0, nullptr, false});
      return {};
    }
    if (accept("stale")) {
      out_.push_back({false, model::stale_nan(), nullptr, false});
      return {};
    }
    double value = 0;
    SENTINEL_ASSIGN(value, number());
    double step = 0;
    if (!rest_.empty() && (rest_[0] == '+' || rest_[0] == '-')) {
      SENTINEL_ASSIGN(step, number());
      if (rest_.empty() || rest_[0] != 'x') return unexpected();
    }
    uint64_t times = 0;
    if (accept("x")) {
      SENTINEL_ASSIGN(times, repetitions());
    }
    for (uint64_t i = 0; i <= times; ++i) {
      out_.push_back({false, value, nullptr, false});
      value += step;
    }
    return {};
  }

  Result<uint64_t> repetitions() {
    uint64_t times = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), times);
    if (error != std::errc() || end == rest_.data()) return invalid("invalid repetition in series values");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    if (times > kSeriesRepeatMax || out_.size() + times > kSeriesRepeatMax) {
      return invalid(fmt::format("more than {} values in a series", kSeriesRepeatMax));
    }
    return times;
  }

  // An optional sign, then digits with dot and exponent, or Inf or NaN; ends before 'x'.
  Result<double> number() {
    size_t n = 0;
    if (n < rest_.size() && (rest_[n] == '+' || rest_[n] == '-')) ++n;
    if (iequals(rest_.substr(n, 3), "inf") || iequals(rest_.substr(n, 3), "nan")) {
      n += 3;
      // Prometheus takes a word to its end: NaNx3 is one, and none that it knows.
      const auto in_word = [&](size_t i) { return i < rest_.size() && (is_word(rest_[i]) || rest_[i] == ':'); };
      if (in_word(n)) {
        while (in_word(n)) ++n;
        return invalid(fmt::format("unexpected identifier {} in series values, expected number or \"stale\"",
                                   go_quote(rest_.substr(0, n))));
      }
    } else {
      const auto digit = [&](size_t i) { return i < rest_.size() && rest_[i] >= '0' && rest_[i] <= '9'; };
      while (digit(n) || (n < rest_.size() && (rest_[n] == '.' || rest_[n] == '_'))) ++n;
      if (n < rest_.size() && (rest_[n] | 0x20) == 'e' &&
          (digit(n + 1) || (n + 1 < rest_.size() && (rest_[n + 1] == '+' || rest_[n + 1] == '-') && digit(n + 2)))) {
        n += 2;
        while (digit(n)) ++n;
      }
    }
    const auto value = signed_literal(rest_.substr(0, n));
    if (!value) return unexpected();
    rest_.remove_prefix(n);
    return *value;
  }

  static std::optional<double> signed_literal(std::string_view text) {
    const bool negative = !text.empty() && text[0] == '-';
    if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
    const auto value = parse_number_literal(text);
    if (!value) return std::nullopt;
    return negative ? -*value : *value;
  }

  // ---- histograms

  struct Parsed {
    model::FloatHistogram h;
    bool hint_set = false;
  };

  Status histogram_item() {
    Parsed base;
    SENTINEL_ASSIGN(base, histogram());
    const bool plus = accept("+");
    if (plus || accept("-")) {
      if (!accept("{{")) return unexpected();
      Parsed step;
      SENTINEL_ASSIGN(step, histogram());
      if (!accept("x")) return unexpected();
      uint64_t times = 0;
      SENTINEL_ASSIGN(times, repetitions());
      return progression(std::move(base.h), step, times, plus);
    }
    uint64_t times = 0;
    if (accept("x")) {
      SENTINEL_ASSIGN(times, repetitions());
    }
    const auto shared = std::make_shared<const model::FloatHistogram>(std::move(base.h));
    out_.insert(out_.end(), times + 1, SequenceValue{false, 0, shared, base.hint_set});
    return {};
  }

  Status progression(model::FloatHistogram current, const Parsed& step, uint64_t times, bool plus) {
    for (uint64_t i = 0;; ++i) {
      out_.push_back({false, 0, std::make_shared<const model::FloatHistogram>(current), step.hint_set});
      if (i == times) return {};
      if (current.schema > step.h.schema) {
        return invalid(fmt::format("error combining histograms: cannot merge from schema {} to {}", step.h.schema,
                                   current.schema));
      }
      const model::HistogramMerge merge = plus ? current.add(step.h) : current.sub(step.h);
      if (!merge.compatible) return invalid("histograms of a sequence have incompatible buckets");
    }
  }

  Result<Parsed> histogram() {
    const size_t end = rest_.find("}}");
    if (end == std::string_view::npos) return invalid("histogram description is not closed by }}");
    std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 2);
    std::map<std::string, std::string, std::less<>> fields;
    while (true) {
      while (!text.empty() && is_space(text[0])) text.remove_prefix(1);
      if (text.empty()) break;
      const size_t colon = text.find(':');
      if (colon == std::string_view::npos) return invalid("missing `:` for histogram descriptor");
      const std::string key(text.substr(0, colon));
      text.remove_prefix(colon + 1);
      const bool list = !text.empty() && text[0] == '[';
      const size_t close = list ? text.find(']') : std::min(text.find_first_of(" \t"), text.size());
      if (close == std::string_view::npos) return invalid("list in histogram description is not closed by ]");
      if (!fields.emplace(key, std::string(list ? text.substr(1, close - 1) : text.substr(0, close))).second) {
        return invalid("duplicate key \"" + key + "\" in histogram");
      }
      text.remove_prefix(list ? close + 1 : close);
    }
    return build(fields);
  }

  static Result<std::vector<double>> number_list(std::string_view text) {
    std::vector<double> out;
    for (std::string_view part : split(text, ' ')) {
      part = trim(part);
      if (part.empty()) continue;
      const auto value = signed_literal(part);
      if (!value) return invalid("invalid number " + go_quote(part) + " in histogram description");
      out.push_back(*value);
    }
    return out;
  }

  using Fields = std::map<std::string, std::string, std::less<>>;

  static Status fill_buckets(model::HistogramBuckets& side, const Fields& fields, const char* buckets_key,
                             const char* offset_key) {
    int64_t offset = 0;
    if (const auto it = fields.find(offset_key); it != fields.end()) offset = parse_int(it->second).value_or(0);
    const auto it = fields.find(buckets_key);
    if (it == fields.end()) return {};
    std::vector<double> counts;
    SENTINEL_ASSIGN(counts, number_list(it->second));
    constexpr int64_t kOffsetMax = 1 << 28;
    offset = std::clamp(offset, -kOffsetMax, kOffsetMax);
    for (size_t i = 0; i < counts.size(); ++i)
      side.push(static_cast<int32_t>(offset + static_cast<int64_t>(i)), counts[i]);
    return {};
  }

  static Result<Parsed> build(const Fields& fields) {
    using Hint = model::CounterResetHint;
    Parsed out;
    for (const auto& [key, text] : fields) {
      const auto value = signed_literal(text);
      const bool number_expected = key == "schema" || key == "sum" || key == "count" || key == "z_bucket" ||
                                   key == "z_bucket_w" || key == "offset" || key == "n_offset";
      if (number_expected && !value) return invalid("invalid number " + go_quote(text) + " in histogram description");
      if (key == "schema") {
        const bool known = *value == model::kCustomBucketsSchema ||
                           (*value >= model::kExponentialSchemaMin && *value <= model::kExponentialSchemaMax);
        if (!known) return invalid("histogram has an invalid schema: " + text);
        out.h.schema = static_cast<int32_t>(*value);
      } else if (key == "sum") {
        out.h.sum = *value;
      } else if (key == "count") {
        out.h.count = *value;
      } else if (key == "z_bucket") {
        out.h.zero_count = *value;
      } else if (key == "z_bucket_w") {
        out.h.zero_threshold = *value;
      } else if (key == "custom_values") {
        SENTINEL_ASSIGN(out.h.custom_values, number_list(text));
      } else if (key == "counter_reset_hint") {
        static const std::map<std::string, Hint, std::less<>> hints{{"unknown", Hint::kUnknown},
                                                                    {"reset", Hint::kReset},
                                                                    {"not_reset", Hint::kNotReset},
                                                                    {"gauge", Hint::kGauge}};
        const auto it = hints.find(text);
        if (it == hints.end()) return invalid("bad histogram descriptor found: " + go_quote(text));
        out.h.hint = it->second;
        out.hint_set = true;
      } else if (!number_expected && key != "buckets" && key != "n_buckets") {
        return invalid("bad histogram descriptor found: " + go_quote(key));
      }
    }
    SENTINEL_TRY(fill_buckets(out.h.positive, fields, "buckets", "offset"));
    SENTINEL_TRY(fill_buckets(out.h.negative, fields, "n_buckets", "n_offset"));
    return out;
  }

  std::string_view rest_;
  std::vector<SequenceValue> out_;
};

// Length of the metric at the front: a name, then labels in braces, where quoted text may hold anything.
size_t metric_length(std::string_view text) {
  size_t i = 0;
  while (i < text.size() && text[i] != '{' && !is_space(text[i])) ++i;
  if (i == text.size() || text[i] != '{') return i;
  char quote = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\' && quote != '`') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '}') {
      return i + 1;
    }
  }
  return i;
}

}  // namespace

Result<model::Labels> parse_series_labels(std::string_view text) {
  const std::vector<Token> tokens = tokenize(text);
  size_t at = 0;
  const auto error = [&](std::string_view expected) {
    const Token& t = tokens[at];
    if (t.type == Tok::kError) return invalid(t.text);
    return invalid(fmt::format("unexpected {} in label set, expected {}", describe(t), expected));
  };
  std::vector<model::Label> labels;
  if (tokens[at].type != Tok::kLeftBrace && tokens[at].type != Tok::kEof && tokens[at].type != Tok::kError) {
    labels.push_back({std::string(model::kMetricNameLabel), tokens[at].text});
    ++at;
  }
  if (tokens[at].type == Tok::kLeftBrace) {
    ++at;
    while (tokens[at].type != Tok::kRightBrace) {
      const bool quoted = tokens[at].type == Tok::kString;
      if (!quoted && tokens[at].type != Tok::kIdentifier) return error("identifier or \"}\"");
      const auto name = quoted ? go_unquote(tokens[at].text) : tokens[at].text;
      if (!name) return invalid("error unquoting string " + go_quote(tokens[at].text));
      ++at;
      if (tokens[at].type == Tok::kAssign) {
        ++at;
        if (tokens[at].type != Tok::kString) return error("string");
        const auto value = go_unquote(tokens[at].text);
        if (!value) return invalid("error unquoting string " + go_quote(tokens[at].text));
        labels.push_back({*name, *value});
        ++at;
      } else if (quoted) {
        labels.push_back({std::string(model::kMetricNameLabel), *name});
      } else {
        return error("\"=\"");
      }
      if (tokens[at].type == Tok::kComma) {
        ++at;
      } else if (tokens[at].type != Tok::kRightBrace) {
        return error("\",\" or \"}\"");
      }
    }
    ++at;
  }
  if (tokens[at].type != Tok::kEof) return error("end of series");
  return model::Labels(std::move(labels));
}

Result<std::vector<SequenceValue>> parse_series_values(std::string_view text) { return ValueParser(text).run(); }

Result<SeriesDescription> parse_series_description(std::string_view text) {
  text = trim(text);
  const size_t length = metric_length(text);
  SeriesDescription out;
  SENTINEL_ASSIGN(out.labels, parse_series_labels(text.substr(0, length)));
  SENTINEL_ASSIGN(out.values, parse_series_values(text.substr(length)));
  return out;
}

}  // namespace sentinel::promql
