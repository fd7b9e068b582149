// The tree of a query as /api/v1/parse_query shows it: the fields of each node sorted by name, as Go writes maps.
#include <array>
#include <optional>

#include <fmt/format.h>

#include "api/prometheus_json.h"
#include "base/strings.h"
#include "promql/function_table.h"

namespace sentinel::api {
namespace {

using promql::Expr;

std::string or_null(const promql::ExprPtr& expr) { return expr ? ast_json(*expr) : "null"; }

std::string matchers_json(const model::Matchers& matchers) {
  static constexpr std::array<std::string_view, 4> kOps{"=", "!=", "=~", "!~"};
  std::string out = "[";
  for (const model::Matcher& m : matchers) {
    if (out.size() > 1) out += ',';
    out += fmt::format(R"({{"name":{},"type":"{}","value":{}}})", json_quote(m.name()),
                       kOps[static_cast<size_t>(m.type())], json_quote(m.value()));
  }
  return out + "]";
}

std::string start_or_end(const promql::TimeModifiers& time) {
  switch (time.at) {
    case promql::AtModifier::kStart: return R"("start")";
    case promql::AtModifier::kEnd: return R"("end")";
    default: return "null";
  }
}

std::string timestamp(const promql::TimeModifiers& time) {
  return time.at == promql::AtModifier::kTimestamp && time.at_ms ? std::to_string(*time.at_ms) : "null";
}

std::string_view cardinality_name(promql::Cardinality card) {
  switch (card) {
    case promql::Cardinality::kOneToOne: return "one-to-one";
    case promql::Cardinality::kManyToOne: return "many-to-one";
    case promql::Cardinality::kOneToMany: return "one-to-many";
    case promql::Cardinality::kManyToMany: return "many-to-many";
  }
  return "";
}

std::string fill_json(const std::optional<double>& v) { return v ? format_double(*v) : "null"; }

std::string aggregate_json(const promql::AggregateExpr& e) {
  return fmt::format(R"({{"expr":{},"grouping":{},"op":"{}","param":{},"type":"aggregation","without":{}}})",
                     ast_json(*e.expr), strings_json(e.grouping), promql::agg_text(e.op), or_null(e.param), e.without);
}

std::string binary_json(const promql::BinaryExpr& e) {
  std::string matching = "null";
  if (e.matching) {
    const promql::VectorMatching& m = *e.matching;
    matching = fmt::format(R"({{"card":"{}","fillValues":{{"lhs":{},"rhs":{}}},"include":{},"labels":{},"on":{}}})",
                           cardinality_name(m.card), fill_json(m.fill_left), fill_json(m.fill_right),
                           strings_json(m.include), strings_json(m.labels), m.on);
  }
  return fmt::format(R"({{"bool":{},"lhs":{},"matching":{},"op":"{}","rhs":{},"type":"binaryExpr"}})", e.return_bool,
                     ast_json(*e.lhs), matching, promql::op_text(e.op), ast_json(*e.rhs));
}

std::string call_json(const promql::Call& e) {
  std::string args;
  for (const promql::ExprPtr& arg : e.args) args += (args.empty() ? "" : ",") + ast_json(*arg);
  std::vector<std::string> types;
  for (const promql::ValueType type : e.function->args) types.emplace_back(promql::type_name(type));
  return fmt::format(
      R"({{"args":[{}],"func":{{"argTypes":{},"name":"{}","returnType":"{}","variadic":{}}},"type":"call"}})", args,
      strings_json(types), e.function->name, promql::type_name(e.function->returns), e.function->variadic);
}

std::string selector_json(const promql::VectorSelector& s) {
  return fmt::format(
      R"({{"anchored":{},"matchers":{},"name":{},"offset":{},"smoothed":{},"startOrEnd":{},"timestamp":{},"type":"vectorSelector"}})",
      s.anchored, matchers_json(s.matchers), json_quote(s.name), s.time.original_offset_ms, s.smoothed,
      start_or_end(s.time), timestamp(s.time));
}

std::string matrix_json(const promql::MatrixSelector& e) {
  const promql::VectorSelector& s = *e.selector;
  return fmt::format(
      R"({{"anchored":{},"matchers":{},"name":{},"offset":{},"range":{},"smoothed":{},"startOrEnd":{},"timestamp":{},"type":"matrixSelector"}})",
      s.anchored, matchers_json(s.matchers), json_quote(s.name), s.time.original_offset_ms, e.range_ms, s.smoothed,
      start_or_end(s.time), timestamp(s.time));
}

std::string subquery_json(const promql::SubqueryExpr& e) {
  return fmt::format(
      R"({{"expr":{},"offset":{},"range":{},"startOrEnd":{},"step":{},"timestamp":{},"type":"subquery"}})",
      ast_json(*e.expr), e.time.original_offset_ms, e.range_ms, start_or_end(e.time), e.step_ms, timestamp(e.time));
}

}  // namespace

std::string ast_json(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kAggregate: return aggregate_json(static_cast<const promql::AggregateExpr&>(expr));
    case Expr::Kind::kBinary: return binary_json(static_cast<const promql::BinaryExpr&>(expr));
    case Expr::Kind::kCall: return call_json(static_cast<const promql::Call&>(expr));
    case Expr::Kind::kVectorSelector: return selector_json(static_cast<const promql::VectorSelector&>(expr));
    case Expr::Kind::kMatrixSelector: return matrix_json(static_cast<const promql::MatrixSelector&>(expr));
    case Expr::Kind::kSubquery: return subquery_json(static_cast<const promql::SubqueryExpr&>(expr));
    case Expr::Kind::kNumber:
      return fmt::format(R"({{"type":"numberLiteral","val":"{}"}})",
                         format_double(static_cast<const promql::NumberLiteral&>(expr).value));
    case Expr::Kind::kString:
      return fmt::format(R"({{"type":"stringLiteral","val":{}}})",
                         json_quote(static_cast<const promql::StringLiteral&>(expr).value));
    case Expr::Kind::kParen:
      return fmt::format(R"({{"expr":{},"type":"parenExpr"}})",
                         ast_json(*static_cast<const promql::ParenExpr&>(expr).expr));
    case Expr::Kind::kUnary: {
      const auto& unary = static_cast<const promql::UnaryExpr&>(expr);
      return fmt::format(R"({{"expr":{},"op":"{}","type":"unaryExpr"}})", ast_json(*unary.expr),
                         promql::op_text(unary.op));
    }
    case Expr::Kind::kStepInvariant: return ast_json(*static_cast<const promql::StepInvariantExpr&>(expr).expr);
    case Expr::Kind::kDuration: return json_quote(expr.to_string());
  }
  return "null";
}

}  // namespace sentinel::api
