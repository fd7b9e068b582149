#include "promql/test_script.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/strings.h"
#include "promql/classic_to_native.h"
#include "promql/go_text.h"
#include "promql/histogram_text.h"
#include "promql/memory_queryable.h"
#include "promql/query.h"
#include "promql/series_description.h"
#include "promql/step_invariance_check.h"

namespace sentinel::promql {
namespace {

constexpr double kEpsilon = 1e-6;
constexpr int64_t kMinuteMs = 60'000;

struct ExpectedText {
  std::string message;                      // exact
  std::shared_ptr<const re2::RE2> pattern;  // or this; neither: anything
  bool matches(const std::string& text) const {
    if (pattern) return re2::RE2::PartialMatch(text, *pattern);
    return message.empty() || message == text;
  }
};

struct ExpectedSeries {
  int position = 0;  // from 1
  std::vector<SequenceValue> values;
};

struct EvalCommand {
  int line = 0;
  std::string query;
  bool is_range = false;
  int64_t start = 0;  // of the range, or of the expected range vector
  int64_t end = 0;
  int64_t step = 0;
  int64_t at = 0;
  bool ordered = false;
  bool fail = false;
  bool any_warning = false;  // eval_warn
  bool any_info = false;
  bool no_warning = false;
  bool no_info = false;
  std::optional<ExpectedText> failure;
  std::vector<ExpectedText> warnings;
  std::vector<ExpectedText> infos;
  std::map<model::Labels, ExpectedSeries> series;
  std::optional<double> scalar;
  std::string text;
  bool not_as_range = false;

  bool expects_histograms() const {
    return std::any_of(series.begin(), series.end(), [](const auto& entry) {
      return std::any_of(entry.second.values.begin(), entry.second.values.end(), [](const auto& v) { return v.h != nullptr; });
    });
  }
};

// Text of a failed comparison; empty: all is as expected.
using Difference = std::string;

std::string point_text(double v, const model::HistogramPtr& h) { return h ? histogram_test_text(*h) : format_go_g(v); }

bool same_buckets(const model::HistogramBuckets& a, const model::HistogramBuckets& b) {
  return a.index == b.index && std::equal(a.count.begin(), a.count.end(), b.count.begin(), b.count.end(),
                                          [](double x, double y) { return almost_equal(x, y, kEpsilon); });
}

bool same_histogram(const SequenceValue& expected, const model::FloatHistogram& actual) {
  model::FloatHistogram e = *expected.h;
  model::FloatHistogram a = actual;
  e.compact();
  a.compact();
  return e.schema == a.schema && almost_equal(e.count, a.count, kEpsilon) && almost_equal(e.sum, a.sum, kEpsilon) &&
         (!e.uses_custom_buckets() || e.custom_values == a.custom_values) && e.zero_threshold == a.zero_threshold &&
         almost_equal(e.zero_count, a.zero_count, kEpsilon) && same_buckets(e.positive, a.positive) &&
         same_buckets(e.negative, a.negative) && (!expected.hint_set || e.hint == a.hint);
}

Difference compare_point(const SequenceValue& expected, double v, const model::HistogramPtr& h, const model::Labels& labels) {
  const bool same = (expected.h != nullptr) == (h != nullptr) &&
                    (h ? same_histogram(expected, *h) : almost_equal(expected.v, v, kEpsilon));
  if (same) return "";
  return fmt::format("expected {} for {} but got {}", point_text(expected.v, expected.h), labels.to_string(), point_text(v, h));
}

// ---- comparing results

class Comparison {
 public:
  explicit Comparison(const EvalCommand& command) : command_(command) {}

  Difference value(const Value& value) const {
    return std::visit([this](const auto& v) { return compare(v); }, value);
  }

  Difference vector(const Vector& vector) const { return compare(vector); }

  Difference annotations(const QueryResult& result) const {
    if (command_.any_warning && result.warnings.empty()) return "expected warnings but got none";
    if (command_.any_info && result.infos.empty()) return "expected infos but got none";
    if (command_.no_warning && !result.warnings.empty()) return "unexpected warning: " + result.warnings[0];
    if (command_.no_info && !result.infos.empty()) return "unexpected info: " + result.infos[0];
    Difference d = texts("warning", command_.warnings, result.warnings);
    return d.empty() ? texts("info", command_.infos, result.infos) : d;
  }

  Difference error(const std::string& message) const {
    if (!command_.failure || command_.failure->matches(message)) return "";
    return fmt::format("expected the error \"{}\" but got \"{}\"",
                       command_.failure->pattern ? command_.failure->pattern->pattern() : command_.failure->message, message);
  }

 private:
  static Difference texts(std::string_view what, const std::vector<ExpectedText>& expected, const std::vector<std::string>& actual) {
    if (expected.empty()) return "";
    if (actual.empty()) return fmt::format("expected {} annotations but got none", what);
    for (const ExpectedText& e : expected) {
      if (std::none_of(actual.begin(), actual.end(), [&](const std::string& a) { return e.matches(a); })) {
        return fmt::format("expected {} \"{}\" but got \"{}\"", what, e.pattern ? e.pattern->pattern() : e.message,
                           fmt::join(actual, "\", \""));
      }
    }
    for (const std::string& a : actual) {
      if (std::none_of(expected.begin(), expected.end(), [&](const ExpectedText& e) { return e.matches(a); })) {
        return fmt::format("unexpected {} \"{}\"", what, a);
      }
    }
    return "";
  }

  Difference compare(const Scalar& scalar) const {
    if (!command_.scalar) return "expected a vector or matrix but got a scalar";
    if (almost_equal(*command_.scalar, scalar.v, kEpsilon)) return "";
    return fmt::format("expected scalar {} but got {}", format_go_g(*command_.scalar), format_go_g(scalar.v));
  }

  Difference compare(const String& text) const {
    if (command_.text == text.v) return "";
    return fmt::format("expected string {} but got {}", go_quote(command_.text), go_quote(text.v));
  }

  Difference compare(const Vector& vector) const {
    if (command_.scalar) return "expected a scalar but got a vector";
    std::map<model::Labels, bool> seen;
    for (size_t i = 0; i < vector.size(); ++i) {
      const VectorSample& s = vector[i];
      const auto it = command_.series.find(s.labels);
      if (it == command_.series.end()) {
        return fmt::format("unexpected metric {} in result, has value {}", s.labels.to_string(), point_text(s.v, s.h));
      }
      if (command_.ordered && it->second.position != static_cast<int>(i) + 1) {
        return fmt::format("expected metric {} at position {} but was at {}", s.labels.to_string(), it->second.position, i + 1);
      }
      Difference d = compare_point(it->second.values.at(0), s.v, s.h, s.labels);
      if (!d.empty()) return d;
      seen[s.labels] = true;
    }
    return missing(seen);
  }

  Difference compare(const Matrix& matrix) const {
    if (command_.ordered) return "expected an ordered result but got a matrix";
    if (command_.scalar) return "expected a scalar but got a matrix";
    std::map<model::Labels, bool> seen;
    for (size_t i = 0; i < matrix.size(); ++i) {
      if (i > 0 && matrix[i].labels < matrix[i - 1].labels) return "matrix is not sorted by labels";
      const auto it = command_.series.find(matrix[i].labels);
      if (it == command_.series.end()) return fmt::format("unexpected metric {} in result", matrix[i].labels.to_string());
      Difference d = compare_series(matrix[i], it->second);
      if (!d.empty()) return d;
      seen[matrix[i].labels] = true;
    }
    return missing(seen);
  }

  Difference compare_series(const tsdb::SeriesData& actual, const ExpectedSeries& expected) const {
    size_t f = 0;
    size_t h = 0;
    for (size_t i = 0; i < expected.values.size(); ++i) {
      const SequenceValue& e = expected.values[i];
      const int64_t t = command_.start + static_cast<int64_t>(i) * command_.step;
      if (t > command_.end) return fmt::format("more values expected for {} than the range has steps", actual.labels.to_string());
      if (e.omitted) continue;
      const bool present = e.h ? h < actual.histograms.size() && actual.histograms[h].t_ms == t
                               : f < actual.samples.size() && actual.samples[f].t_ms == t;
      if (!present) {
        return fmt::format("expected {} for {} at {} ms but got {}", point_text(e.v, e.h), actual.labels.to_string(), t,
                           series_text(actual));
      }
      Difference d = e.h ? compare_point(e, 0, actual.histograms[h].h, actual.labels)
                         : compare_point(e, actual.samples[f].v, nullptr, actual.labels);
      if (!d.empty()) return fmt::format("at {} ms: {} (all: {})", t, d, series_text(actual));
      ++(e.h ? h : f);
    }
    if (f == actual.samples.size() && h == actual.histograms.size()) return "";
    return fmt::format("more points than expected for {}: {}", actual.labels.to_string(), series_text(actual));
  }

  static std::string series_text(const tsdb::SeriesData& s) {
    std::string out;
    for (const auto& p : s.samples) out += fmt::format("{} @{} ", format_go_g(p.v), p.t_ms);
    for (const auto& p : s.histograms) out += fmt::format("{} @{} ", histogram_test_text(*p.h), p.t_ms);
    return out;
  }

  Difference missing(const std::map<model::Labels, bool>& seen) const {
    for (const auto& [labels, expected] : command_.series) {
      if (!seen.contains(labels)) return fmt::format("expected metric {} not found", labels.to_string());
    }
    return "";
  }

  const EvalCommand& command_;
};

// ---- running one eval command

class CaseRunner {
 public:
  CaseRunner(const Engine& engine, const EvalCommand& command) : engine_(engine), command_(command), comparison_(command) {}

  ScriptCase run() {
    ScriptCase result;
    result.line = command_.line;
    result.query = command_.query;
    const Difference d = command_.is_range ? range() : instant_everywhere();
    result.passed = d.empty();
    result.failure = d;
    result.native_histograms = read_histograms_ || command_.expects_histograms();
    return result;
  }

 private:
  // Outcome of an evaluation against what was expected; `value` is only looked at when it succeeded as it should.
  template <class Fn>
  Difference judge(const Result<QueryResult>& result, const Fn& value) {
    if (!result) {
      if (command_.fail) return comparison_.error(result.error().message());
      return "failed: " + result.error().to_string();
    }
    read_histograms_ = read_histograms_ || result->read_histograms;
    if (command_.fail) return "expected an error but got none";
    Difference d = comparison_.annotations(*result);
    return d.empty() ? value(result->value) : d;
  }

  Difference range() {
    const auto query = parse(command_.query);
    if (!query) return command_.fail ? comparison_.error(query.error().message()) : "failed: " + query.error().to_string();
    return judge(engine_.range(**query, command_.start, command_.end, command_.step),
                 [this](const Value& v) { return comparison_.value(v); });
  }

  Difference instant_everywhere() {
    Difference d = instant(command_.query, command_.at);
    if (!d.empty()) return d;
    const auto pinned = pin_to_time(command_.query, command_.at);
    if (!pinned) return "";
    std::vector<int64_t> times{-10 * command_.at, 0, command_.at / 5, command_.at, 10 * command_.at};
    if (command_.at == 0) times = {-1000, 0, 1000};
    for (int64_t t : times) {
      d = instant(*pinned, t);
      if (!d.empty()) return fmt::format("{} (as {} at {} ms)", d, *pinned, t);
    }
    return "";
  }

  Difference instant(const std::string& text, int64_t t) {
    const auto query = parse(text);
    if (!query) return command_.fail ? comparison_.error(query.error().message()) : "failed: " + query.error().to_string();
    bool scalar = false;
    const Difference d = judge(engine_.instant(**query, t), [&](const Value& v) {
      scalar = std::holds_alternative<Scalar>(v);
      return comparison_.value(v);
    });
    if (!d.empty() || command_.fail || command_.not_as_range || uses_query_context(text)) return d;
    return middle_of_range(**query, t, scalar);
  }

  static bool uses_query_context(const std::string& text) {
    for (std::string_view f : {"start()", "end()", "range()", "step()"}) {
      if (text.find(f) != std::string::npos) return true;
    }
    return false;
  }

  Difference middle_of_range(const Query& query, int64_t t, bool scalar) {
    const auto result = engine_.range(query, t - kMinuteMs, t + kMinuteMs, kMinuteMs);
    if (!result) return "as a range query failed: " + result.error().to_string();
    if (command_.ordered) return "";
    Vector vector;
    for (const tsdb::SeriesData& s : std::get<Matrix>(result->value)) {
      for (const auto& p : s.samples) {
        if (p.t_ms == t) vector.push_back({s.labels, t, p.v, nullptr});
      }
      for (const auto& p : s.histograms) {
        if (p.t_ms == t) vector.push_back({s.labels, t, 0, p.h});
      }
    }
    if (scalar && vector.empty()) return "as a range query: no value";
    const Difference d = scalar ? comparison_.value(Scalar{t, vector[0].v}) : comparison_.vector(vector);
    return d.empty() ? d : "as a range query: " + d;
  }

  const Engine& engine_;
  const EvalCommand& command_;
  const Comparison comparison_;
  bool read_histograms_ = false;
};

// ---- reading the script

class Script {
 public:
  Script(std::string_view text, const EngineOptions& options) : engine_(storage_, options) {
    for (std::string_view line : split(text, '\n')) {
      line = trim(line);
      lines_.push_back(!line.empty() && line[0] == '#' ? std::string_view() : line);
    }
  }

  Result<std::vector<ScriptCase>> run() {
    std::vector<ScriptCase> cases;
    for (; at_ < lines_.size(); ++at_) {
      const std::string_view line = lines_[at_];
      if (line.empty()) continue;
      if (iequals(first_word(line), "clear")) {
        storage_.clear();
      } else if (line.substr(0, 4) == "load") {
        SENTINEL_TRY(load());
      } else if (line.substr(0, 4) == "eval") {
        EvalCommand command;
        SENTINEL_ASSIGN(command, eval_command());
        cases.push_back(CaseRunner(engine_, command).run());
      } else {
        return error("invalid command " + go_quote(line));
      }
    }
    return cases;
  }

 private:
  tl::unexpected<Error> error(std::string message) const {
    return fail(Error(ErrorCode::kInvalidArgument, std::move(message), Position{"", static_cast<int>(at_) + 1, 1}));
  }
  // Adds the line to an error of a part.
  tl::unexpected<Error> error(const Error& e) const { return error(e.message()); }

  static std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(" \t")); }
  static std::string_view take_word(std::string_view& text) {
    text = trim(text);
    const std::string_view word = first_word(text);
    text.remove_prefix(word.size());
    text = trim(text);
    return word;
  }
  Result<int64_t> duration(std::string_view text) const {
    auto ms = parse_duration_ms(text);
    if (!ms) return error(ms.error());
    return ms;
  }

  // The block of a command: its lines up to an empty one.
  bool next_line() {
    if (at_ + 1 >= lines_.size() || lines_[at_ + 1].empty()) return false;
    ++at_;
    return true;
  }

  // ---- load

  struct Loaded {
    std::vector<SequenceValue> values;
    std::vector<std::optional<int64_t>> starts;  // relative to the sample; empty: none
  };

  Status load() {
    std::string_view rest = lines_[at_];
    const std::string_view command = take_word(rest);
    if (command != "load" && command != "load_with_nhcb") return error("invalid load command. (load[_with_nhcb] <step:duration>)");
    int64_t gap = 0;
    SENTINEL_ASSIGN(gap, duration(rest));
    std::map<model::Labels, Loaded> loaded;
    std::optional<std::pair<model::Labels, std::vector<std::optional<int64_t>>>> starts;
    while (next_line()) {
      const std::string_view line = lines_[at_];
      const std::string_view metric = first_word(line);
      if (metric.size() > 3 && metric.substr(metric.size() - 3) == "@st") {
        SENTINEL_ASSIGN(starts, start_times(metric.substr(0, metric.size() - 3), line.substr(metric.size())));
        continue;
      }
      auto series = parse_series_description(line);
      if (!series) return error(series.error());
      Loaded& l = loaded[series->labels];
      l = Loaded{std::move(series->values), {}};
      if (!starts) continue;
      if (starts->first != series->labels || starts->second.size() != l.values.size()) {
        return error("@st line does not fit the following sample line");
      }
      l.starts = std::move(starts->second);
      starts.reset();
    }
    if (starts) return error("@st line has no following sample line");
    std::map<model::Labels, std::map<int64_t, double>> floats;
    for (const auto& [labels, l] : loaded) {
      for (size_t i = 0; i < l.values.size(); ++i) {
        const SequenceValue& v = l.values[i];
        if (v.omitted) continue;
        const int64_t t = static_cast<int64_t>(i) * gap;
        const int64_t start = l.starts.empty() || !l.starts[i] ? 0 : t + *l.starts[i];
        if (v.h) {
          storage_.add(labels, t, v.h, start);
        } else {
          storage_.add(labels, t, v.v, start);
          floats[labels][t] = v.v;
        }
      }
    }
    if (command != "load_with_nhcb") return {};
    auto converted = classic_to_native(floats);
    if (!converted) return error(converted.error());
    for (const auto& [labels, points] : *converted) {
      for (const auto& [t, h] : points) storage_.add(labels, t, h);
    }
    return {};
  }

  Result<std::pair<model::Labels, std::vector<std::optional<int64_t>>>> start_times(std::string_view metric,
                                                                                    std::string_view items) const {
    auto labels = parse_series_labels(metric);
    if (!labels) return error(labels.error());
    std::vector<std::optional<int64_t>> out;
    std::string_view rest = trim(items);
    while (!rest.empty()) {
      const std::string_view item = take_word(rest);
      SENTINEL_TRY(start_time_item(item, out));
    }
    return std::pair{*std::move(labels), std::move(out)};
  }

  // `_`, `_x3`, `-30s`, `-30sx2`, `-30s-1mx2`
  Status start_time_item(std::string_view item, std::vector<std::optional<int64_t>>& out) const {
    const auto invalid = [&] { return error("invalid ST item " + go_quote(item)); };
    std::string_view rest = item;
    std::optional<int64_t> value;
    int64_t step = 0;
    const bool omitted = rest[0] == '_';
    if (omitted) {
      rest.remove_prefix(1);
    } else {
      value = signed_duration(rest);
      if (!value) return invalid();
      if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
        const auto delta = signed_duration(rest);
        if (!delta || rest.empty()) return invalid();
        step = *delta;
      }
    }
    int64_t times = omitted ? 1 : 0;
    if (!rest.empty()) {
      const auto count = rest[0] == 'x' ? parse_int(rest.substr(1)) : std::nullopt;
      constexpr int64_t kTimesMax = 1'000'000;
      if (!count || *count < 0 || *count > kTimesMax) return invalid();
      times = *count;
    }
    for (int64_t i = omitted ? 1 : 0; i <= times; ++i) {
      out.push_back(value);
      if (value) *value += step;
    }
    return {};
  }

  static std::optional<int64_t> signed_duration(std::string_view& text) {
    const bool negative = !text.empty() && text[0] == '-';
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const size_t end = std::min(text.find_first_not_of("ywdhms", digits), text.size());
    const auto ms = parse_duration_ms(text.substr(0, end));
    if (!ms) return std::nullopt;
    text.remove_prefix(end);
    return negative ? -*ms : *ms;
  }

  // ---- eval

  Result<EvalCommand> eval_command() {
    EvalCommand command;
    command.line = static_cast<int>(at_) + 1;
    std::string_view rest = lines_[at_];
    const std::string_view word = take_word(rest);
    command.fail = word == "eval_fail";
    command.any_warning = word == "eval_warn";
    command.any_info = word == "eval_info";
    command.ordered = word == "eval_ordered";
    if (word != "eval" && !command.fail && !command.any_warning && !command.any_info && !command.ordered) {
      return error("invalid evaluation command " + go_quote(word));
    }
    const std::string_view kind = take_word(rest);
    if (kind == "instant") {
      if (first_word(rest) == "at") {
        take_word(rest);
        SENTINEL_ASSIGN(command.at, duration(take_word(rest)));
      }
      command.start = command.end = command.at;
    } else if (kind == "range") {
      command.is_range = true;
      SENTINEL_TRY(times(rest, command));
    } else {
      return error("invalid evaluation command, expected instant or range");
    }
    command.query = rest;
    for (int position = 1; next_line(); ++position) {
      bool done = false;
      SENTINEL_ASSIGN(done, expectation(command, position));
      if (done) break;
    }
    return command;
  }

  // from <t> to <t> step <d>
  Status times(std::string_view& rest, EvalCommand& command) const {
    if (take_word(rest) != "from") return error("expected `from`");
    SENTINEL_ASSIGN(command.start, duration(take_word(rest)));
    if (take_word(rest) != "to") return error("expected `to`");
    SENTINEL_ASSIGN(command.end, duration(take_word(rest)));
    if (take_word(rest) != "step") return error("expected `step`");
    SENTINEL_ASSIGN(command.step, duration(take_word(rest)));
    if (command.end < command.start) return error("end timestamp is before start timestamp");
    return {};
  }

  // One line below eval; true when it is the last that belongs to it.
  Result<bool> expectation(EvalCommand& command, int& position) {
    std::string_view line = lines_[at_];
    for (std::string_view prefix : {"expected_fail_message", "expected_fail_regexp"}) {
      if (!command.fail || line.substr(0, prefix.size()) != prefix) continue;
      const std::string text(trim(line.substr(prefix.size())));
      SENTINEL_ASSIGN(command.failure, expected_text(prefix.back() == 'p' ? "regex" : "msg", text));
      return true;
    }
    constexpr std::string_view kRangeVector = "expect range vector";
    constexpr std::string_view kString = "expect string";
    if (line.substr(0, kRangeVector.size()) == kRangeVector) {
      line.remove_prefix(kRangeVector.size());
      SENTINEL_TRY(times(line, command));
      command.not_as_range = true;
      return false;
    }
    if (line.substr(0, kString.size()) == kString) {
      const auto text = go_unquote(trim(line.substr(kString.size())));
      if (!text) return error("expected string literal not valid");
      command.text = *text;
      command.not_as_range = true;
      return false;
    }
    if (line.substr(0, line.find(' ')) == "expect") {
      --position;
      SENTINEL_TRY(expect_line(line.substr(6), command));
      return false;
    }
    if (const auto number = parse_scalar(line)) {
      command.scalar = number;
      return true;
    }
    auto series = parse_series_description(line);
    if (!series) return error(series.error());
    if (series->values.empty()) return error("no values expected for " + series->labels.to_string());
    if (series->values.size() > 1 && !command.is_range && !command.not_as_range) {
      return error("expecting multiple values in instant evaluation not allowed");
    }
    command.series[series->labels] = {position, std::move(series->values)};
    return false;
  }

  static std::optional<double> parse_scalar(std::string_view text) {
    const bool sign = !text.empty() && (text[0] == '+' || text[0] == '-');
    const auto value = parse_number_literal(sign ? text.substr(1) : text);
    if (!value) return std::nullopt;
    return text[0] == '-' ? -*value : *value;
  }

  Result<ExpectedText> expected_text(std::string_view how, std::string text) const {
    ExpectedText out;
    if (how == "regex") {
      auto pattern = std::make_shared<re2::RE2>(text, re2::RE2::Quiet);
      if (!pattern->ok()) return error("invalid regex " + text);
      out.pattern = std::move(pattern);
    } else {
      out.message = std::move(text);
    }
    return out;
  }

  Status expect_line(std::string_view rest, EvalCommand& command) const {
    const std::string_view what = take_word(rest);
    ExpectedText text;
    if (!rest.empty()) {
      const size_t colon = rest.find(':');
      const std::string_view how = rest.substr(0, colon);
      if (colon == std::string_view::npos || (how != "msg" && how != "regex")) {
        return error("invalid expect statement, must match `expect <type> <match_type>: <string>` format");
      }
      SENTINEL_ASSIGN(text, expected_text(how, std::string(trim(rest.substr(colon + 1)))));
    }
    if (what == "ordered") {
      command.ordered = true;
    } else if (what == "no_warn") {
      command.no_warning = true;
    } else if (what == "no_info") {
      command.no_info = true;
    } else if (what == "warn") {
      command.warnings.push_back(std::move(text));
    } else if (what == "info") {
      command.infos.push_back(std::move(text));
    } else if (what == "fail") {
      command.fail = true;
      command.failure = std::move(text);
    } else {
      return error("invalid expected error/annotation type " + std::string(what));
    }
    return {};
  }

  MemoryQueryable storage_;
  Engine engine_;
  std::vector<std::string_view> lines_;
  size_t at_ = 0;
};

}  // namespace

bool almost_equal(double a, double b, double epsilon) {
  if (model::is_stale_nan(a) || model::is_stale_nan(b)) return model::is_stale_nan(a) && model::is_stale_nan(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  constexpr double kMinNormal = std::numeric_limits<double>::min();
  const double sum = std::abs(a) + std::abs(b);
  const double diff = std::abs(a - b);
  if (a == 0 || b == 0 || sum < kMinNormal) return diff < epsilon * kMinNormal;
  return diff / std::min(sum, std::numeric_limits<double>::max()) < epsilon;
}

EngineOptions script_engine_options() {
  EngineOptions options;
  options.samples_max = 10'000;
  options.delayed_name_removal = true;
  options.use_start_timestamps = true;
  return options;
}

Result<std::vector<ScriptCase>> run_script(std::string_view script, const EngineOptions& options) {
  return Script(script, options).run();
}

}  // namespace sentinel::promql
