#pragma once
// Words of several languages grouped by what they do in an attack or a harmful text. A class number feeds the linear
// heads; groups also name the category of a risk.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sentinel::analysis {

enum LexiconClass : uint8_t {
  kNoClass = 0,
  kIgnore,
  kPrior,
  kInstruction,
  kReveal,
  kHidden,
  kPretend,
  kUnrestricted,
  kRefusal,
  kBypass,
  kMode,
  kCredential,
  kSend,
  kInstead,
  kAssistant,
  kNow,
  kTask,
  kPersona,
  kViolence,
  kSelfHarm,
  kSexual,
  kWeapon,
  kDrug,
  kCrime,
  kHacking,
  kDeception,
  kIdentity,
  kInsult,
  kMinor,
  kSelf,
  kSecondPerson,
  kMake,
  kLexiconClasses,
};

// The class of a folded word; 0 when it has none.
uint8_t lexicon_class(std::string_view word);
// Two classes, in either order, that together speak of overriding, exposing or unbinding the model.
bool is_attack_pair(uint8_t a, uint8_t b);
std::string_view lexicon_class_name(uint8_t cls);

}  // namespace sentinel::analysis
