// Any text: no crash; what both accept prints and parses back to itself.

#include <cstdint>
#include <string>

#include "alerting/matcher_parser.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto syntax : {sentinel::alerting::MatcherSyntax::kFallback, sentinel::alerting::MatcherSyntax::kUtf8,
                            sentinel::alerting::MatcherSyntax::kClassic}) {
    (void)sentinel::alerting::parse_matchers(text, syntax);
    (void)sentinel::alerting::parse_matcher(text, syntax);
  }
  if (const auto m = sentinel::alerting::parse_matcher(text, sentinel::alerting::MatcherSyntax::kUtf8)) {
    const auto again = sentinel::alerting::parse_matcher(m->to_string(), sentinel::alerting::MatcherSyntax::kUtf8);
    SENTINEL_CHECK(again && *again == *m);
  }
  return 0;
}
