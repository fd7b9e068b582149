#include "events/narrow_pass.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "events/sql_lexer.h"

namespace sentinel::events {
namespace {

// Anything at the top level that makes rows of the result something else than rows of the table.
constexpr std::array<std::string_view, 22> kNotSimple = {
    "distinct", "group",  "having",  "union",   "intersect", "except",      "exclude", "replace",
    "join",     "window", "qualify", "using",   "sample",    "tablesample", "over",    "fetch",
    "with",     "values", "unnest",  "columns", "lateral",   "pivot"};
// Within a condition.
constexpr std::array<std::string_view, 7> kNotInCondition = {"select",          "random", "uuid", "nextval",
                                                             "gen_random_uuid", "from",   "over"};
constexpr std::array<std::string_view, 12> kScalarFunctions = {"round",    "substr", "substring", "left",
                                                               "right",    "length", "lower",     "upper",
                                                               "coalesce", "ifnull", "cast",      "try_cast"};

template <size_t N>
bool listed(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct Part {  // tokens [begin, end)
  size_t begin = 0;
  size_t end = 0;
};

class Planner {
 public:
  Planner(std::string_view sql, std::vector<Token> tokens) : sql_(sql), tokens_(std::move(tokens)) {
    std::erase_if(tokens_, [](const Token& t) { return t.kind == TokenKind::kSpace; });
    if (!tokens_.empty() && text(tokens_.size() - 1) == ";") tokens_.pop_back();
  }

  std::optional<NarrowPlan> run() {
    if (!find_clauses() || !check_columns() || !check_table() || !check_order() || !check_limit()) return std::nullopt;
    NarrowPlan plan;
    plan.before_condition = std::string(source(select_.begin - 1, table_.end));
    plan.condition = where_ ? std::string(source(where_->begin, where_->end)) : "";
    const std::string order(source(order_.begin, order_.end));
    plan.after_condition = " " + std::string(source(order_.begin - 2, tokens_.size()));
    plan.keys_sql =
        fmt::format("SELECT timestamp, request_id FROM {} {} ORDER BY {} LIMIT {}", source(table_.begin, table_.end),
                    where_ ? "WHERE " + plan.condition : "", order, limit_ + offset_);
    return plan;
  }

 private:
  std::string_view text(size_t i) const { return sql_.substr(tokens_[i].begin, tokens_[i].end - tokens_[i].begin); }
  std::string word(size_t i) const {
    return i < tokens_.size() && tokens_[i].kind == TokenKind::kWord ? to_lower(text(i)) : std::string();
  }
  // A name, with or without quotes.
  std::string name(size_t i) const {
    if (i < tokens_.size() && tokens_[i].kind == TokenKind::kQuotedName)
      return to_lower(text(i).substr(1, text(i).size() - 2));
    return word(i);
  }
  bool symbol(size_t i, char c) const {
    return i < tokens_.size() && tokens_[i].kind == TokenKind::kSymbol && text(i)[0] == c;
  }
  std::string_view source(size_t begin, size_t end) const {
    return sql_.substr(tokens_[begin].begin, tokens_[end - 1].end - tokens_[begin].begin);
  }

  // Finds the top-level clauses, each once and in order; parameters cannot be taken apart.
  bool find_clauses() {
    if (word(0) != "select") return false;
    select_.begin = 1;
    size_t depth = 0;
    std::optional<size_t> from, where, order, limit;
    for (size_t i = 1; i < tokens_.size(); ++i) {
      if (symbol(i, '?') || symbol(i, '$')) return false;
      if (symbol(i, '(')) ++depth;
      if (symbol(i, ')') && depth-- == 0) return false;
      const std::string w = word(i);
      if (listed(kNotSimple, w) || w == "select") return false;
      if (depth > 0) continue;
      if (w == "from" && !std::exchange(from, from ? from : i)) continue;
      if (w == "where" && !std::exchange(where, where ? where : i)) continue;
      if (w == "order" && word(i + 1) == "by" && !std::exchange(order, order ? order : i)) continue;
      if (w == "limit" && !std::exchange(limit, limit ? limit : i)) continue;
      if (w == "from" || w == "where" || w == "order" || w == "limit") return false;  // a second one
    }
    if (!from || !order || !limit || *from < 2 || depth != 0) return false;
    const size_t table_end = where ? *where : *order;
    if (!(*from < table_end && (!where || *where < *order) && *order < *limit)) return false;
    select_.end = *from;
    table_ = {*from + 1, table_end};
    if (where) where_ = Part{*where + 1, *order};
    order_ = {*order + 2, *limit};
    limit_at_ = *limit;
    return order_.begin < order_.end && (!where_ || where_->begin < where_->end);
  }

  // Columns, arithmetic on them, a few functions of one row; at least one wide column.
  bool check_columns() {
    bool wide = false;
    for (size_t i = select_.begin; i < select_.end; ++i) {
      const std::string n = name(i);
      if (n == "prompt" || n == "response" ||
          (symbol(i, '*') && (i == select_.begin || symbol(i - 1, ',') || symbol(i - 1, '.'))))
        wide = true;
      if (symbol(i, '(') && !listed(kScalarFunctions, word(i - 1))) return false;
      const bool after_name = i > select_.begin && !name(i - 1).empty();
      if (word(i) == "as") {
        aliases_.push_back(name(i + 1));
        ++i;
      } else if (after_name && !n.empty()) {
        return false;  // an alias without AS, or something not thought of
      }
    }
    return wide;
  }

  bool check_table() const {
    size_t i = table_.begin;
    if (name(i) == "sentinel_telemetry" && symbol(i + 1, '.')) i += 2;
    if (i >= table_.end || name(i) != "llm_events") return false;
    ++i;
    if (i < table_.end && word(i) == "as") ++i;
    if (i < table_.end && !name(i).empty()) ++i;
    return i == table_.end;
  }

  // Names that the select list gives to something else cannot be used: the first pass has no such list.
  bool uses_alias(const Part& part) const {
    for (size_t i = part.begin; i < part.end; ++i) {
      if (std::find(aliases_.begin(), aliases_.end(), name(i)) != aliases_.end()) return true;
    }
    return false;
  }

  bool check_order() const {
    for (size_t i = order_.begin; i < order_.end; ++i) {
      if (tokens_[i].kind == TokenKind::kNumber || word(i) == "all" || listed(kNotInCondition, word(i))) return false;
      if (symbol(i, '(') && !listed(kScalarFunctions, word(i - 1))) return false;
    }
    if (uses_alias(order_)) return false;
    if (!where_) return true;
    for (size_t i = where_->begin; i < where_->end; ++i) {
      if (listed(kNotInCondition, word(i))) return false;
    }
    return !uses_alias(*where_);
  }

  bool check_limit() {
    size_t i = limit_at_ + 1;
    const auto number = [&](uint64_t& out) {
      const auto n = i < tokens_.size() && tokens_[i].kind == TokenKind::kNumber ? parse_int(text(i)) : std::nullopt;
      if (!n || *n < 0) return false;
      out = static_cast<uint64_t>(*n);
      ++i;
      return true;
    };
    if (!number(limit_)) return false;
    if (word(i) == "offset") {
      ++i;
      if (!number(offset_)) return false;
    }
    return i == tokens_.size() && limit_ <= kNarrowRowsMax && offset_ <= kNarrowRowsMax - limit_;
  }

  std::string_view sql_;
  std::vector<Token> tokens_;
  Part select_;
  Part table_;
  Part order_;
  std::optional<Part> where_;
  size_t limit_at_ = 0;
  uint64_t limit_ = 0;
  uint64_t offset_ = 0;
  std::vector<std::string> aliases_;
};

}  // namespace

std::string NarrowPlan::narrowed(const std::vector<NarrowKey>& keys) const {
  std::string only = "false";
  if (!keys.empty()) {
    std::vector<std::string> times;
    std::vector<std::string> ids;
    for (const NarrowKey& key : keys) {
      times.push_back("TIMESTAMP '" + key.timestamp + "'");
      ids.push_back("'" + replace_all(key.request_id, "'", "''") + "'");
    }
    const auto [low, high] = std::minmax_element(times.begin(), times.end());
    only = fmt::format("timestamp BETWEEN {} AND {} AND timestamp IN ({}) AND request_id IN ({})", *low, *high,
                       join(times, ", "), join(ids, ", "));
  }
  const std::string rest = condition.empty() ? "" : " AND (" + condition + "\n)";
  return before_condition + " WHERE " + only + rest + after_condition;
}

std::optional<NarrowPlan> plan_narrow_pass(std::string_view sql) {
  auto tokens = lex_sql(sql);
  if (!tokens) return std::nullopt;
  return Planner(sql, std::move(*tokens)).run();
}

}  // namespace sentinel::events
