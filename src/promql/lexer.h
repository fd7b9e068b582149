#pragma once
// Splits a query into tokens. What may follow depends on open braces and brackets, as in Prometheus.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "promql/ast.h"

namespace sentinel::promql {

enum class Tok : uint8_t {
  kEof, kError, kIdentifier, kMetricIdentifier, kNumber, kDuration, kString,
  // punctuation
  kLeftParen, kRightParen, kLeftBrace, kRightBrace, kLeftBracket, kRightBracket, kComma, kColon, kAssign,
  // operators
  kAdd, kSub, kMul, kDiv, kMod, kPow, kEqualEqual, kNotEqual, kLessEqual, kLess, kGreaterEqual, kGreater,
  kTrimUpper, kTrimLower, kRegexMatch, kRegexNoMatch, kAnd, kOr, kUnless, kAtan2, kAt,
  // aggregators
  kSum, kAvg, kCount, kMin, kMax, kGroup, kStddev, kStdvar, kTopk, kBottomk, kCountValues, kQuantile, kLimitk, kLimitRatio,
  // keywords
  kOffset, kSmoothed, kAnchored, kBy, kWithout, kOn, kIgnoring, kGroupLeft, kGroupRight, kFill, kFillLeft, kFillRight, kBool,
  // preprocessors
  kStart, kEnd, kStep, kRange, kMaxOf, kMinOf,
};

struct Token {
  Tok type = Tok::kEof;
  int pos = 0;
  std::string text;  // for kError the message
  int end() const { return type == Tok::kError ? pos : pos + static_cast<int>(text.size()); }
  PosRange range() const { return {pos, end()}; }
};

inline bool is_operator(Tok t) { return t >= Tok::kAdd && t <= Tok::kAt; }
inline bool is_aggregator(Tok t) { return t >= Tok::kSum && t <= Tok::kLimitRatio; }
inline bool is_keyword(Tok t) { return t >= Tok::kOffset && t <= Tok::kBool; }
inline bool is_preprocessor(Tok t) { return t >= Tok::kStart && t <= Tok::kMinOf; }

// How an error message names the token: `identifier "foo"`, `<op:+>`, `end of input`.
std::string describe(const Token& token);

// The last token is kEof or kError (then its position is where the error was found).
std::vector<Token> tokenize(std::string_view query);

}  // namespace sentinel::promql
