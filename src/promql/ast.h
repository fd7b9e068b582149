#pragma once
// The syntax tree of a query. Plain owned nodes; a parsed tree is shared read-only, an evaluation works on a clone.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/labels.h"

namespace sentinel::promql {

// Byte offsets into the query text, end exclusive.
struct PosRange {
  int start = 0;
  int end = 0;
};
// "line:column" (from 1, columns in bytes) of `pos.start`, as Prometheus shows it.
std::string position_text(PosRange pos, std::string_view query);
std::pair<int, int> line_and_column(int offset, std::string_view query);

enum class ValueType { kNone, kScalar, kVector, kMatrix, kString };
std::string_view documented_type(ValueType type);  // "instant vector", ...
std::string_view type_name(ValueType type);        // "vector", ...

enum class Op : uint8_t {
  kAdd, kSub, kMul, kDiv, kMod, kPow, kAtan2,
  kEqual, kNotEqual, kGreater, kLess, kGreaterEqual, kLessEqual,
  kAnd, kOr, kUnless, kTrimUpper, kTrimLower,
  kStep, kRange, kMinOf, kMaxOf,  // duration expressions only
};
std::string_view op_text(Op op);
bool is_comparison(Op op);
bool is_set_operator(Op op);

enum class Agg : uint8_t {
  kSum, kAvg, kCount, kMin, kMax, kGroup, kStddev, kStdvar, kTopk, kBottomk, kCountValues, kQuantile, kLimitk, kLimitRatio,
};
std::string_view agg_text(Agg agg);
bool agg_has_param(Agg agg);

struct FunctionSignature;  // function_table.h

struct Expr {
  enum class Kind : uint8_t {
    kNumber, kString, kParen, kUnary, kBinary, kAggregate, kCall, kVectorSelector, kMatrixSelector, kSubquery,
    kDuration, kStepInvariant,
  };
  Expr(Kind k, PosRange p) : kind(k), pos(p) {}
  virtual ~Expr() = default;
  Expr(const Expr&) = delete;
  Expr& operator=(const Expr&) = delete;

  virtual ValueType type() const = 0;
  virtual std::unique_ptr<Expr> clone() const = 0;
  virtual std::string to_string() const = 0;
  // Direct children that are evaluated, in Prometheus's order of visiting.
  virtual std::vector<Expr*> children() { return {}; }

  const Kind kind;
  PosRange pos;
};
using ExprPtr = std::unique_ptr<Expr>;

struct NumberLiteral final : Expr {
  NumberLiteral(double v, PosRange p, bool duration) : Expr(Kind::kNumber, p), value(v), is_duration(duration) {}
  ValueType type() const override { return ValueType::kScalar; }
  ExprPtr clone() const override { return std::make_unique<NumberLiteral>(value, pos, is_duration); }
  std::string to_string() const override;

  double value;
  bool is_duration;  // written as 5m
};

struct StringLiteral final : Expr {
  StringLiteral(std::string v, PosRange p) : Expr(Kind::kString, p), value(std::move(v)) {}
  ValueType type() const override { return ValueType::kString; }
  ExprPtr clone() const override { return std::make_unique<StringLiteral>(value, pos); }
  std::string to_string() const override;

  std::string value;
};

struct ParenExpr final : Expr {
  ParenExpr(ExprPtr e, PosRange p) : Expr(Kind::kParen, p), expr(std::move(e)) {}
  ValueType type() const override { return expr->type(); }
  ExprPtr clone() const override { return std::make_unique<ParenExpr>(expr->clone(), pos); }
  std::string to_string() const override;
  std::vector<Expr*> children() override { return {expr.get()}; }

  ExprPtr expr;
};

struct UnaryExpr final : Expr {
  UnaryExpr(Op o, ExprPtr e, PosRange p) : Expr(Kind::kUnary, p), op(o), expr(std::move(e)) {}
  ValueType type() const override { return expr->type(); }
  ExprPtr clone() const override { return std::make_unique<UnaryExpr>(op, expr->clone(), pos); }
  std::string to_string() const override;
  std::vector<Expr*> children() override { return {expr.get()}; }

  Op op;  // kAdd or kSub
  ExprPtr expr;
};

enum class Cardinality : uint8_t { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

struct VectorMatching {
  Cardinality card = Cardinality::kOneToOne;
  std::vector<std::string> labels;
  bool on = false;
  std::vector<std::string> include;  // of group_left / group_right
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct BinaryExpr final : Expr {
  BinaryExpr(Op o, ExprPtr l, ExprPtr r, bool bool_mod, std::optional<VectorMatching> m)
      : Expr(Kind::kBinary, {l->pos.start, r->pos.end}), op(o), lhs(std::move(l)), rhs(std::move(r)),
        return_bool(bool_mod), matching(std::move(m)) {}
  ValueType type() const override {
    const bool scalar = lhs->type() == ValueType::kScalar && rhs->type() == ValueType::kScalar;
    return scalar ? ValueType::kScalar : ValueType::kVector;
  }
  ExprPtr clone() const override;
  std::string to_string() const override;
  std::vector<Expr*> children() override { return {lhs.get(), rhs.get()}; }

  Op op;
  ExprPtr lhs;
  ExprPtr rhs;
  bool return_bool;
  std::optional<VectorMatching> matching;  // only between two vectors once type checked
};

struct AggregateExpr final : Expr {
  AggregateExpr(Agg o, PosRange p) : Expr(Kind::kAggregate, p), op(o) {}
  ValueType type() const override { return ValueType::kVector; }
  ExprPtr clone() const override;
  std::string to_string() const override;
  std::vector<Expr*> children() override {
    if (param) return {expr.get(), param.get()};
    return {expr.get()};
  }

  Agg op;
  ExprPtr expr;
  ExprPtr param;  // may be null
  std::vector<std::string> grouping;
  bool without = false;
};

struct Call final : Expr {
  Call(const FunctionSignature* f, std::vector<ExprPtr> a, PosRange p)
      : Expr(Kind::kCall, p), function(f), args(std::move(a)) {}
  ValueType type() const override;
  ExprPtr clone() const override;
  std::string to_string() const override;
  std::vector<Expr*> children() override;
  std::string_view name() const;

  const FunctionSignature* function;  // static table
  std::vector<ExprPtr> args;
};

// Arithmetic over durations in ranges and offsets; resolved to a number of milliseconds before evaluation.
struct DurationExpr final : Expr {
  DurationExpr(Op o, ExprPtr l, ExprPtr r, PosRange p) : Expr(Kind::kDuration, p), op(o), lhs(std::move(l)), rhs(std::move(r)) {}
  ValueType type() const override { return ValueType::kScalar; }
  ExprPtr clone() const override;
  std::string to_string() const override;

  Op op;
  ExprPtr lhs;  // null for unary operators, step() and range()
  ExprPtr rhs;
  bool wrapped = false;  // in parentheses
};

enum class AtModifier : uint8_t { kNone, kTimestamp, kStart, kEnd };

// What selectors and subqueries share.
struct TimeModifiers {
  int64_t original_offset_ms = 0;            // as written (or computed from offset_expr)
  std::shared_ptr<const Expr> offset_expr;   // a DurationExpr, or null
  AtModifier at = AtModifier::kNone;         // as written
  std::optional<int64_t> at_ms;              // known for kTimestamp; start() and end() are filled in before evaluation
  int64_t offset_ms = 0;                     // effective: set before evaluation, covers @ as well
};

struct VectorSelector final : Expr {
  VectorSelector(std::string n, model::Matchers m, PosRange p)
      : Expr(Kind::kVectorSelector, p), name(std::move(n)), matchers(std::move(m)) {}
  ValueType type() const override { return ValueType::kVector; }
  ExprPtr clone() const override;
  std::string to_string() const override;

  std::string name;          // as written before the braces; then the last matcher is __name__="name"
  model::Matchers matchers;
  TimeModifiers time;
  bool anchored = false;
  bool smoothed = false;
  bool allow_empty_matchers = false;      // second argument of info()
  bool skip_histogram_buckets = false;    // only count and sum are needed
  int64_t select_min_ms = 0;              // what has to be read, both inclusive; set before evaluation
  int64_t select_max_ms = 0;
};

struct MatrixSelector final : Expr {
  MatrixSelector(std::unique_ptr<VectorSelector> s, PosRange p) : Expr(Kind::kMatrixSelector, p), selector(std::move(s)) {}
  ValueType type() const override { return ValueType::kMatrix; }
  ExprPtr clone() const override;
  std::string to_string() const override;
  std::vector<Expr*> children() override { return {selector.get()}; }

  std::unique_ptr<VectorSelector> selector;
  int64_t range_ms = 0;
  std::shared_ptr<const Expr> range_expr;
};

struct SubqueryExpr final : Expr {
  SubqueryExpr(ExprPtr e, PosRange p) : Expr(Kind::kSubquery, p), expr(std::move(e)) {}
  ValueType type() const override { return ValueType::kMatrix; }
  ExprPtr clone() const override;
  std::string to_string() const override;
  std::vector<Expr*> children() override { return {expr.get()}; }

  ExprPtr expr;
  int64_t range_ms = 0;
  std::shared_ptr<const Expr> range_expr;
  int64_t step_ms = 0;  // 0: the default
  std::shared_ptr<const Expr> step_expr;
  TimeModifiers time;
};

// Made by preprocessing around what has the same value at every step: evaluated once.
struct StepInvariantExpr final : Expr {
  explicit StepInvariantExpr(ExprPtr e) : Expr(Kind::kStepInvariant, e->pos), expr(std::move(e)) {}
  ValueType type() const override { return expr->type(); }
  ExprPtr clone() const override { return std::make_unique<StepInvariantExpr>(expr->clone()); }
  std::string to_string() const override { return expr->to_string(); }
  std::vector<Expr*> children() override { return {expr.get()}; }

  ExprPtr expr;
};

// Checked downcasts by kind; null when it is another kind.
template <class T>
struct KindOf;
template <> struct KindOf<NumberLiteral> { static constexpr Expr::Kind value = Expr::Kind::kNumber; };
template <> struct KindOf<StringLiteral> { static constexpr Expr::Kind value = Expr::Kind::kString; };
template <> struct KindOf<ParenExpr> { static constexpr Expr::Kind value = Expr::Kind::kParen; };
template <> struct KindOf<UnaryExpr> { static constexpr Expr::Kind value = Expr::Kind::kUnary; };
template <> struct KindOf<BinaryExpr> { static constexpr Expr::Kind value = Expr::Kind::kBinary; };
template <> struct KindOf<AggregateExpr> { static constexpr Expr::Kind value = Expr::Kind::kAggregate; };
template <> struct KindOf<Call> { static constexpr Expr::Kind value = Expr::Kind::kCall; };
template <> struct KindOf<VectorSelector> { static constexpr Expr::Kind value = Expr::Kind::kVectorSelector; };
template <> struct KindOf<MatrixSelector> { static constexpr Expr::Kind value = Expr::Kind::kMatrixSelector; };
template <> struct KindOf<SubqueryExpr> { static constexpr Expr::Kind value = Expr::Kind::kSubquery; };
template <> struct KindOf<DurationExpr> { static constexpr Expr::Kind value = Expr::Kind::kDuration; };
template <> struct KindOf<StepInvariantExpr> { static constexpr Expr::Kind value = Expr::Kind::kStepInvariant; };

template <class T>
T* as(Expr* e) {
  return e != nullptr && e->kind == KindOf<T>::value ? static_cast<T*>(e) : nullptr;
}
template <class T>
const T* as(const Expr* e) {
  return e != nullptr && e->kind == KindOf<T>::value ? static_cast<const T*>(e) : nullptr;
}

// Calls fn(node, path) for every evaluated node, parents first; `path` holds the ancestors, outermost first.
template <class Fn>
void inspect(Expr* node, std::vector<Expr*>& path, const Fn& fn) {
  if (node == nullptr) return;
  fn(node, path);
  path.push_back(node);
  for (Expr* child : node->children()) inspect(child, path, fn);
  path.pop_back();
}

}  // namespace sentinel::promql
