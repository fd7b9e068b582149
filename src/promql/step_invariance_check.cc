#include "promql/step_invariance_check.h"

#include <algorithm>
#include <vector>

#include "promql/parser.h"
#include "promql/preprocess.h"

namespace sentinel::promql {

std::optional<std::string> pin_to_time(std::string_view query, int64_t t_ms) {
  auto parsed = parse_query(query);
  if (!parsed) return std::nullopt;
  bool time_dependent = false;
  const auto pin = [&](TimeModifiers& time) {
    if (time.at_ms) return;
    time.at = AtModifier::kTimestamp;
    time.at_ms = t_ms;
  };
  std::vector<Expr*> path;
  inspect(parsed->expr.get(), path, [&](Expr* node, const std::vector<Expr*>& ancestors) {
    const bool below_pinned = std::any_of(ancestors.begin(), ancestors.end(), [](Expr* a) {
      const auto* subquery = as<SubqueryExpr>(a);
      return subquery != nullptr && subquery->time.at_ms.has_value();
    });
    if (below_pinned) return;
    if (auto* v = as<VectorSelector>(node)) pin(v->time);
    if (auto* s = as<SubqueryExpr>(node)) pin(s->time);
    if (const auto* call = as<Call>(node)) time_dependent = time_dependent || depends_on_step(call->name());
  });
  if (time_dependent) return std::nullopt;
  return parsed->expr->to_string();
}

}  // namespace sentinel::promql
