#include "ingest/exposition_parser.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::ingest {
namespace {

using namespace std::string_view_literals;

constexpr uint8_t kLetter = 1;  // starts a label name
constexpr uint8_t kDigit = 2;
constexpr uint8_t kColon = 4;

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> table{};
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] = kLetter;
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = kDigit;
  table['_'] = kLetter;
  table[':'] = kColon;
  return table;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

uint8_t class_of(char c) { return kClasses[static_cast<uint8_t>(c)]; }

// Label values, quoted names, and OpenMetrics's help: \" \\ and \n; any other backslash stays.
std::string unescape(std::string_view text, bool quotes) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] != '\\' || (next != '\\' && next != 'n' && !(next == '"' && quotes))) {
      out += text[i];
      continue;
    }
    out += next == 'n' ? '\n' : next;
    ++i;
  }
  return out;
}

std::optional<double> parse_sample_float(std::string_view text) {
  if (text.find_first_of("pP_") != std::string_view::npos) return std::nullopt;
  return parse_double(text);
}

std::string float_error(std::string_view text) {
  if (text.find_first_of("pP_") != std::string_view::npos) return "unsupported character in float";
  return fmt::format("strconv.ParseFloat: parsing {}: invalid syntax", go_quote(text));
}

// How le and quantile are written so that text formats of different clients give one series: 1 is 1.0.
std::string normal_bound(const std::string& text) {
  const auto v = parse_double(text);
  if (!v) return text;
  std::string out = format_double_g(*v);
  if (std::isfinite(*v) && out.find_first_of("e.") == std::string::npos) out += ".0";
  return out;
}

constexpr uint64_t kNormalNanBits = 0x7ff8000000000001ULL;  // Prometheus's
constexpr int64_t kTimeMsMax = std::numeric_limits<int64_t>::max();

}  // namespace

std::string_view metric_kind_name(MetricKind kind) {
  static constexpr std::array kNames{"unknown"sv,        "counter"sv, "gauge"sv, "histogram"sv,
                                     "gaugehistogram"sv, "summary"sv, "info"sv,  "stateset"sv};
  return kNames[static_cast<size_t>(kind)];
}

std::optional<MetricKind> metric_kind_of(std::string_view name) {
  for (size_t i = 0; i <= static_cast<size_t>(MetricKind::kStateset); ++i) {
    if (metric_kind_name(static_cast<MetricKind>(i)) == name) return static_cast<MetricKind>(i);
  }
  return std::nullopt;
}

std::optional<ExpositionFormat> format_of_content_type(std::string_view content_type) {
  const std::string media = to_lower(trim(content_type.substr(0, content_type.find(';'))));
  if (media == "application/openmetrics-text") return ExpositionFormat::kOpenMetrics;
  if (media == "text/plain") return ExpositionFormat::kText;
  if (media == "application/vnd.google.protobuf") return ExpositionFormat::kProtobuf;
  return std::nullopt;
}

ExpositionParser::ExpositionParser(std::string_view text, ExpositionFormat format)
    : open_metrics_(format == ExpositionFormat::kOpenMetrics),
      at_(text.data()),
      end_(text.data() + text.size()),
      start_(at_),
      entry_start_(at_) {}

std::string_view ExpositionParser::token_name(Token token) {
  static constexpr std::array kNames{"INVALID"sv, "EOF"sv,     "LINEBREAK"sv, "HELP"sv,    "TYPE"sv,
                                     "UNIT"sv,    "EOFWORD"sv, "TEXT"sv,      "COMMENT"sv, "MNAME"sv,
                                     "QSTRING"sv, "BOPEN"sv,   "BCLOSE"sv,    "LNAME"sv,   "LVALUE"sv,
                                     "COMMA"sv,   "EQUAL"sv,   "TIMESTAMP"sv, "VALUE"sv};
  return kNames[static_cast<size_t>(token)];
}

// ---- tokens ----

ExpositionParser::Token ExpositionParser::one(State after, Token token) {
  ++at_;
  state_ = after;
  return token;
}

ExpositionParser::Token ExpositionParser::lex_name(bool colons, State after, Token token) {
  const uint8_t first = colons ? kLetter | kColon : kLetter;
  if (at_ == end_ || (class_of(*at_) & first) == 0) return Token::kInvalid;
  const uint8_t rest = first | kDigit;
  while (at_ < end_ && (class_of(*at_) & rest) != 0) ++at_;
  state_ = after;
  return token;
}

// REQUIRES: *at_ is a quote.
ExpositionParser::Token ExpositionParser::lex_quoted(bool newlines, State after, Token token) {
  for (const char* p = at_ + 1; p < end_; ++p) {
    if (*p == '"') {
      at_ = p + 1;
      state_ = after;
      return token;
    }
    if (*p == '\n' && !newlines) return Token::kInvalid;
    if (*p != '\\') continue;
    ++p;
    if (p == end_ || *p == '\n') return Token::kInvalid;
  }
  return Token::kInvalid;
}

ExpositionParser::Token ExpositionParser::lex_until_space(State after, Token token) {
  while (at_ < end_ && *at_ != ' ' && *at_ != '\n' && (open_metrics_ || (*at_ != '\t' && *at_ != '{'))) ++at_;
  state_ = after;
  return token;
}

ExpositionParser::Token ExpositionParser::lex() { return open_metrics_ ? lex_open_metrics() : lex_text(); }

ExpositionParser::Token ExpositionParser::lex_text() {
  const char* const blank = at_;
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\t')) ++at_;
  start_ = at_;
  if (state_ == State::kMetaText) {
    // One blank belongs to the separator, more to the text; only blanks are no text.
    const auto* line_end = static_cast<const char*>(std::memchr(at_, '\n', static_cast<size_t>(end_ - at_)));
    if (line_end == nullptr) line_end = end_;
    const char* from = blank < line_end ? blank + 1 : blank;
    if (at_ == line_end) from = line_end;
    meta_text_ = {from, static_cast<size_t>(line_end - from)};
    at_ = line_end;
    state_ = State::kInit;
    return Token::kText;
  }
  if (at_ == end_) {
    // A last line needs no line end.
    const Token token = state_ == State::kTimestamp ? Token::kLinebreak : Token::kEof;
    state_ = State::kInit;
    return token;
  }
  const char c = *at_;
  switch (state_) {
    case State::kMetaName:
      if (c == '"') return lex_quoted(true, State::kMetaText, Token::kName);
      return lex_name(true, State::kMetaText, Token::kName);
    case State::kLabels:
      if (c == '}') return one(State::kValue, Token::kBraceClose);
      if (c == '=') return one(State::kLabelValue, Token::kEqual);
      if (c == ',') return one(State::kLabels, Token::kComma);
      if (c == '"') return lex_quoted(true, State::kLabels, Token::kQuoted);
      return lex_name(false, State::kLabels, Token::kLabelName);
    case State::kLabelValue: return c == '"' ? lex_quoted(true, State::kLabels, Token::kLabelValue) : Token::kInvalid;
    case State::kValue:
      if (c == '{') return one(State::kLabels, Token::kBraceOpen);
      return c == '\n' ? Token::kInvalid : lex_until_space(State::kTimestamp, Token::kValue);
    case State::kTimestamp:
      if (c == '\n') return one(State::kInit, Token::kLinebreak);
      if ((class_of(c) & kDigit) == 0) return Token::kInvalid;
      while (at_ < end_ && (class_of(*at_) & kDigit) != 0) ++at_;
      return Token::kTimestamp;
    default: return lex_text_init();
  }
}

ExpositionParser::Token ExpositionParser::lex_text_init() {
  switch (*at_) {
    case '\n': return one(State::kInit, Token::kLinebreak);
    case '{': return one(State::kLabels, Token::kBraceOpen);
    case '#': return lex_text_comment();
    default: return lex_name(true, State::kValue, Token::kName);
  }
}

// After '#': HELP and TYPE with a blank before and after, else a comment to the end of the line.
ExpositionParser::Token ExpositionParser::lex_text_comment() {
  const char* p = at_ + 1;
  while (p < end_ && (*p == ' ' || *p == '\t')) ++p;
  const std::string_view rest(p, static_cast<size_t>(end_ - p));
  const bool help = rest.starts_with("HELP");
  if (p > at_ + 1 && rest.size() > 4 && (rest[4] == ' ' || rest[4] == '\t') && (help || rest.starts_with("TYPE"))) {
    at_ = p + 5;
    state_ = State::kMetaName;
    return help ? Token::kHelp : Token::kType;
  }
  const auto* line_end = static_cast<const char*>(std::memchr(at_, '\n', static_cast<size_t>(end_ - at_)));
  at_ = line_end == nullptr ? end_ : line_end;
  state_ = State::kInit;
  return Token::kComment;
}

ExpositionParser::Token ExpositionParser::lex_open_metrics() {
  start_ = at_;
  if (at_ == end_) return Token::kEof;
  const char c = *at_;
  switch (state_) {
    case State::kMetaName:
      if (c == '"') return lex_quoted(true, State::kMetaText, Token::kName);
      return lex_name(true, State::kMetaText, Token::kName);
    case State::kMetaText: {
      const auto* line_end = static_cast<const char*>(std::memchr(at_, '\n', static_cast<size_t>(end_ - at_)));
      if (c != ' ' || line_end == nullptr) return Token::kInvalid;
      meta_text_ = {at_ + 1, static_cast<size_t>(line_end - at_ - 1)};
      at_ = line_end + 1;
      state_ = State::kInit;
      return Token::kText;
    }
    case State::kLabels:
      if (c == '}') return one(State::kValue, Token::kBraceClose);
      if (c == '=') return one(State::kLabelValue, Token::kEqual);
      if (c == ',') return one(State::kLabels, Token::kComma);
      if (c == '"') return lex_quoted(true, State::kLabels, Token::kQuoted);
      return lex_name(false, State::kLabels, Token::kLabelName);
    case State::kLabelValue: return c == '"' ? lex_quoted(false, State::kLabels, Token::kLabelValue) : Token::kInvalid;
    case State::kValue:
      if (c == '{') return one(State::kLabels, Token::kBraceOpen);
      if (c != ' ' || at_ + 1 == end_ || at_[1] == ' ' || at_[1] == '\n') return Token::kInvalid;
      ++at_;
      return lex_until_space(State::kTimestamp, Token::kValue);
    case State::kTimestamp: return lex_open_metrics_timestamp();
    case State::kExemplar:
    case State::kExemplarEqual:
    case State::kExemplarTimestamp: return lex_exemplar();
    case State::kInit: break;
  }
  if (c == '#') return lex_open_metrics_comment();
  if (c == '{') return one(State::kLabels, Token::kBraceOpen);
  return lex_name(true, State::kValue, Token::kName);
}

ExpositionParser::Token ExpositionParser::lex_open_metrics_comment() {
  const std::string_view rest(at_, static_cast<size_t>(end_ - at_));
  struct Word {
    std::string_view text;
    Token token;
  };
  for (const Word& word : {Word{"# HELP ", Token::kHelp}, {"# TYPE ", Token::kType}, {"# UNIT ", Token::kUnit}}) {
    if (!rest.starts_with(word.text)) continue;
    at_ += word.text.size();
    state_ = State::kMetaName;
    return word.token;
  }
  if (!rest.starts_with("# EOF")) return Token::kInvalid;
  at_ += 5;
  if (at_ < end_ && *at_ == '\n') ++at_;
  return Token::kEofWord;
}

ExpositionParser::Token ExpositionParser::lex_open_metrics_timestamp() {
  if (*at_ == '\n') return one(State::kInit, Token::kLinebreak);
  const std::string_view rest(at_, static_cast<size_t>(end_ - at_));
  if (rest.starts_with(" # {")) {
    at_ += 4;
    state_ = State::kExemplar;
    return Token::kComment;
  }
  if (rest.size() < 2 || rest[0] != ' ' || rest[1] == ' ' || rest[1] == '\n') return Token::kInvalid;
  ++at_;
  return lex_until_space(State::kTimestamp, Token::kTimestamp);
}

ExpositionParser::Token ExpositionParser::lex_exemplar() {
  const char c = *at_;
  if (state_ == State::kExemplar) {
    if (c == '}') return one(State::kExemplarEqual, Token::kBraceClose);
    if (c == '=') return one(State::kExemplarEqual, Token::kEqual);
    if (c == ',') return one(State::kExemplar, Token::kComma);
    if (c == '"') return lex_quoted(false, State::kExemplar, Token::kQuoted);
    return lex_name(false, State::kExemplar, Token::kLabelName);
  }
  if (state_ == State::kExemplarEqual && c == '"') return lex_quoted(false, State::kExemplar, Token::kLabelValue);
  if (state_ == State::kExemplarTimestamp && c == '\n') return one(State::kInit, Token::kLinebreak);
  if (c != ' ' || at_ + 1 == end_ || at_[1] == ' ' || at_[1] == '\n') return Token::kInvalid;
  const Token token = state_ == State::kExemplarEqual ? Token::kValue : Token::kTimestamp;
  ++at_;
  return lex_until_space(State::kExemplarTimestamp, token);
}

// ---- entries ----

ExpositionParser::Entry ExpositionParser::invalid(std::string message) {
  error_.emplace(ErrorCode::kInvalidArgument, std::move(message));
  return Entry::kInvalid;
}

bool ExpositionParser::invalid_label(std::string message) {
  (void)invalid(std::move(message));
  return false;
}

ExpositionParser::Entry ExpositionParser::unexpected(std::string_view expected, Token got) {
  const char* shown_end = at_ < end_ ? at_ + 1 : end_;
  const auto until = [&](const char* from) {
    return go_quote({from, static_cast<size_t>(std::max(shown_end, from) - from)});
  };
  return invalid(fmt::format(R"({}, got {} ("{}") while parsing: {})", expected, until(start_), token_name(got),
                             until(entry_start_)));
}

ExpositionParser::Entry ExpositionParser::next() {
  if (error_) return Entry::kInvalid;
  Token token = Token::kInvalid;
  do {
    entry_start_ = at_;
    token = lex();
  } while (token == Token::kLinebreak);
  has_name_ = false;
  switch (token) {
    case Token::kEof:
      if (open_metrics_) return invalid("data does not end with # EOF");
      return Entry::kEnd;
    case Token::kEofWord:
      if (lex() != Token::kEof) return invalid("unexpected data after # EOF");
      return Entry::kEnd;
    case Token::kHelp:
    case Token::kType:
    case Token::kUnit: return parse_meta(token);
    case Token::kComment: return Entry::kComment;
    case Token::kName:
    case Token::kBraceOpen: return parse_sample(token);
    default: return unexpected("expected a valid start token", token);
  }
}

ExpositionParser::Entry ExpositionParser::parse_meta(Token what) {
  if (const Token name = lex(); name != Token::kName) {
    return unexpected(fmt::format("expected metric name after {}", token_name(what)), name);
  }
  name_ = token_text();
  if (name_.front() == '"') name_ = name_.substr(1, name_.size() - 2);
  if (const Token text = lex(); text != Token::kText) {
    return invalid(fmt::format("expected text in {}", token_name(what)));
  }
  if (what == Token::kType) return parse_type();
  if (what == Token::kUnit) return parse_unit();
  if (is_valid_utf8(meta_text_)) return Entry::kHelp;
  return invalid(fmt::format("help text {} is not a valid utf8 string", go_quote(meta_text_)));
}

ExpositionParser::Entry ExpositionParser::parse_type() {
  const bool untyped = !open_metrics_ && meta_text_ == "untyped";
  const auto kind = untyped ? std::optional(MetricKind::kUnknown) : metric_kind_of(meta_text_);
  const bool text_kind = untyped || kind == MetricKind::kCounter || kind == MetricKind::kGauge ||
                         kind == MetricKind::kHistogram || kind == MetricKind::kSummary;
  if (!kind || (!open_metrics_ && !text_kind)) {
    return invalid(fmt::format("invalid metric type {}", go_quote(meta_text_)));
  }
  kind_ = *kind;
  family_of_type_ = name_;
  return Entry::kType;
}

ExpositionParser::Entry ExpositionParser::parse_unit() {
  const std::string_view unit = meta_text_;
  if (unit.empty()) return Entry::kUnit;
  const bool suffix =
      name_.size() > unit.size() && name_.ends_with(unit) && name_[name_.size() - unit.size() - 1] == '_';
  if (suffix) return Entry::kUnit;
  return invalid(fmt::format("unit {} not a suffix of metric {}", go_quote(unit), go_quote(name_)));
}

ExpositionParser::Entry ExpositionParser::parse_sample(Token token) {
  labels_.clear();
  has_exemplar_ = false;
  if (token == Token::kName) {
    name_ = token_text();
    has_name_ = true;
    series_ = token_text();
    token = lex();
    if (token != Token::kBraceOpen) return parse_suffix(token);
  }
  const char* const series_start = has_name_ ? series_.data() : start_;
  if (!parse_labels(labels_, false)) return Entry::kInvalid;
  series_ = {series_start, static_cast<size_t>(at_ - series_start)};
  return parse_suffix(lex());
}

// A quoted string followed by a comma or brace is the metric's name.
bool ExpositionParser::parse_quoted_name(std::string_view quoted, bool exemplar) {
  if (exemplar) {
    (void)unexpected("expected label name", Token::kComma);
    return false;
  }
  if (has_name_) return invalid_label(fmt::format("metric name already set while parsing: {}", go_quote(so_far())));
  if (!is_valid_utf8(quoted)) return invalid_label(fmt::format("invalid UTF-8 metric name: {}", go_quote(quoted)));
  name_ = quoted.substr(1, quoted.size() - 2);
  has_name_ = true;
  return true;
}

bool ExpositionParser::parse_labels(std::vector<Span>& out, bool exemplar) {
  Token token = lex();
  while (token != Token::kBraceClose) {
    if (token != Token::kLabelName && token != Token::kQuoted) {
      (void)unexpected("expected label name", token);
      return false;
    }
    const bool quoted = token == Token::kQuoted;
    std::string_view name = token_text();
    token = lex();
    if (token == Token::kComma || token == Token::kBraceClose) {
      if (!quoted) {
        (void)unexpected("expected equal", token);
        return false;
      }
      if (!parse_quoted_name(name, exemplar)) return false;
      if (token == Token::kComma) token = lex();
      continue;
    }
    if (quoted) name = name.substr(1, name.size() - 2);
    if (token != Token::kEqual) {
      (void)unexpected("expected equal", token);
      return false;
    }
    if (token = lex(); token != Token::kLabelValue) {
      (void)unexpected("expected label value", token);
      return false;
    }
    const std::string_view value = token_text();
    if (!is_valid_utf8(value)) return invalid_label(fmt::format("invalid UTF-8 label value: {}", go_quote(value)));
    if (quoted && !is_valid_utf8(name)) {
      return invalid_label(fmt::format("invalid UTF-8 label name: {}", go_quote(name)));
    }
    out.push_back({name, value.substr(1, value.size() - 2)});
    token = lex();
    if (token == Token::kComma) {
      token = lex();
    } else if (open_metrics_ && token != Token::kBraceClose) {
      (void)unexpected("expected comma or brace close", token);
      return false;
    }
  }
  return true;
}

bool ExpositionParser::parse_value(Token token, std::string_view after, double& out) {
  if (token != Token::kValue) {
    (void)unexpected(fmt::format("expected value after {}", after), token);
    return false;
  }
  std::string_view text = token_text();
  if (open_metrics_) text.remove_prefix(1);
  const auto value = parse_sample_float(text);
  if (!value) return invalid_label(fmt::format("{} while parsing: {}", float_error(text), go_quote(so_far())));
  // One NaN for all: the bits of the stale marker cannot come in from outside.
  out = std::isnan(*value) ? std::bit_cast<double>(kNormalNanBits) : *value;
  return true;
}

ExpositionParser::Entry ExpositionParser::parse_suffix(Token token) {
  if (!has_name_) return invalid(fmt::format("metric name not set while parsing: {}", go_quote(so_far())));
  if (!parse_value(token, "metric", value_)) return Entry::kInvalid;
  has_time_ = false;
  token = lex();
  if (token == Token::kTimestamp) {
    if (parse_time() == Entry::kInvalid) return Entry::kInvalid;
    token = lex();
    if (!open_metrics_ && token != Token::kLinebreak) return unexpected("expected next entry after timestamp", token);
    if (token == Token::kTimestamp) return unexpected("expected next entry after timestamp", token);
  }
  if (token == Token::kLinebreak) return Entry::kSeries;
  if (token == Token::kEof && open_metrics_) return invalid("data does not end with # EOF");
  if (token == Token::kComment && open_metrics_) return parse_exemplar() ? Entry::kSeries : Entry::kInvalid;
  return unexpected(open_metrics_ ? "expected timestamp or # symbol" : "expected timestamp or new record", token);
}

ExpositionParser::Entry ExpositionParser::parse_time() {
  std::string_view text = token_text();
  has_time_ = true;
  if (!open_metrics_) {
    const auto t = parse_int(text);
    if (t) {
      time_ms_ = *t;
      return Entry::kSeries;
    }
    return invalid(fmt::format("strconv.ParseInt: parsing {}: value out of range while parsing: {}", go_quote(text),
                               go_quote(so_far())));
  }
  text.remove_prefix(1);
  const auto seconds = parse_sample_float(text);
  if (!seconds) return invalid(fmt::format("{} while parsing: {}", float_error(text), go_quote(so_far())));
  // Beyond what the time fits into is as wrong as infinity.
  if (!(std::abs(*seconds) < static_cast<double>(kTimeMsMax) / 1000)) {
    return invalid(fmt::format("invalid timestamp {}", format_double(*seconds)));
  }
  time_ms_ = static_cast<int64_t>(*seconds * 1000);
  return Entry::kSeries;
}

bool ExpositionParser::parse_exemplar() {
  exemplar_labels_.clear();
  exemplar_ms_.reset();
  if (!parse_labels(exemplar_labels_, true)) return false;
  if (!parse_value(lex(), "exemplar labels", exemplar_value_)) return false;
  has_exemplar_ = true;
  Token token = lex();
  if (token == Token::kTimestamp) {
    const std::string_view text = token_text().substr(1);
    const auto seconds = parse_sample_float(text);
    if (!seconds) return invalid_label(fmt::format("{} while parsing: {}", float_error(text), go_quote(so_far())));
    if (!(std::abs(*seconds) < static_cast<double>(kTimeMsMax) / 1000)) {
      return invalid_label(fmt::format("invalid exemplar timestamp {}", format_double(*seconds)));
    }
    exemplar_ms_ = static_cast<int64_t>(*seconds * 1000);
    if (token = lex(); token != Token::kLinebreak) {
      (void)unexpected("expected next entry after exemplar timestamp", token);
      return false;
    }
  }
  if (token == Token::kLinebreak) return true;
  if (token == Token::kEof) return invalid_label("data does not end with # EOF");
  (void)unexpected("expected timestamp or comment", token);
  return false;
}

// ---- what was read ----

Result<model::Labels> ExpositionParser::labels() const {
  std::vector<model::Label> out;
  out.reserve(labels_.size() + 1);
  out.push_back({std::string(model::kMetricNameLabel), unescape(name_, true)});
  for (const Span& span : labels_) {
    model::Label& label = out.emplace_back(model::Label{unescape(span.name, true), unescape(span.value, true)});
    const bool bound = (kind_ == MetricKind::kSummary && label.name == "quantile") ||
                       (kind_ == MetricKind::kHistogram && label.name == "le");
    if (bound) label.value = normal_bound(label.value);
  }
  std::sort(out.begin(), out.end());
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i].name != out[i - 1].name) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("label name {} is not unique: invalid sample", go_quote(out[i].name)));
  }
  return model::Labels(std::move(out));
}

std::optional<Exemplar> ExpositionParser::exemplar() const {
  if (!has_exemplar_) return std::nullopt;
  std::vector<model::Label> out;
  for (const Span& span : exemplar_labels_) out.push_back({unescape(span.name, true), unescape(span.value, true)});
  return Exemplar{model::Labels(std::move(out)), exemplar_value_, exemplar_ms_};
}

bool ExpositionParser::is_created() const {
  constexpr std::string_view kSuffix = "_created";
  const bool has_start =
      kind_ == MetricKind::kCounter || kind_ == MetricKind::kHistogram || kind_ == MetricKind::kSummary;
  return has_start && name_.size() == family_of_type_.size() + kSuffix.size() && name_.starts_with(family_of_type_) &&
         name_.ends_with(kSuffix);
}

std::string ExpositionParser::family() const { return unescape(name_, true); }

std::string ExpositionParser::text() const { return unescape(meta_text_, open_metrics_); }

}  // namespace sentinel::ingest
