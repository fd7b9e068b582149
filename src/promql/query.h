#pragma once
#include <memory>
#include <optional>
#include <string>

#include "promql/ast.h"
#include "promql/engine.h"

namespace sentinel::promql {

class Query {
 public:
  std::string text;
  ExprPtr expr;
  std::optional<Error> experimental;  // first experimental function used
};

}  // namespace sentinel::promql
