#pragma once
// Composes the answers of the simulated provider. Pure and deterministic: the same question, document, kind and random
// state give the same text.

#include <string>
#include <string_view>

#include "base/random.h"

namespace sentinel::gateway {

enum class AnswerKind {
  kGood,        // concise, restates the document or what is known
  kNewVersion,  // the later model's style: long, ornate, off the point
  kOffTopic,
  kUnsafe,
  kUngrounded,  // confident and wrong: numbers and claims the document does not have
  kPiiLeak,
  kRefusal,
};

std::string compose_answer(AnswerKind kind, std::string_view question, std::string_view document, Random& random);

// The prompt itself asks for harm or tries to take over; a well-behaved model refuses.
bool is_hostile_prompt(std::string_view prompt);
// Roughly as a byte-pair tokenizer would count English.
int64_t estimate_tokens(std::string_view text);

}  // namespace sentinel::gateway
