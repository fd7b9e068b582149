#pragma once
// Rules over texts: what is asked (before) and what is answered (after). Each looks for one thing and blocks, redacts
// or flags the call. Values; patterns are compiled when the configuration is read.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace re2 {
class RE2;
}
namespace sentinel::text {
class YamlNode;
}

namespace sentinel::gateway {

enum class GuardCheck { kInjection, kToxicity, kRisky, kPii, kSecrets, kKeyword, kPattern };
std::string_view guard_check_name(GuardCheck check);
// Has a place in the text, so that it can be taken out; the others are a risk of the text as a whole.
bool has_spans(GuardCheck check);

enum class GuardDo { kFlag, kRedact, kBlock };
std::string_view guard_do_name(GuardDo action);

struct GuardRule {
  std::string name;  // what rows and metrics call it; the check's name when none is given
  GuardCheck check = GuardCheck::kInjection;
  GuardDo action = GuardDo::kFlag;
  double threshold = 0.5;                     // of a risk, 0..1
  std::shared_ptr<const re2::RE2> pattern{};  // of kKeyword and kPattern
  // So many bytes of a stream wait behind the end of a sentence, as a finding may go over it; 0: none does.
  size_t over_sentences = 0;
  size_t longest = 0;   // bytes of a finding, as the rule says; so many wait anywhere. 0: the usual
  std::string message;  // what the caller is told; empty: what was found
};

struct GuardRules {
  std::vector<GuardRule> before;
  std::vector<GuardRule> after;
};

// `guards: {before: [...], after: [...]}`; a null node has no rules. Errors say where and what was expected.
Result<GuardRules> read_guard_rules(const text::YamlNode& node);

}  // namespace sentinel::gateway
