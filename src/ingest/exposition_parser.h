#pragma once
// Prometheus's text format 0.0.4 and OpenMetrics 1.0, read as strictly as Prometheus reads them, with its messages.
// Works on the text in place: nothing is allocated for a sample until its labels are asked for.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace sentinel::ingest {

enum class ExpositionFormat { kText, kOpenMetrics, kProtobuf };  // the last: exposition_proto.h

enum class MetricKind : uint8_t {
  kUnknown,
  kCounter,
  kGauge,
  kHistogram,
  kGaugeHistogram,
  kSummary,
  kInfo,
  kStateset,
};
std::string_view metric_kind_name(MetricKind kind);               // "counter", ..., "unknown"
std::optional<MetricKind> metric_kind_of(std::string_view name);  // OpenMetrics's names
// What a Content-Type says; none: it is none of the three.
std::optional<ExpositionFormat> format_of_content_type(std::string_view content_type);

struct Exemplar {
  model::Labels labels;
  double value = 0;
  std::optional<int64_t> t_ms;
};

// One pass over one text, which must outlive it. Single-threaded.
//   while ((entry = parser.next()) is neither kEnd nor kInvalid) use the accessors of that kind.
class ExpositionParser {
 public:
  enum class Entry : uint8_t { kSeries, kType, kHelp, kUnit, kComment, kEnd, kInvalid };

  // REQUIRES: not kProtobuf.
  ExpositionParser(std::string_view text, ExpositionFormat format);

  Entry next();
  // After kInvalid: what was expected and where. Parsing cannot go on.
  const Error& error() const { return *error_; }

  // After kSeries.
  std::string_view series() const { return series_; }  // name and labels as written: a key for caches
  double value() const { return value_; }
  std::optional<int64_t> time_ms() const { return has_time_ ? std::optional(time_ms_) : std::nullopt; }
  // kInvalidArgument: a label name comes twice. Labels without a value are left out.
  Result<model::Labels> labels() const;
  std::optional<Exemplar> exemplar() const;
  // Whether this is a `_created` line of a counter, histogram or summary: when its series started, in seconds.
  bool is_created() const;

  // After kType, kHelp, kUnit: the family, and what is said of it.
  std::string family() const;
  MetricKind kind() const { return kind_; }  // of the last # TYPE
  std::string text() const;                  // help or unit, unescaped

 private:
  enum class Token : uint8_t {
    kInvalid,
    kEof,
    kLinebreak,
    kHelp,
    kType,
    kUnit,
    kEofWord,
    kText,
    kComment,
    kName,
    kQuoted,
    kBraceOpen,
    kBraceClose,
    kLabelName,
    kLabelValue,
    kComma,
    kEqual,
    kTimestamp,
    kValue,
  };
  enum class State : uint8_t {
    kInit,
    kMetaName,
    kMetaText,
    kLabels,
    kLabelValue,
    kValue,
    kTimestamp,
    kExemplar,
    kExemplarEqual,
    kExemplarTimestamp,
  };
  struct Span {
    std::string_view name;
    std::string_view value;
  };
  static std::string_view token_name(Token token);

  Token lex();
  Token lex_text();
  Token lex_text_comment();
  Token lex_text_init();
  Token lex_open_metrics();
  Token lex_open_metrics_comment();
  Token lex_open_metrics_timestamp();
  Token lex_exemplar();
  Token lex_name(bool colons, State after, Token token);
  Token lex_quoted(bool newlines, State after, Token token);
  Token lex_until_space(State after, Token token);
  Token one(State after, Token token);

  Entry parse_meta(Token what);
  Entry parse_type();
  Entry parse_unit();
  Entry parse_sample(Token token);
  Entry parse_suffix(Token token);
  Entry parse_time();
  bool parse_labels(std::vector<Span>& out, bool exemplar);
  bool parse_quoted_name(std::string_view quoted, bool exemplar);
  bool parse_exemplar();
  bool parse_value(Token token, std::string_view after, double& out);
  std::string_view token_text() const { return {start_, static_cast<size_t>(at_ - start_)}; }
  std::string_view so_far() const { return {entry_start_, static_cast<size_t>(at_ - entry_start_)}; }
  Entry invalid(std::string message);
  bool invalid_label(std::string message);
  Entry unexpected(std::string_view expected, Token got);

  const bool open_metrics_;
  const char* at_;
  const char* const end_;
  const char* start_;        // of the token
  const char* entry_start_;  // of the entry
  State state_ = State::kInit;
  std::optional<Error> error_;

  std::string_view series_;
  std::string_view name_;  // of the metric or family, still escaped
  bool has_name_ = false;
  std::vector<Span> labels_;
  std::vector<Span> exemplar_labels_;
  double value_ = 0;
  int64_t time_ms_ = 0;
  bool has_time_ = false;
  bool has_exemplar_ = false;
  double exemplar_value_ = 0;
  std::optional<int64_t> exemplar_ms_;
  std::string_view meta_text_;
  std::string_view family_of_type_;
  MetricKind kind_ = MetricKind::kUnknown;
};

}  // namespace sentinel::ingest
