#pragma once
// Label matchers as Alertmanager reads them: {foo="bar", "label with spaces"!~"a|b"}. Both of its parsers, and its
// choice between them when they disagree ("fallback" mode).

#include <string_view>

#include "base/result.h"
#include "model/labels.h"

namespace sentinel::alerting {

enum class MatcherSyntax {
  kFallback,  // UTF-8 first; classic where only classic accepts it, or where both accept it with another meaning
  kUtf8,
  kClassic,
};

// An optional pair of braces around a comma-separated list. The position in an error has the column in `text`.
Result<model::Matchers> parse_matchers(std::string_view text, MatcherSyntax syntax = MatcherSyntax::kFallback);
// Exactly one matcher, without braces.
Result<model::Matcher> parse_matcher(std::string_view text, MatcherSyntax syntax = MatcherSyntax::kFallback);

}  // namespace sentinel::alerting
