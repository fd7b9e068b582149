#include "events/sql_rewrite.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/strings.h"
#include "events/limits.h"
#include "events/sql_lexer.h"

namespace sentinel::events {
namespace {

constexpr std::array<std::string_view, 21> kFileFunctions = {"read_parquet",
                                                             "parquet_scan",
                                                             "read_csv",
                                                             "read_csv_auto",
                                                             "sniff_csv",
                                                             "read_json",
                                                             "read_json_auto",
                                                             "read_ndjson",
                                                             "read_ndjson_auto",
                                                             "read_json_objects",
                                                             "read_json_objects_auto",
                                                             "read_ndjson_objects",
                                                             "read_text",
                                                             "read_blob",
                                                             "glob",
                                                             "parquet_metadata",
                                                             "parquet_schema",
                                                             "parquet_file_metadata",
                                                             "parquet_kv_metadata",
                                                             "parquet_bloom_probe",
                                                             "parquet_full_metadata"};
// The engine builds what these make in one step that neither its memory limit nor the time limit interrupts.
constexpr std::array<std::string_view, 6> kGrowing = {"repeat",      "lpad",         "rpad",
                                                      "list_resize", "array_resize", "list_pad"};
constexpr std::array<std::string_view, 2> kSeries = {"range", "generate_series"};
constexpr std::array<std::string_view, 2> kFormatting = {"printf", "format"};
constexpr std::array<std::string_view, 8> kStatements = {"select",  "with",     "from", "values",
                                                         "explain", "describe", "show", "summarize"};
constexpr std::array<std::string_view, 4> kQueries = {"select", "with", "from", "values"};
constexpr std::array<std::string_view, 13> kDateParts = {"microsecond", "millisecond", "second", "minute",  "hour",
                                                         "day",         "dayofweek",   "week",   "isoweek", "month",
                                                         "quarter",     "year",        "isoyear"};
constexpr std::array<std::string_view, 3> kPartFunctions = {"timestamp_diff", "timestamp_trunc", "date_trunc"};

template <size_t N>
bool listed(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Rewriter {
 public:
  Rewriter(std::string_view sql, std::vector<Token> tokens, TimePoint now)
      : sql_(sql), tokens_(std::move(tokens)), now_(format_rfc3339(now)) {}

  Result<RewrittenSql> run() {
    out_.original = std::string(sql_);
    SENTINEL_TRY(check_statement());
    while (at_ < tokens_.size()) SENTINEL_TRY(step());
    return std::move(out_);
  }

 private:
  std::string_view text(size_t token) const {
    return token < tokens_.size() ? sql_.substr(tokens_[token].begin, tokens_[token].end - tokens_[token].begin)
                                  : std::string_view();
  }
  TokenKind kind(size_t token) const { return token < tokens_.size() ? tokens_[token].kind : TokenKind::kSpace; }
  std::string word(size_t token) const {
    return kind(token) == TokenKind::kWord ? to_lower(text(token)) : std::string();
  }
  // The next token after `token` that is neither space nor comment; past the end when there is none.
  size_t after(size_t token) const {
    do ++token;
    while (token < tokens_.size() && tokens_[token].kind == TokenKind::kSpace);
    return token;
  }
  bool symbol(size_t token, char c) const { return kind(token) == TokenKind::kSymbol && text(token)[0] == c; }

  void copy(size_t token) {
    if (out_.pieces.empty() || !out_.pieces.back().copied) {
      out_.pieces.push_back({out_.text.size(), tokens_[token].begin, true});
    }
    out_.text += text(token);
  }
  void replace(size_t token, std::string_view with) {
    out_.pieces.push_back({out_.text.size(), tokens_[token].begin, false});
    out_.text += with;
  }

  Status check_statement() {
    size_t first = kind(0) == TokenKind::kSpace ? after(0) : 0;
    while (symbol(first, '(')) first = after(first);
    if (first >= tokens_.size()) return sql_error(sql_, 0, "the statement is empty");
    const std::string name = word(first);
    if (!listed(kStatements, name)) {
      return sql_error(
          sql_, tokens_[first].begin,
          fmt::format("only reading is allowed: SELECT, WITH, FROM, VALUES, EXPLAIN, DESCRIBE, SHOW, SUMMARIZE; "
                      "this starts with {}",
                      utf8_prefix(text(first), 40)));
    }
    if (name != "explain") return {};
    size_t next = after(first);
    if (word(next) == "analyze") next = after(next);
    if (symbol(next, '(') && word(after(next)) != "select" && word(after(next)) != "with" &&
        word(after(next)) != "from") {
      while (next < tokens_.size() && !symbol(next, ')')) ++next;  // options
      next = after(next);
    }
    explained_token_ = next;
    if (next >= tokens_.size()) return sql_error(sql_, sql_.size(), "EXPLAIN needs a query");
    while (symbol(next, '(')) next = after(next);
    if (!listed(kQueries, word(next))) {
      return sql_error(sql_, tokens_[std::min(next, tokens_.size() - 1)].begin,
                       "only queries can be explained: SELECT, WITH, FROM, VALUES");
    }
    return {};
  }

  Status step() {
    if (explained_token_ != 0 && at_ == explained_token_) out_.explained_at = out_.text.size();
    const size_t token = at_++;
    if (kind(token) == TokenKind::kSpace) {
      copy(token);
      return {};
    }
    const size_t previous = last_;
    last_ = token;
    switch (kind(token)) {
      case TokenKind::kBacktick: return backtick(token, previous);
      case TokenKind::kQuotedName: SENTINEL_TRY(check_function(token, previous)); break;
      case TokenKind::kWord: return rewrite_word(token, previous);
      case TokenKind::kSymbol: track(token, previous); break;
      default: break;
    }
    copy(token);
    return {};
  }

  std::string called_name(size_t token) const {
    const TokenKind k = kind(token);
    if (k == TokenKind::kWord) return word(token);
    const bool quoted = k == TokenKind::kQuotedName || k == TokenKind::kBacktick;
    return quoted ? to_lower(text(token).substr(1, text(token).size() - 2)) : std::string();
  }

  // Which call each open parenthesis belongs to.
  void track(size_t token, size_t previous) {
    if (symbol(token, '(')) calls_.push_back(called_name(previous));
    if (symbol(token, ')') && !calls_.empty()) calls_.pop_back();
  }

  Status check_function(size_t token, size_t previous) const {
    if (!symbol(after(token), '(')) return {};
    const std::string name = called_name(token);
    if (listed(kFileFunctions, name))
      return sql_error(sql_, tokens_[token].begin, fmt::format("{} is not allowed: queries read no files", name));
    if (listed(kGrowing, name) && !grows_little(token, previous)) {
      return sql_error(sql_, tokens_[token].begin,
                       fmt::format("{} takes a whole number up to {} as its second argument here, and not inside "
                                   "another call that makes text or lists longer",
                                   name, kSqlGrowthMax));
    }
    if (listed(kSeries, name) && word(previous) != "from" && word(previous) != "join") {
      return sql_error(sql_, tokens_[token].begin,
                       fmt::format("{} is allowed only as a table: FROM {}(…) or JOIN {}(…)", name, name, name));
    }
    if (listed(kFormatting, name) && !pads_little(token, previous)) {
      return sql_error(sql_, tokens_[token].begin,
                       fmt::format("{} needs its format as text here, with widths below 10000 written out", name));
    }
    return {};
  }

  // f(x, NUMBER…) with a small number, outside of any other such call.
  bool grows_little(size_t token, size_t previous) const {
    if (symbol(previous, '.')) return false;  // x.f(…) has its arguments elsewhere
    if (std::any_of(calls_.begin(), calls_.end(), [](const auto& call) { return listed(kGrowing, call); }))
      return false;
    size_t depth = 0;
    for (size_t at = after(token); at < tokens_.size(); at = after(at)) {
      if (symbol(at, '(') || symbol(at, '[') || symbol(at, '{')) ++depth;
      if (symbol(at, ')') || symbol(at, ']') || symbol(at, '}')) --depth;
      if (depth == 0) return false;
      if (depth != 1 || !symbol(at, ',')) continue;
      const size_t count = after(at);
      const size_t end = after(count);
      const auto number = kind(count) == TokenKind::kNumber ? parse_int(text(count)) : std::nullopt;
      return number && *number <= kSqlGrowthMax && (symbol(end, ',') || symbol(end, ')'));
    }
    return false;
  }

  bool pads_little(size_t token, size_t previous) const {
    const size_t first = after(after(token));
    const size_t end = after(first);
    if (symbol(previous, '.') || kind(first) != TokenKind::kString || !(symbol(end, ',') || symbol(end, ')')))
      return false;
    size_t digits = 0;
    for (const char c : text(first)) {
      digits = c >= '0' && c <= '9' ? digits + 1 : 0;
      if (digits > 4 || c == '*') return false;
    }
    return text(first).find(":{") == std::string_view::npos;  // a width that comes from a value
  }

  // `project.dataset.table`, also `a`.`b`
  Status backtick(size_t token, size_t previous) {
    SENTINEL_TRY(check_function(token, previous));
    const std::string name = replace_all(std::string(text(token).substr(1, text(token).size() - 2)), "``", "`");
    if (name.empty()) return sql_error(sql_, tokens_[token].begin, "empty name");
    std::vector<std::string> parts;
    for (const std::string_view part : split(name, '.')) parts.emplace_back(part);
    if (parts.size() == 3 && iequals(parts[1], "sentinel_telemetry")) parts.erase(parts.begin());
    std::string out;
    for (const std::string& part : parts) {
      if (!out.empty()) out += '.';
      out += '"' + replace_all(part, "\"", "\"\"") + '"';
    }
    replace(token, out);
    return {};
  }

  // Replaces `name` or `name ( )` as a whole.
  void replace_call(size_t token, const std::string& with) {
    replace(token, with);
    const size_t open = after(token);
    if (symbol(open, '(') && symbol(after(open), ')')) {
      at_ = after(open) + 1;
      last_ = at_ - 1;
    }
  }

  Status rewrite_word(size_t token, size_t previous) {
    const std::string name = word(token);
    const bool member = previous < tokens_.size() && (symbol(previous, '.') || word(previous) == "as");
    const bool has_arguments = symbol(after(token), '(') && !symbol(after(after(token)), ')');
    SENTINEL_TRY(check_function(token, previous));
    if (!member && !has_arguments &&
        (name == "current_timestamp" || name == "current_datetime" ||
         ((name == "now" || name == "get_current_timestamp") && symbol(after(token), '(')))) {
      replace_call(token, "TIMESTAMP '" + now_.substr(0, 10) + " " + now_.substr(11, now_.size() - 12) + "'");
    } else if (!member && !has_arguments &&
               (name == "current_date" || (name == "today" && symbol(after(token), '(')))) {
      replace_call(token, "DATE '" + now_.substr(0, 10) + "'");
    } else if (!member && name == "safe_cast") {
      replace(token, "TRY_CAST");
    } else if (name == "except" && previous < tokens_.size() && symbol(previous, '*') && symbol(after(token), '(') &&
               word(after(after(token))) != "select") {
      replace(token, "EXCLUDE");
    } else if (name == "date_trunc" && has_arguments && kind(after(after(token))) != TokenKind::kString) {
      replace(token, "TIMESTAMP_TRUNC");
    } else if (listed(kDateParts, name) && !calls_.empty() && listed(kPartFunctions, calls_.back()) &&
               symbol(after(token), ')') && previous < tokens_.size() && symbol(previous, ',')) {
      replace(token, "'" + name + "'");
    } else {
      copy(token);
    }
    return {};
  }

  std::string_view sql_;
  std::vector<Token> tokens_;
  std::string now_;  // RFC 3339
  RewrittenSql out_;
  std::vector<std::string> calls_;
  size_t at_ = 0;
  size_t last_ = static_cast<size_t>(-1);  // the last token that was no space
  size_t explained_token_ = 0;
};

}  // namespace

Position RewrittenSql::position_of(size_t offset) const {
  const Piece* found = nullptr;
  for (const Piece& piece : pieces) {
    if (piece.out <= offset) found = &piece;
  }
  if (found == nullptr) return position_in(original, 0);
  return position_in(original, found->copied ? found->in + (offset - found->out) : found->in);
}

Result<RewrittenSql> rewrite_sql(std::string_view sql, TimePoint now) {
  if (sql.size() > kSqlBytesMax) {
    return fail(ErrorCode::kTooLarge, fmt::format("the statement is longer than {} bytes", kSqlBytesMax));
  }
  if (!is_valid_utf8(sql) || sql.find('\0') != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument, "the statement is not valid UTF-8 text");
  }
  SENTINEL_ASSIGN(std::vector<Token> tokens, lex_sql(sql));
  return Rewriter(sql, std::move(tokens), now).run();
}

}  // namespace sentinel::events
