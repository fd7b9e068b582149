// Argument and operand types of a parsed tree, in the order in which Prometheus looks at them.
#include <algorithm>

#include <fmt/format.h>

#include "promql/function_table.h"
#include "promql/go_text.h"
#include "promql/parser.h"

namespace sentinel::promql {
namespace {

class TypeChecker {
 public:
  explicit TypeChecker(std::string_view query) : query_(query) {}

  Result<ValueType> check(Expr& expr) {
    switch (expr.kind) {
      case Expr::Kind::kAggregate: SENTINEL_TRY(aggregate(*as<AggregateExpr>(&expr))); break;
      case Expr::Kind::kBinary: SENTINEL_TRY(binary(*as<BinaryExpr>(&expr))); break;
      case Expr::Kind::kCall: SENTINEL_TRY(call(*as<Call>(&expr))); break;
      case Expr::Kind::kParen: SENTINEL_TRY(check(*as<ParenExpr>(&expr)->expr)); break;
      case Expr::Kind::kUnary: SENTINEL_TRY(unary(*as<UnaryExpr>(&expr))); break;
      case Expr::Kind::kSubquery: SENTINEL_TRY(subquery(*as<SubqueryExpr>(&expr))); break;
      case Expr::Kind::kMatrixSelector: SENTINEL_TRY(check(*as<MatrixSelector>(&expr)->selector)); break;
      case Expr::Kind::kVectorSelector: SENTINEL_TRY(selector(*as<VectorSelector>(&expr))); break;
      case Expr::Kind::kNumber:
      case Expr::Kind::kString:
      case Expr::Kind::kDuration:
      case Expr::Kind::kStepInvariant: break;
    }
    return expr.type();
  }

 private:
  tl::unexpected<Error> error(PosRange pos, std::string_view message) const { return fail(parse_error(pos, query_, message)); }

  Status expect_type(Expr& expr, ValueType want, std::string_view where) {
    ValueType got = ValueType::kNone;
    SENTINEL_ASSIGN(got, check(expr));
    if (got == want) return {};
    return error(expr.pos, fmt::format("expected type {} in {}, got {}", documented_type(want), where, documented_type(got)));
  }

  Status aggregate(AggregateExpr& expr) {
    SENTINEL_TRY(expect_type(*expr.expr, ValueType::kVector, "aggregation expression"));
    if (!expr.param) return {};
    const ValueType want = expr.op == Agg::kCountValues ? ValueType::kString : ValueType::kScalar;
    return expect_type(*expr.param, want, "aggregation parameter");
  }

  // Between the operands: where the operator stands.
  PosRange op_range(const BinaryExpr& expr) const {
    const auto space = [&](int i) {
      const char c = query_[static_cast<size_t>(i)];
      return c == ' ' || c == '\t' || c == '\n' || c == '\r';
    };
    PosRange r{expr.lhs->pos.end, expr.rhs->pos.start - 1};
    const int size = static_cast<int>(query_.size());
    while (r.start < size && space(r.start)) ++r.start;
    while (r.end > r.start && r.end < size && space(r.end)) --r.end;
    return r;
  }

  Status binary(BinaryExpr& expr) {
    ValueType lt = ValueType::kNone;
    ValueType rt = ValueType::kNone;
    SENTINEL_ASSIGN(lt, check(*expr.lhs));
    SENTINEL_ASSIGN(rt, check(*expr.rhs));
    if (expr.return_bool && !is_comparison(expr.op)) {
      return error(op_range(expr), "bool modifier can only be used on comparison operators");
    }
    if (is_comparison(expr.op) && !expr.return_bool && lt == ValueType::kScalar && rt == ValueType::kScalar) {
      return error(op_range(expr), "comparisons between scalars must use BOOL modifier");
    }
    VectorMatching& matching = *expr.matching;
    if (is_set_operator(expr.op) && matching.card == Cardinality::kOneToOne) matching.card = Cardinality::kManyToMany;
    for (const std::string& label : matching.labels) {
      if (matching.on && std::find(matching.include.begin(), matching.include.end(), label) != matching.include.end()) {
        return error(op_range(expr), fmt::format("label {} must not occur in ON and GROUP clause at once", go_quote(label)));
      }
    }
    constexpr std::string_view kOperands = "binary expression must contain only scalar and instant vector types";
    if (lt != ValueType::kScalar && lt != ValueType::kVector) return error(expr.lhs->pos, kOperands);
    if (rt != ValueType::kScalar && rt != ValueType::kVector) return error(expr.rhs->pos, kOperands);
    return lt == ValueType::kVector && rt == ValueType::kVector ? between_vectors(expr) : with_scalar(expr);
  }

  Status with_scalar(BinaryExpr& expr) {
    if (!expr.matching->labels.empty()) return error(expr.pos, "vector matching only allowed between instant vectors");
    if (expr.matching->fill_left || expr.matching->fill_right) {
      return error(expr.pos, "filling in missing series only allowed between instant vectors");
    }
    expr.matching.reset();
    if (!is_set_operator(expr.op)) return {};
    return error(expr.pos, fmt::format("set operator {} not allowed in binary scalar expression", go_quote(op_text(expr.op))));
  }

  Status between_vectors(BinaryExpr& expr) {
    if (!is_set_operator(expr.op)) return {};
    if (expr.matching->card != Cardinality::kManyToMany) {
      return error(expr.pos, fmt::format("no grouping allowed for {} operation", go_quote(op_text(expr.op))));
    }
    if (expr.matching->fill_left || expr.matching->fill_right) {
      return error(expr.pos, "filling in missing series not allowed for set operators");
    }
    return {};
  }

  Status argument_count(const Call& expr) {
    const FunctionSignature& f = *expr.function;
    const int wanted = static_cast<int>(f.args.size());
    const int given = static_cast<int>(expr.args.size());
    const auto wrong = [&](std::string_view how, int count) {
      return error(expr.pos, fmt::format("expected {}{} argument(s) in call to {}, got {}", how, count, go_quote(f.name), given));
    };
    if (f.variadic == 0) {
      if (wanted != given) return wrong("", wanted);
      return {};
    }
    const int least = wanted - 1;
    if (least > given) return wrong("at least ", least);
    if (f.variadic > 0 && least + f.variadic < given) return wrong("at most ", least + f.variadic);
    return {};
  }

  Status info_selector(const Call& expr) {
    Expr& arg = *expr.args[1];
    if (arg.type() != ValueType::kVector) {
      return error(expr.pos, fmt::format("expected type instant vector in call to function \"info\", got {}",
                                         documented_type(arg.type())));
    }
    auto* selector = as<VectorSelector>(&arg);
    if (selector == nullptr) return error(arg.pos, "expected label selectors only");
    if (!selector->name.empty()) return error(arg.pos, "expected label selectors only, got vector selector instead");
    selector->allow_empty_matchers = true;
    return {};
  }

  Status call(Call& expr) {
    SENTINEL_TRY(argument_count(expr));
    const FunctionSignature& f = *expr.function;
    if (f.name == "info" && expr.args.size() > 1) SENTINEL_TRY(info_selector(expr));
    for (size_t i = 0; i < expr.args.size(); ++i) {
      const ValueType want = f.args[std::min(i, f.args.size() - 1)];
      ValueType got = ValueType::kNone;
      SENTINEL_ASSIGN(got, check(*expr.args[i]));
      if (got != want) {
        return error(expr.args[i]->pos, fmt::format("expected type {} in call to function {}, got {}", documented_type(want),
                                                    go_quote(f.name), documented_type(got)));
      }
    }
    return {};
  }

  Status unary(UnaryExpr& expr) {
    ValueType got = ValueType::kNone;
    SENTINEL_ASSIGN(got, check(*expr.expr));
    if (got == ValueType::kScalar || got == ValueType::kVector) return {};
    return error(expr.pos, fmt::format("unary expression only allowed on expressions of type scalar or instant vector, got {}",
                                       go_quote(documented_type(got))));
  }

  Status subquery(SubqueryExpr& expr) {
    ValueType got = ValueType::kNone;
    SENTINEL_ASSIGN(got, check(*expr.expr));
    if (got == ValueType::kVector) return {};
    return error(expr.pos, fmt::format("subquery is only allowed on instant vector, got {} instead", type_name(got)));
  }

  Status selector(const VectorSelector& expr) {
    if (!expr.name.empty()) {
      for (size_t i = 0; i + 1 < expr.matchers.size(); ++i) {
        if (expr.matchers[i].name() == model::kMetricNameLabel) {
          return error(expr.pos, fmt::format("metric name must not be set twice: {} or {}", go_quote(expr.name),
                                             go_quote(expr.matchers[i].value())));
        }
      }
      return {};
    }
    if (expr.allow_empty_matchers) return {};
    const bool selective = std::any_of(expr.matchers.begin(), expr.matchers.end(),
                                       [](const model::Matcher& m) { return !m.matches(std::string_view()); });
    if (selective) return {};
    return error(expr.pos, "vector selector must contain at least one non-empty matcher");
  }

  std::string_view query_;
};

}  // namespace

Status check_types(Expr& expr, std::string_view query) {
  SENTINEL_TRY(TypeChecker(query).check(expr));
  return {};
}

}  // namespace sentinel::promql
