#include "promql/pretty.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::promql {
namespace {

constexpr size_t kLineMax = 100;  // a longer expression is split

std::string pretty(const Expr& expr, size_t level);

std::string indent(size_t level) { return std::string(2 * level, ' '); }

std::string pretty_aggregate(const AggregateExpr& e, const std::string& text, size_t level) {
  const std::string args = (e.param ? e.param->to_string() + ", " : "") + e.expr->to_string();
  std::string out = indent(level) + text.substr(0, text.size() - args.size() - 2) + "(\n";  // without "(args)"
  if (e.param) out += pretty(*e.param, level + 1) + ",\n";
  return out + pretty(*e.expr, level + 1) + "\n" + indent(level) + ")";
}

std::string pretty_binary(const BinaryExpr& e, const std::string& text, size_t level) {
  const size_t left = e.lhs->to_string().size();
  const size_t right = e.rhs->to_string().size();
  const std::string op = text.substr(left + 1, text.size() - left - right - 2);
  return pretty(*e.lhs, level + 1) + "\n" + indent(level) + op + "\n" + pretty(*e.rhs, level + 1);
}

std::string pretty_call(const Call& e, size_t level) {
  std::string out = indent(level) + std::string(e.name()) + "(\n";
  for (size_t i = 0; i < e.args.size(); ++i) {
    if (i > 0) out += ",\n";
    out += pretty(*e.args[i], level + 1);
  }
  return out + "\n" + indent(level) + ")";
}

std::string pretty(const Expr& expr, size_t level) {
  const std::string text = expr.to_string();
  if (text.size() <= kLineMax) return indent(level) + text;
  switch (expr.kind) {
    case Expr::Kind::kAggregate: return pretty_aggregate(static_cast<const AggregateExpr&>(expr), text, level);
    case Expr::Kind::kBinary: return pretty_binary(static_cast<const BinaryExpr&>(expr), text, level);
    case Expr::Kind::kCall: return pretty_call(static_cast<const Call&>(expr), level);
    case Expr::Kind::kParen:
      return indent(level) + "(\n" + pretty(*static_cast<const ParenExpr&>(expr).expr, level + 1) + "\n" +
             indent(level) + ")";
    case Expr::Kind::kUnary: {
      const auto& unary = static_cast<const UnaryExpr&>(expr);
      return indent(level) + std::string(op_text(unary.op)) + std::string(trim(pretty(*unary.expr, level)));
    }
    case Expr::Kind::kSubquery: {
      const auto& subquery = static_cast<const SubqueryExpr&>(expr);
      return pretty(*subquery.expr, level) + text.substr(subquery.expr->to_string().size());
    }
    default: return indent(level) + text;
  }
}

}  // namespace

std::string prettify(const Expr& expr) { return pretty(expr, 0); }

}  // namespace sentinel::promql
