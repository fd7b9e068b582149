#pragma once
// Names, argument types and return types of all functions: what the type checker knows of them.

#include <string_view>
#include <vector>

#include "promql/ast.h"

namespace sentinel::promql {

struct FunctionSignature {
  std::string_view name;
  std::vector<ValueType> args;
  int variadic = 0;  // 0: none; n > 0: the last may be left out and up to n may be given; -1: any number
  ValueType returns = ValueType::kVector;
  bool experimental = false;
};

// Null when there is no such function. Names are case-sensitive.
const FunctionSignature* find_function(std::string_view name);

}  // namespace sentinel::promql
