#pragma once
// The seam between conduct and protocol: Call decides who is asked and how often; a Protocol knows how one API writes
// requests, answers and streams. Its reading half runs on every call and builds no document; its codec turns JSON into
// neutral values and back, and runs only where client and provider speak different APIs.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/protocol/info.h"

namespace sentinel::gateway {

struct Codec;

// Stateless; one object an API, for the life of the process.
class Protocol {
 public:
  virtual ~Protocol() = default;
  // As the functions of info.h.
  virtual Result<RequestInfo> read_request(std::string& body) const = 0;
  virtual bool read_answer(std::string& body, AnswerInfo& answer) const = 0;
  virtual DeltaInfo read_delta(std::string_view data, AnswerInfo& answer) const = 0;
  // Null: cannot be translated.
  virtual const Codec* codec() const { return nullptr; }
};

const Protocol& protocol_of(Api api);

// By file: openai.cc, responses.cc, anthropic.cc, gemini.cc.
const Protocol& openai_protocol(Api api);
const Protocol& responses_protocol();
const Protocol& anthropic_protocol(Api api);
const Protocol& gemini_protocol(Api api);

}  // namespace sentinel::gateway
