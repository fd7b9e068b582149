#include "promql/parser.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "promql/function_table.h"
#include "promql/go_text.h"
#include "promql/lexer.h"
#include "promql/limits.h"

namespace sentinel::promql {
namespace {

constexpr double kDurationSecondsMax = 9223372036.854775808;  // what fits in 63 bits of nanoseconds

// What an unexpected token is reported as being in, and what was expected there.
struct Context {
  std::string_view in;
  std::string_view expected;
};

constexpr Context kInRange{"subquery or range selector", "number, duration, step(), or range()"};
constexpr Context kInSubqueryStep{"subquery selector", "number, duration, step(), range(), or \"]\""};
constexpr Context kInOffset{"offset", "number, duration, step(), or range()"};

int precedence(Tok t) {
  switch (t) {
    case Tok::kOr: return 1;
    case Tok::kAnd:
    case Tok::kUnless: return 2;
    case Tok::kEqualEqual:
    case Tok::kNotEqual:
    case Tok::kLess:
    case Tok::kLessEqual:
    case Tok::kGreater:
    case Tok::kGreaterEqual:
    case Tok::kTrimUpper:
    case Tok::kTrimLower: return 3;
    case Tok::kAdd:
    case Tok::kSub: return 4;
    case Tok::kMul:
    case Tok::kDiv:
    case Tok::kMod:
    case Tok::kAtan2: return 5;
    case Tok::kPow: return 6;
    default: return 0;
  }
}
constexpr int kPrecedencePow = 6;

Op binary_op(Tok t) {
  switch (t) {
    case Tok::kOr: return Op::kOr;
    case Tok::kAnd: return Op::kAnd;
    case Tok::kUnless: return Op::kUnless;
    case Tok::kEqualEqual: return Op::kEqual;
    case Tok::kNotEqual: return Op::kNotEqual;
    case Tok::kLess: return Op::kLess;
    case Tok::kLessEqual: return Op::kLessEqual;
    case Tok::kGreater: return Op::kGreater;
    case Tok::kGreaterEqual: return Op::kGreaterEqual;
    case Tok::kTrimUpper: return Op::kTrimUpper;
    case Tok::kTrimLower: return Op::kTrimLower;
    case Tok::kAdd: return Op::kAdd;
    case Tok::kSub: return Op::kSub;
    case Tok::kMul: return Op::kMul;
    case Tok::kDiv: return Op::kDiv;
    case Tok::kMod: return Op::kMod;
    case Tok::kAtan2: return Op::kAtan2;
    default: return Op::kPow;
  }
}

// May stand where a metric name is expected.
bool is_metric_word(Tok t) {
  if (is_aggregator(t) || is_preprocessor(t)) return true;
  switch (t) {
    case Tok::kIdentifier: case Tok::kMetricIdentifier: case Tok::kBy: case Tok::kFill: case Tok::kFillLeft:
    case Tok::kFillRight: case Tok::kAnd: case Tok::kOr: case Tok::kUnless: case Tok::kOffset: case Tok::kWithout:
    case Tok::kAnchored: case Tok::kSmoothed: return true;
    default: return false;
  }
}

// May stand where a label name is expected in by (...), on (...), group_left (...).
bool is_label_word(Tok t) {
  return is_metric_word(t) || is_keyword(t) || t == Tok::kAtan2;
}

bool starts_expression(Tok t) {
  return is_metric_word(t) || t == Tok::kNumber || t == Tok::kDuration || t == Tok::kString || t == Tok::kLeftParen ||
         t == Tok::kLeftBrace || t == Tok::kAdd || t == Tok::kSub;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), tokens_(tokenize(text)) {}

  Result<ParsedQuery> query() {
    if (peek().type == Tok::kEof) return fail(parse_error({0, 0}, text_, "no expression found in input"));
    ParsedQuery out;
    SENTINEL_ASSIGN(out.expr, expression(0));
    if (peek().type != Tok::kEof) return unexpected();
    SENTINEL_TRY(check_types(*out.expr, text_));
    out.experimental = std::move(experimental_);
    return out;
  }

  Result<model::Matchers> metric_selector() {
    std::unique_ptr<VectorSelector> selector;
    SENTINEL_ASSIGN(selector, vector_selector());
    if (peek().type != Tok::kEof) return unexpected();
    return selector->matchers;
  }

 private:
  using ExprResult = Result<ExprPtr>;

  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool at(Tok t) const { return peek().type == t; }
  Token take() {
    Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    switch (token.type) {
      case Tok::kRightBrace: case Tok::kRightParen: case Tok::kRightBracket: case Tok::kDuration: case Tok::kNumber:
        last_closing_ = token.end();
        break;
      default: break;
    }
    return token;
  }
  bool accept(Tok t) {
    if (!at(t)) return false;
    take();
    return true;
  }

  tl::unexpected<Error> error_at(PosRange pos, std::string_view message) const {
    return fail(parse_error(pos, text_, message));
  }
  // The next token does not fit; reported in the innermost context that has a name.
  tl::unexpected<Error> unexpected() const { return unexpected(contexts_.empty() ? Context{"", ""} : contexts_.back()); }
  tl::unexpected<Error> unexpected(Context context) const {
    const Token& token = peek();
    if (token.type == Tok::kError) return error_at({token.pos, token.pos}, token.text);
    std::string message = "unexpected " + describe(token);
    if (!context.in.empty()) message += fmt::format(" in {}", context.in);
    if (!context.expected.empty()) message += fmt::format(", expected {}", context.expected);
    return error_at(token.range(), message);
  }
  Status expect(Tok t) {
    if (!accept(t)) return unexpected();
    return {};
  }

  struct ContextScope {
    ContextScope(Parser& p, Context c) : parser(p) { parser.contexts_.push_back(c); }
    ~ContextScope() { parser.contexts_.pop_back(); }
    ContextScope(const ContextScope&) = delete;
    ContextScope& operator=(const ContextScope&) = delete;
    Parser& parser;
  };
  struct DepthScope {
    explicit DepthScope(Parser& p) : parser(p) { ++parser.depth_; }
    ~DepthScope() { --parser.depth_; }
    DepthScope(const DepthScope&) = delete;
    DepthScope& operator=(const DepthScope&) = delete;
    Parser& parser;
  };
  Status check_depth() const {
    if (depth_ <= kParseDepthMax) return {};
    return error_at(peek().range(), fmt::format("expression is nested deeper than {} levels", kParseDepthMax));
  }

  // Binary operators of at least `min_precedence`, left to right; ^ binds to the right.
  ExprResult expression(int min_precedence) {
    const DepthScope scope(*this);
    SENTINEL_TRY(check_depth());
    ExprPtr lhs;
    SENTINEL_ASSIGN(lhs, unary());
    int chain = 0;
    while (true) {
      const int p = precedence(peek().type);
      if (p == 0 || p < min_precedence) return lhs;
      // A long chain of operators is a deep tree too.
      if (++chain + depth_ > kParseDepthMax) {
        return error_at(peek().range(), fmt::format("expression is nested deeper than {} levels", kParseDepthMax));
      }
      const Op op = binary_op(take().type);
      bool return_bool = false;
      VectorMatching matching;
      SENTINEL_TRY(binary_modifiers(return_bool, matching));
      ExprPtr rhs;
      SENTINEL_ASSIGN(rhs, expression(op == Op::kPow ? p : p + 1));
      lhs = std::make_unique<BinaryExpr>(op, std::move(lhs), std::move(rhs), return_bool, std::move(matching));
    }
  }

  ExprResult unary() {
    if (!at(Tok::kAdd) && !at(Tok::kSub)) return postfix();
    const Token sign = take();
    ExprPtr operand;
    SENTINEL_ASSIGN(operand, expression(kPrecedencePow));
    if (auto* number = as<NumberLiteral>(operand.get())) {
      if (sign.type == Tok::kSub) number->value *= -1;
      number->pos.start = sign.pos;
      return operand;
    }
    const PosRange pos{sign.pos, operand->pos.end};
    return std::make_unique<UnaryExpr>(sign.type == Tok::kSub ? Op::kSub : Op::kAdd, std::move(operand), pos);
  }

  // A primary expression with its ranges, offsets, @ and extended-range modifiers.
  ExprResult postfix() {
    ExprPtr expr;
    SENTINEL_ASSIGN(expr, primary());
    while (true) {
      switch (peek().type) {
        case Tok::kLeftBracket: {
          SENTINEL_ASSIGN(expr, bracket(std::move(expr)));
          break;
        }
        case Tok::kOffset:
          take();
          SENTINEL_TRY(offset(*expr));
          break;
        case Tok::kAt:
          take();
          SENTINEL_TRY(at_modifier(*expr));
          break;
        case Tok::kAnchored:
        case Tok::kSmoothed:
          SENTINEL_TRY(extended_range(*expr, take().type == Tok::kAnchored));
          break;
        default: return expr;
      }
    }
  }

  ExprResult primary() {
    const Token& token = peek();
    switch (token.type) {
      case Tok::kNumber:
      case Tok::kDuration: {
        std::unique_ptr<NumberLiteral> number;
        SENTINEL_ASSIGN(number, number_literal());
        return number;
      }
      case Tok::kString: return string_literal();
      case Tok::kLeftParen: {
        const Token open = take();
        ExprPtr inner;
        SENTINEL_ASSIGN(inner, expression(0));
        const int end = peek().end();
        SENTINEL_TRY(expect(Tok::kRightParen));
        return std::make_unique<ParenExpr>(std::move(inner), PosRange{open.pos, end});
      }
      case Tok::kLeftBrace: {
        std::unique_ptr<VectorSelector> selector;
        SENTINEL_ASSIGN(selector, vector_selector());
        return selector;
      }
      default: break;
    }
    const Tok after = peek(1).type;
    if (is_aggregator(token.type) && (after == Tok::kLeftParen || after == Tok::kBy || after == Tok::kWithout)) {
      return aggregate();
    }
    if ((token.type == Tok::kIdentifier || is_preprocessor(token.type)) && after == Tok::kLeftParen) return call();
    if (is_metric_word(token.type)) {
      std::unique_ptr<VectorSelector> selector;
      SENTINEL_ASSIGN(selector, vector_selector());
      return selector;
    }
    return unexpected();
  }

  Result<std::unique_ptr<NumberLiteral>> number_literal() {
    const Token token = take();
    if (token.type == Tok::kDuration) {
      const auto ms = parse_duration_ms(token.text);
      if (!ms) return error_at(token.range(), ms.error().message());
      constexpr double kMsPerSecond = 1000;
      return std::make_unique<NumberLiteral>(static_cast<double>(*ms) / kMsPerSecond, token.range(), true);
    }
    const auto value = parse_number_literal(token.text);
    const bool out_of_range = value && std::isinf(*value) && (token.text[0] < 'A' || token.text[0] == '.');
    if (!value || out_of_range) {
      return error_at(token.range(), fmt::format("error parsing number: strconv.ParseFloat: parsing {}: {}", go_quote(token.text),
                                                 out_of_range ? "value out of range" : "invalid syntax"));
    }
    return std::make_unique<NumberLiteral>(*value, token.range(), false);
  }

  Result<std::string> unquoted(const Token& token) const {
    auto value = go_unquote(token.text);
    if (!value) {
      return error_at(token.range(), "error unquoting string " + go_quote(token.text) + ": invalid syntax");
    }
    return *std::move(value);
  }

  ExprResult string_literal() {
    const Token token = take();
    std::string value;
    SENTINEL_ASSIGN(value, unquoted(token));
    return std::make_unique<StringLiteral>(std::move(value), token.range());
  }

  // ---- selectors

  Result<std::unique_ptr<VectorSelector>> vector_selector() {
    std::string name;
    PosRange pos = peek().range();
    model::Matchers matchers;
    if (!at(Tok::kLeftBrace)) {
      if (!is_metric_word(peek().type)) return unexpected();
      name = take().text;
    }
    if (at(Tok::kLeftBrace)) {
      SENTINEL_ASSIGN(matchers, label_matchers());
      pos.end = last_closing_;
    }
    if (!name.empty()) matchers.push_back(model::Matcher::equal(std::string(model::kMetricNameLabel), name));
    return std::make_unique<VectorSelector>(std::move(name), std::move(matchers), pos);
  }

  Result<model::Matchers> label_matchers() {
    take();  // {
    model::Matchers matchers;
    while (!accept(Tok::kRightBrace)) {
      std::optional<model::Matcher> matcher;
      SENTINEL_ASSIGN(matcher, label_matcher());
      matchers.push_back(*std::move(matcher));
      if (at(Tok::kComma)) {
        take();
      } else if (!at(Tok::kRightBrace)) {
        return unexpected({"label matching", "\",\" or \"}\""});
      }
    }
    return matchers;
  }

  Result<model::Matcher> label_matcher() {
    const Token name = peek();
    const bool quoted = name.type == Tok::kString;
    if (!quoted && name.type != Tok::kIdentifier) return unexpected({"label matching", "identifier or \"}\""});
    take();
    std::string label = name.text;
    if (quoted) {
      SENTINEL_ASSIGN(label, unquoted(name));
    }
    model::MatchType type = model::MatchType::kEqual;
    switch (peek().type) {
      case Tok::kAssign: break;
      case Tok::kNotEqual: type = model::MatchType::kNotEqual; break;
      case Tok::kRegexMatch: type = model::MatchType::kRegexp; break;
      case Tok::kRegexNoMatch: type = model::MatchType::kNotRegexp; break;
      default:
        if (quoted) return model::Matcher::equal(std::string(model::kMetricNameLabel), label);
        return unexpected({"label matching", "label matching operator"});
    }
    take();
    if (!at(Tok::kString)) return unexpected({"label matching", "string"});
    const Token value = take();
    std::string text;
    SENTINEL_ASSIGN(text, unquoted(value));
    auto matcher = model::Matcher::make(type, label, text);
    if (!matcher) return error_at({name.pos, value.end()}, matcher.error().message());
    return matcher;
  }

  ExprResult bracket(ExprPtr expr) {
    const Token open = take();
    ExprPtr range;
    {
      const ContextScope scope(*this, kInRange);
      SENTINEL_ASSIGN(range, positive_duration());
    }
    if (at(Tok::kRightBracket)) {
      const Token close = take();
      return matrix_selector(std::move(expr), std::move(range), {open.pos, close.end()});
    }
    if (!at(Tok::kColon)) return unexpected({"subquery or range", "\":\" or \"]\""});
    take();
    auto subquery = std::make_unique<SubqueryExpr>(std::move(expr), PosRange{});
    if (!at(Tok::kRightBracket)) {
      ExprPtr step;
      {
        const ContextScope scope(*this, kInSubqueryStep);
        SENTINEL_ASSIGN(step, positive_duration());
      }
      set_duration(std::move(step), subquery->step_ms, subquery->step_expr);
      if (!at(Tok::kRightBracket)) return unexpected({"subquery selector", "\"]\""});
    }
    subquery->pos = {subquery->expr->pos.start, take().end()};
    set_duration(std::move(range), subquery->range_ms, subquery->range_expr);
    return subquery;
  }

  ExprResult matrix_selector(ExprPtr expr, ExprPtr range, PosRange brackets) {
    auto* selector = as<VectorSelector>(expr.get());
    if (selector == nullptr) return error_at(brackets, "ranges only allowed for vector selectors");
    if (selector->time.original_offset_ms != 0 || selector->time.offset_expr) {
      return error_at(brackets, "no offset modifiers allowed before range");
    }
    if (selector->time.at != AtModifier::kNone) return error_at(brackets, "no @ modifiers allowed before range");
    expr.release();
    auto matrix = std::make_unique<MatrixSelector>(std::unique_ptr<VectorSelector>(selector),
                                                   PosRange{selector->pos.start, brackets.end});
    set_duration(std::move(range), matrix->range_ms, matrix->range_expr);
    return matrix;
  }

  // A literal is resolved at once, anything else before evaluation.
  static void set_duration(ExprPtr duration, int64_t& ms, std::shared_ptr<const Expr>& expr) {
    if (const auto* number = as<NumberLiteral>(duration.get())) {
      ms = seconds_to_ms(number->value);
    } else {
      expr = std::move(duration);
    }
  }

  // ---- modifiers

  // Where the modifiers of `expr` are kept; null when it takes none.
  static TimeModifiers* modifiers_of(Expr& expr) {
    if (auto* v = as<VectorSelector>(&expr)) return &v->time;
    if (auto* m = as<MatrixSelector>(&expr)) return &m->selector->time;
    if (auto* s = as<SubqueryExpr>(&expr)) return &s->time;
    return nullptr;
  }

  Status offset(Expr& expr) {
    ExprPtr value;
    SENTINEL_ASSIGN(value, offset_duration());
    TimeModifiers* time = modifiers_of(expr);
    if (time == nullptr) {
      return error_at(expr.pos,
                      "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    }
    if (time->original_offset_ms != 0 || time->offset_expr) {
      return error_at(expr.pos, "offset may not be set multiple times");
    }
    set_duration(std::move(value), time->original_offset_ms, time->offset_expr);
    expr.pos.end = last_closing_;
    return {};
  }

  Status at_modifier(Expr& expr) {
    constexpr Context kContext{"@", "timestamp"};
    const bool signed_number = at(Tok::kAdd) || at(Tok::kSub);
    const Tok number = peek(signed_number ? 1 : 0).type;
    AtModifier kind = AtModifier::kTimestamp;
    double seconds = 0;
    if (number == Tok::kNumber || number == Tok::kDuration) {
      const bool negative = signed_number && take().type == Tok::kSub;
      std::unique_ptr<NumberLiteral> literal;
      SENTINEL_ASSIGN(literal, number_literal());
      seconds = negative ? -literal->value : literal->value;
      constexpr double kLimit = 9223372036854775808.0;
      if (!std::isfinite(seconds) || seconds >= kLimit || seconds <= -kLimit) {
        return error_at(expr.pos, fmt::format("timestamp out of bounds for @ modifier: {}", go_fixed(seconds)));
      }
    } else if (at(Tok::kStart) || at(Tok::kEnd)) {
      kind = take().type == Tok::kStart ? AtModifier::kStart : AtModifier::kEnd;
      if (!accept(Tok::kLeftParen) || !accept(Tok::kRightParen)) return unexpected(kContext);
    } else {
      if (signed_number) take();
      return unexpected(kContext);
    }
    TimeModifiers* time = modifiers_of(expr);
    if (time == nullptr) {
      return error_at(expr.pos,
                      "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    }
    if (time->at != AtModifier::kNone) return error_at(expr.pos, "@ <timestamp> may not be set multiple times");
    time->at = kind;
    constexpr double kMsLimit = 4e18;  // leaves room for offsets and ranges
    if (kind == AtModifier::kTimestamp) {
      time->at_ms = static_cast<int64_t>(std::clamp(std::round(seconds * 1000), -kMsLimit, kMsLimit));
    }
    expr.pos.end = last_closing_;
    return {};
  }

  static std::string go_fixed(double v) {
    if (std::isnan(v)) return "NaN";
    if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
    return fmt::format("{:f}", v);
  }

  Status extended_range(Expr& expr, bool anchored) {
    const std::string_view name = anchored ? "anchored" : "smoothed";
    if (as<SubqueryExpr>(&expr) != nullptr) {
      return error_at(expr.pos, fmt::format("{} modifier is not supported for subqueries", name));
    }
    auto* selector = as<VectorSelector>(&expr);
    if (auto* matrix = as<MatrixSelector>(&expr)) selector = matrix->selector.get();
    if (selector == nullptr) return error_at(expr.pos, fmt::format("{} modifier not implemented", name));
    (anchored ? selector->anchored : selector->smoothed) = true;
    if (selector->anchored && selector->smoothed) {
      return error_at(expr.pos, "anchored and smoothed modifiers cannot be used together");
    }
    return {};
  }

  // ---- durations

  ExprResult positive_duration() {
    ExprPtr duration;
    SENTINEL_ASSIGN(duration, duration_expression(1));
    const auto* number = as<NumberLiteral>(duration.get());
    if (number != nullptr && !(number->value > 0)) {
      return error_at(number->pos, "duration must be greater than 0");
    }
    return duration;
  }

  static int duration_precedence(Tok t) {
    switch (t) {
      case Tok::kAdd:
      case Tok::kSub: return 1;
      case Tok::kMul:
      case Tok::kDiv:
      case Tok::kMod: return 2;
      case Tok::kPow: return 3;
      default: return 0;
    }
  }

  ExprResult duration_expression(int min_precedence) {
    const DepthScope scope(*this);
    SENTINEL_TRY(check_depth());
    ExprPtr lhs;
    SENTINEL_ASSIGN(lhs, duration_primary());
    while (true) {
      const int p = duration_precedence(peek().type);
      if (p == 0 || p < min_precedence) return lhs;
      const Token op = take();
      ExprPtr rhs;
      SENTINEL_ASSIGN(rhs, duration_expression(op.type == Tok::kPow ? p : p + 1));
      const auto* divisor = as<NumberLiteral>(rhs.get());
      if (divisor != nullptr && divisor->value == 0) {
        if (op.type == Tok::kDiv) return error_at(op.range(), "division by zero");
        if (op.type == Tok::kMod) return error_at(op.range(), "modulo by zero");
      }
      const PosRange pos{lhs->pos.start, rhs->pos.end};
      lhs = std::make_unique<DurationExpr>(binary_op(op.type), std::move(lhs), std::move(rhs), pos);
    }
  }

  ExprResult duration_primary() {
    switch (peek().type) {
      case Tok::kAdd:
      case Tok::kSub: {
        const Token sign = take();
        ExprPtr operand;
        SENTINEL_ASSIGN(operand, duration_expression(3));
        return signed_duration(sign, std::move(operand));
      }
      default: return duration_atom();
    }
  }

  ExprResult signed_duration(const Token& sign, ExprPtr operand) {
    if (auto* number = as<NumberLiteral>(operand.get())) {
      if (sign.type == Tok::kSub) number->value *= -1;
      number->pos.start = sign.pos;
      return operand;
    }
    if (sign.type == Tok::kAdd) return operand;
    const PosRange pos{sign.pos, operand->pos.end};
    return std::make_unique<DurationExpr>(Op::kSub, nullptr, std::move(operand), pos);
  }

  ExprResult duration_atom() {
    const Token token = peek();
    switch (token.type) {
      case Tok::kNumber:
      case Tok::kDuration: {
        std::unique_ptr<NumberLiteral> number;
        SENTINEL_ASSIGN(number, number_literal());
        if (number->value > kDurationSecondsMax || number->value < -kDurationSecondsMax) {
          return error_at(number->pos, "duration out of range");
        }
        return number;
      }
      case Tok::kStep:
      case Tok::kRange: {
        take();
        SENTINEL_TRY(expect(Tok::kLeftParen));
        const int end = peek().end();
        SENTINEL_TRY(expect(Tok::kRightParen));
        return std::make_unique<DurationExpr>(token.type == Tok::kStep ? Op::kStep : Op::kRange, nullptr, nullptr,
                                              PosRange{token.pos, end});
      }
      case Tok::kMaxOf:
      case Tok::kMinOf: return duration_extreme();
      case Tok::kLeftParen: return duration_in_parentheses();
      default: return unexpected();
    }
  }

  ExprResult duration_extreme() {
    const Token token = take();
    SENTINEL_TRY(expect(Tok::kLeftParen));
    ExprPtr a;
    SENTINEL_ASSIGN(a, duration_expression(1));
    SENTINEL_TRY(expect(Tok::kComma));
    ExprPtr b;
    SENTINEL_ASSIGN(b, duration_expression(1));
    const int end = peek().end();
    SENTINEL_TRY(expect(Tok::kRightParen));
    return std::make_unique<DurationExpr>(token.type == Tok::kMaxOf ? Op::kMaxOf : Op::kMinOf, std::move(a), std::move(b),
                                          PosRange{token.pos, end});
  }

  ExprResult duration_in_parentheses() {
    const Token open = take();
    ExprPtr inner;
    SENTINEL_ASSIGN(inner, duration_expression(1));
    const int end = peek().end();
    SENTINEL_TRY(expect(Tok::kRightParen));
    if (as<DurationExpr>(inner.get()) == nullptr) {
      inner = std::make_unique<DurationExpr>(Op::kAdd, nullptr, std::move(inner), PosRange{open.pos, end});
    }
    as<DurationExpr>(inner.get())->wrapped = true;
    return inner;
  }

  // After `offset`: one number or parenthesized expression; operators behind it belong to the query, not to the offset.
  ExprResult offset_duration() {
    const ContextScope scope(*this, kInOffset);
    if (!at(Tok::kAdd) && !at(Tok::kSub)) return duration_atom();
    const Token sign = take();
    ExprPtr operand;
    if (at(Tok::kAdd) || at(Tok::kSub)) {
      SENTINEL_ASSIGN(operand, offset_duration());
    } else {
      SENTINEL_ASSIGN(operand, duration_atom());
    }
    return signed_duration(sign, std::move(operand));
  }

  // ---- calls, aggregations, operators' modifiers

  Result<std::vector<ExprPtr>> call_arguments() {
    SENTINEL_TRY(expect(Tok::kLeftParen));
    std::vector<ExprPtr> args;
    if (accept(Tok::kRightParen)) return args;
    while (true) {
      ExprPtr arg;
      SENTINEL_ASSIGN(arg, expression(0));
      args.push_back(std::move(arg));
      if (accept(Tok::kRightParen)) return args;
      if (!at(Tok::kComma)) return unexpected();
      const Token comma = take();
      if (at(Tok::kError)) return unexpected();
      if (!starts_expression(peek().type)) {
        return error_at(comma.range(), "trailing commas not allowed in function call args");
      }
    }
  }

  ExprResult call() {
    const Token name = take();
    std::vector<ExprPtr> args;
    SENTINEL_ASSIGN(args, call_arguments());
    const FunctionSignature* function = find_function(name.text);
    if (function == nullptr) return error_at(name.range(), "unknown function with name " + go_quote(name.text));
    if (function->experimental && !experimental_) {
      experimental_ = parse_error(name.range(), text_, fmt::format("function {} is not enabled", go_quote(name.text)));
    }
    return std::make_unique<Call>(function, std::move(args), PosRange{name.pos, last_closing_});
  }

  ExprResult aggregate() {
    const Token name = take();
    const ContextScope scope(*this, {"aggregation", ""});
    auto expr = std::make_unique<AggregateExpr>(
        static_cast<Agg>(static_cast<int>(name.type) - static_cast<int>(Tok::kSum)), PosRange{name.pos, 0});
    bool modified = false;
    SENTINEL_ASSIGN(modified, aggregate_modifier(*expr));
    std::vector<ExprPtr> args;
    SENTINEL_ASSIGN(args, call_arguments());
    expr->pos.end = last_closing_;
    if (!modified) {
      SENTINEL_TRY(aggregate_modifier(*expr));
      expr->pos.end = last_closing_;
    }
    if (args.empty()) return error_at(expr->pos, "no arguments for aggregate expression provided");
    const size_t wanted = agg_has_param(expr->op) ? 2 : 1;
    if ((expr->op == Agg::kLimitk || expr->op == Agg::kLimitRatio) && !experimental_) {
      experimental_ = parse_error(
          expr->pos, text_, fmt::format("{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                                        agg_text(expr->op)));
    }
    if (args.size() != wanted) {
      return error_at(expr->pos, fmt::format("wrong number of arguments for aggregate expression provided, expected {}, got {}",
                                             wanted, args.size()));
    }
    if (wanted == 2) expr->param = std::move(args[0]);
    expr->expr = std::move(args[wanted - 1]);
    return expr;
  }

  // by (...) or without (...), when there is one.
  Result<bool> aggregate_modifier(AggregateExpr& expr) {
    if (!at(Tok::kBy) && !at(Tok::kWithout)) return false;
    expr.without = take().type == Tok::kWithout;
    SENTINEL_ASSIGN(expr.grouping, grouping_labels());
    return true;
  }

  Result<std::vector<std::string>> grouping_labels() {
    if (!accept(Tok::kLeftParen)) return unexpected({"grouping opts", "\"(\""});
    std::vector<std::string> labels;
    while (!accept(Tok::kRightParen)) {
      const Token token = peek();
      std::string label = token.text;
      if (token.type == Tok::kString) {
        take();
        SENTINEL_ASSIGN(label, unquoted(token));
      } else if (is_label_word(token.type)) {
        take();
      } else {
        return unexpected({"grouping opts", "label"});
      }
      if (!is_valid_label_name(label)) {
        return error_at(token.range(), "invalid label name for grouping: " + go_quote(label));
      }
      labels.push_back(std::move(label));
      if (!accept(Tok::kComma) && !at(Tok::kRightParen)) return unexpected({"grouping opts", "\",\" or \")\""});
    }
    return labels;
  }

  static bool is_valid_label_name(std::string_view name) {
    for (size_t i = 0; i < name.size();) {
      const Rune r = decode_rune(name, i);
      if (r.value == 0xFFFD && r.length == 1) return false;
      i += static_cast<size_t>(r.length);
    }
    return !name.empty();
  }

  Status binary_modifiers(bool& return_bool, VectorMatching& matching) {
    return_bool = accept(Tok::kBool);
    if (at(Tok::kOn) || at(Tok::kIgnoring)) {
      matching.on = take().type == Tok::kOn;
      SENTINEL_ASSIGN(matching.labels, grouping_labels());
      if (at(Tok::kGroupLeft) || at(Tok::kGroupRight)) {
        matching.card = take().type == Tok::kGroupLeft ? Cardinality::kManyToOne : Cardinality::kOneToMany;
        if (at(Tok::kLeftParen)) {
          SENTINEL_ASSIGN(matching.include, grouping_labels());
        }
      }
    }
    return fill_modifiers(matching);
  }

  Status fill_modifiers(VectorMatching& matching) {
    if (at(Tok::kFill)) {
      take();
      double v = 0;
      SENTINEL_ASSIGN(v, fill_value());
      matching.fill_left = matching.fill_right = v;
      return {};
    }
    while ((at(Tok::kFillLeft) && !matching.fill_left) || (at(Tok::kFillRight) && !matching.fill_right)) {
      auto& side = take().type == Tok::kFillLeft ? matching.fill_left : matching.fill_right;
      double v = 0;
      SENTINEL_ASSIGN(v, fill_value());
      side = v;
    }
    return {};
  }

  Result<double> fill_value() {
    SENTINEL_TRY(expect(Tok::kLeftParen));
    bool negative = false;
    if (at(Tok::kAdd) || at(Tok::kSub)) negative = take().type == Tok::kSub;
    if (!at(Tok::kNumber) && !at(Tok::kDuration)) return unexpected();
    std::unique_ptr<NumberLiteral> number;
    SENTINEL_ASSIGN(number, number_literal());
    SENTINEL_TRY(expect(Tok::kRightParen));
    return negative ? -number->value : number->value;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int last_closing_ = 0;  // end of the last number, duration or closing bracket
  int depth_ = 0;
  std::vector<Context> contexts_;
  std::optional<Error> experimental_;
};

Status check_length(std::string_view text) {
  if (text.size() <= kQueryBytesMax) return {};
  return fail(ErrorCode::kTooLarge, fmt::format("query is longer than {} bytes", kQueryBytesMax));
}

}  // namespace

Error parse_error(PosRange pos, std::string_view query, std::string_view message) {
  Position position;
  if (!query.empty()) {
    const auto [line, column] = line_and_column(pos.start, query);
    position.line = line;
    position.column = column;
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("parse error: {}", message), position);
}

Result<ParsedQuery> parse_query(std::string_view text) {
  SENTINEL_TRY(check_length(text));
  return Parser(text).query();
}

Result<model::Matchers> parse_metric_selector(std::string_view text) {
  SENTINEL_TRY(check_length(text));
  return Parser(text).metric_selector();
}

}  // namespace sentinel::promql
